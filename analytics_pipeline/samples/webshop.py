"""A web shop that does not exist: visitors, carts, orders, and stories that the pipeline must find.

Every day is drawn from a seed of its own, so that a longer history begins with the same days. Writing files is in `files`.
"""

import math
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Event = dict[str, Any]

DAYS = 90
ZONE = ZoneInfo("Europe/Berlin")
_SEED = 20
_OUTAGE_DAY, OUTAGE_COUNTRY, OUTAGE_DEVICE = 71, "DE", "mobile"
_RELEASE_DAY, OLD_VERSION, NEW_VERSION = 50, "3.4.0", "3.5.0"
_ESTABLISHED = 2300
_COUNTRIES = {"DE": 54, "AT": 12, "CH": 11, "FR": 10, "NL": 8, "PL": 5}
_DEVICES = {"mobile": 66, "desktop": 27, "tablet": 7}
_CATEGORIES = {"kitchen": 18, "garden": 32, "books": 14, "lighting": 45, "toys": 22, "textiles": 38}
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

    @property
    def anonymous_id(self) -> str:
        return f"anon-{self.number:06d}"

    @property
    def user_id(self) -> str:
        return f"user-{self.number:06d}"


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
        history.append(_day(rng, visitors, first_day, index))
    return history


def _visitor(rng: random.Random, number: int, joined: int) -> _Visitor:
    device = _pick(rng, _DEVICES)
    platform = "web" if device == "desktop" else _pick(rng, {"web": 45, "ios": 25, "android": 30})
    drifts = rng.randint(7, 45) if rng.random() < 0.3 else None
    visitor = _Visitor(number, joined, _pick(rng, _COUNTRIES), device, platform, rng.gammavariate(2, 0.5), drifts, False)
    visitor.signs_up = rng.random() < 0.55
    if joined < 0 and visitor.signs_up:
        visitor.signed_up_on = -1
    return visitor


def _pick(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _day(rng: random.Random, visitors: list[_Visitor], first_day: date, index: int) -> list[Event]:
    day = first_day + timedelta(days=index)
    season = _WEEKDAY[day.weekday()] * (1 + 0.0022 * index)
    events: list[Event] = []
    for visitor in visitors:
        age = index - visitor.joined
        if visitor.drifts_after is not None and age > visitor.drifts_after:
            continue
        if visitor.joined < 0:
            chance = 0.088 * visitor.eagerness * season
        else:
            chance = 1.0 if age == 0 else 0.22 * visitor.eagerness * season / math.sqrt(age)
        if rng.random() < chance:
            events += _visit(rng, visitor, day, index)
    return sorted(events, key=lambda e: (e["occurred_at"], e["event_id"]))


def _visit(rng: random.Random, visitor: _Visitor, day: date, index: int) -> list[Event]:
    hour = rng.choices(range(24), (2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 9, 8, 7, 7, 8, 9, 11, 13, 14, 12, 8, 4))[0]
    clock = datetime.combine(day, time(hour, rng.randrange(60), rng.randrange(60)), ZONE).astimezone(UTC)
    version = NEW_VERSION if index >= _RELEASE_DAY else OLD_VERSION
    events: list[Event] = []

    def happens(name: str, seconds: float, value: float | None = None, **properties: Any) -> None:
        nonlocal clock
        clock += timedelta(seconds=round(rng.expovariate(1 / seconds) + 1, 3))
        known = visitor.signed_up_on is not None
        events.append(
            {
                "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "event_name": name,
                "occurred_at": clock,
                "received_at": clock + timedelta(seconds=round(rng.uniform(0.2, 8), 3)),
                "user_id": visitor.user_id if known else None,
                "anonymous_id": visitor.anonymous_id if not known or name == "sign_up" else None,
                "country": visitor.country,
                "device_type": visitor.device,
                "platform": visitor.platform,
                "app_version": version,
                "value": value,
                "currency": "EUR" if value is not None else None,
                "properties": properties,
            }
        )

    happens("page_view", 1, path="/")
    if rng.random() < (0.34 if visitor.signed_up_on is None else 0.24):
        return events
    if visitor.signs_up and visitor.signed_up_on is None and rng.random() < 0.5:
        visitor.signed_up_on = index
        happens("sign_up", 40, method=_pick(rng, {"email": 70, "google": 30}))
    if rng.random() < 0.35:
        happens("search", 15, query=rng.choice(list(_CATEGORIES)))
    if rng.random() < 0.15:
        happens("heartbeat", 60)
    basket = []
    on_first_day = visitor.signed_up_on == index
    to_cart = (0.32 if index >= _RELEASE_DAY else 0.115) if on_first_day else 0.19
    since: dict[str, Any] = {} if not visitor.signed_up_on else {"days_since_sign_up": str(index - visitor.signed_up_on)}
    for _ in range(1 + min(int(rng.expovariate(0.45)), 12)):
        category = rng.choice(list(_CATEGORIES))
        price = round(_CATEGORIES[category] * rng.lognormvariate(0, 0.35), 2)
        product = f"{category}-{rng.randrange(40):02d}"
        happens("product_view", 25, product=product, category=category, price=price)
        if rng.random() < to_cart:
            happens("add_to_cart", 12, product=product, category=category, price=price, **since)
            basket.append(price)
        if rng.random() < 0.3:
            happens("page_view", 20, path=f"/{category}")
    if basket and rng.random() < 0.86:
        happens("checkout_start", 30, items=len(basket))
        is_down = index == _OUTAGE_DAY and visitor.country == OUTAGE_COUNTRY and visitor.device == OUTAGE_DEVICE
        if rng.random() < 0.82 and not is_down:
            order = f"order-{index:03d}-{rng.getrandbits(32):08x}"
            happens("purchase", 70, round(sum(basket), 2), order=order, items=len(basket))
            if rng.random() < 0.03:
                happens("refund", 7200, round(sum(basket), 2), order=order)
    return events
