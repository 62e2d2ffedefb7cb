"""Sessions: a person's activity cut at gaps, by the tracker's id and after the longest time."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tests.oracle.events import Event, Persons, Plan, local_day
from tests.oracle.money import amount


@dataclass(frozen=True)
class Session:
    person: str
    members: tuple[Event, ...]
    page_views: int
    converted: bool
    value: Decimal

    @property
    def started_at(self) -> datetime:
        return self.members[0].occurred_at

    @property
    def ended_at(self) -> datetime:
        return self.members[-1].occurred_at

    @property
    def duration_seconds(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def events(self) -> int:
        return len(self.members)

    @property
    def is_bounce(self) -> bool:
        return self.page_views == 1 and not self.converted


def threads(active: list[Event], plan: Plan) -> list[list[Event]]:
    """A person's activity as sessions without a longest time: by tracker id, else by the gap to the event before."""
    found: list[list[Event]] = []
    by_id: dict[str, list[Event]] = {}
    current: list[Event] = []
    previous: Event | None = None
    for event in active:
        if event.session_id is not None:
            if event.session_id not in by_id:
                by_id[event.session_id] = []
                found.append(by_id[event.session_id])
            current = by_id[event.session_id]
        elif previous is None or event.occurred_at - previous.occurred_at > plan.session_timeout:
            current = []
            found.append(current)
        current.append(event)
        previous = event
    return found


def pieces(thread: list[Event], plan: Plan) -> list[list[Event]]:
    """A thread cut at the first event that is more than the longest time after the start of its piece."""
    found = [[thread[0]]]
    for event in thread[1:]:
        if event.occurred_at - found[-1][0].occurred_at > plan.max_session:
            found.append([])
        found[-1].append(event)
    return found


def session(person: str, members: list[Event], plan: Plan) -> Session:
    conversions = [event for event in members if plan.conversion(event)]
    value = sum((amount(event, plan) for event in conversions), Decimal(0))
    return Session(person, tuple(members), sum(map(plan.page, members)), bool(conversions), value)


def all_sessions(persons: Persons, plan: Plan) -> list[Session]:
    """All sessions, by start and person."""
    found = []
    for person, events in persons.items():
        for thread in threads([event for event in events if plan.activity(event)], plan):
            found += [session(person, piece, plan) for piece in pieces(thread, plan)]
    return sorted(found, key=lambda s: (s.started_at, s.person, s.members[0].event_id))


def sessions(persons: Persons, plan: Plan, first: date, last: date) -> list[Session]:
    """The sessions that began on the local days [first, last]."""
    return [s for s in all_sessions(persons, plan) if first <= local_day(s.started_at, plan) <= last]


def bounce_rate(found: list[Session]) -> float | None:
    """Bounces over sessions with a view; None without any."""
    viewed = [session for session in found if session.page_views]
    return sum(session.is_bounce for session in viewed) / len(viewed) if viewed else None
