"""The tracking plan as a whole."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, StringConstraints, field_validator, model_validator

from analytics_pipeline.tracking_plan.schema.alerts import Alerts
from analytics_pipeline.tracking_plan.schema.analyses import Conversion, Flow, Funnel, Retention, Revenue
from analytics_pipeline.tracking_plan.schema.events import Event, Property, PropertyName, Tiers
from analytics_pipeline.tracking_plan.schema.measures import Kpi, Measure
from analytics_pipeline.tracking_plan.schema.parts import Duration, EventSelector, Name, Part
from analytics_pipeline.tracking_plan.schema.people import Churn, Engagement, Occasion, Report, Segment
from analytics_pipeline.tracking_plan.schema.rules import Rule

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_RESERVED = {"all", "day", "dimension", "dimension_value"}


class TrackingPlan(Part):
    """One product's contract."""

    version: Literal[1]
    name: Name
    title: str
    timezone: str = Field(description="IANA name. Days, weeks and months are cut in it.")
    start: date = Field(description="Events before this local day are refused.")
    currency: Currency = "USD"
    rates: dict[Currency, dict[date, Annotated[float, Field(gt=0)]]] = Field(
        {}, description="What one unit of another currency is worth in the plan's, from a local day on."
    )
    week_start: Literal["monday", "sunday"] = "monday"
    identity: Literal["last_known", "first_known", "none"] = "last_known"
    session_timeout: Duration = Field(timedelta(minutes=30), json_schema_extra={"default": "30m"})
    max_session_hours: int = Field(24, ge=1, le=168)
    values_per_dimension: int = Field(50, ge=1, le=1000)
    conversion: EventSelector | None = Field(None, description="What converts a session.")
    revenue: Revenue | None = None
    events_per_day: int | None = Field(
        None, ge=1, description="Expected number: decides how much time a chunk of raw events covers."
    )
    exclude: dict[Name, str] = Field({}, description="Internal, test and bot traffic: conditions over the event columns.")
    events: dict[Annotated[str, StringConstraints(min_length=1)], Event]
    properties: dict[PropertyName, Property] = Field({}, description="Properties that any event may carry.")
    unknown_events: Literal["accept", "quarantine"] = Field(
        "accept", description="What becomes of events that the plan does not describe; accepted ones are counted."
    )
    dimensions: dict[Name, str] = {}
    measures: dict[Name, Measure]
    kpis: dict[Name, Kpi]
    funnels: dict[Name, Funnel] = {}
    retentions: dict[Name, Retention] = {}
    flows: dict[Name, Flow] = {}
    conversions: dict[Name, Conversion] = {}
    segments: list[Segment] = []
    engagement: Engagement = Engagement()  # type: ignore[call-arg]
    churn: Churn = Churn()  # type: ignore[call-arg]
    calendar: list[Occasion] = []
    rules: dict[Name, Rule] = Field({}, description="What always holds of the events, beyond their types.")
    report: Report = Report()
    tiers: Tiers = Tiers()  # type: ignore[call-arg]
    alerts: Alerts = Alerts()  # type: ignore[call-arg]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is not an IANA time zone: write one like Europe/Berlin or UTC")
        return str(ZoneInfo(value))

    @field_validator("session_timeout")
    @classmethod
    def _timeout_is_within_a_day(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= timedelta(days=1):
            raise ValueError("must be above 0 and at most 24h")
        return value

    @field_validator("dimensions", "measures")
    @classmethod
    def _name_is_free(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in _RESERVED & set(value):
            raise ValueError(f"{name!r} is a column of the tables: choose another name")
        return value

    @model_validator(mode="after")
    def _segments_are_named_once(self) -> "TrackingPlan":
        names = [s.name for s in self.segments]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"segment {name!r} is named twice")
        return self
