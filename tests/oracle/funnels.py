"""Funnels: every attempt of every person by brute force, then the deepest one. Not paths."""

import statistics
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from tests.oracle.events import (
    Event,
    Expression,
    Persons,
    Plan,
    Selector,
    canonical,
    local_day,
    period_end,
    periods,
)

Order = Literal["ordered", "strict", "unordered"]
ValueOf = Literal["first", "last"] | int


@dataclass(frozen=True)
class Exclusion:
    """An event between two steps (1-based) that voids an attempt."""

    event: Selector
    from_step: int
    to_step: int


@dataclass(frozen=True)
class Funnel:
    steps: list[Selector]
    order: Order = "ordered"
    window: timedelta | None = timedelta(days=14)
    exclude: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """`served` holds the event of each step that was reached; for unordered, in the order in which steps were done."""

    person: str
    start: Event
    entry_day: date
    served: tuple[Event, ...]

    @property
    def depth(self) -> int:
        return len(self.served)

    @property
    def step_times(self) -> list[datetime]:
        return [event.occurred_at for event in self.served]


@dataclass(frozen=True)
class FunnelResult:
    """One entry a step; ratios and seconds over nothing, or without a previous step, are None."""

    persons: list[int]
    conversion: list[float | None]
    step_conversion: list[float | None]
    average_seconds: list[float | None]
    median_seconds: list[float | None]
    is_partial: bool = False


def within(start: Event, event: Event, window: timedelta | None) -> bool:
    """Whether the event is at or after the start and inside the window, end inclusive."""
    passed = event.occurred_at - start.occurred_at
    return passed >= timedelta(0) and (window is None or passed <= window)


def served_ordered(events: list[Event], start: Event, funnel: Funnel) -> tuple[Event, ...]:
    """The deepest continuation in which each step is as early as possible; of equals the earliest, then lowest ids."""
    reachable = [event for event in events if within(start, event, funnel.window)]

    def rank(served: tuple[Event, ...]) -> tuple[int, list[datetime], list[uuid.UUID]]:
        return -len(served), [e.occurred_at for e in served], [e.event_id for e in served]

    def continuations(served: tuple[Event, ...]) -> list[tuple[Event, ...]]:
        if len(served) == len(funnel.steps):
            return [served]
        step = funnel.steps[len(served)]
        fitting = [e for e in reachable if e.occurred_at >= served[-1].occurred_at and e not in served and step(e)]
        if not fitting:
            return [served]
        earliest = [e for e in fitting if e.occurred_at == fitting[0].occurred_at]
        found: list[tuple[Event, ...]] = []
        for event in first_of_each_kind(earliest, funnel):
            found += continuations((*served, event))
        return [min(found, key=rank)]

    return continuations((start,))[0]


def first_of_each_kind(events: list[Event], funnel: Funnel) -> list[Event]:
    """Of events that match the same steps, the first: the others can't lead further."""
    kinds: dict[tuple[bool, ...], Event] = {}
    for event in events:
        kinds.setdefault(tuple(step(event) for step in funnel.steps), event)
    return list(kinds.values())


def strict_line(events: list[Event], funnel: Funnel, plan: Plan) -> list[Event]:
    """A person's activity events by time, then the lowest step that they match (none is last), then id."""

    def lowest_step(event: Event) -> int:
        return min((i for i, step in enumerate(funnel.steps) if step(event)), default=len(funnel.steps))

    active = [event for event in events if plan.activity(event)]
    return sorted(active, key=lambda e: (e.occurred_at, lowest_step(e), e.event_id))


def served_strict(line: list[Event], position: int, funnel: Funnel) -> tuple[Event, ...]:
    served: list[Event] = []
    for step, event in zip(funnel.steps, line[position:], strict=False):
        if not step(event) or not within(line[position], event, funnel.window):
            break
        served.append(event)
    return tuple(served)


def most_steps(events: list[Event], steps: list[Selector]) -> int:
    """The most steps that can be given an event each, no event twice (maximum matching by augmenting paths)."""
    step_of: dict[int, int] = {}

    def place(step: int, tried: set[int]) -> bool:
        for i, event in enumerate(events):
            if steps[step](event) and i not in tried:
                tried.add(i)
                if i not in step_of or place(step_of[i], tried):
                    step_of[i] = step
                    return True
        return False

    return sum(place(step, set()) for step in range(len(steps)))


def served_unordered(events: list[Event], start: Event, funnel: Funnel) -> tuple[Event, ...]:
    """The events, in canonical order, with which one more step could be done."""
    served: list[Event] = []
    for event in events:
        if within(start, event, funnel.window) and most_steps([*served, event], funnel.steps) > len(served):
            served.append(event)
    return tuple(served)


def is_void(attempt: Attempt, events: list[Event], funnel: Funnel) -> bool:
    return any(violates(attempt, exclusion, events, funnel.window) for exclusion in funnel.exclude)


