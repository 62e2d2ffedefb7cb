"""A rental portal that does not exist: from the first search to the lease, with stories that the pipeline must find.

Every day is drawn from a seed of its own, so that a longer history begins with the same days. Listings are in `rental_market`,
visits in `rental_seekers`.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from analytics_pipeline.samples import rental_market, rental_seekers
from analytics_pipeline.samples.rental_market import PLACES, ZONE, Event, Listing, at
from analytics_pipeline.samples.rental_seekers import Seeker, World, new_seeker, visit

__all__ = ["DAYS", "ZONE", "Stories", "generate", "stories"]

DAYS = 90
_SEED = 42
_ESTABLISHED = 560
_WEEKDAY = (1.0, 1.0, 0.98, 0.95, 0.86, 1.1, 1.22)
_HOLIDAYS = {(1, 1), (7, 4), (12, 24), (12, 25)}


@dataclass(frozen=True)
class Stories:
    """What was planted, and where: the answers that tests hold the pipeline against."""

    outage_day: date
    outage_region: str
    release_day: date
    old_recommender: str
    new_recommender: str
    drift_day: date
    drifting_model: str
    rising_region: str


def stories(first_day: date) -> Stories:
    """The planted stories of a history that begins on this day."""
    days = (rental_seekers.OUTAGE_DAY, rental_seekers.RELEASE_DAY, rental_market.DRIFT_DAY)
    outage, release, drift = (first_day + timedelta(days=d) for d in days)
    return Stories(
        outage_day=outage,
        outage_region=rental_seekers.OUTAGE_REGION,
        release_day=release,
        old_recommender=rental_seekers.OLD_RECOMMENDER,
        new_recommender=rental_seekers.NEW_RECOMMENDER,
        drift_day=drift,
        drifting_model=rental_market.DRIFTING_MODEL,
        rising_region=rental_market.TREND_REGION,
    )


def generate(first_day: date, days: int) -> list[list[Event]]:
    """The events of each local day from the first on, in order of time; times in UTC."""
    rng = random.Random(f"{_SEED}:before")
    seekers = [new_seeker(rng, n, -rng.randint(1, 25)) for n in range(_ESTABLISHED)]
    world = World(rental_market.opening_market(rng), seekers, defaultdict(list), first_day, 0, rng)
    history = []
    for index in range(days):
        world.day, world.index = first_day + timedelta(days=index), index
        world.rng = random.Random(f"{_SEED}:day:{index}")
        history.append(sorted(_day(world), key=lambda e: (e["occurred_at"], e["event_id"])))
    return history


def _day(world: World) -> list[Event]:
    rng, day, index = world.rng, world.day, world.index
    events = rental_market.market_day(rng, world.market, day, index)
    for task in sorted(world.agenda.pop(index, []), key=lambda t: t.kind != "sign"):
        if task.listing.is_open and not task.seeker.has_home:
            events += _STEPS[task.kind](world, task.seeker, task.listing)
    season = _WEEKDAY[day.weekday()] * (0.5 if (day.month, day.day) in _HOLIDAYS else 1)
    first = len(world.seekers)
    world.seekers += [new_seeker(rng, first + n, index) for n in range(round((15 + 0.05 * index) * season))]
    for seeker in world.seekers:
        age = index - seeker.joined
        chance = 1.0 if age == 0 else 0.1 * seeker.eagerness * season
        if not seeker.has_home and age <= seeker.drifts_after and rng.random() < chance:
            events += visit(world, seeker)
    return events + _noise(world)


def _book(world: World, seeker: Seeker, listing: Listing) -> list[Event]:
    ahead = world.rng.choices((1, 2, 3, 4, 5), (4, 4, 3, 2, 1))[0]
    if world.rng.random() < 0.8:
        world.later("attend", seeker, listing, ahead)
    return [world.event(seeker, "viewing.booked", at(world.rng, world.day, 9, 20), listing, days_ahead=ahead)]


def _attend(world: World, seeker: Seeker, listing: Listing) -> list[Event]:
    rng, moment = world.rng, at(world.rng, world.day, 10, 19)
    attended = world.event(seeker, "viewing.attended", moment, listing, minutes=rng.randint(12, 40))
    if rng.random() < 0.5:
        return [attended]
    if rng.random() < 0.55:
        world.later("sign", seeker, listing, rng.randint(2, 5))
    later = moment + timedelta(seconds=rng.randint(1800, 4 * 3600))
    income = rng.choice(("under 50k", "50k to 90k", "over 90k"))
    household = rng.randint(1, 5)
    return [attended, world.event(seeker, "application.sent", later, listing, income_band=income, household=household)]


def _sign(world: World, seeker: Seeker, listing: Listing) -> list[Event]:
    seeker.has_home, listing.is_open = True, False
    moment = at(world.rng, world.day, 9, 18)
    facts: dict[str, Any] = {
        "days_on_market": world.index - listing.published_on,
        "months": world.rng.choice((6, 12, 12, 12, 24)),
    }
    half_an_hour_later = moment + timedelta(minutes=30)
    gone = rental_market.back_office(world.rng, "listing.delisted", half_an_hour_later, listing, reason="let here")
    return [world.event(seeker, "lease.signed", moment, listing, listing.rent, **facts), gone]


_STEPS = {"book": _book, "attend": _attend, "sign": _sign}


def _noise(world: World) -> list[Event]:
    """What does not count: a crawler every night, and staff who try the search on working days."""
    rng, listings = world.rng, world.market.open_in("New York City", world.index)
    crawler = Seeker(90_001, -1, PLACES[0], "apartment", "desktop", "web", 1, 0)
    crawled = rng.sample(listings, min(6, len(listings)))
    events = [
        world.event(crawler, "listing.viewed", at(rng, world.day, 4, 5), x, source="crawler", rent=x.rent) for x in crawled
    ]
    if world.day.weekday() < 5:
        staff = Seeker(90_002 + rng.randrange(3), -1, PLACES[4], "studio", "desktop", "web", 1, 0, True)
        facts: dict[str, Any] = {"property_type": "studio", "results": 12, "max_rent": 2000, "is_internal": True}
        events.append(world.event(staff, "search", at(rng, world.day, 10, 16), None, **facts))
    return events
