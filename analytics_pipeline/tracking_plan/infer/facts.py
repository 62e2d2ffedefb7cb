"""What was counted of events: all that a guess about them can rest on."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class PropertyFacts:
    """A property of one kind of event, or a column of all.

    Attributes:
        events: that carry it with a value; an empty text is none.
        empty: events in which it is an empty text.
        types: JSON type to events: text, number, boolean, object, array.
        distinct: different values, about.
        values: texts to events, where there are few different ones.
        looks: shares of its texts that are an email, a phone, an ip, a time, a number, or a sentence of several words.
    """

    name: str
    events: int
    types: dict[str, int] = field(default_factory=dict)
    distinct: int = 0
    values: dict[str, int] = field(default_factory=dict)
    looks: dict[str, float] = field(default_factory=dict)
    empty: int = 0

    @property
    def type(self) -> str:
        """The one that nearly all values have; text where they differ. A time is a text."""
        if not self.types:
            return "text"
        most = max(self.types, key=lambda t: self.types[t])
        return most if self.types[most] >= 0.99 * self.events else "text"


@dataclass(frozen=True)
class EventFacts:
    """One kind of event. What ends in _share is of its events.

    Attributes:
        persons: different ones, who are known by any id.
        person_share: events that have a person.
        regular_share: pairs of a person's successive events that are the same number of seconds apart, the most frequent one.
        regular_seconds: that number.
    """

    name: str
    events: int
    persons: int
    days: int
    person_share: float = 0
    session_share: float = 0
    device_share: float = 0
    value_share: float = 0
    positive_share: float = 0
    negative_share: float = 0
    currency_share: float = 0
    total_value: float = 0
    regular_share: float = 0
    regular_seconds: int = 0
    properties: tuple[PropertyFacts, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All events.

    Attributes:
        first: time of the earliest event, but for a thousandth.
        earliest: time of the very first.
        columns: of the envelope, by name.
        kinds: of event, also those that were left out.
        session_gap_seconds: nearly all gaps inside of a tracker's session are shorter; None where there are none.
        both: persons who did two kinds of event, by their names in order.
        before: of those, persons who did the first kind first; at the same time counts half.
    """

    events: tuple[EventFacts, ...]
    first: datetime
    earliest: datetime
    last: datetime
    columns: dict[str, PropertyFacts] = field(default_factory=dict)
    kinds: int = 0
    session_gap_seconds: float | None = None
    both: dict[tuple[str, str], int] = field(default_factory=dict)
    before: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Events."""
        return sum(event.events for event in self.events)

    def event(self, name: str) -> EventFacts:
        """The kind of that name."""
        return next(event for event in self.events if event.name == name)
