"""The diary of the sample social service: bookings, changes, reminders, and what becomes of an appointment."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from analytics_pipeline.samples.appointments_centres import ZONE, Centre, Event, Service, at, capacity, event

RELEASE_DAY = 46
STRIKE_DAY, STRIKE_REGION = 66, "Greater London"
TREND_SERVICE, DAILY_FALL = "housing advice", 0.014
_REMINDED = 0.55
_REASONS = ("eviction notice", "benefits", "anxiety", "separation", "job search", "arrears", "carer's leave", "other")


@dataclass
class Beneficiary:
    """One person. Days are counted from the first of the history; below 0 is before it."""

    number: int
    joined: int
    centre: Centre
    service: Service
    is_online: bool
    device: str
    need: float
    drifts_after: int
    reliability: float
    is_registered: bool
    next_on: int | None = None
    visits: int = 0


@dataclass
class Appointment:
    """A booked slot; `starts` is in UTC."""

    number: str
    person: Beneficiary
    service: Service
    booked_on: int
    on: int
    starts: datetime
    was_reminded: bool = False
    is_on: bool = True


@dataclass
class Diary:
    """The state at one day of the history, and that day's random numbers."""

    first_day: date
    index: int
    rng: random.Random
    slots: defaultdict[int, list[Appointment]] = field(default_factory=lambda: defaultdict(list))
    changes: defaultdict[int, list[Appointment]] = field(default_factory=lambda: defaultdict(list))
    taken: defaultdict[tuple[int, str, str], int] = field(default_factory=lambda: defaultdict(int))

    @property
    def day(self) -> date:
        """The local day."""
        return self.first_day + timedelta(days=self.index)

    def event(self, person: Beneficiary, name: str, moment: datetime, platform: str, **facts: Any) -> Event:
        """Something about a person without an appointment."""
        return event(self.rng, name, moment, person.centre, None, self._who(person, name, platform), None, facts)

    def about(self, appointment: Appointment, name: str, moment: datetime, platform: str, **facts: Any) -> Event:
        """Something about an appointment."""
        person = appointment.person
        who = self._who(person, name, platform)
        return event(
            self.rng, name, moment, person.centre, appointment.service, who, ("appointment", appointment.number), facts
        )

    def _who(self, person: Beneficiary, name: str, platform: str) -> dict[str, str | None]:
        is_portal = platform == "portal"
        shows_device = is_portal and (not person.is_registered or name == "beneficiary.registered")
        return {
            "user_id": f"beneficiary-{person.number:05d}" if person.is_registered else None,
            "anonymous_id": f"browser-{person.number:05d}" if shows_device else None,
            "device_type": person.device if is_portal else None,
            "platform": platform,
        }

    def find_slot(self, person: Beneficiary, service: Service, lead: int) -> tuple[int, datetime]:
        """The first day, so many days ahead or later, on which the service has time left for the person's centre."""
        on = self.index + max(lead, 1)
        while self._left(person.centre, service, on) < service.minutes:
            on += 1
        self.taken[on, person.centre.name, service.name] += service.minutes
        quarter = self.rng.randrange(9 * 4, 16 * 4)
        local = datetime.combine(self.first_day + timedelta(days=on), time(quarter // 4, quarter % 4 * 15), ZONE)
        return on, local.astimezone(UTC)

    def _left(self, centre: Centre, service: Service, on: int) -> int:
        day = self.first_day + timedelta(days=on)
        return capacity(centre, service, day) - self.taken[on, centre.name, service.name]


def book(diary: Diary, person: Beneficiary, moment: datetime, platform: str) -> Event:
    """Take a slot, and decide now whether something will come in between."""
    rng = diary.rng
    lead = 1 + min(int(rng.expovariate(1 / 3.2)), 20)
    on, starts = diary.find_slot(person, person.service, lead)
    number = f"appointment-{diary.index:03d}-{rng.getrandbits(32):08x}"
    appointment = Appointment(number, person, person.service, diary.index, on, starts)
    person.next_on = on
    diary.slots[on].append(appointment)
    if rng.random() < 0.23:
        diary.changes[rng.randint(diary.index + 1, on)].append(appointment)
    scheduled = starts.astimezone(ZONE).isoformat()
    facts = {"scheduled_for": scheduled, "lead_days": on - diary.index, "is_first": person.visits == 0}
    return diary.about(appointment, "appointment.booked", moment, platform, **facts, reason=rng.choice(_REASONS))


def changes_of_the_day(diary: Diary) -> Iterator[Event]:
    """Early in the morning, before any slot: cancelled, or moved to a later day."""
    rng = diary.rng
    for old in diary.changes.pop(diary.index, []):
        moment = at(rng, diary.day, 6, 8)
        notice = round((old.starts - moment).total_seconds() / 3600, 1)
        platform = "portal" if old.person.is_online else "phone"
        old.is_on = False
        diary.taken[old.on, old.person.centre.name, old.service.name] -= old.service.minutes
        if rng.random() < 0.52:
            old.person.next_on = None
            by = rng.choices(("beneficiary", "centre"), (85, 15))[0]
            yield diary.about(old, "appointment.cancelled", moment, platform, notice_hours=notice, cancelled_by=by)
            continue
        on, starts = diary.find_slot(old.person, old.service, old.on - diary.index + rng.randint(1, 6))
        diary.slots[on].append(Appointment(old.number, old.person, old.service, diary.index, on, starts))
        old.person.next_on = on
        facts = {"notice_hours": notice, "scheduled_for": starts.astimezone(ZONE).isoformat()}
        yield diary.about(old, "appointment.rescheduled", moment, platform, **facts)


def reminders_of_the_day(diary: Diary) -> Iterator[Event]:
    """At five in the afternoon for tomorrow: by mail to those online, and from the release on by text message to everybody."""
    for appointment in diary.slots[diary.index + 1]:
        channel = "sms" if diary.index >= RELEASE_DAY else "email" if appointment.person.is_online else None
        if channel is None or not appointment.is_on or appointment.booked_on == diary.index:
            continue
        appointment.was_reminded = channel == "sms"
        moment = at(diary.rng, diary.day, 17, 18)
        contact = (
            f"07700 9{diary.rng.randrange(100_000):05d}" if channel == "sms" else f"b{appointment.person.number}@example.org"
        )
        yield diary.about(appointment, "reminder.sent", moment, "system", channel=channel, contact=contact)


def outcomes_of_the_day(diary: Diary, strike_day: date) -> Iterator[Event]:
    """Attended or missed; who came may rate it, and may book the next one at the desk."""
    for appointment in diary.slots.pop(diary.index, []):
        if appointment.is_on:
            appointment.person.next_on = None
            yield from _outcome(diary, appointment, diary.day == strike_day)


def _outcome(diary: Diary, appointment: Appointment, is_strike: bool) -> Iterator[Event]:
    rng, person, service = diary.rng, appointment.person, appointment.service
    chance = service.no_show * person.reliability * (_REMINDED if appointment.was_reminded else 1)
    if is_strike and person.centre.region == STRIKE_REGION:
        chance = 0.93
    if rng.random() < chance:
        yield diary.about(appointment, "appointment.missed", appointment.starts + timedelta(minutes=20), "front desk")
        return
    person.visits += 1
    arrived = appointment.starts + timedelta(seconds=rng.randint(-300, 600))
    facts = {"minutes": service.minutes, "is_remote": rng.random() < 0.15}
    yield diary.about(appointment, "appointment.attended", arrived, "front desk", **facts)
    done = arrived + timedelta(minutes=service.minutes)
    if rng.random() < 0.48:
        fall = DAILY_FALL * diary.index if service.name == TREND_SERVICE else 0
        score = min(max(round(rng.gauss(service.score - fall, 1.5)), 0), 10)
        platform = "portal" if person.is_online else "front desk"
        later = done + timedelta(seconds=rng.randint(300, 3 * 3600))
        yield diary.about(appointment, "evaluation.completed", later, platform, score=score, wants_contact=rng.random() < 0.1)
    if rng.random() < 0.4:
        yield book(diary, person, done + timedelta(seconds=rng.randint(60, 280)), "front desk")
