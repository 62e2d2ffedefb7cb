"""What shapes of events say about the plan: what came, and what is at fault. Pure; counting them is in `quality.contracts`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from analytics_pipeline.events.contracts import FaultKind, Rules
from analytics_pipeline.events.masking import name_of

MOST_UNKNOWN_EVENTS, MOST_UNKNOWN_PROPERTIES, MOST_VERSIONS = 50, 30, 50
"""Kept by name; of an event, for properties. More than that are no names but values that stand where names should."""

OTHER = "(other)"
_LONGEST = 200
_JSON_TYPES = {"text": "string", "timestamp": "string"}

Pair = tuple[str, str]
"""An event's name and a property's."""

Key = tuple[date, str, str, FaultKind, str]
"""Day, event, property, violation, version."""


@dataclass(frozen=True)
class Shape:
    """Events of a day that look alike.

    Attributes:
        types: key to JSON type (string, number, boolean, null, object, array); None for an event that is not in the plan.
        has_empty_text: some text of each event is empty.
    """

    day: date
    event_name: str
    app_version: str
    types: Mapping[str, str] | None
    has_empty_text: bool
    events: int
    first_seen: datetime
    last_seen: datetime


@dataclass
class Faulty:
    """Events with one fault."""

    events: int
    first_seen: datetime
    last_seen: datetime
    example: str | None = None


@dataclass
class Seen:
    """What shapes say.

    Attributes:
        events: by day, event, property ('' for the event itself) and version: how many carried it with a value.
        faults: what is wrong, by day, event, property, violation and version.
        versions: of the sending application that are kept by name.
    """

    events: Counter[tuple[date, str, str, str]] = field(default_factory=Counter)
    faults: dict[Key, Faulty] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)

    def add(self, key: Key, events: int, first_seen: datetime, last_seen: datetime, example: str | None = None) -> None:
        """Count events as faulty."""
        known = self.faults.setdefault(key, Faulty(0, first_seen, last_seen, example))
        known.events += events
        known.first_seen, known.last_seen = min(known.first_seen, first_seen), max(known.last_seen, last_seen)

    def version_of(self, app_version: str) -> str:
        """As it is kept."""
        return _cut(app_version) if app_version in self.versions else OTHER


def undecided(shapes: Iterable[Shape], plan: Mapping[str, Rules]) -> set[Pair]:
    """Properties whose values have to be looked at: possible values, times, and texts that are required and may be empty."""
    found: set[Pair] = set()
    for shape in shapes:
        if shape.types is None:
            continue
        for name, rule in plan[shape.event_name].items():
            may_be_empty = shape.has_empty_text and rule.is_required and shape.types.get(name) == "string"
            if rule.values is not None or rule.type == "timestamp" or may_be_empty:
                found.add((shape.event_name, name))
    return found


def judge_shapes(shapes: list[Shape], plan: Mapping[str, Rules], undecided: set[Pair]) -> Seen:
    """Count what came, and what is wrong with it as far as types tell; what is undecided is left out."""
    versions, names, properties = _kept(shapes, plan)
    seen = Seen(versions=versions)
    for shape in shapes:
        version, counts = seen.version_of(shape.app_version), (shape.events, shape.first_seen, shape.last_seen)
        event = shape.event_name if shape.types is not None or shape.event_name in names else OTHER
        at = (shape.day, _cut(event))
        seen.events[(*at, "", version)] += shape.events
        if shape.types is None:
            seen.add((*at, "", "unknown_event", version), *counts)
            continue
        rules = plan[event]
        for name, type_ in shape.types.items():
            if type_ == "null":
                continue
            shown = name if name in rules else name_of(name) if name in properties[event] else OTHER
            seen.events[(*at, shown, version)] += shape.events
            if name not in rules:
                seen.add((*at, shown, "unknown_property", version), *counts)
        for name, rule in rules.items():
            type_ = shape.types.get(name, "null")
            if (event, name) in undecided or (type_ == "null" and not rule.is_required):
                continue
            if type_ != _JSON_TYPES.get(rule.type, rule.type):
                seen.add((*at, name, "missing" if type_ == "null" else "wrong_type", version), *counts)
    return seen


def _kept(shapes: list[Shape], plan: Mapping[str, Rules]) -> tuple[set[str], set[str], dict[str, set[str]]]:
    """Versions, unknown events, and unknown properties of each event: the most frequent ones."""
    versions: Counter[str] = Counter()
    names: Counter[str] = Counter()
    properties: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for shape in shapes:
        versions[shape.app_version] += shape.events
        if shape.types is None:
            names[shape.event_name] += shape.events
        else:
            rules = plan[shape.event_name]
            properties[shape.event_name].update({name: shape.events for name in shape.types if name not in rules})
    of_events = {event: _most(counts, MOST_UNKNOWN_PROPERTIES) for event, counts in properties.items()}
    return _most(versions, MOST_VERSIONS), _most(names, MOST_UNKNOWN_EVENTS), of_events


def _most(counts: Counter[str], limit: int) -> set[str]:
    return set(sorted(counts, key=lambda name: (-counts[name], name))[:limit])


def _cut(name: str) -> str:
    return name[:_LONGEST]
