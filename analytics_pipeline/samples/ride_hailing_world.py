"""The cities, the people and the log of a day of the ride-hailing sample. What happens on a day is in `ride_hailing`."""

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analytics_pipeline.samples.weights import pick

Event = dict[str, Any]

ZONE = ZoneInfo("Asia/Kolkata")
RELEASE_DAY, OLD_VERSION, NEW_VERSION = 50, "5.1.0", "5.2.0"
_WEEKDAY = (1.1, 1.08, 1.06, 1.08, 1.14, 0.8, 0.6)
_HOLIDAYS = {(1, 26), (8, 15), (10, 2)}
_CAMPAIGN = ((10, 19), (10, 25))


@dataclass(frozen=True)
class Corridor:
    """A stretch that many people ride."""

    name: str
    km: float


@dataclass(frozen=True)
class City:
    """Where people live and routes run."""

    name: str
    region: str
    weight: int
    latitude: float
    longitude: float
    corridors: tuple[Corridor, ...]


def _city(name: str, region: str, weight: int, latitude: float, longitude: float, **corridors: float) -> City:
    parts = tuple(Corridor(k.replace("__", " to ").replace("_", " "), km) for k, km in corridors.items())
    return City(name, region, weight, latitude, longitude, parts)


CITIES = (
    _city("Bengaluru", "Karnataka", 34, 12.97, 77.59, Whitefield__Koramangala=17.5, Hebbal__Jayanagar=16, Yelahanka__Domlur=18),
    _city("Mumbai", "Maharashtra", 22, 19.07, 72.87, Thane__Bandra_Kurla=21, Andheri__Lower_Parel=17, Vashi__Powai=22.5),
    _city("Pune", "Maharashtra", 13, 18.52, 73.85, Wakad__Hinjewadi=9.5, Kothrud__Kharadi=18.5),
    _city("Mysuru", "Karnataka", 5, 12.3, 76.64, Vijayanagar__Hebbal_Park=8),
    _city("Hyderabad", "Telangana", 15, 17.38, 78.48, Kukatpally__HITEC_City=12, LB_Nagar__Gachibowli=28.5),
    _city("Chennai", "Tamil Nadu", 11, 13.08, 80.27, Tambaram__Guindy=18, Velachery__Siruseri=20),
)  # fmt: skip


@dataclass
class Route:
    """A driver's offer: a corridor, seats, a morning and an evening departure (local hours)."""

    entity: str
    corridor: Corridor
    seats: int
    departures: tuple[float, float]
    is_active: bool


@dataclass
class Person:
    """A rider; with a route, a driver."""

    number: int
    joined: int
    city: City
    corridor: Corridor
    platform: str
    eagerness: float
    drifts_after: int | None
    registers: bool
    is_known: bool
    agenda: dict[int, str] = field(default_factory=dict)
    route: Route | None = None

    @property
    def user_id(self) -> str:
        return f"user-{self.number:05d}"


@dataclass
class Trip:
    """A departure of a route on a day, and the bookings that are paid."""

    entity: str
    driver: Person
    route: Route
    departs: datetime
    bookings: "list[Booking]" = field(default_factory=list)

    @property
    def free_seats(self) -> int:
        return self.route.seats - sum(b.seats for b in self.bookings)


@dataclass
class Booking:
    """Seats of a trip for a rider."""

    entity: str
    rider: Person
    trip: Trip
    seats: int
    fare: float
    method: str

    @property
    def facts(self) -> dict[str, Any]:
        """What every event of the booking says."""
        return {"trip": self.trip.entity, "route": self.trip.route.corridor.name, "seats": self.seats}


def draw_person(rng: random.Random, number: int, joined: int) -> Person:
    """Somebody new; those who were there before the history began are known already, if they ever will be."""
    city = rng.choices(CITIES, [c.weight for c in CITIES])[0]
    drifts = rng.randint(6, 50) if rng.random() < 0.32 else None
    platform = pick(rng, {"android": 74, "ios": 20, "web": 6})
    registers = rng.random() < 0.68
    corridor, eagerness = rng.choice(city.corridors), rng.gammavariate(2, 0.5)
    return Person(number, joined, city, corridor, platform, eagerness, drifts, registers, registers and joined < 0)


def draw_route(rng: random.Random, driver: Person, *, is_active: bool) -> Route:
    """A route on the driver's corridor."""
    departures = round(rng.uniform(7.2, 9.6), 2), round(rng.uniform(17.1, 19.8), 2)
    return Route(f"route-{driver.number:05d}", driver.corridor, rng.choice((3, 4, 4, 6)), departures, is_active)


@dataclass
class Day:
    """One local day: its random numbers, its season, its events."""

    rng: random.Random
    date: date
    index: int
    events: list[Event] = field(default_factory=list)

    @property
    def season(self) -> float:
        """Demand against an average day at the beginning."""
        month_day = self.date.month, self.date.day
        special = 0.5 if month_day in _HOLIDAYS else 1.3 if _CAMPAIGN[0] <= month_day <= _CAMPAIGN[1] else 1.0
        return _WEEKDAY[self.date.weekday()] * (1 + 0.0022 * self.index) * special

    def at(self, hour: float) -> datetime:
        """The moment, in UTC, when local clocks show the hour."""
        return datetime.combine(self.date, time(), ZONE).astimezone(UTC) + timedelta(seconds=round(hour * 3600, 3))

    def later(self, moment: datetime, seconds: float) -> datetime:
        """Some time after: about the given seconds, at least half a second, at most four times as long."""
        return moment + timedelta(seconds=round(0.5 + min(self.rng.expovariate(1 / seconds), 4 * seconds), 3))

    def new_id(self, kind: str) -> str:
        """A name for a trip or a booking of this day."""
        return f"{kind}-{self.index:03d}-{self.rng.getrandbits(32):08x}"

    def add(
        self,
        name: str,
        at: datetime,
        person: Person,
        entity: tuple[str, str] | None = None,
        value: float | None = None,
        **properties: Any,
    ) -> None:
        """Note an event of a person."""
        kind, entity_id = entity or (None, None)
        self.events.append(
            {
                "event_id": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
                "event_name": name,
                "occurred_at": at,
                "received_at": at + timedelta(seconds=round(self.rng.uniform(0.2, 12), 3)),
                "user_id": person.user_id if person.is_known else None,
                "anonymous_id": None if person.is_known and name != "user.registered" else f"phone-{person.number:05d}",
                "entity_type": kind,
                "entity_id": entity_id,
                "country": "IN",
                "region": person.city.region,
                "city": person.city.name,
                "device_type": "desktop" if person.platform == "web" else "mobile",
                "platform": person.platform,
                "app_version": NEW_VERSION if self.index >= RELEASE_DAY else OLD_VERSION,
                "value": value,
                "currency": "INR" if value is not None else None,
                "properties": properties,
            }
        )  # fmt: skip
