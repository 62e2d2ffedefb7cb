"""Measures and KPIs."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from analytics_pipeline.tracking_plan.schema.parts import Name, Part

Grain = Literal["hour", "day", "week", "month"]
GRAINS: tuple[Grain, ...] = ("hour", "day", "week", "month")
Relation = Literal["events", "sessions", "persons", "items", "active_users"]


class Measure(Part):
    """One aggregate. Exactly one of count, count_distinct, sum, percentile and active_users is given."""

    count: Literal["events", "persons", "sessions"] | None = None
    count_distinct: str | None = Field(None, description="A column of the events, or properties.NAME.")
    sum: str | None = Field(None, description="A number: a column of events or sessions, or properties.NAME.")
    percentile: float | None = Field(None, gt=0, lt=100, description="Of the numbers in over.")
    over: str | None = Field(None, description="The numbers of a percentile: value, or properties.NAME.")
    per: str | None = Field(None, description="Percentile over sums, one for each value of this column or property.")
    active_users: Literal["dau", "wau", "mau"] | None = None
    of: Literal["events", "sessions"] = Field("events", description="What a sum runs over.")
    where: str | None = Field(None, description="SQL condition over the columns.")

    @model_validator(mode="after")
    def _one_aggregate(self) -> "Measure":
        names = ("count", "count_distinct", "sum", "percentile", "active_users")
        given = [k for k in names if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(names)}; found {given or 'none'}")
        if self.active_users and self.where:
            raise ValueError("active_users takes no condition: count persons with a condition instead")
        if (self.percentile is None) != (self.over is None):
            raise ValueError("percentile and over belong together: percentile: 95, over: properties.latency_ms")
        if self.per and self.percentile is None:
            raise ValueError("per belongs to a percentile")
        return self

    @model_validator(mode="after")
    def _fits_relation(self) -> "Measure":
        if self.of == "sessions" and (self.count in {"events", "persons"} or self.count_distinct or self.percentile):
            raise ValueError("of: sessions is for sums; write count: sessions, or leave out of: sessions")
        return self

    @property
    def relation(self) -> Relation:
        """What it is computed from: events add up, persons and items are distinct and don't."""
        if self.active_users:
            return "active_users"
        if self.count == "persons":
            return "persons"
        if self.count_distinct or self.percentile is not None:
            return "items"
        return "sessions" if self.count == "sessions" else self.of


class Kpi(Part):
    """A named measure, or a ratio of two."""

    title: str
    description: str = ""
    formula: str = Field(description="Measures with + - * and at most one / on the outside.")
    grains: list[Grain] = Field(["day", "week", "month"], min_length=1)
    unit: str = "count"
    direction: Literal["up", "down"] = "up"
    owner: str = "analytics"
    dimensions: list[Name] = []
    target: float | None = Field(None, description="Of a day; so are warning and critical.")
    warning: float | None = None
    critical: float | None = None
    headline: bool = False
    forecast: bool = False
    watch: bool = Field(False, description="Anomaly detection looks at it.")

    @field_validator("grains")
    @classmethod
    def _grains_in_order(cls, value: list[Grain]) -> list[Grain]:
        return [g for g in GRAINS if g in {*value, "day"}]

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> "Kpi":
        given = [v for v in (self.target, self.warning, self.critical) if v is not None]
        if given != sorted(given, reverse=self.direction == "up"):
            raise ValueError(
                f"direction is {self.direction}, so target, warning, critical must be "
                f"{'falling' if self.direction == 'up' else 'rising'}; they are {given}"
            )
        return self
