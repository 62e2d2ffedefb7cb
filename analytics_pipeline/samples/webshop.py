"""A web shop that does not exist: visitors, carts, orders, and stories that the pipeline must find.

Every day is drawn from a seed of its own, so that a longer history begins with the same days. What came later
(regions, francs, filters, removals, testers) is drawn from second seeds, so that the stories stay. Writing files is in `files`.
"""

import math
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analytics_pipeline.samples.weights import pick

Event = dict[str, Any]

DAYS = 90
ZONE = ZoneInfo("Europe/Berlin")
_SEED, _ESTABLISHED = 20, 2300
_OUTAGE_DAY, OUTAGE_COUNTRY, OUTAGE_DEVICE = 71, "DE", "mobile"
_RELEASE_DAY, OLD_VERSION, NEW_VERSION = 50, "3.4.0", "3.5.0"
_COUNTRIES = {"DE": 54, "AT": 12, "CH": 11, "FR": 10, "NL": 8, "PL": 5}
_DEVICES = {"mobile": 66, "desktop": 27, "tablet": 7}
_CATEGORIES = {"kitchen": 18, "garden": 32, "books": 14, "lighting": 45, "toys": 22, "textiles": 38}
_REGIONS = {
    "DE": {"Nordrhein-Westfalen": 27, "Bayern": 25, "Baden-Württemberg": 20, "Berlin": 12, "Hamburg": 8, "Sachsen": 8},
    "AT": {"Wien": 50, "Steiermark": 28, "Tirol": 22},
    "CH": {"Zürich": 45, "Bern": 25, "Genève": 18, "Basel": 12},
    "FR": {"Île-de-France": 50, "Grand Est": 28, "Occitanie": 22},
    "NL": {"Noord-Holland": 45, "Zuid-Holland": 35, "Utrecht": 20},
    "PL": {"Mazowieckie": 60, "Małopolskie": 40},
}
_FILTERS = ("price", "rating", "brand", "delivery")
_FRANCS_SHARE, _EUROS_PER_FRANC = 0.35, 1.06
_WEEKDAY = (0.92, 0.94, 0.97, 1.0, 1.04, 1.18, 1.12)


@dataclass(frozen=True)
class Stories:
    """What was planted, and where: the answers that tests hold the pipeline against."""

    outage_day: date
    outage_country: str
    outage_device: str
    release_day: date
    release_version: str


@dataclass
class _Visitor:
    number: int
    joined: int
    country: str
    device: str
    platform: str
    eagerness: float
    drifts_after: int | None
    signs_up: bool
    signed_up_on: int | None = None
    region: str = ""
    currency: str = "EUR"


@dataclass
class _Visit:
    rng: random.Random
    more: random.Random
    visitor: _Visitor
    clock: datetime
    index: int
    events: list[Event] = field(default_factory=list)

    def happens(self, name: str, seconds: float, value: float | None = None, **properties: Any) -> None:
        self.clock += timedelta(seconds=round(self.rng.expovariate(1 / seconds) + 1, 3))
        self._add(self.rng, name, self.clock, value, properties)

    def also(self, chance: float, name: str, **properties: Any) -> None:
        if self.more.random() < chance:
            self._add(self.more, name, self.clock + timedelta(milliseconds=self.more.randint(400, 990)), None, properties)

    def _add(self, rng: random.Random, name: str, at: datetime, value: float | None, properties: dict[str, Any]) -> None:
        visitor, known = self.visitor, self.visitor.signed_up_on is not None
        self.events.append(
            {
                "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "event_name": name,
                "occurred_at": at,
                "received_at": at + timedelta(seconds=round(rng.uniform(0.2, 8), 3)),
                "user_id": f"user-{visitor.number:06d}" if known else None,
                "anonymous_id": f"anon-{visitor.number:06d}" if not known or name == "sign_up" else None,
                "country": visitor.country,
                "region": visitor.region,
                "device_type": visitor.device,
                "platform": visitor.platform,
                "app_version": NEW_VERSION if self.index >= _RELEASE_DAY else OLD_VERSION,
                "value": value,
                "currency": visitor.currency if value is not None else None,
                "properties": properties,
            }
        )


def stories(first_day: date) -> Stories:
    """The planted stories of a history that begins on this day."""
    outage, release = (first_day + timedelta(days=d) for d in (_OUTAGE_DAY, _RELEASE_DAY))
    return Stories(outage, OUTAGE_COUNTRY, OUTAGE_DEVICE, release, NEW_VERSION)


def generate(first_day: date, days: int) -> list[list[Event]]:
    """The events of each local day from the first on, in order of time; times in UTC."""
    visitors = [_visitor(random.Random(f"{_SEED}:old:{n}"), n, -1) for n in range(_ESTABLISHED)]
    history = []
    for index in range(days):
        rng = random.Random(f"{_SEED}:day:{index}")
        newcomers = round((34 + index * 0.22) * _WEEKDAY[(first_day + timedelta(days=index)).weekday()])
        visitors += [_visitor(rng, len(visitors) + n, index) for n in range(newcomers)]
        history.append(_day(rng, random.Random(f"{_SEED}:more:{index}"), visitors, first_day, index))
    return history


