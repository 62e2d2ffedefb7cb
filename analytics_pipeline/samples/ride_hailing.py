"""A ride-hailing service that does not exist: riders of Indian cities book seats on drivers' routes, with planted stories.

Every day is drawn from a seed of its own, so that a longer history begins with the same days. The cast is in
`ride_hailing_world`, the trips are in `ride_hailing_trips`.
"""

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from analytics_pipeline.samples.ride_hailing_trips import ahead_of, choose_trip, departures, drive, note
from analytics_pipeline.samples.ride_hailing_world import (
    NEW_VERSION,
    RELEASE_DAY,
    ZONE,
    Booking,
    Day,
    Event,
    Person,
    Trip,
    draw_person,
    draw_route,
)
from analytics_pipeline.samples.weights import pick

__all__ = ["DAYS", "ZONE", "Stories", "generate", "stories"]

DAYS = 90
_SEED = 41
_OUTAGE_DAY, OUTAGE_REGION, OUTAGE_METHOD = 71, "Karnataka", "upi"
_ESTABLISHED, _DRIVERS = 500, 15
_METHODS = {"upi": 68, "card": 20, "wallet": 12}
_FAILS = {"upi": 0.06, "card": 0.09, "wallet": 0.02}
_AT_WORK = timedelta(hours=6)
_OPENED = (1, 1, 1, 1, 2, 4, 7, 11, 13, 9, 6, 5, 6, 6, 5, 6, 9, 13, 14, 10, 7, 5, 3, 2)


@dataclass(frozen=True)
class Stories:
    """What was planted, and where."""

    outage_day: date
    outage_region: str
    outage_payment_method: str
    release_day: date
    release_version: str


@dataclass
class _Market:
    people: list[Person]
    refunds: dict[int, list[Booking]] = field(default_factory=dict)

    def owe(self, day: Day, booking: Booking) -> None:
        self.refunds.setdefault(day.index + day.rng.randint(1, 3), []).append(booking)


def stories(first_day: date) -> Stories:
    """The planted stories of a history that begins on this day."""
    outage, release = (first_day + timedelta(days=d) for d in (_OUTAGE_DAY, RELEASE_DAY))
    return Stories(outage, OUTAGE_REGION, OUTAGE_METHOD, release, NEW_VERSION)


def generate(first_day: date, days: int) -> list[list[Event]]:
    """The events of each local day from the first on, in order of time; times in UTC."""
    market = _Market([_established(n) for n in range(_ESTABLISHED)])
    history = []
    for index in range(days):
        day = Day(random.Random(f"{_SEED}:day:{index}"), first_day + timedelta(days=index), index)
        newcomers = round(7.5 * day.season)
        market.people += [draw_person(day.rng, len(market.people) + n, index) for n in range(newcomers)]
        for person in market.people:
            _onboard(day, person)
        trips = [trip for person in market.people for trip in departures(day, person)]
        for person in market.people:
            _visit(day, market, person, trips)
        for trip in trips:
            for booking in drive(day, trip):
                market.owe(day, booking)
        for booking in market.refunds.pop(index, []):
            note(day, "payment.refunded", day.at(day.rng.uniform(10, 18)), booking, method=booking.method)
        _test_ride(day)
        history.append(sorted(day.events, key=lambda e: (e["occurred_at"], e["event_id"])))
    return history


def _established(number: int) -> Person:
    rng = random.Random(f"{_SEED}:old:{number}")
    person = draw_person(rng, number, -1)
    if number < _DRIVERS:
        person.is_known = person.registers = True
        person.drifts_after = None
        person.route = draw_route(rng, person, is_active=True)
    return person


def _onboard(day: Day, person: Person) -> None:
    """The steps on the way from a user to a driver with a route, and the end of it."""
    route = person.route
    if person.drifts_after is not None and day.index - person.joined == person.drifts_after and route and route.is_active:
        route.is_active = False
        day.add("route.cancelled", day.at(day.rng.uniform(20, 23)), person, ("route", route.entity), route=route.corridor.name)
    step = person.agenda.pop(day.index, None)
    moment = day.at(day.rng.uniform(10, 16)) if step else None
    if step == "verify" and moment:
        day.add("user.kyc_verified", moment, person, document=pick(day.rng, {"aadhaar": 70, "licence": 30}))
    elif step == "upgrade" and moment:
        person.route = route = draw_route(day.rng, person, is_active=False)
        day.add("user.upgraded_to_driver", moment, person, vehicle=pick(day.rng, {"hatchback": 50, "sedan": 35, "van": 15}))
        facts: dict[str, Any] = {"route": route.corridor.name, "seats": route.seats, "km": route.corridor.km}
        day.add("route.created", day.later(moment, 600), person, ("route", route.entity), **facts)
    elif step == "activate" and moment and route:
        route.is_active = True
        day.add("route.activated", moment, person, ("route", route.entity), route=route.corridor.name)


def _chance(day: Day, rider: Person) -> float:
    """How likely it is that the rider opens the app today."""
    age = day.index - rider.joined
    if rider.drifts_after is not None and age > rider.drifts_after:
        return 0.0
    if rider.joined < 0:
        return 0.145 * rider.eagerness * day.season
    return 0.42 * rider.eagerness / age**0.4 if age else 1.0


