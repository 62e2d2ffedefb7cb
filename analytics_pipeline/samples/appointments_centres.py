"""The centres of the sample social service: where and when they are open, what they offer, who is on duty, and when.

Beneficiaries and their appointments are in `appointments` and `appointments_diary`.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Event = dict[str, Any]

ZONE = ZoneInfo("Europe/London")
_CAPACITY, _LONGEST_SHIFT = 4_500, 420


@dataclass(frozen=True)
class Centre:
    """A house with a share of the service's people."""

    name: str
    city: str
    region: str
    share: float


@dataclass(frozen=True)
class Service:
    """What an appointment is about: its share, minutes, chance to be missed, usual score."""

    name: str
    share: float
    minutes: int
    no_show: float
    score: float


CENTRES = (
    Centre("Hackney", "London", "Greater London", 0.30),
    Centre("Salford", "Manchester", "North West", 0.25),
    Centre("Digbeth", "Birmingham", "West Midlands", 0.20),
    Centre("Holbeck", "Leeds", "Yorkshire", 0.15),
    Centre("Easton", "Bristol", "South West", 0.10),
)
SERVICES = (
    Service("housing advice", 0.30, 30, 0.19, 7.9),
    Service("employment coaching", 0.25, 40, 0.21, 7.4),
    Service("counselling", 0.20, 50, 0.14, 8.3),
    Service("family support", 0.15, 60, 0.16, 8.0),
    Service("debt advice", 0.10, 40, 0.24, 7.6),
)


def is_open(day: date) -> bool:
    """Centres close on weekends, on Monday bank holidays, and between the years."""
    is_last_monday = day.weekday() == 0 and (day + timedelta(days=7)).month != day.month
    is_bank_holiday = (day.month in {5, 8} and is_last_monday) or (day.month == 5 and day.weekday() == 0 and day.day <= 7)
    is_between_the_years = (day.month == 12 and day.day >= 24) or (day.month == 1 and day.day == 1)
    return day.weekday() < 5 and not is_bank_holiday and not is_between_the_years


def capacity(centre: Centre, service: Service, day: date) -> int:
    """Minutes that staff can give there; Tuesdays to Thursdays are the long days, none is under an hour."""
    long_day = 1.1 if day.weekday() in {1, 2, 3} else 0.85
    share = centre.share * service.share * (service.minutes / 41.5)
    return max(30 * round(_CAPACITY * share * long_day / 30), 60) if is_open(day) else 0


def shifts(rng: random.Random, day: date, number: int) -> list[Event]:
    """The day's duty roster, with one person for each shift."""
    events = []
    for centre in CENTRES:
        for service in SERVICES:
            left = capacity(centre, service, day)
            while left > 0:
                minutes = min(left, _LONGEST_SHIFT)
                left -= minutes
                facts = {"staff": f"staff-{rng.randrange(70):02d}", "capacity_minutes": minutes}
                shift = f"shift-{number:03d}-{rng.getrandbits(32):08x}"
                events.append(event(rng, "staff.shift", at(rng, day, 7, 8), centre, service, {}, ("shift", shift), facts))
    return events


def at(rng: random.Random, day: date, from_hour: int, to_hour: int) -> datetime:
    """A random second of the day between two full hours of local time, in UTC."""
    local = datetime.combine(day, time(from_hour), ZONE)
    return local.astimezone(UTC) + timedelta(seconds=rng.randrange((to_hour - from_hour) * 3600))


def event(
    rng: random.Random,
    name: str,
    moment: datetime,
    centre: Centre,
    service: Service | None,
    person: dict[str, str | None],
    entity: tuple[str, str] | None,
    properties: dict[str, Any],
) -> Event:
    """One event with all columns; centre and service join the properties."""
    offered = {"centre": centre.name, **({"service_type": service.name} if service else {})}
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "event_name": name,
        "occurred_at": moment,
        "received_at": moment + timedelta(milliseconds=rng.randint(200, 8000)),
        "user_id": person.get("user_id"),
        "anonymous_id": person.get("anonymous_id"),
        "entity_type": entity[0] if entity else None,
        "entity_id": entity[1] if entity else None,
        "country": "GB",
        "region": centre.region,
        "city": centre.city,
        "device_type": person.get("device_type"),
        "platform": person.get("platform"),
        "app_version": None,
        "value": None,
        "currency": None,
        "properties": {**offered, **properties},
    }
