"""Clean deliveries of the sample products, day by day, and variations of them that are no defects. What goes wrong is in `defects`."""

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import yaml

from analytics_pipeline.samples.files import content_of, deliveries
from analytics_pipeline.samples.generators import Event, generator_of
from analytics_pipeline.tracking_plan.read import plan_path

PRODUCTS = ("ecommerce", "ride_hailing", "appointments", "rental", "ai_platform")
FIRST_DAY = date(2026, 8, 24)
"""The history ends in autumn, when the clock changes on both sides of the Atlantic."""

HISTORY, CLEAN = 60, 30
_SUFFIXES = ("ndjson.gz", "csv", "parquet")
_OWN = re.compile(r"^(order|booking|appointment|job|session|shift|test|training|probe)-")
_STAFF = 90_000
Change = Callable[["Product", list[list[Event]]], list[list[Event]]]


@dataclass(frozen=True)
class Delivered:
    """A file as it arrives."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Variation:
    """Something that happens to a good product: it must not block, and what the plan's calendar knows must not either.

    Attributes:
        name: for people.
        change: the days of a product, made otherwise.
        calendar: entries for the plan, given the first judged day.
        days: that are judged, from the end of the history on.
    """

    name: str
    change: Change
    calendar: Callable[[date], list[dict[str, Any]]] = lambda _: []
    days: int = 1


@dataclass(frozen=True)
class Product:
    """A sample product and its deliveries from a first day on."""

    name: str
    first_day: date = FIRST_DAY
    change: Change | None = field(default=None, compare=False)

    def day(self, index: int) -> date:
        """Local."""
        return self.first_day + timedelta(days=index)

    def as_of(self, index: int) -> datetime:
        """A quarter past five on the next morning, local time."""
        local = datetime.combine(self.day(index + 1), time(5, 15), generator_of(self.name).ZONE)
        return local.astimezone(UTC)

    def delivered(self, index: int) -> list[Event]:
        """What the tracker delivers on a day, late events and duplicates among it."""
        return _received(self)[index]

    def file(self, index: int) -> Delivered:
        """The file of a day, with broken lines, in one of three formats."""
        name = f"events-{self.day(index)}.{_SUFFIXES[index % 3]}"
        return Delivered(name, content_of(name, self.delivered(index), index))

    def plan(self, occasions: list[dict[str, Any]] | None = None) -> str:
        """The product's plan as YAML, with more entries in its calendar."""
        text = plan_path(self.name).read_text(encoding="utf-8")
        if not occasions:
            return text
        document = yaml.safe_load(text)
        document["calendar"] = [*document.get("calendar", []), *occasions]
        return yaml.safe_dump(document, sort_keys=False)


@cache
def _received(product: Product) -> dict[int, list[Event]]:
    history = generator_of(product.name).generate(product.first_day, HISTORY + CLEAN)
    return deliveries(product.change(product, history) if product.change else history)


def varied(name: str, variation: Variation, first_day: date = FIRST_DAY) -> Product:
    """A product to which something happens. Its deliveries are made anew: hold on to it."""
    return _Varied(name, first_day, variation.change, variation.name)


@dataclass(frozen=True)
class _Varied(Product):
    variation: str = ""


def person_of(event: Event) -> str | None:
    """The number of a person, whether known or not yet; None for what no person did."""
    who = event["user_id"] or event["anonymous_id"]
    return who.rpartition("-")[2] if who else None


def _drawn(*key: object) -> float:
    """Between 0 and 1, always the same for the same key."""
    return int(hashlib.sha256(":".join(map(str, key)).encode()).hexdigest()[:12], 16) / 16**12


def _ids(event: Event) -> Iterator[str]:
    """Names of what belongs to this event's person alone: orders, bookings, appointments, jobs."""
    for found in (event.get("entity_id"), event["properties"].get("order")):
        if found and _OWN.match(found):
            yield found


def without(history: list[list[Event]], is_dropped: Callable[[Event, int], bool]) -> list[list[Event]]:
    """The days without some events, and without what would have followed from an order or a booking that was never made."""
    seen: dict[str, bool] = {}
    kept = []
    for index, events in enumerate(history):
        left = []
        for event in events:
            dropped = is_dropped(event, index)
            for name in _ids(event):
                dropped = dropped or seen.get(name, False)
                seen.setdefault(name, dropped)
            if not dropped:
                left.append(event)
        kept.append(left)
    return kept


def _fewer_persons(share: float, on: Callable[[date], bool]) -> Change:
    def change(product: Product, history: list[list[Event]]) -> list[list[Event]]:
        def is_dropped(event: Event, index: int) -> bool:
            person = person_of(event)
            return person is not None and on(product.day(index)) and _drawn("away", index, person) < share

        return without(history, is_dropped)

    return change


def _holiday(at: int) -> Change:
    """A third of the people stay away."""
    return lambda product, history: _fewer_persons(0.35, lambda day: day == product.day(at))(product, history)


def _weekend_dip(product: Product, history: list[list[Event]]) -> list[list[Event]]:
    return _fewer_persons(0.4, lambda day: day.weekday() >= 5)(product, history)


def _growth(product: Product, history: list[list[Event]]) -> list[list[Event]]:
    """One per cent a day: persons who are there at the end were not there at the beginning."""
    grown = [1.01 ** (index + 1 - len(history)) for index in range(len(history))]

    def is_dropped(event: Event, index: int) -> bool:
        person = person_of(event)
        return person is not None and _drawn("joins", person) > grown[index]

    return without(history, is_dropped)


def _campaign(at: int) -> Change:
    """Three days on which six in ten visits more are made by new people, most of them from one region."""
    return lambda _, history: [
        _with_more_visits(events, random.Random(f"campaign:{index}"), 0.6) if at <= index < at + 3 else events
        for index, events in enumerate(history)
    ]


