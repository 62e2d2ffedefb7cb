"""Kinds of events, their properties, and traffic that does not count."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from analytics_pipeline.tracking_plan.schema.parts import Duration, Part

PropertyName = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Property(Part):
    """A property that an event carries."""

    type: Literal["text", "number", "boolean", "timestamp", "object", "array"] = "text"
    description: str = ""
    required: bool = False
    personal: bool = Field(False, description="Personal data: masked wherever examples are shown.")
    values: list[str] | None = Field(None, description="The only values that are possible.", min_length=1)

    @model_validator(mode="after")
    def _values_are_text(self) -> "Property":
        if self.values and self.type != "text":
            raise ValueError(f"values are for text; the type is {self.type}")
        return self


class Event(Part):
    """One kind of event."""

    description: str = ""
    activity: bool = Field(True, description="Counts for sessions, active users, lifecycle, retention and strict funnels.")
    page: bool = Field(False, description="Counts as a view of a session.")
    properties: dict[PropertyName, Property] = {}
    contract: Literal["lenient", "strict"] = Field("lenient", description="strict: what breaks the plan goes to quarantine.")
    keep: Duration | None = Field(None, description="How long the raw events stay, where it is shorter than the plan's.")
    sampled: float | None = Field(None, gt=0, le=1, description="Share of the events that the product sends.")


class Tiers(Part):
    """How long raw events stay where."""

    hot: Duration | None = Field(None, description="As rows; then in the columnstore.")
    warehouse: Duration | None = Field(None, description="In the warehouse at all; then as Parquet in the object store.")
    cold: Duration | None = Field(None, description="In the object store; then gone.")

    @model_validator(mode="after")
    def _in_order(self) -> "Tiers":
        given = [d for d in (self.hot, self.warehouse, self.cold) if d is not None]
        if given != sorted(given):
            raise ValueError("hot must not be longer than warehouse, nor warehouse than cold")
        return self
