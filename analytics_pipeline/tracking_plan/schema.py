"""The shape of a tracking plan, as typed models. Reading files and compiling to SQL are next door."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,50}$")]
_RESERVED = {"all", "day", "dimension", "dimension_value"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str) and value[-1:] in _UNITS and value[:-1].isdigit():
        return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a whole number and a unit: 90s, 30m, 24h or 14d")


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Part(BaseModel):
    """Base of all parts: unknown keys are errors, so that a typing mistake does not pass as silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(Part):
    """One kind of event."""

    description: str = ""
    activity: bool = Field(True, description="Counts for sessions, active users and retention.")
    page: bool = Field(False, description="Counts as a view of a session.")


class Measure(Part):
    """One aggregate. Exactly one of count, count_distinct, sum and active_users is given."""

    count: Literal["events", "persons", "sessions"] | None = None
    count_distinct: str | None = Field(None, description="A column of the events, or properties.NAME.")
    sum: str | None = Field(None, description="A number: a column of events or sessions, or properties.NAME.")
    active_users: Literal["dau", "wau", "mau"] | None = None
    of: Literal["events", "sessions"] = Field("events", description="What a sum or distinct count runs over.")
    where: str | None = Field(None, description="SQL condition over the columns.")

    @model_validator(mode="after")
    def _one_aggregate(self) -> "Measure":
        given = [k for k in ("count", "count_distinct", "sum", "active_users") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of count, count_distinct, sum, active_users; found {given or 'none'}")
        if self.active_users and self.where:
            raise ValueError("active_users takes no condition: count persons with a condition instead")
        return self

    @model_validator(mode="after")
    def _count_fits_relation(self) -> "Measure":
        if self.of == "sessions" and self.count in {"events", "persons"}:
            raise ValueError(f"counts {self.count} of sessions: write count: sessions, or leave out of: sessions")
        return self

    @property
    def relation(self) -> Literal["events", "sessions", "active_users"]:
        """Which build table it runs over."""
        if self.active_users:
            return "active_users"
        return "sessions" if self.count == "sessions" else self.of


class Kpi(Part):
    """A named measure, or a ratio of two."""

    title: str
    description: str = ""
    formula: str = Field(description="Measures with + - * and at most one / on the outside.")
    unit: str = "count"
    direction: Literal["up", "down"] = "up"
    owner: str = "analytics"
    dimensions: list[Name] = []
    target: float | None = None
    warning: float | None = None
    critical: float | None = None
    headline: bool = False
    forecast: bool = False
    watch: bool = Field(False, description="Anomaly detection looks at it.")

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> "Kpi":
        given = [v for v in (self.target, self.warning, self.critical) if v is not None]
        if given != sorted(given, reverse=self.direction == "up"):
            raise ValueError(
                f"direction is {self.direction}, so target, warning, critical must be "
                f"{'falling' if self.direction == 'up' else 'rising'}; they are {given}"
            )
        return self


class FunnelStep(Part):
    """One step: a condition over the event columns."""

    title: str
    where: str


class Funnel(Part):
    """An ordered funnel."""

    title: str
    window: Duration | None = timedelta(days=14)
    steps: list[FunnelStep] = Field(min_length=2, max_length=20)


class Retention(Part):
    """Who comes back, by calendar period."""

    title: str
    mode: Literal["recurring", "first_time"] = "recurring"
    grain: Literal["day", "week", "month"] = "week"
    periods: int = Field(12, ge=1, le=120)
    start: str = Field("any", description="'any', or a condition over the event columns.")
    returning: str = Field("any", alias="return", description="'any', or a condition over the event columns.")


class TrackingPlan(Part):
    """One product's contract."""

    version: Literal[1]
    name: Name
    title: str
    timezone: str
    start: date = Field(description="Events before this local day are refused.")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    week_start: Literal["monday", "sunday"] = "monday"
    identity: Literal["last_known", "first_known", "none"] = "last_known"
    session_timeout: Duration = timedelta(minutes=30)
    max_session_hours: int = Field(24, ge=1, le=168)
    values_per_dimension: int = Field(50, ge=1, le=1000)
    conversion: str | None = Field(None, description="Condition over the event columns: what converts a session.")
    events: dict[str, Event]
    dimensions: dict[Name, str] = {}
    measures: dict[Name, Measure]
    kpis: dict[Name, Kpi]
    funnels: dict[Name, Funnel] = {}
    retentions: dict[Name, Retention] = {}

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is not an IANA time zone: write one like Europe/Berlin or UTC")
        return str(ZoneInfo(value))

    @field_validator("dimensions", "measures")
    @classmethod
    def _name_is_free(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in _RESERVED & set(value):
            raise ValueError(f"{name!r} is a column of the tables: choose another name")
        return value
