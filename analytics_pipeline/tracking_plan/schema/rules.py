"""What the product promises of its events beyond their types: rules that the raw gate holds them against."""

from typing import Literal

from pydantic import Field, model_validator

from analytics_pipeline.tracking_plan.schema.parts import Name, Part


class Reference(Part):
    """Where a value has to be found."""

    event: str = Field(description="Kind of event that introduces it.", min_length=1)
    value: str = Field(description="Its column, or properties.NAME.")


class Rule(Part):
    """One rule: exactly one of holds, unique, among and equals."""

    description: str = Field(description="One sentence, which people read when it is broken.")
    severity: Literal["blocking", "warning"] = "blocking"
    event: str | None = Field(None, description="Kind of event that it is about. [default: all]", min_length=1)
    holds: str | None = Field(None, description="SQL condition that each event meets; null counts as met.")
    unique: str | None = Field(None, description="Column or properties.NAME whose values one event each may have.")
    value: str | None = Field(None, description="With among: column or properties.NAME.")
    among: Reference | None = Field(None, description="Each value was seen there, on the day or in the days before it.")
    equals: tuple[Name, Name] | None = Field(None, description="Two measures over events with the same total on each day.")
    days: int = Field(7, ge=0, le=90, description="With unique and among: so many days before are looked at, too.")
    tolerance: float = Field(0, ge=0, lt=1, description="Share of the events, or of the total, that may break it.")

    @model_validator(mode="after")
    def _one_kind(self) -> "Rule":
        given = [name for name in ("holds", "unique", "among", "equals") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of holds, unique, among and equals; found {given or 'none'}")
        if (self.among is None) != (self.value is None):
            raise ValueError("value and among belong together: value: properties.order, among: {event: purchase, ...}")
        if self.among is not None and self.event is None:
            raise ValueError("among needs the event whose value it is")
        return self

    @property
    def kind(self) -> str:
        """As in config.rules."""
        if self.equals is not None:
            return "equals"
        if self.among is not None:
            return "references"
        return "unique" if self.unique is not None else "holds"
