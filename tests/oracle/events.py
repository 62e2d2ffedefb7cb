"""Events, the plan's settings, calendar periods and who did what. No analysis lives here."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

Grain = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Event:
    """One event; `occurred_at` is aware and in UTC."""

    event_id: uuid.UUID
    event_name: str
    occurred_at: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    value: Decimal | None = None
    currency: str | None = None
    country: str | None = None
    device_type: str | None = None
    properties: dict[str, Any] = field(default_factory=dict, hash=False)


Selector = Callable[[Event], bool]
Expression = Callable[[Event], str | None]
Persons = dict[str, list[Event]]


def everything(_: Event) -> bool:
    return True


def nothing(_: Event) -> bool:
    return False


@dataclass(frozen=True)
class Plan:
    """What the plan decides. `rates` is currency -> valid-from day -> units of the plan's currency for one unit."""

    timezone: str = "UTC"
    week_start: Literal["monday", "sunday"] = "monday"
    identity: Literal["last_known", "first_known", "none"] = "last_known"
    session_timeout: timedelta = timedelta(minutes=30)
    max_session: timedelta = timedelta(hours=24)
    activity: Selector = everything
    page: Selector = nothing
    conversion: Selector = nothing
    currency: str = "EUR"
    rates: Mapping[str, Mapping[date, Decimal]] = field(default_factory=dict, hash=False)


def named(*names: str) -> Selector:
    """The selector of events with one of these names."""
    return lambda event: event.event_name in names


def canonical(event: Event) -> tuple[datetime, uuid.UUID]:
    """The sort key of the canonical order."""
    return event.occurred_at, event.event_id


def local_day(moment: datetime, plan: Plan) -> date:
    return moment.astimezone(ZoneInfo(plan.timezone)).date()


def in_days(event: Event, first: date, last: date, plan: Plan) -> bool:
    """Whether the event's local day is in [first, last]."""
    return first <= local_day(event.occurred_at, plan) <= last


def midnight(day: date, plan: Plan) -> datetime:
    """The instant (UTC) at which a local day begins."""
    return datetime.combine(day, time(), ZoneInfo(plan.timezone)).astimezone(UTC)


def period_start(day: date, grain: Grain, plan: Plan) -> date:
    """The first day of the period that a local day is in."""
    if grain == "month":
        return day.replace(day=1)
    if grain == "week":
        first_weekday = 0 if plan.week_start == "monday" else 6
        while day.weekday() != first_weekday:
            day -= timedelta(days=1)
    return day


def next_period(start: date, grain: Grain) -> date:
    """The first day of the period after the one that begins on `start`."""
    if grain == "month":
        return (start + timedelta(days=31)).replace(day=1)
    return start + timedelta(days=7 if grain == "week" else 1)


def later_period(start: date, grain: Grain, count: int) -> date:
    """The first day of the period that is `count` periods after the one that begins on `start`."""
    for _ in range(count):
        start = next_period(start, grain)
    return start


def period_end(start: date, grain: Grain, plan: Plan) -> datetime:
    """The instant (UTC) at which the period that begins on `start` has ended."""
    return midnight(next_period(start, grain), plan)


def periods(first: date, last: date, grain: Grain, plan: Plan) -> list[date]:
    """The first days of all periods that overlap the local days [first, last]."""
    found, start = [], period_start(first, grain, plan)
    while start <= last:
        found.append(start)
        start = next_period(start, grain)
    return found


def event_period(event: Event, grain: Grain, plan: Plan) -> date:
    """The first day of the period that the event is in."""
    return period_start(local_day(event.occurred_at, plan), grain, plan)


def visible(events: list[Event], as_of: datetime) -> list[Event]:
    """The events that exist at `as_of`, in canonical order."""
    return sorted((e for e in events if e.occurred_at <= as_of), key=canonical)


def person_links(events: list[Event], plan: Plan) -> dict[str, str]:
    """anonymous_id -> user_id, from events in canonical order."""
    links: dict[str, str] = {}
    for event in events:
        if plan.identity == "none" or event.user_id is None or event.anonymous_id is None:
            continue
        if plan.identity == "last_known" or event.anonymous_id not in links:
            links[event.anonymous_id] = event.user_id
    return links


def person_key(event: Event, links: Mapping[str, str]) -> str | None:
    """`u:` and the user, `a:` and the anonymous id, or None for an event without a person."""
    if event.user_id is not None:
        return f"u:{event.user_id}"
    if event.anonymous_id is None:
        return None
    if event.anonymous_id in links:
        return f"u:{links[event.anonymous_id]}"
    return f"a:{event.anonymous_id}"


def identify(events: list[Event], plan: Plan, as_of: datetime) -> Persons:
    """person_key -> that person's events up to `as_of` in canonical order."""
    seen = visible(events, as_of)
    links = person_links(seen, plan)
    persons: Persons = {}
    for event in seen:
        key = person_key(event, links)
        if key is not None:
            persons.setdefault(key, []).append(event)
    return persons
