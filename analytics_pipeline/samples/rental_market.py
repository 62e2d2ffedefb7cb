"""The market of the sample rental portal: places, listings, rents, and the models that score them. No seekers here."""

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Event = dict[str, Any]

ZONE = ZoneInfo("America/New_York")
TREND_REGION, DAILY_RISE = "New Jersey", 0.003
DRIFT_DAY, DRIFTING_MODEL, STEADY_MODEL = 52, "let-3.1", "let-3.0"
_ESTABLISHED, _DAILY_DRIFT = 330, 0.0055
_WITHDRAWN, _CHEAPER = 0.028, 0.03


@dataclass(frozen=True)
class Place:
    """A city with its share of the market and the usual rent of an apartment."""

    region: str
    city: str
    share: int
    rent: int


PLACES = (
    Place("New York", "New York City", 34, 3300),
    Place("New York", "Buffalo", 7, 1350),
    Place("New Jersey", "Jersey City", 12, 2700),
    Place("New Jersey", "Newark", 9, 2150),
    Place("Massachusetts", "Boston", 15, 2900),
    Place("Massachusetts", "Worcester", 5, 1800),
    Place("Pennsylvania", "Philadelphia", 12, 1750),
    Place("Pennsylvania", "Pittsburgh", 6, 1400),
)
TYPES = {"apartment": (52, 1.0), "studio": (20, 0.68), "house": (17, 1.5), "room": (11, 0.42)}


@dataclass
class Listing:
    """A home on offer. Days are counted from the first of the history; below 0 is before it."""

    number: str
    place: Place
    kind: str
    rent: int
    published_on: int
    is_open: bool = True


@dataclass
class Market:
    """Every listing that is or was open, by city."""

    by_city: dict[str, list[Listing]] = field(default_factory=lambda: {p.city: [] for p in PLACES})

    def open_in(self, city: str, index: int) -> list[Listing]:
        """Listings that can be found there on a day, oldest first; a new one can be found from the next day on."""
        self.by_city[city] = [x for x in self.by_city[city] if x.is_open]
        return [x for x in self.by_city[city] if x.published_on < index]

    def publish(self, rng: random.Random, index: int) -> Listing:
        """A new listing at the rent that its place, type and day ask for."""
        place = rng.choices(PLACES, [p.share for p in PLACES])[0]
        kind = rng.choices(list(TYPES), [share for share, _ in TYPES.values()])[0]
        rise = (1 + DAILY_RISE) ** max(index, 0) if place.region == TREND_REGION else 1
        rent = 5 * round(place.rent * TYPES[kind][1] * rise * rng.lognormvariate(0, 0.13) / 5)
        listing = Listing(f"listing-{rng.getrandbits(40):010x}", place, kind, rent, index)
        self.by_city[place.city].append(listing)
        return listing


def opening_market(rng: random.Random) -> Market:
    """The listings that were there before the history begins."""
    market = Market()
    for _ in range(_ESTABLISHED):
        market.publish(rng, -1 - min(int(rng.expovariate(1 / 28)), 90))
    return market


def market_day(rng: random.Random, market: Market, day: date, index: int) -> list[Event]:
    """What agents and models do on one day: withdraw, lower, publish, score."""
    events = []
    for listing in [x for p in PLACES for x in market.open_in(p.city, index)]:
        chance = rng.random()
        if chance < _WITHDRAWN:
            listing.is_open = False
            reason = rng.choices(("let elsewhere", "withdrawn", "expired"), (6, 3, 1))[0]
            events.append(back_office(rng, "listing.delisted", at(rng, day, 8, 12), listing, reason=reason))
        elif index - listing.published_on > 12 and chance < _WITHDRAWN + _CHEAPER:
            events.append(_lower(rng, listing, day))
    busy = 1.25 if day.weekday() < 5 else 0.45
    for _ in range(round(12 * busy * rng.uniform(0.75, 1.25))):
        listing = market.publish(rng, index)
        facts = {
            "bedrooms": {"studio": 0, "room": 1}.get(listing.kind, rng.randint(1, 4)),
            "agent": f"agent-{rng.randrange(60):03d}",
        }
        events.append(back_office(rng, "listing.published", at(rng, day, 7, 12), listing, listing.rent, **facts))
    return events + _scores(rng, market, day, index)


def _lower(rng: random.Random, listing: Listing, day: date) -> Event:
    old = listing.rent
    listing.rent = 5 * round(old * rng.uniform(0.92, 0.98) / 5)
    return back_office(
        rng, "listing.price_changed", at(rng, day, 6, 8), listing, listing.rent, old_rent=old, new_rent=listing.rent
    )


def _scores(rng: random.Random, market: Market, day: date, index: int) -> list[Event]:
    """Nightly, for a sample of the listings: the chance to be let within 14 days. One version drifts."""
    candidates = [x for p in PLACES for x in market.open_in(p.city, index)]
    events = []
    for listing in rng.sample(candidates, min(44, len(candidates))):
        version = DRIFTING_MODEL if rng.random() < 0.7 else STEADY_MODEL
        drift = _DAILY_DRIFT * max(index - DRIFT_DAY, 0) if version == DRIFTING_MODEL else 0
        score = round(min(max(rng.betavariate(4.2, 5.2) - drift, 0.01), 0.99), 4)
        latency = round(rng.lognormvariate(3.3, 0.4), 1)
        facts: dict[str, Any] = {"score": score, "model_version": version, "latency_ms": latency}
        events.append(back_office(rng, "model.scored", at(rng, day, 4, 5), listing, **facts))
    return events


def at(rng: random.Random, day: date, from_hour: int, to_hour: int) -> datetime:
    """A random second of the day between two full hours of local time, in UTC."""
    local = datetime.combine(day, time(from_hour), ZONE)
    return local.astimezone(UTC) + timedelta(seconds=rng.randrange((to_hour - from_hour) * 3600))


def back_office(
    rng: random.Random, name: str, moment: datetime, listing: Listing, value: float | None = None, **properties: Any
) -> Event:
    """An event of the portal itself: no person, no device."""
    return event(rng, name, moment, listing.place, {}, listing, value, properties)


def event(
    rng: random.Random,
    name: str,
    moment: datetime,
    place: Place,
    person: dict[str, str | None],
    listing: Listing | None,
    value: float | None,
    properties: dict[str, Any],
) -> Event:
    """One event with all columns; a listing's type joins the properties."""
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "event_name": name,
        "occurred_at": moment,
        "received_at": moment + timedelta(milliseconds=rng.randint(200, 8000)),
        "user_id": person.get("user_id"),
        "anonymous_id": person.get("anonymous_id"),
        "entity_type": "listing" if listing else None,
        "entity_id": listing.number if listing else None,
        "country": "US",
        "region": place.region,
        "city": place.city,
        "device_type": person.get("device_type"),
        "platform": person.get("platform"),
        "app_version": person.get("app_version"),
        "value": value,
        "currency": "USD" if value is not None else None,
        "properties": {**({"property_type": listing.kind} if listing else {}), **properties},
    }