def _visit(day: Day, market: _Market, rider: Person, trips: list[Trip]) -> None:
    """A rider opens the app, or doesn't; may register; may book."""
    rng = day.rng
    if rider.route or rng.random() >= _chance(day, rider):
        return
    wishes = (rider.is_known or rider.registers) and rng.random() < min(0.5 * day.season, 0.8)
    trip = choose_trip(rng, rider, trips) if wishes else None
    hour = rng.choices(range(24), _OPENED)[0] + rng.random()
    clock = _open(day, rider, ahead_of(rng, trip) if trip else day.at(hour))
    if rider.registers and not rider.is_known and rng.random() < 0.7:
        clock = day.later(clock, 60)
        _register(day, rider, clock)
    if trip and rider.is_known:
        _book(day, market, rider, trip, day.later(clock, 45))
        _return(day, market, rider, [t for t in trips if t.departs - trip.departs > _AT_WORK])


def _return(day: Day, market: _Market, rider: Person, trips: list[Trip]) -> None:
    """Some book the way back, too, in a session of its own."""
    trip = choose_trip(day.rng, rider, trips) if day.rng.random() < 0.35 else None
    if trip:
        clock = _open(day, rider, ahead_of(day.rng, trip))
        _book(day, market, rider, trip, day.later(clock, 30))


def _open(day: Day, rider: Person, at: datetime) -> datetime:
    day.add("app.opened", at, rider, screen=pick(day.rng, {"home": 80, "link": 12, "notification": 8}))
    return at


def _register(day: Day, rider: Person, clock: datetime) -> None:
    rng, rider.is_known = day.rng, True
    phone = f"+91 90000 {rider.number:05d}"
    day.add("user.registered", clock, rider, channel=pick(rng, {"phone": 80, "google": 20}), phone=phone)
    if rng.random() < 0.22:
        when = day.index + rng.randint(1, 4)
        rider.agenda[when] = "verify"
        if rng.random() < 0.13:
            rider.agenda[when + rng.randint(1, 3)] = "upgrade"
            rider.agenda[when + rng.randint(4, 6)] = "activate"


def _book(day: Day, market: _Market, rider: Person, trip: Trip, clock: datetime) -> None:
    rng = day.rng
    seats = min(rng.choices((1, 2, 3), (74, 20, 6))[0], trip.free_seats)
    fare = round(seats * (28 + 6.5 * trip.route.corridor.km) * rng.lognormvariate(0, 0.15), 2)
    booking = Booking(day.new_id("booking"), rider, trip, seats, fare, pick(rng, _METHODS))
    note(day, "booking.created", clock, booking, fare=fare)
    clock, is_paid = _pay(day, booking, clock)
    if not is_paid:
        note(day, "booking.cancelled", day.later(clock, 20), booking, reason="payment_failed")
        return
    clock = day.later(clock, 3)
    note(day, "booking.confirmed", clock, booking, fare=fare)
    if rng.random() < 0.05:
        note(day, "booking.cancelled", clock + (trip.departs - clock) * rng.uniform(0.1, 0.8), booking, reason="rider")
        market.owe(day, booking)
    else:
        trip.bookings.append(booking)


def _pay(day: Day, booking: Booking, clock: datetime) -> tuple[datetime, bool]:
    """Up to three attempts. Since the release a payment takes about half as long."""
    rng, method = day.rng, booking.method
    is_down = day.index == _OUTAGE_DAY and booking.rider.city.region == OUTAGE_REGION and method == OUTAGE_METHOD
    for attempt in (1, 2, 3):
        clock = day.later(clock, 6)
        note(day, "payment.initiated", clock, booking, method=method, attempt=attempt)
        seconds = min(round((5.2 if day.index >= RELEASE_DAY else 9.5) * rng.lognormvariate(0, 0.5), 2), 90.0)
        clock += timedelta(seconds=seconds)
        if rng.random() >= (0.92 if is_down else _FAILS[method]):
            note(day, "payment.success", clock, booking, method=method, seconds=seconds, attempt=attempt)
            return clock, True
        reason = "bank_unavailable" if is_down else pick(rng, {"declined": 45, "timeout": 35, "insufficient_funds": 20})
        note(day, "payment.failed", clock, booking, method=method, seconds=seconds, attempt=attempt, reason=reason)
        if rng.random() < 0.35:
            break
    return clock, False


def _test_ride(day: Day) -> None:
    """The company's own staff try the app on most days."""
    if day.rng.random() < 0.7:
        staff = draw_person(day.rng, 99_990 + day.rng.randrange(4), day.index)
        staff.is_known = True
        clock = day.at(day.rng.uniform(10, 18))
        day.add("app.opened", clock, staff, screen="home", internal=True)
        facts: dict[str, Any] = {"trip": "trip-test", "route": staff.corridor.name, "seats": 1, "fare": 1.0}
        day.add("booking.created", day.later(clock, 30), staff, ("booking", day.new_id("test")), **facts, internal=True)
