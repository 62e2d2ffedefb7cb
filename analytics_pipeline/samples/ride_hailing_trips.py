"""The trips of the ride-hailing sample: when drivers leave, who sits in the car, what the car reports."""

import random
from datetime import datetime, timedelta
from typing import Any

from analytics_pipeline.samples.ride_hailing_world import Booking, Day, Person, Trip

_COMMISSION = 0.2
_WORKS = {5: 0.55, 6: 0.35}


def note(day: Day, name: str, at: datetime, booking: Booking, **more: Any) -> None:
    """An event of a booking; payments carry the fare as their value."""
    value = booking.fare if name.startswith("payment") else None
    day.add(name, at, booking.rider, ("booking", booking.entity), value, **booking.facts, **more)


def departures(day: Day, driver: Person) -> list[Trip]:
    """The trips that a driver offers on this day; none without an active route."""
    route, rng, trips = driver.route, day.rng, []
    if route is None or not route.is_active:
        return []
    if rng.random() < 0.03:
        route.seats = rng.choice((3, 4, 4, 6))
        facts: dict[str, Any] = {"route": route.corridor.name, "seats": route.seats}
        day.add("route.updated", day.at(rng.uniform(5, 6.5)), driver, ("route", route.entity), **facts)
    works = _WORKS.get(day.date.weekday(), 0.85)
    for hour in route.departures:
        if rng.random() < works:
            trips.append(Trip(day.new_id("trip"), driver, route, day.at(hour)))
    return trips


def choose_trip(rng: random.Random, rider: Person, trips: list[Trip]) -> Trip | None:
    """A departure with a free seat in the rider's city, mostly on the usual corridor."""
    near = [t for t in trips if t.driver.city is rider.city and t.free_seats > 0 and t.driver is not rider]
    usual = [t for t in near if t.route.corridor is rider.corridor]
    found = usual if usual and rng.random() < 0.85 else near
    return rng.choice(found) if found else None


def ahead_of(rng: random.Random, trip: Trip) -> datetime:
    """When somebody opens the app who wants to ride: up to two and a half hours before."""
    return trip.departs - timedelta(seconds=round(rng.uniform(1200, 9000), 3))


def drive(day: Day, trip: Trip) -> list[Booking]:
    """The trip runs with those who paid, or is cancelled.

    Returns:
        The bookings that have to be paid back.
    """
    if not trip.bookings or day.rng.random() < 0.025:
        _cancel(day, trip)
        return trip.bookings
    completed, minutes = _run(day, trip)
    for booking in trip.bookings:
        rating = {"rating": day.rng.choices((5, 4, 3, 2, 1), (58, 26, 9, 4, 3))[0]} if day.rng.random() < 0.55 else {}
        note(day, "booking.completed", day.later(completed, 15), booking, minutes=minutes, **rating)
    return [b for b in trip.bookings if day.rng.random() < 0.01]


def _facts(trip: Trip) -> dict[str, Any]:
    return {"route": trip.route.corridor.name, "seats_offered": trip.route.seats}


def _cancel(day: Day, trip: Trip) -> None:
    reason = "driver" if trip.bookings else "no_riders"
    clock = trip.departs - timedelta(seconds=day.rng.randint(60, 600))
    day.add("trip.cancelled", clock, trip.driver, ("trip", trip.entity), reason=reason, **_facts(trip))
    for booking in trip.bookings:
        note(day, "booking.cancelled", day.later(trip.departs, 20), booking, reason="driver")


def _run(day: Day, trip: Trip) -> tuple[datetime, float]:
    rng, km, entity = day.rng, trip.route.corridor.km, ("trip", trip.entity)
    started = trip.departs + timedelta(seconds=round(120 * rng.lognormvariate(0, 0.8), 3))
    minutes = round(km / 24 * 60 * rng.lognormvariate(0, 0.2), 1)
    day.add("trip.started", started, trip.driver, entity, **_facts(trip))
    for _ in range(2):
        _locate(day, trip, started + timedelta(seconds=round(rng.random() * minutes * 60, 3)))
    completed = started + timedelta(seconds=round(minutes * 60 + 1, 3))
    earned = round((1 - _COMMISSION) * sum(b.fare for b in trip.bookings), 2)
    taken = trip.route.seats - trip.free_seats
    day.add("trip.completed", completed, trip.driver, entity, earned, **_facts(trip), seats_taken=taken, km=km, minutes=minutes)
    return completed, minutes


def _locate(day: Day, trip: Trip, at: datetime) -> None:
    city, rng = trip.driver.city, day.rng
    place = {"latitude": round(rng.gauss(city.latitude, 0.05), 5), "longitude": round(rng.gauss(city.longitude, 0.05), 5)}
    day.add("driver.location.updated", at, trip.driver, ("trip", trip.entity), speed_kmh=round(rng.uniform(4, 52), 1), **place)
