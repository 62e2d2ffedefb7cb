"""What is said about persons: segments, engagement, churn; and the days that explain a number."""

from datetime import date, timedelta
from typing import Literal

from pydantic import Field, model_validator

from analytics_pipeline.tracking_plan.schema.parts import Duration, Name, Part


class Segment(Part):
    """A named rule over the columns of dim_segments; the first that holds is the person's."""

    name: Name
    title: str = ""
    where: str = Field(description="For example: frequency >= 3 and recency_days <= 30")


class Engagement(Part):
    """Weights of the parts of the score of 0 to 100; each part is a percentile rank in the population."""

    recency: float = Field(0.3, ge=0)
    frequency: float = Field(0.3, ge=0)
    depth: float = Field(0.2, ge=0)
    breadth: float = Field(0.2, ge=0)
    days: int = Field(30, ge=1, le=365, description="The days up to as_of that are looked at.")

    @model_validator(mode="after")
    def _something_counts(self) -> "Engagement":
        if self.recency + self.frequency + self.depth + self.breadth <= 0:
            raise ValueError("at least one weight must be above 0")
        return self


class Churn(Part):
    """When a person counts as gone."""

    inactive: Duration = Field(timedelta(days=30), json_schema_extra={"default": "30d"})


class Occasion(Part):
    """Days on which numbers may differ for a known reason."""

    kind: Literal["holiday", "campaign", "release"]
    title: str
    first_day: date = Field(alias="from")
    last_day: date | None = Field(None, alias="to", description="Default: the same day.")

    @model_validator(mode="after")
    def _forwards(self) -> "Occasion":
        if self.last_day and self.last_day < self.first_day:
            raise ValueError(f"to ({self.last_day}) lies before from ({self.first_day})")
        return self


class Report(Part):
    """What the reports show, in this order."""

    sections: list[Literal["kpis", "trend", "funnels", "retention", "forecasts", "anomalies", "quality"]] = [
        "kpis",
        "trend",
        "forecasts",
        "anomalies",
        "funnels",
        "retention",
        "quality",
    ]