def _visitor(rng: random.Random, number: int, joined: int) -> _Visitor:
    device = pick(rng, _DEVICES)
    platform = "web" if device == "desktop" else pick(rng, {"web": 45, "ios": 25, "android": 30})
    drifts = rng.randint(7, 45) if rng.random() < 0.3 else None
    visitor = _Visitor(number, joined, pick(rng, _COUNTRIES), device, platform, rng.gammavariate(2, 0.5), drifts, False)
    visitor.signs_up = rng.random() < 0.55
    visitor.signed_up_on = -1 if joined < 0 and visitor.signs_up else None
    place = random.Random(f"{_SEED}:place:{number}")
    visitor.region = pick(place, _REGIONS[visitor.country])
    visitor.currency = "CHF" if visitor.country == "CH" and place.random() < _FRANCS_SHARE else "EUR"
    return visitor


def _day(rng: random.Random, more: random.Random, visitors: list[_Visitor], first_day: date, index: int) -> list[Event]:
    day = first_day + timedelta(days=index)
    season = _WEEKDAY[day.weekday()] * (1 + 0.0022 * index)
    events = _testing(more, day, index)
    for visitor in visitors:
        age = index - visitor.joined
        drifted = visitor.drifts_after is not None and age > visitor.drifts_after
        if visitor.joined < 0:
            chance = 0.088 * visitor.eagerness * season
        else:
            chance = 1.0 if age == 0 else 0.22 * visitor.eagerness * season / math.sqrt(age)
        if not drifted and rng.random() < chance:
            events += _visit(_Visit(rng, more, visitor, _arrival(rng, day), index))
    return sorted(events, key=lambda e: (e["occurred_at"], e["event_id"]))


def _arrival(rng: random.Random, day: date) -> datetime:
    hour = rng.choices(range(24), (2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 9, 8, 7, 7, 8, 9, 11, 13, 14, 12, 8, 4))[0]
    return datetime.combine(day, time(hour, rng.randrange(60), rng.randrange(60)), ZONE).astimezone(UTC)


def _testing(more: random.Random, day: date, index: int) -> list[Event]:
    """The shop's own people look around, too."""
    tester = _Visitor(990_000 + more.randrange(3), -1, "DE", "desktop", "web", 1, None, True, -1, "Berlin")
    visit = _Visit(more, more, tester, _arrival(more, day), index)
    return [{**e, "properties": {**e["properties"], "internal": True}} for e in _visit(visit)]


def _visit(visit: _Visit) -> list[Event]:
    rng, visitor, index = visit.rng, visit.visitor, visit.index
    visit.happens("page_view", 1, path="/")
    if rng.random() < (0.34 if visitor.signed_up_on is None else 0.24):
        return visit.events
    if visitor.signs_up and visitor.signed_up_on is None and rng.random() < 0.5:
        visitor.signed_up_on = index
        visit.happens("sign_up", 40, method=pick(rng, {"email": 70, "google": 30}))
    if rng.random() < 0.35:
        query = rng.choice(list(_CATEGORIES))
        visit.happens("search", 15, query=query)
        visit.also(0.45, "filter", by=visit.more.choice(_FILTERS), category=query)
    if rng.random() < 0.15:
        visit.happens("heartbeat", 60)
    basket = _browse(visit)
    if basket and rng.random() < 0.86:
        if len(basket) > 1 and visit.more.random() < 0.08:
            visit.also(1, "remove_from_cart", **basket.pop())
        _check_out(visit, basket)
    elif basket:
        visit.also(0.6, "remove_from_cart", **basket[0])
    return visit.events


def _browse(visit: _Visit) -> list[dict[str, Any]]:
    rng, signed_up_on = visit.rng, visit.visitor.signed_up_on
    to_cart = 0.19 if signed_up_on != visit.index else 0.32 if visit.index >= _RELEASE_DAY else 0.115
    since: dict[str, Any] = {} if not signed_up_on else {"days_since_sign_up": str(visit.index - signed_up_on)}
    basket = []
    for _ in range(1 + min(int(rng.expovariate(0.45)), 12)):
        category = rng.choice(list(_CATEGORIES))
        price = round(_CATEGORIES[category] * rng.lognormvariate(0, 0.35), 2)
        item: dict[str, Any] = {"product": f"{category}-{rng.randrange(40):02d}", "category": category, "price": price}
        visit.happens("product_view", 25, **item)
        if rng.random() < to_cart:
            visit.happens("add_to_cart", 12, **item, **since)
            basket.append(item)
        if rng.random() < 0.3:
            visit.happens("page_view", 20, path=f"/{category}")
            visit.also(0.12, "filter", by=visit.more.choice(_FILTERS), category=category)
    return basket


def _check_out(visit: _Visit, basket: list[dict[str, Any]]) -> None:
    rng, visitor, index = visit.rng, visit.visitor, visit.index
    facts: dict[str, Any] = {"items": len(basket), "category": basket[0]["category"]}
    total = round(sum(item["price"] for item in basket) / (_EUROS_PER_FRANC if visitor.currency == "CHF" else 1), 2)
    visit.happens("checkout_start", 30, **facts)
    is_down = index == _OUTAGE_DAY and visitor.country == OUTAGE_COUNTRY and visitor.device == OUTAGE_DEVICE
    if rng.random() < 0.82 and not is_down:
        order = f"order-{index:03d}-{rng.getrandbits(32):08x}"
        visit.happens("purchase", 70, total, order=order, **facts)
        if rng.random() < 0.03:
            visit.happens("refund", 7200, total, order=order, category=facts["category"])
