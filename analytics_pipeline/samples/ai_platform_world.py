"""The endpoints, the accounts and the log of a day of the AI platform's sample. What happens on a day is in `ai_platform`."""

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analytics_pipeline.samples.weights import pick

Event = dict[str, Any]

ZONE = ZoneInfo("UTC")
RELEASE_DAY, OLD_MODEL, NEW_MODEL = 50, "atlas-2", "atlas-3"
_WEEKDAY = (1.1, 1.15, 1.15, 1.12, 1.0, 0.42, 0.36)
_HOLIDAYS = {(1, 1), (12, 25), (12, 26)}
_CAMPAIGN = ((9, 21), (9, 27))
_OFFICE = (1, 1, 1, 1, 1, 2, 3, 5, 8, 11, 13, 12, 9, 11, 13, 13, 12, 10, 7, 5, 5, 4, 3, 2)


@dataclass(frozen=True)
class Endpoint:
    """What the API offers: the usual latency, the tokens of a request, their price."""

    path: str
    kind: str
    weight: int
    latency_ms: float
    tokens_in: int
    tokens_out: int
    price: float
    """USD for a thousand tokens."""
    fails: float


ENDPOINTS = (
    Endpoint("/v1/chat", "chat", 46, 900, 640, 330, 0.004, 0.012),
    Endpoint("/v1/embeddings", "embedding", 27, 140, 1100, 0, 0.0004, 0.004),
    Endpoint("/v1/documents", "extraction", 16, 1700, 2600, 420, 0.006, 0.035),
    Endpoint("/v1/transcriptions", "transcription", 11, 2500, 1500, 600, 0.009, 0.05),
)


@dataclass(frozen=True)
class Place:
    """A country, the cloud region that serves it, its clocks and its money."""

    country: str
    region: str
    hours_ahead: int
    currency: str
    weight: int


PLACES = (
    Place("US", "us-east", -6, "USD", 44),
    Place("GB", "eu-west", 0, "USD", 12),
    Place("DE", "eu-west", 1, "EUR", 13),
    Place("FR", "eu-west", 1, "EUR", 8),
    Place("IN", "ap-south", 5, "USD", 15),
    Place("JP", "ap-south", 9, "USD", 8),
)
PRICES = {"free": 0.0, "pro": 29.0, "team": 149.0}


@dataclass
class Account:
    """A customer: one plan, one bill each thirty days."""

    number: int
    place: Place
    plan: str
    billed_on: int | None = None

    @property
    def name(self) -> str:
        return f"account-{self.number:04d}"


@dataclass
class User:
    """A developer of an account; anonymous until the sign-up."""

    number: int
    joined: int
    account: Account
    client: str
    eagerness: float
    drifts_after: int | None
    signs_up: bool
    is_known: bool
    is_owner: bool


def draw_account(rng: random.Random, number: int, joined: int) -> Account:
    """A new account is free; an established one may pay since some day of the month before."""
    place = rng.choices(PLACES, [p.weight for p in PLACES])[0]
    if joined >= 0:
        return Account(number, place, "free")
    plan = pick(rng, {"free": 55, "pro": 33, "team": 12})
    return Account(number, place, plan, rng.randint(-30, -1) if plan != "free" else None)


def draw_user(rng: random.Random, number: int, joined: int, account: Account, *, is_owner: bool) -> User:
    """Somebody new; those who were there before the history began are known already, as are colleagues of an owner."""
    drifts = rng.randint(5, 45) if rng.random() < 0.3 else None
    client = pick(rng, {"python": 52, "node": 27, "curl": 12, "playground": 9})
    signs_up = joined < 0 or not is_owner or rng.random() < 0.6
    is_known = signs_up and (joined < 0 or not is_owner)
    return User(number, joined, account, client, rng.gammavariate(1.8, 0.55), drifts, signs_up, is_known, is_owner)


@dataclass
class Day:
    """One day in UTC: its random numbers, its season, its events."""

    rng: random.Random
    date: date
    index: int
    events: list[Event] = field(default_factory=list)

    @property
    def season(self) -> float:
        """Use against an average day at the beginning."""
        holiday = 0.5 if (self.date.month, self.date.day) in _HOLIDAYS else 1.0
        return _WEEKDAY[self.date.weekday()] * (1 + 0.004 * self.index) * holiday

    @property
    def newcomers(self) -> int:
        """Visitors who come for the first time: twice as many in a campaign."""
        is_campaign = _CAMPAIGN[0] <= (self.date.month, self.date.day) <= _CAMPAIGN[1]
        return round(5.5 * self.season * (2 if is_campaign else 1))

    @property
    def model(self) -> str:
        return NEW_MODEL if self.index >= RELEASE_DAY else OLD_MODEL

    def at(self, hour: float) -> datetime:
        """The moment of this day at the hour."""
        return datetime.combine(self.date, time(), UTC) + timedelta(seconds=round(hour * 3600, 3))

    def office_hour(self, place: Place) -> float:
        """An hour in UTC at which people of the place work, or now and then don't."""
        local: int = self.rng.choices(range(24), _OFFICE)[0]
        return (local - place.hours_ahead) % 24 + self.rng.random()

    def new_id(self, kind: str) -> str:
        """A name for a session or a job of this day."""
        return f"{kind}-{self.index:03d}-{self.rng.getrandbits(40):010x}"

    def add(
        self,
        name: str,
        at: datetime,
        user: User | None,
        properties: dict[str, Any],
        *,
        session: str | None = None,
        job: str | None = None,
        region: str | None = None,
        money: tuple[float, str] | None = None,
    ) -> None:
        """Note an event; without a user it is the system's own."""
        place = user.account.place if user else None
        is_known = user is not None and user.is_known
        anonymous = user is not None and (not user.is_known or name == "user.signed_up")
        entity = ("job", job) if job else ("account", user.account.name) if user and is_known else (None, None)
        self.events.append(
            {
                "event_id": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
                "event_name": name,
                "occurred_at": at,
                "received_at": at + timedelta(seconds=round(self.rng.uniform(0.05, 4), 3)),
                "user_id": f"dev-{user.number:05d}" if user and is_known else None,
                "anonymous_id": f"browser-{user.number:05d}" if user and anonymous else None,
                "session_id": session,
                "entity_type": entity[0],
                "entity_id": entity[1],
                "country": place.country if place else None,
                "region": region or (place.region if place else None),
                "city": None,
                "device_type": "desktop" if place else "server",
                "platform": user.client if user else None,
                "app_version": self.model,
                "value": money[0] if money else None,
                "currency": money[1] if money else None,
                "properties": properties,
            }
        )
