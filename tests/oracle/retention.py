"""Retention: who came back, cohort by cohort, each cell counted on its own."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from tests.oracle.events import (
    Event,
    Expression,
    Grain,
    Persons,
    Plan,
    Selector,
    event_period,
    later_period,
    period_end,
    periods,
)

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Retention:
    start: Selector
    returns: Selector
    mode: Literal["recurring", "first_time"] = "recurring"
    grain: Grain = "day"
    periods: int = 7
    rolling: bool = False


@dataclass(frozen=True)
class Cohort:
    """Cells 0 to `periods`; a cell whose period has not ended is None."""

    start: date
    cells: list[int | None]
    on_or_after: list[int | None]

    @property
    def size(self) -> int | None:
        return self.cells[0]


def first_start(events: list[Event], cohort: date, retention: Retention, plan: Plan) -> Event | None:
    """The event with which a person is in the cohort: their first start in its period."""
    starts = [event for event in events if retention.start(event)]
    if retention.mode == "first_time":
        starts = starts[:1]
    return next((event for event in starts if event_period(event, retention.grain, plan) == cohort), None)


def is_over(cohort: date, k: int, retention: Retention, plan: Plan, as_of: datetime) -> bool:
    """Whether cell k of the cohort has ended for everyone."""
    if k == 0:
        return True
    if retention.rolling:
        return period_end(cohort, retention.grain, plan) + (k + 1) * DAY <= as_of
    return period_end(later_period(cohort, retention.grain, k), retention.grain, plan) <= as_of


def cell_of(start: Event, event: Event, cohort: date, retention: Retention, plan: Plan) -> int:
    """The cell that a return event falls in; negative when it is before cell 0."""
    if retention.rolling:
        return (event.occurred_at - start.occurred_at) // DAY
    target = event_period(event, retention.grain, plan)
    if target < cohort:
        return -1
    k = 0
    while later_period(cohort, retention.grain, k) < target:
        k += 1
    return k


def cohort_cells(persons: Persons, cohort: date, retention: Retention, plan: Plan, as_of: datetime) -> Cohort:
    members: list[set[int]] = []
    for events in persons.values():
        start = first_start(events, cohort, retention, plan)
        if start is not None:
            members.append({cell_of(start, e, cohort, retention, plan) for e in events if retention.returns(e)})
    cells: list[int | None] = [len(members)]
    after: list[int | None] = [len(members)]
    for k in range(1, retention.periods + 1):
        over = is_over(cohort, k, retention, plan, as_of)
        cells.append(sum(k in came for came in members) if over else None)
        after.append(sum(any(c >= k for c in came) for came in members) if over else None)
    return Cohort(cohort, cells, after)


def retention_table(
    persons: Persons, retention: Retention, plan: Plan, first: date, last: date, as_of: datetime
) -> list[Cohort]:
    """A cohort for every period that overlaps the range, empty ones too; a cohort counts its whole period."""
    cohorts = periods(first, last, retention.grain, plan)
    return [cohort_cells(persons, cohort, retention, plan, as_of) for cohort in cohorts]


def person_property(events: list[Event], by: Expression) -> str:
    """The first value that the person ever showed, or `(none)`."""
    return next((value for value in map(by, events) if value is not None), "(none)")


def retention_values(
    persons: Persons, retention: Retention, plan: Plan, first: date, last: date, as_of: datetime, by: Expression
) -> dict[str, list[Cohort]]:
    """Value -> the table of the persons who have it, for values of at least one person in a cohort."""
    groups: dict[str, Persons] = {}
    for person, events in persons.items():
        groups.setdefault(person_property(events, by), {})[person] = events
    tables = {value: retention_table(group, retention, plan, first, last, as_of) for value, group in groups.items()}
    return {value: table for value, table in tables.items() if any(cohort.size for cohort in table)}


def day_retention(
    persons: Persons, retention: Retention, plan: Plan, first: date, last: date, as_of: datetime
) -> dict[date, dict[int, int | None]]:
    """Cohort day -> {1: D1, 7: D7, 30: D30}: persons in those cells of the calendar table by day."""
    daily = Retention(retention.start, retention.returns, retention.mode, "day", 30)
    table = retention_table(persons, daily, plan, first, last, as_of)
    return {cohort.start: {k: cohort.cells[k] for k in (1, 7, 30)} for cohort in table}