def violates(attempt: Attempt, exclusion: Exclusion, events: list[Event], window: timedelta | None) -> bool:
    """Whether an excluded event is strictly between the two steps, or up to the window's end without the second."""
    times = attempt.step_times
    if attempt.depth < exclusion.from_step:
        return False
    for event in events:
        if not exclusion.event(event) or event.occurred_at <= times[exclusion.from_step - 1]:
            continue
        if attempt.depth >= exclusion.to_step:
            if event.occurred_at < times[exclusion.to_step - 1]:
                return True
        elif within(attempt.start, event, window):
            return True
    return False


def person_attempts(events: list[Event], funnel: Funnel, plan: Plan) -> list[tuple[Event, tuple[Event, ...]]]:
    """(start, served events) of every attempt, void ones too."""
    if funnel.order == "strict":
        line = strict_line(events, funnel, plan)
        return [(e, served_strict(line, i, funnel)) for i, e in enumerate(line) if funnel.steps[0](e)]
    if funnel.order == "unordered":
        anchors = [e for e in events if any(step(e) for step in funnel.steps)]
        return [(e, served_unordered(events, e, funnel)) for e in anchors]
    return [(e, served_ordered(events, e, funnel)) for e in events if funnel.steps[0](e)]


def attempts(persons: Persons, funnel: Funnel, plan: Plan) -> list[Attempt]:
    """All attempts that nothing voids."""
    found = []
    for person, events in persons.items():
        for start, served in person_attempts(events, funnel, plan):
            attempt = Attempt(person, start, local_day(start.occurred_at, plan), served)
            if not is_void(attempt, events, funnel):
                found.append(attempt)
    return found


def deepest(found: list[Attempt], first: date, last: date) -> dict[str, Attempt]:
    """person -> the deepest attempt that began on the local days [first, last]; ties go to the earliest start."""
    best: dict[str, Attempt] = {}
    for attempt in sorted(found, key=lambda a: (-a.depth, canonical(a.start))):
        if first <= attempt.entry_day <= last:
            best.setdefault(attempt.person, attempt)
    return best


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def summary(best: list[Attempt], steps: int, *, is_partial: bool = False) -> FunnelResult:
    """The numbers over one attempt a person."""
    persons = [sum(a.depth >= k for a in best) for k in range(1, steps + 1)]
    waits = [[(a.step_times[k] - a.step_times[k - 1]).total_seconds() for a in best if k and a.depth > k] for k in range(steps)]
    return FunnelResult(
        persons,
        [ratio(count, persons[0]) for count in persons],
        [ratio(persons[k], persons[k - 1]) if k else None for k in range(steps)],
        [statistics.fmean(seconds) if seconds else None for seconds in waits],
        [statistics.median(seconds) if seconds else None for seconds in waits],
        is_partial,
    )


def is_open(day: date, funnel: Funnel, plan: Plan, as_of: datetime) -> bool:
    """Whether an attempt of this entry day can still get deeper."""
    return funnel.window is None or period_end(day, "day", plan) + funnel.window > as_of


def funnel_range(persons: Persons, funnel: Funnel, plan: Plan, first: date, last: date, as_of: datetime) -> FunnelResult:
    """The funnel over a range; partial when its last entry day is."""
    best = deepest(attempts(persons, funnel, plan), first, last)
    return summary(list(best.values()), len(funnel.steps), is_partial=is_open(last, funnel, plan, as_of))


def funnel_days(
    persons: Persons, funnel: Funnel, plan: Plan, first: date, last: date, as_of: datetime
) -> dict[date, FunnelResult]:
    """Entry day -> the funnel of that day, for every day of the range."""
    found = attempts(persons, funnel, plan)
    results = {}
    for day in periods(first, last, "day", plan):
        best = deepest(found, day, day)
        results[day] = summary(list(best.values()), len(funnel.steps), is_partial=is_open(day, funnel, plan, as_of))
    return results


def breakdown_value(attempt: Attempt, by: Expression, value_of: ValueOf) -> str:
    if isinstance(value_of, int):
        values = [by(attempt.served[value_of - 1])] if attempt.depth >= value_of else []
    else:
        values = [by(event) for event in attempt.served]
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return known[-1] if value_of == "last" else known[0]


def funnel_values(
    persons: Persons,
    funnel: Funnel,
    plan: Plan,
    first: date,
    last: date,
    as_of: datetime,
    by: Expression,
    value_of: ValueOf = "first",
) -> dict[str, FunnelResult]:
    """Breakdown value -> the funnel of the persons whose deepest attempt of the range has it."""
    groups: dict[str, list[Attempt]] = {}
    for attempt in deepest(attempts(persons, funnel, plan), first, last).values():
        groups.setdefault(breakdown_value(attempt, by, value_of), []).append(attempt)
    partial = is_open(last, funnel, plan, as_of)
    return {value: summary(group, len(funnel.steps), is_partial=partial) for value, group in groups.items()}
