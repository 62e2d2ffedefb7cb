"""A social service that does not exist: beneficiaries, their appointments, and stories that the pipeline must find.

Every day is drawn from a seed of its own, so that a longer history begins with the same days. Centres and their capacity are in
`appointments_centres`, what becomes of an appointment in `appointments_diary`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from analytics_pipeline.samples import appointments_diary
from analytics_pipeline.samples.appointments_centres import CENTRES, SERVICES, ZONE, Event, at, is_open, shifts
from analytics_pipeline.samples.appointments_diary import Appointment, Beneficiary, Diary, book
from analytics_pipeline.samples.weights import pick

__all__ = ["DAYS", "ZONE", "Stories", "generate", "stories"]

DAYS = 90
_SEED = 47
_ESTABLISHED = 950
_WEEKDAY = (1.2, 1.15, 1.0, 0.95, 0.8, 0.35, 0.4)
_HOURS = (1, 0, 0, 0, 0, 0, 2, 4, 7, 10, 11, 9, 8, 8, 8, 8, 7, 6, 6, 6, 6, 5, 3, 0)
_PAGES = {"/": 40, "/services": 25, "/appointments": 22, "/documents": 13}
_LANGUAGES = {"English": 62, "Polish": 9, "Urdu": 8, "Arabic": 8, "Romanian": 7, "Somali": 6}


@dataclass(frozen=True)
class Stories:
    """What was planted, and where: the answers that tests hold the pipeline against."""

    strike_day: date
    strike_region: str
    release_day: date
    falling_service: str


def stories(first_day: date) -> Stories:
    """The planted stories of a history that begins on this day; the strike falls on a day on which the centres are open."""
    strike = first_day + timedelta(days=appointments_diary.STRIKE_DAY)
    while not is_open(strike):
        strike += timedelta(days=1)
    release = first_day + timedelta(days=appointments_diary.RELEASE_DAY)
    return Stories(strike, appointments_diary.STRIKE_REGION, release, appointments_diary.TREND_SERVICE)


def generate(first_day: date, days: int) -> list[list[Event]]:
    """The events of each local day from the first on, in order of time; times in UTC."""
    rng = random.Random(f"{_SEED}:before")
    people = [_beneficiary(rng, n, -rng.randint(1, 120)) for n in range(_ESTABLISHED)]
    diary = Diary(first_day, 0, rng)
    strike_day = stories(first_day).strike_day
    history = []
    for index in range(days):
        diary.index, diary.rng = index, random.Random(f"{_SEED}:day:{index}")
        events = list(_day(diary, people, strike_day))
        history.append(sorted(events, key=lambda e: (e["occurred_at"], e["event_id"])))
    return history


def _beneficiary(rng: random.Random, number: int, joined: int) -> Beneficiary:
    return Beneficiary(
        number=number,
        joined=joined,
        centre=rng.choices(CENTRES, [c.share for c in CENTRES])[0],
        service=rng.choices(SERVICES, [s.share for s in SERVICES])[0],
        is_online=rng.random() < 0.6,
        device=rng.choices(("mobile", "desktop", "tablet"), (74, 20, 6))[0],
        need=rng.gammavariate(2.5, 0.4),
        drifts_after=30 + min(int(rng.expovariate(1 / 110)), 600),
        reliability=rng.gammavariate(4, 0.25),
        is_registered=joined < 0,
        visits=1 if joined < 0 else 0,
    )


def _day(diary: Diary, people: list[Beneficiary], strike_day: date) -> Iterator[Event]:
    rng, day, index = diary.rng, diary.day, diary.index
    yield from shifts(rng, day, index)
    yield from appointments_diary.changes_of_the_day(diary)
    yield from appointments_diary.outcomes_of_the_day(diary, strike_day)
    season = _WEEKDAY[day.weekday()] * (1 if is_open(day) or day.weekday() > 4 else 0.4)
    known = len(people)
    people += [_beneficiary(rng, known + n, index) for n in range(round((9 + 0.06 * index) * season))]
    for person in people:
        if index - person.joined <= person.drifts_after:
            yield from _contact(diary, person, season)
    yield from appointments_diary.reminders_of_the_day(diary)
    yield from _noise(diary)


def _contact(diary: Diary, person: Beneficiary, season: float) -> Iterator[Event]:
    """A person registers, looks something up, or books, each with its chance for the day."""
    rng = diary.rng
    if not person.is_registered:
        if diary.index == person.joined or rng.random() < 0.2 * season:
            yield from _register(diary, person)
    elif person.next_on is not None:
        if person.is_online and rng.random() < 0.11 * season:
            yield from _look_around(diary, person)[0]
    elif rng.random() < 0.11 * person.need * season:
        if person.is_online:
            events, clock = _look_around(diary, person)
            yield from events
            if rng.random() < 0.62:
                yield book(diary, person, clock, "portal")
        elif is_open(diary.day):
            yield book(diary, person, at(rng, diary.day, 9, 16), "phone")


def _register(diary: Diary, person: Beneficiary) -> Iterator[Event]:
    """Online after a look around, perhaps not on the first day; else by phone, when the centre is open."""
    rng, platform = diary.rng, "portal" if person.is_online else "phone"
    events: list[Event] = []
    clock = at(rng, diary.day, 9, 16)
    if person.is_online:
        events, clock = _look_around(diary, person)
    yield from events
    if rng.random() < 0.5 if person.is_online else is_open(diary.day):
        person.is_registered = True
        facts: dict[str, Any] = {
            "referral": rng.choices(("self", "council", "health visitor", "charity"), (45, 30, 15, 10))[0],
            "language": pick(rng, _LANGUAGES),
            "birth_year": rng.randint(1945, 2007),
            "access_need": rng.random() < 0.12,
        }
        yield diary.event(person, "beneficiary.registered", clock, platform, **facts)
        if rng.random() < 0.7:
            yield book(diary, person, clock + timedelta(seconds=rng.randint(40, 400)), platform)


def _look_around(diary: Diary, person: Beneficiary) -> tuple[list[Event], datetime]:
    """Pages of the portal, and the moment at which the person is done with them."""
    rng, events = diary.rng, []
    hour = rng.choices(range(24), _HOURS)[0]
    clock = at(rng, diary.day, hour, hour + 1)
    for _ in range(1 + min(int(rng.expovariate(0.7)), 6)):
        page = pick(rng, _PAGES)
        events.append(diary.event(person, "portal.visit", clock, "portal", page=page))
        clock += timedelta(seconds=round(2 + rng.expovariate(1 / 50)))
    return events, clock


def _noise(diary: Diary) -> Iterator[Event]:
    """What does not count: a monitor that opens the portal, and bookings of the training course."""
    rng, day = diary.rng, diary.day
    robot = Beneficiary(90_000, 0, CENTRES[0], SERVICES[0], True, "desktop", 0, 0, 1, False)
    for hour in (3, 9, 15, 21):
        yield diary.event(robot, "portal.visit", at(rng, day, hour, hour + 1), "portal", page="/", agent="monitor")
    if day.weekday() == 2:
        trainee = Beneficiary(90_001, 0, CENTRES[1], SERVICES[1], False, "desktop", 0, 0, 1, True)
        number = f"training-{diary.index:03d}"
        slot = Appointment(number, trainee, SERVICES[1], diary.index, diary.index, at(rng, day, 12, 13))
        facts = {"scheduled_for": slot.starts.isoformat(), "lead_days": 0, "is_first": True, "is_training": True}
        yield diary.about(slot, "appointment.booked", slot.starts - timedelta(hours=2), "front desk", **facts)
        yield diary.about(slot, "appointment.cancelled", slot.starts, "front desk", notice_hours=0, is_training=True)
