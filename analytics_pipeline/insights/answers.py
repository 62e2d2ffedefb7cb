"""The shape of an answer, as typed models. Ratios are shares of 1; seconds are elapsed; days are local, instants UTC."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer

Number = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]


class Record(BaseModel):
    """Base of all rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(Record):
    """What all answers say of themselves."""

    analysis: str
    product: str
    timezone: str
    as_of: datetime
    first_day: date
    last_day: date


class StepRow(Record):
    """A step of a funnel: of the range, of an entry day, or of a value of the breakdown."""

    entry_day: date | None = None
    is_partial: bool | None = None
    value: str | None = None
    step: int
    title: str
    persons: int
    conversion: Number | None
    step_conversion: Number | None
    average_seconds: Number | None
    median_seconds: Number | None


class FunnelAnswer(Answer):
    """steps: of the range. days: by entry day. values: by value of the breakdown. reached: person keys by step."""

    steps: list[StepRow]
    days: list[StepRow]
    values: list[StepRow]
    reached: list[list[str]] | None = None


class CellRow(Record):
    """A cell: null where the period has not ended."""

    value: str
    cohort_start: date
    period: int
    persons: int | None
    rate: Number | None
    persons_on_or_after: int | None
    is_partial: bool


class DayNRow(Record):
    """Of the cohort of one day: how many came back on the first, seventh and thirtieth day after it."""

    value: str
    cohort_day: date
    persons: int
    day_1: int | None
    day_7: int | None
    day_30: int | None


class RetentionAnswer(Answer):
    """cells: period 0 is the cohort's size. day_n: calendar days, whatever the grain of the cells."""

    cells: list[CellRow]
    day_n: list[DayNRow]


class PersonsRow(Record):
    """Distinct persons of a day's window, or of a calendar period."""

    period_start: date
    value: str
    persons: int
    is_partial: bool


class ActiveUsersAnswer(Answer):
    """value is all for the undivided total."""

    rows: list[PersonsRow]


class StickinessRow(Record):
    """Persons active on so many periods."""

    periods: int
    persons: int


class StickinessAnswer(Answer):
    """A row for each number of periods from 1 to those of the range."""

    rows: list[StickinessRow]


class LifecycleRow(Record):
    """dormant is null until the period has ended."""

    period_start: date
    new: int
    returning: int
    resurrecting: int
    dormant: int | None
    is_partial: bool


class LifecycleAnswer(Answer):
    """A row for each period that the range touches."""

    rows: list[LifecycleRow]


class SessionRow(Record):
    """One session."""

    person_key: str
    session_key: str
    started_at: datetime
    ended_at: datetime
    duration_seconds: Number
    events: int
    page_views: int
    is_bounce: bool
    converted: bool
    value: Number | None


class SessionsAnswer(Answer):
    """bounce_rate is over sessions with a view."""

    sessions: int
    persons: int
    events: int
    page_views: int
    converted: int
    bounces: int
    bounce_rate: Number | None
    average_seconds: Number | None
    median_seconds: Number | None
    value: Number | None
    rows: list[SessionRow] | None = None


class LinkRow(Record):
    """Two nodes in a row. mean_seconds is null at path_start and path_end."""

    source: str
    target: str
    transitions: int
    persons: int
    mean_seconds: Number | None


class LinksAnswer(Answer):
    """Of transitions, nodes are named; of paths, they have their position before the name: 1_search."""

    rows: list[LinkRow]


class VariantRow(Record):
    """A whole sequence."""

    path: list[str]
    entities: int
    share: Number
    mean_seconds: Number


class VariantsAnswer(Answer):
    """entities counts all sequences, also those beyond the limit."""

    entities: int
    rows: list[VariantRow]


class RfmRow(Record):
    """frequency: days after the first. recency_days: first to last. age_days: first to the range's end."""

    person_key: str
    frequency: int
    recency_days: int
    age_days: int
    monetary: Number


class RfmAnswer(Answer):
    """A row for each person with such an event."""

    rows: list[RfmRow]


class CreditRow(Record):
    """Credited conversions, by value of the breakdown."""

    value: str
    credited: int
    amount: Number
    mean_seconds: Number | None


class ConversionAnswer(Answer):
    """Amounts are in the plan's currency."""

    conversions: int
    credited: int
    amount: Number
    uncredited_amount: Number
    mean_seconds: Number | None
    values: list[CreditRow]


class RevenueRow(Record):
    """In the plan's currency."""

    day: date
    gross: Number
    refunded: Number
    net: Number


class UnconvertedRow(Record):
    """An event whose currency has no rate on its day: in no sum."""

    event_id: UUID
    occurred_at: datetime
    value: Number
    currency: str


class RevenueAnswer(Answer):
    """A row for each day of the range."""

    currency: str
    rows: list[RevenueRow]
    unconverted: list[UnconvertedRow]


class MeasureRow(Record):
    """period_start is an instant; of the whole range it is its beginning."""

    period_start: datetime
    value: str
    numerator: Number | None
    denominator: Number | None
    result: Number | None
    is_partial: bool


class MeasureAnswer(Answer):
    """result is the numerator, or their ratio: null over nothing."""

    rows: list[MeasureRow]


ANSWERS: tuple[type[Answer], ...] = (
    FunnelAnswer,
    RetentionAnswer,
    ActiveUsersAnswer,
    StickinessAnswer,
    LifecycleAnswer,
    SessionsAnswer,
    LinksAnswer,
    VariantsAnswer,
    RfmAnswer,
    ConversionAnswer,
    RevenueAnswer,
    MeasureAnswer,
)
