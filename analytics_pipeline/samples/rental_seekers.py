"""People who look for a home on the sample rental portal: who they are and what a visit of theirs looks like."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from analytics_pipeline.samples.rental_market import PLACES, TYPES, Event, Listing, Market, Place, at, event

OUTAGE_DAY, OUTAGE_REGION = 67, "New York"
RELEASE_DAY, OLD_RECOMMENDER, NEW_RECOMMENDER = 41, "rec-1", "rec-2"
_HOURS = (1, 1, 0, 0, 0, 1, 3, 5, 6, 6, 6, 7, 10, 8, 6, 6, 6, 7, 9, 11, 12, 10, 0, 0)


@dataclass
class Seeker:
    """One person. Days are counted from the first of the history; below 0 is before it."""

    number: int
    joined: int
    place: Place
    kind: str
    device: str
    platform: str
    eagerness: float
    drifts_after: int
    is_known: bool = False
    has_home: bool = False


@dataclass(frozen=True)
class Task:
    """What will happen to a seeker and a listing on a later day, if both are still free."""

    kind: str
    seeker: Seeker
    listing: Listing


@dataclass
class World:
    """The state at one day of the history, and that day's random numbers."""

    market: Market
    seekers: list[Seeker]
    agenda: defaultdict[int, list[Task]]
    day: date
    index: int
    rng: random.Random

    def event(
        self, seeker: Seeker, name: str, moment: datetime, listing: Listing | None, value: float | None = None, **more: Any
    ) -> Event:
        """Something that a seeker did; the inquiry is where an anonymous visitor says who they are."""
        person: dict[str, str | None] = {
            "user_id": f"seeker-{seeker.number:05d}" if seeker.is_known else None,
            "anonymous_id": f"visitor-{seeker.number:05d}" if not seeker.is_known or name == "inquiry.sent" else None,
            "device_type": seeker.device,
            "platform": seeker.platform,
            "app_version": "5.2.0" if self.index >= RELEASE_DAY else "5.1.3",
        }
        place = listing.place if listing else seeker.place
        return event(self.rng, name, moment, place, person, listing, value, more)

    def later(self, kind: str, seeker: Seeker, listing: Listing, days: int) -> None:
        """Put something on the agenda of a later day."""
        self.agenda[self.index + days].append(Task(kind, seeker, listing))


def new_seeker(rng: random.Random, number: int, joined: int) -> Seeker:
    """A person with a wish; some of those from before the history have an account already."""
    place = rng.choices(PLACES, [p.share for p in PLACES])[0]
    kind = rng.choices(list(TYPES), [share for share, _ in TYPES.values()])[0]
    device = rng.choices(("mobile", "desktop", "tablet"), (62, 32, 6))[0]
    platform = "web" if device == "desktop" else rng.choices(("web", "ios", "android"), (30, 42, 28))[0]
    stays = min(6 + int(rng.expovariate(1 / 28)), 150)
    is_known = joined < 0 and rng.random() < 0.3
    return Seeker(number, joined, place, kind, device, platform, rng.gammavariate(2, 0.5), stays, is_known)


def visit(world: World, seeker: Seeker) -> list[Event]:
    """One stay on the portal: search, recommendations, listings, now and then an inquiry."""
    rng = world.rng
    hour = rng.choices(range(24), _HOURS)[0]
    clock = _Clock(rng, at(rng, world.day, hour, hour + 1))
    is_down = world.index == OUTAGE_DAY and seeker.place.region == OUTAGE_REGION
    found = [] if is_down else _matches(world, seeker)
    events = list(_search(world, seeker, found, is_down, clock))
    wanted = [(x, "search") for x in rng.sample(found, min(len(found), 1 + min(int(rng.expovariate(0.6)), 7)))]
    if found and rng.random() < 0.5:
        for shown in _recommend(world, seeker, found, clock):
            events.append(shown)
            if shown["event_name"] == "recommendation.clicked":
                wanted += [(x, "recommendation") for x in found if x.number == shown["entity_id"]]
    return [*events, *_look_at(world, seeker, wanted, clock)]


@dataclass
class _Clock:
    rng: random.Random
    now: datetime

    def after(self, seconds: float) -> datetime:
        """A moment about so many seconds later."""
        self.now += timedelta(milliseconds=round(1000 + self.rng.expovariate(1 / seconds) * 1000))
        return self.now


def _matches(world: World, seeker: Seeker) -> list[Listing]:
    """The newest open listings of the seeker's city; those of the wanted type, where there are some."""
    listings = world.market.open_in(seeker.place.city, world.index)
    return [x for x in listings if x.kind == seeker.kind][-25:] or listings[-12:]


def _search(world: World, seeker: Seeker, found: list[Listing], is_down: bool, clock: _Clock) -> Iterator[Event]:
    for _ in range(1 + (world.rng.random() < 0.35)):
        facts: dict[str, Any] = {
            "property_type": seeker.kind,
            "results": 0 if is_down or world.rng.random() < 0.04 else len(found),
            "max_rent": 50 * round(seeker.place.rent * world.rng.uniform(0.9, 1.4) / 50),
        }
        yield world.event(seeker, "search", clock.after(25), None, **facts)


def _recommend(world: World, seeker: Seeker, found: list[Listing], clock: _Clock) -> Iterator[Event]:
    is_new = world.index >= RELEASE_DAY
    for position, listing in enumerate(world.rng.sample(found, min(len(found), 2)), 1):
        facts: dict[str, Any] = {"model_version": NEW_RECOMMENDER if is_new else OLD_RECOMMENDER, "position": position}
        yield world.event(seeker, "recommendation.shown", clock.after(4), listing, **facts)
        if world.rng.random() < (0.21 if is_new else 0.12) / position**0.3:
            yield world.event(seeker, "recommendation.clicked", clock.after(12), listing, **facts)


def _look_at(world: World, seeker: Seeker, wanted: list[tuple[Listing, str]], clock: _Clock) -> Iterator[Event]:
    rng = world.rng
    for listing, source in wanted:
        yield world.event(seeker, "listing.viewed", clock.after(45), listing, source=source, rent=listing.rent)
        if rng.random() < (0.22 if source == "recommendation" else 0.14):
            seeker.is_known = True
            channel = rng.choices(("form", "call"), (8, 2))[0]
            length = round(rng.lognormvariate(5, 0.6))
            yield world.event(seeker, "inquiry.sent", clock.after(110), listing, channel=channel, message_length=length)
            if rng.random() < 0.62:
                world.later("book", seeker, listing, rng.choices((1, 2, 3), (6, 3, 1))[0])
