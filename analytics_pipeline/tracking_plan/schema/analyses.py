"""Funnels, retention, flows and conversion credit."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema, model_validator

from analytics_pipeline.tracking_plan.schema.parts import AnyEvent, EventSelector, Part, Selector, Window

PeriodGrain = Literal["day", "week", "month"]


class FunnelStep(Selector):
    """One step: an event, any, a condition, or an event with a condition. A bare text is an event's name."""

    title: str | None = Field(None, description="Default: the event's name.")

    @property
    def label(self) -> str:
        """What people read."""
        return self.title or self.event or str(self.where)


Step = Annotated[FunnelStep, WithJsonSchema({"anyOf": [{"type": "string"}, FunnelStep.model_json_schema()]})]


class Exclusion(Selector):
    """An event that voids an attempt when it lies strictly between two steps."""

    from_step: int = Field(1, ge=1, description="1 is the entry.")
    to_step: int = Field(ge=2)

    @model_validator(mode="after")
    def _forwards(self) -> "Exclusion":
        if self.to_step <= self.from_step:
            raise ValueError(f"to_step {self.to_step} must come after from_step {self.from_step}")
        return self


class Funnel(Part):
    """Persons who get from the first step to the last."""

    title: str = ""
    order: Literal["ordered", "strict", "unordered"] = "ordered"
    window: Window = Field(
        timedelta(days=14),
        description="From the first step, end inclusive; none: no limit.",
        json_schema_extra={"default": "14d"},
    )
    steps: list[Step] = Field(min_length=2, max_length=20)
    exclude: list[Exclusion] = []
    breakdown_value: Literal["first", "last"] | int = Field(
        "first", description="Which value counts: the first or last that is not null among the steps, or that of step N."
    )

    @model_validator(mode="after")
    def _steps_exist(self) -> "Funnel":
        for number in [e.to_step for e in self.exclude] + [
            self.breakdown_value for _ in range(1) if isinstance(self.breakdown_value, int)
        ]:
            if not 1 <= int(number) <= len(self.steps):
                raise ValueError(f"step {number} does not exist: there are {len(self.steps)}")
        return self


class Retention(Part):
    """Who comes back."""

    title: str = ""
    mode: Literal["recurring", "first_time"] = "recurring"
    grain: PeriodGrain = "week"
    periods: int = Field(12, ge=1, le=400)
    rolling: bool = Field(False, description="24-hour windows from the person's first start, not calendar periods.")
    start: EventSelector = AnyEvent
    returning: EventSelector = Field(AnyEvent, alias="return")
    dimensions: list[str] = Field([], description="Properties of the person to divide by: dimensions of the plan.")


class Flow(Part):
    """Which event follows which."""

    title: str = ""
    by: Literal["session", "person"] = "session"
    node: str = Field("event_name", description="A column of the events, or properties.NAME.")
    events: EventSelector = AnyEvent


class Conversion(Part):
    """An opportunity (a recommendation shown, a listing seen) and what it is to lead to."""

    title: str = ""
    opportunity: EventSelector
    conversion: EventSelector
    window: Window = Field(timedelta(days=7), json_schema_extra={"default": "7d"})
    match: str | None = Field(None, description="A column or property that must be the same on both.")


class Revenue(Part):
    """Events whose value is money that comes in, and events whose (positive) value goes out again."""

    events: list[str] = Field(min_length=1)
    refunds: list[str] = []
