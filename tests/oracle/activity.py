"""Active users, stickiness and lifecycle: who was there when. Returning after a start event is retention."""

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
    in_days,
    period_end,
    period_start,
    periods,
)


@dataclass(frozen=True)
class Bucket:
    start: date
    persons: int
    is_partial: bool


@dataclass(frozen=True)
class EventCount:
    """How many events a period must have to count; all that are given must hold, and one event is the least."""

    at_least: int | None = None
    at_most: int | None = None
    exactly: int | None = None

    def holds(self, count: int) -> bool:
        return (
            count >= 1
            and (self.at_least is None or count >= self.at_least)
            and (self.at_most is None or count <= self.at_most)
            and (self.exactly is None or count == self.exactly)
        )


@dataclass(frozen=True)
class Lifecycle:
    """Persons in each state; `dormant` is a positive count."""

    start: date
    new: int
    returning: int
    resurrecting: int
    dormant: int


def shown(events: list[Event], selector: Selector, by: Expression, first: date, last: date, plan: Plan) -> set[str]:
    """The values that a person showed with selected events on the local days [first, last]."""
    matching = [event for event in events if selector(event) and in_days(event, first, last, plan)]
    return {"(none)" if (value := by(event)) is None else value for event in matching}


def active_between(persons: Persons, selector: Selector, first: date, last: date, plan: Plan) -> int:
    """Distinct persons with a selected event on the local days [first, last]."""
    return sum(any(selector(e) and in_days(e, first, last, plan) for e in events) for events in persons.values())


def active_users(
    persons: Persons, plan: Plan, first: date, last: date, window_days: int = 1, selector: Selector | None = None
) -> list[int]:
    """One number a day: distinct persons active on it or on the `window_days` - 1 days before."""
    days = periods(first, last, "day", plan)
    back = timedelta(days=window_days - 1)
    return [active_between(persons, selector or plan.activity, day - back, day, plan) for day in days]


def active_users_values(
    persons: Persons,
    plan: Plan,
    first: date,
    last: date,
    by: Expression,
    window_days: int = 1,
    selector: Selector | None = None,
) -> dict[tuple[date, str], int]:
    """(day, value) -> persons who showed the value in the day's window; zeros are left out."""
    counts: dict[tuple[date, str], int] = {}
    back = timedelta(days=window_days - 1)
    for day in periods(first, last, "day", plan):
        for events in persons.values():
            for value in shown(events, selector or plan.activity, by, day - back, day, plan):
                counts[day, value] = counts.get((day, value), 0) + 1
    return counts


def active_buckets(
    persons: Persons,
    plan: Plan,
    first: date,
    last: date,
    grain: Grain,
    as_of: datetime,
    selector: Selector | None = None,
) -> list[Bucket]:
    """Plain uniques of every whole period that overlaps the range."""
    buckets = []
    for start in periods(first, last, grain, plan):
        active = active_in(persons, start, grain, plan, selector or plan.activity)
        buckets.append(Bucket(start, len(active), period_end(start, grain, plan) > as_of))
    return buckets


def active_buckets_values(
    persons: Persons,
    plan: Plan,
    first: date,
    last: date,
    grain: Grain,
    by: Expression,
    selector: Selector | None = None,
) -> dict[tuple[date, str], int]:
    """(first day of the period, value) -> persons who showed the value in it; zeros are left out."""
    counts: dict[tuple[date, str], int] = {}
    for start in periods(first, last, grain, plan):
        for events in persons.values():
            inside = [e for e in events if event_period(e, grain, plan) == start]
            for value in shown(inside, selector or plan.activity, by, date.min, date.max, plan):
                counts[start, value] = counts.get((start, value), 0) + 1
    return counts


def active_in(persons: Persons, start: date, grain: Grain, plan: Plan, selector: Selector) -> set[str]:
    """The persons with a selected event in the period that begins on `start`."""
    return {
        person
        for person, events in persons.items()
        if any(selector(e) and event_period(e, grain, plan) == start for e in events)
    }


def stickiness_ratio(persons: Persons, plan: Plan, day: date) -> float | None:
    """DAU over MAU of one day; None when nobody was active."""
    dau, mau = active_users(persons, plan, day, day)[0], active_users(persons, plan, day, day, 30)[0]
    return dau / mau if mau else None


def stickiness(
    persons: Persons,
    plan: Plan,
    first: date,
    last: date,
    grain: Grain = "day",
    every: int = 1,
    cumulative: bool = False,
    count: EventCount | None = None,
    selector: Selector | None = None,
) -> list[int]:
    """Entry k-1: persons active in exactly k (cumulative: k or more) periods of `every` grain units."""
    units = periods(first, last, grain, plan)
    spans = [units[i : i + every] for i in range(0, len(units), every)]
    rule, matches = count or EventCount(), selector or plan.activity
    active_spans = []
    for events in persons.values():
        inside = [event_period(e, grain, plan) for e in events if matches(e) and in_days(e, first, last, plan)]
        active_spans.append(sum(rule.holds(sum(unit in span for unit in inside)) for span in spans))
    numbers = range(1, len(spans) + 1)
    return [sum(active >= k if cumulative else active == k for active in active_spans) for k in numbers]


State = Literal["new", "returning", "resurrecting", "dormant", ""]


def state(active: set[date], period: date, before: date) -> State:
    """A person's state in a period, given the periods of all their events."""
    if period in active:
        if period == min(active):
            return "new"
        return "returning" if before in active else "resurrecting"
    return "dormant" if before in active else ""


def lifecycle(
    persons: Persons,
    plan: Plan,
    first: date,
    last: date,
    grain: Grain,
    as_of: datetime,
    selector: Selector | None = None,
) -> list[Lifecycle]:
    """The states of every period that overlaps the range; nobody is dormant in a period that has not ended."""
    matches = selector or plan.activity
    active = [{event_period(e, grain, plan) for e in events if matches(e)} for events in persons.values()]
    rows = []
    for start in periods(first, last, grain, plan):
        before = period_start(start - timedelta(days=1), grain, plan)
        states = [state(own, start, before) for own in active if own]
        has_ended = period_end(start, grain, plan) <= as_of
        dormant = states.count("dormant") if has_ended else 0
        rows.append(Lifecycle(start, states.count("new"), states.count("returning"), states.count("resurrecting"), dormant))
    return rows
