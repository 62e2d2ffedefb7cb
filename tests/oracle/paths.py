"""Paths: sequences of a session, a person or an entity, their transitions, positioned links and variants."""

import itertools
import statistics
from dataclasses import dataclass
from datetime import date, datetime

from tests.oracle.events import Event, Expression, Persons, Plan, Selector, in_days, visible
from tests.oracle.sessions import sessions

Node = tuple[str, Event]


@dataclass(frozen=True)
class Sequence:
    """The events of one session, person or entity, in canonical order; `person` is None for an entity."""

    person: str | None
    events: list[Event]


@dataclass(frozen=True)
class Link:
    source: str
    target: str
    transitions: int
    persons: int
    mean_seconds: float | None


@dataclass(frozen=True)
class Variant:
    path: list[str]
    entities: int
    share: float
    mean_seconds: float


def event_name(event: Event) -> str | None:
    return event.event_name


def session_sequences(
    persons: Persons, plan: Plan, first: date, last: date, selector: Selector | None = None
) -> list[Sequence]:
    """The selected events of the sessions that began in the range; sessions without any are left out."""
    matches = selector or plan.activity
    found = [Sequence(s.person, [e for e in s.members if matches(e)]) for s in sessions(persons, plan, first, last)]
    return [sequence for sequence in found if sequence.events]


def person_sequences(persons: Persons, plan: Plan, first: date, last: date, selector: Selector | None = None) -> list[Sequence]:
    """Each person's selected events in the range; persons without any are left out."""
    matches = selector or plan.activity
    found = [
        Sequence(person, [e for e in events if matches(e) and in_days(e, first, last, plan)])
        for person, events in persons.items()
    ]
    return [sequence for sequence in found if sequence.events]


def entity_sequences(
    events: list[Event], plan: Plan, first: date, last: date, as_of: datetime, selector: Selector | None = None
) -> list[Sequence]:
    """Each entity's selected events in the range, with or without a person; events without an entity_id are left out."""
    matches = selector or plan.activity
    groups: dict[tuple[str | None, str], list[Event]] = {}
    for event in visible(events, as_of):
        if event.entity_id is not None and matches(event) and in_days(event, first, last, plan):
            groups.setdefault((event.entity_type, event.entity_id), []).append(event)
    return [Sequence(None, group) for group in groups.values()]


def nodes(sequence: Sequence, node: Expression, *, collapse_repeats: bool = False) -> list[Node]:
    """(name, event) of each event; collapsed, equal neighbours are one, at the first's time."""
    found: list[Node] = []
    for event in sequence.events:
        value = node(event)
        name = "(none)" if value is None else value
        if not (collapse_repeats and found and found[-1][0] == name):
            found.append((name, event))
    return found


def seconds_between(earlier: Event, later: Event) -> float:
    return (later.occurred_at - earlier.occurred_at).total_seconds()


class Tally:
    """Counts (source, target) pairs, and keeps their persons and waits."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[tuple[str | None, float | None]]] = {}

    def add(self, source: str, target: str, person: str | None, seconds: float | None) -> None:
        self.rows.setdefault((source, target), []).append((person, seconds))

    def links(self) -> list[Link]:
        """By source and target."""
        found = []
        for (source, target), rows in sorted(self.rows.items()):
            persons = {person for person, _ in rows if person is not None}
            waits = [seconds for _, seconds in rows if seconds is not None]
            mean = statistics.fmean(waits) if waits else None
            found.append(Link(source, target, len(rows), len(persons), mean))
        return found


def transitions(sequences: list[Sequence], node: Expression = event_name) -> list[Link]:
    """Pairs of neighbours, with path_start before the first and path_end after the last."""
    tally = Tally()
    for sequence in sequences:
        line = nodes(sequence, node)
        tally.add("path_start", line[0][0], sequence.person, None)
        for (source, earlier), (target, later) in itertools.pairwise(line):
            tally.add(source, target, sequence.person, seconds_between(earlier, later))
        tally.add(line[-1][0], "path_end", sequence.person, None)
    return tally.links()


def shown_part(line: list[Node], steps: int, from_event: str | None, to_event: str | None) -> list[Node]:
    """The nodes that `paths` shows of a sequence, at most `steps` of them."""
    names = [name for name, _ in line]
    if from_event is not None:
        start = names.index(from_event) if from_event in names else len(line)
        return line[start : start + steps]
    if to_event is not None:
        end = names.index(to_event) + 1 if to_event in names else 0
        return line[max(0, end - steps) : end]
    return line[:steps]


def paths(
    sequences: list[Sequence],
    node: Expression = event_name,
    steps: int = 5,
    from_event: str | None = None,
    to_event: str | None = None,
    collapse_repeats: bool = False,
) -> list[Link]:
    """Links between positions, `1_A` to `2_B`, in the first nodes, or those from or up to an event's first occurrence."""
    tally = Tally()
    for sequence in sequences:
        line = shown_part(nodes(sequence, node, collapse_repeats=collapse_repeats), steps, from_event, to_event)
        for i, ((source, earlier), (target, later)) in enumerate(itertools.pairwise(line), start=1):
            tally.add(f"{i}_{source}", f"{i + 1}_{target}", sequence.person, seconds_between(earlier, later))
    return tally.links()


def variants(sequences: list[Sequence], node: Expression = event_name) -> list[Variant]:
    """Whole sequences, the most frequent first, ties by path."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for sequence in sequences:
        path = tuple(name for name, _ in nodes(sequence, node))
        groups.setdefault(path, []).append(seconds_between(sequence.events[0], sequence.events[-1]))
    found = [
        Variant(list(path), len(seconds), len(seconds) / len(sequences), statistics.fmean(seconds))
        for path, seconds in groups.items()
    ]
    return sorted(found, key=lambda variant: (-variant.entities, variant.path))