def _with_more_visits(events: list[Event], rng: random.Random, share: float) -> list[Event]:
    visits = visits_of(events)
    place = "country" if len({e["country"] for e in events if e["country"]}) > 2 else "region"
    favourite = sorted({e[place] for e in events if e[place]})[0]
    weights = [4.0 if visit[0][place] == favourite else 1.0 for visit in visits]
    number = sum(_is_visit(events) for events in _by_person(events).values())
    chosen = rng.choices(visits, weights, k=round(share * number)) if visits else []
    more = [event for copy, visit in enumerate(chosen) for event in copied(visit, rng, copy + 1)]
    return sorted(events + more, key=lambda e: (e["occurred_at"], e["event_id"]))


def _by_person(events: list[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        person = person_of(event)
        if person is not None and int(person) < _STAFF:
            found[person].append(event)
    return found


def _is_visit(events: list[Event]) -> bool:
    """No driver's work, and no step that can be taken once only."""
    return not any(
        e["event_name"].startswith(("trip.", "route.", "driver.", "lease.", "viewing.", "application.")) for e in events
    )


def visits_of(events: list[Event]) -> list[list[Event]]:
    """What each person did on a day, where it began on that day: no appointment that was booked before, no driver, no staff."""
    opens = ("appointment.booked", "booking.created", "api.request", "purchase")
    found = []
    for mine in _by_person(events).values():
        opened: set[str] = set()
        for event in mine:
            if event["event_name"] in opens:
                opened |= set(_ids(event))
        if _is_visit(mine) and all(name in opened for event in mine for name in _ids(event)):
            found.append(mine)
    return found


def copied(visit: list[Event], rng: random.Random, copy: int) -> list[Event]:
    """The same visit by a person who was never there before: with ids, orders and times of their own."""
    shift = timedelta(seconds=rng.randint(-600, 600))
    day = {e["occurred_at"].date() for e in visit} | {(e["occurred_at"] + shift).date() for e in visit}
    shift = shift if len(day) == 1 and 1 <= visit[0]["occurred_at"].hour < 21 else timedelta(0)
    made = []
    for event in visit:
        properties = {k: _renamed(v, copy) for k, v in event["properties"].items()}
        made.append(
            {
                **event,
                "event_id": new_id(rng),
                "occurred_at": event["occurred_at"] + shift,
                "received_at": event["received_at"] + shift,
                "user_id": _somebody_else(event["user_id"], copy),
                "anonymous_id": _somebody_else(event["anonymous_id"], copy),
                **{k: _renamed(event[k], copy) for k in ("session_id", "entity_id") if k in event},
                "properties": properties,
            }
        )
    return made


def new_id(rng: random.Random) -> str:
    """An event id."""
    bits = f"{rng.getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"


def _renamed(value: Any, copy: int) -> Any:
    if not isinstance(value, str) or not _OWN.match(value):
        return value
    head, _, tail = value.rpartition("-")
    return f"{head}-{hashlib.sha256(f'{copy}:{value}'.encode()).hexdigest()[: len(tail)]}"


def _somebody_else(who: str | None, copy: int) -> str | None:
    if who is None:
        return None
    kind, _, number = who.rpartition("-")
    return f"{kind}-{(int(number) + 4 + copy * 7919) % 40_000 + 40_000:0{len(number)}d}"


def _release(at: int) -> Change:
    """A new version reaches three, seven, ten of ten persons on three days; where the contract lets it, it says one thing more."""

    def change(product: Product, history: list[list[Event]]) -> list[list[Event]]:
        kinds = yaml.safe_load(product.plan())["events"]
        for index in range(at, len(history)):
            reached = (0.3, 0.7)[index - at] if index < at + 2 else 1.0
            for event in history[index]:
                person = person_of(event)
                if person is not None and _drawn("updates", person) < reached:
                    event["app_version"] = event["app_version"] and "9.0.0"
                    if kinds[event["event_name"]].get("contract") == "strict":
                        continue
                    layout = "wide" if _drawn("layout", person) < 0.5 else "narrow"
                    event["properties"] = {**event["properties"], "layout": layout}
        return history

    return change


def _one_after_the_other(*changes: Change) -> Change:
    def change(product: Product, history: list[list[Event]]) -> list[list[Event]]:
        for each in changes:
            history = each(product, history)
        return history

    return change


def _occasion(kind: str, first: date, days: int) -> dict[str, Any]:
    return {"kind": kind, "title": f"A {kind}", "from": first, "to": first + timedelta(days=days - 1)}


EVENTFUL = Variation(
    "a holiday, a campaign and a release",
    _one_after_the_other(_holiday(HISTORY + 1), _campaign(HISTORY + 4), _release(HISTORY + 9)),
    lambda first: [
        _occasion("holiday", first + timedelta(days=1), 1),
        _occasion("campaign", first + timedelta(days=4), 3),
        _occasion("release", first + timedelta(days=9), 3),
    ],
    14,
)
"""Each with good days before and behind it, which are held against a history that has it."""

GROWING = Variation("growth and quiet weekends", _one_after_the_other(_growth, _weekend_dip), days=10)

STORIES = {"ecommerce": 71, "ride_hailing": 71, "appointments": 66, "rental": 67, "ai_platform": 71}
"""Days of the history on which something happens to the business itself: an outage, a strike. What is delivered is true."""

SPRING = {"ecommerce": date(2026, 3, 29), "appointments": date(2026, 3, 29), "rental": date(2026, 3, 8)}
"""Days of 23 hours in the zones of these products. The autumn's of 25 hours lie in the thirty days from FIRST_DAY on."""
