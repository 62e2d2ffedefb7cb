"""What defects are made of: a clean day, who and what of it is hit, and how files are written. The defects are in `defects`."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analytics_pipeline.samples.generators import Event, generator_of
from tests.quality.clean import Delivered, Product, person_of

SIZES = ("small", "medium", "large")
ALL = ("ecommerce", "ride_hailing", "appointments", "rental", "ai_platform")


@dataclass(frozen=True)
class Facts:
    """What the defects that fit every product are about in this one.

    Attributes:
        main: an event of persons that there are many of.
        required: one of its properties.
        money: an event with a value.
        renamed: an event that matters, and what a release calls it.
        property: of several events, and what a release calls it.
        platform: an application of its own.
        place: the column of places, and three of them, from small to large.
        swapped: two columns next to each other in an export.
        foreign: a currency without a rate, and what a unit of the plan's is in it.
    """

    main: str
    required: str
    money: str
    renamed: tuple[str, str]
    property: tuple[str, str]
    platform: str
    place: tuple[str, str, str, str]
    swapped: tuple[str, str]
    foreign: tuple[str, float]


FACTS = {
    "ecommerce": Facts(
        "product_view",
        "category",
        "purchase",
        ("purchase", "order_completed"),
        ("category", "product_category"),
        "ios",
        ("country", "PL", "AT", "DE"),
        ("country", "region"),
        ("PLN", 4.3),
    ),
    "ride_hailing": Facts(
        "booking.created",
        "route",
        "payment.success",
        ("payment.success", "payment.succeeded"),
        ("route", "corridor"),
        "ios",
        ("city", "Mysuru", "Pune", "Bengaluru"),
        ("region", "city"),
        ("USD", 0.0113),
    ),
    "appointments": Facts(
        "portal.visit",
        "page",
        "",
        ("appointment.attended", "appointment.completed"),
        ("service_type", "service"),
        "portal",
        ("region", "South West", "West Midlands", "Greater London"),
        ("region", "city"),
        ("EUR", 1.15),
    ),
    "rental": Facts(
        "listing.viewed",
        "source",
        "listing.published",
        ("inquiry.sent", "lead.created"),
        ("property_type", "propertyType"),
        "ios",
        ("region", "Pennsylvania", "New Jersey", "New York"),
        ("region", "city"),
        ("MXN", 18.4),
    ),
    "ai_platform": Facts(
        "api.request",
        "endpoint",
        "subscription.charged",
        ("processing.completed", "job.completed"),
        ("model", "model_name"),
        "node",
        ("region", "ap-south", "eu-west", "us-east"),
        ("country", "region"),
        ("JPY", 155.0),
    ),
}


@dataclass(frozen=True)
class Day:
    """A clean day as it was delivered, and what was delivered before it.

    Attributes:
        product: whose.
        index: counted from the first of the history.
        day: local.
        zone: of the product.
        events: of the delivery, in order of arrival.
        yesterday: of the delivery before it.
        long_ago: of the delivery ten days before it.
    """

    product: str
    index: int
    day: date
    zone: ZoneInfo
    events: list[Event]
    yesterday: list[Event]
    long_ago: list[Event]

    @property
    def facts(self) -> Facts:
        return FACTS[self.product]

    def local(self, event: Event) -> datetime:
        return event["occurred_at"].astimezone(self.zone)

    @property
    def file_name(self) -> str:
        return f"events-{self.day}.ndjson.gz"


def clean_day(product: Product, index: int) -> Day:
    """The day of a product that a defect is planted in."""
    before = [product.delivered(index - back) for back in (1, 10)]
    return Day(product.name, index, product.day(index), generator_of(product.name).ZONE, product.delivered(index), *before)


Size = tuple[str, Any]
Harm = Callable[[Day, random.Random, Any], "list[Event] | list[Delivered]"]


@dataclass(frozen=True)
class Defect:
    """Something that goes wrong between what happened and the file. What happened stays the clean day.

    Attributes:
        name: for tests and the table.
        description: one sentence.
        dimension: of quality.
        sizes: small, medium, large: what it says in the table, and what `harm` is given.
        products: that it fits; it is shown on the first of them.
        harm: gives other events for the file of the day, or whole files.
    """

    name: str
    description: str
    dimension: str
    sizes: tuple[Size, Size, Size]
    products: tuple[str, ...]
    harm: Harm

    def deliver(self, day: Day, size: str) -> list[Delivered]:
        """The files that arrive in place of the clean one. Always the same for the same day and size."""
        value = self.sizes[SIZES.index(size)][1]
        found = self.harm(day, random.Random(f"{self.name}:{day.product}:{day.index}:{size}"), value)
        return written(day, found)


def of(unit: str, *shares: float) -> tuple[Size, Size, Size]:
    """Three sizes that are shares of something."""
    small, medium, large = ((f"{share:.0%} of {unit}", share) for share in shares)
    return small, medium, large


def count(unit: str, *numbers: float) -> tuple[Size, Size, Size]:
    """Three sizes that are numbers of something."""
    small, medium, large = ((f"{number:g} {unit}", number) for number in numbers)
    return small, medium, large


def planter(catalogue: list[Defect]) -> Callable[..., Callable[[Harm], Harm]]:
    """A decorator that adds a function to a catalogue, under its name and with its first line."""

    def planted(dimension: str, sizes: tuple[Size, Size, Size], *products: str) -> Callable[[Harm], Harm]:
        def add(harm: Harm) -> Harm:
            first, _, _ = (harm.__doc__ or "").partition("\n")
            catalogue.append(Defect(harm.__name__, first, dimension, sizes, products, harm))
            return harm

        return add

    return planted


# Who and what is hit


def sample(items: Sequence[Any], rng: random.Random, share: float) -> list[Any]:
    """So many of them, one at least."""
    return rng.sample(items, min(len(items), max(1, round(share * len(items)))))


def hit(events: list[Event], rng: random.Random, share: float, *names: str) -> set[int]:
    """Positions of a share of the events, or of those with these names."""
    return set(sample([i for i, e in enumerate(events) if not names or e["event_name"] in names], rng, share))


def hit_persons(events: list[Event], rng: random.Random, share: float) -> set[str]:
    """A share of the persons: those whose application, browser or account is concerned."""
    return set(sample(sorted({p for p in map(person_of, events) if p}), rng, share))


def change(events: list[Event], positions: Iterable[int], **to: Any) -> list[Event]:
    """Other columns at some positions; a function is given the event."""
    chosen = set(positions)
    return [{**e, **{k: v(e) if callable(v) else v for k, v in to.items()}} if i in chosen else e for i, e in enumerate(events)]


def change_properties(
    events: list[Event], positions: Iterable[int], to: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[Event]:
    """Other properties at some positions."""
    return change(events, positions, properties=lambda e: to(dict(e["properties"])))


def of_persons(events: list[Event], persons: set[str]) -> list[int]:
    """Positions of the events of some persons."""
    return [i for i, e in enumerate(events) if person_of(e) in persons]


def shifted(event: Event, by: timedelta, *columns: str) -> Event:
    return {**event, **{c: event[c] + by for c in columns or ("occurred_at", "received_at")}}


# How it is written


def written(day: Day, found: "list[Event] | list[Delivered]") -> list[Delivered]:
    """Events as the usual file of the day, with the broken lines that it always has; files as they are."""
    if found and isinstance(found[0], Delivered):
        return found  # type: ignore[return-value]
    return [Delivered(day.file_name, gzipped(lines(found)))]  # type: ignore[arg-type]


def text(event: Event) -> Event:
    """With times as ISO 8601 text, as the samples write them; what is text already stays."""
    times = {
        k: event[k].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for k in ("occurred_at", "received_at")
        if isinstance(event[k], datetime)
    }
    return {**event, **times}


def lines(events: list[Event]) -> list[str]:
    """NDJSON, a line each, among them two broken ones."""
    found = [json.dumps({k: v for k, v in text(e).items() if v is not None}, separators=(",", ":")) for e in events]
    if found:
        found.insert(len(found) // 3, found[len(found) // 2][:60])
        found.insert(len(found) // 2, json.dumps({"event_name": events[0]["event_name"]}))
    return found


def gzipped(found: list[str]) -> bytes:
    return gzip.compress("\n".join([*found, ""]).encode(), compresslevel=3, mtime=0)


def as_csv(events: list[Event], header: Callable[[str], str] = lambda name: name) -> bytes:
    """Comma-separated, with the samples' columns under names that `header` gives."""
    out = io.StringIO()
    columns = list(events[0])
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([header(column) for column in columns])
    for event in map(text, events):
        properties = json.dumps(event["properties"], separators=(",", ":"))
        writer.writerow([properties if c == "properties" else event[c] for c in columns])
    return out.getvalue().encode()
