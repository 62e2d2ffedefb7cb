"""The shape of a question, as typed models. Answers are in `answers`, the SQL in `sql`."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from analytics_pipeline.tracking_plan.schema.analyses import Conversion, Funnel, PeriodGrain, Retention
from analytics_pipeline.tracking_plan.schema.measures import Measure
from analytics_pipeline.tracking_plan.schema.parts import AnyEvent, EventSelector, Name, Part

SequenceBy = Literal["session", "person"]


class Question(Part):
    """What all questions have: a range of local days, both inclusive."""

    first_day: date | None = Field(None, alias="from", description="Local day. Default: the first with an event.")
    last_day: date | None = Field(None, alias="to", description="Local day, inclusive. Default: that of as_of.")

    @model_validator(mode="after")
    def _forwards(self) -> "Question":
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(f"to ({self.last_day}) lies before from ({self.first_day})")
        return self


class FunnelQuestion(Question, Funnel):
    """Persons who get from the first step to the last. The range binds the first step only."""

    analysis: Literal["funnel"]
    breakdown: str | None = Field(None, description="A dimension of the plan, a column of the events, or properties.NAME.")
    persons: bool = Field(False, description="Also list who reached each step.")


class RetentionQuestion(Question, Retention):
    """Who comes back. The range says which cohorts are shown."""

    analysis: Literal["retention"]
    breakdown: str | None = Field(None, description="A property of the person: its first known value counts.")


class ActiveUsersQuestion(Question):
    """Distinct persons by day, in a window that looks back; or by calendar week or month."""

    analysis: Literal["active_users"]
    grain: PeriodGrain = "day"
    window_days: int = Field(1, ge=1, le=365, description="Of the daily series: 1 is DAU, 7 is WAU, 30 is MAU.")
    events: EventSelector = AnyEvent
    breakdown: str | None = None


class PeriodCount(Part):
    """How many events a period needs to count. Exactly one is given."""

    at_least: int | None = Field(None, ge=1)
    at_most: int | None = Field(None, ge=1)
    exactly: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one(self) -> "PeriodCount":
        if sum(v is not None for v in (self.at_least, self.at_most, self.exactly)) != 1:
            raise ValueError("give exactly one of at_least, at_most, exactly")
        return self

    @property
    def bounds(self) -> tuple[int, int]:
        """Fewest and most events."""
        return self.at_least or self.exactly or 1, self.at_most or self.exactly or 2**31 - 1


class StickinessQuestion(Question):
    """On how many periods of the range persons were active."""

    analysis: Literal["stickiness"]
    grain: PeriodGrain = "day"
    every: int = Field(1, ge=1, description="So many days (weeks, months) form one period, from the range's first on.")
    cumulative: bool = Field(False, description="k or more periods, not exactly k.")
    count: PeriodCount = PeriodCount(at_least=1, at_most=None, exactly=None)
    events: EventSelector = AnyEvent


class LifecycleQuestion(Question):
    """New, returning, resurrecting and dormant persons by period."""

    analysis: Literal["lifecycle"]
    grain: PeriodGrain = "day"
    events: EventSelector = AnyEvent


class SessionsQuestion(Question):
    """Sessions that begin in the range, by the plan's rule."""

    analysis: Literal["sessions"]
    list: bool = Field(False, description="Also list them.")


class _Sequences(Question):
    by: SequenceBy = "session"
    node: str = Field("event_name", description="A column of the events, or properties.NAME.")
    events: EventSelector = AnyEvent


class TransitionsQuestion(_Sequences):
    """Which event follows which."""

    analysis: Literal["transitions"]


class PathsQuestion(_Sequences):
    """The first steps of sequences, or those from or to a named node."""

    analysis: Literal["paths"]
    steps: int = Field(5, ge=2, le=50)
    from_event: str | None = Field(None, description="Begin at the first time this node comes.")
    to_event: str | None = Field(None, description="End at the first time this node comes.")
    collapse_repeats: bool = Field(False, description="Equal nodes in a row count as one, at the time of the first.")

    @model_validator(mode="after")
    def _one_end(self) -> "PathsQuestion":
        if self.from_event is not None and self.to_event is not None:
            raise ValueError("give from_event or to_event, not both")
        return self


class VariantsQuestion(Question):
    """Whole sequences, most frequent first."""

    analysis: Literal["variants"]
    by: Literal["session", "person", "entity"] = "entity"
    node: str = "event_name"
    events: EventSelector = AnyEvent
    limit: int = Field(50, ge=1, le=10_000)


class RfmQuestion(Question):
    """Recency, frequency, age and mean value of repeat days of each person, up to the range's last day."""

    analysis: Literal["rfm"]
    events: EventSelector | None = Field(None, description="Default: the plan's revenue events.")


class ConversionQuestion(Question, Conversion):
    """Conversions credited to the last opportunity before them. The range binds the conversion."""

    analysis: Literal["conversion"]
    breakdown: str | None = Field(None, description="Of the opportunity.")


class RevenueQuestion(Question):
    """Revenue less refunds by local day, in the plan's currency."""

    analysis: Literal["revenue"]


class MeasureQuestion(Question):
    """A formula over measures, the plan's or its own, by period."""

    analysis: Literal["measure"]
    formula: str
    measures: dict[Name, Measure] = Field({}, description="Besides those of the plan.")
    grain: Literal["hour", "day", "week", "month", "range"] = "day"
    breakdown: str | None = None


AnyQuestion = Annotated[
    FunnelQuestion
    | RetentionQuestion
    | ActiveUsersQuestion
    | StickinessQuestion
    | LifecycleQuestion
    | SessionsQuestion
    | TransitionsQuestion
    | PathsQuestion
    | VariantsQuestion
    | RfmQuestion
    | ConversionQuestion
    | RevenueQuestion
    | MeasureQuestion,
    Field(discriminator="analysis"),
]
QUESTION: TypeAdapter[AnyQuestion] = TypeAdapter(AnyQuestion)
