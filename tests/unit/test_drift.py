"""Days against their history: what is planted is found, and chance is not. The histories are drawn here, by other means."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import pytest

from analytics_pipeline.quality.drift.history import ProfileRow, read_history
from analytics_pipeline.quality.drift.judge import judge_day
from analytics_pipeline.quality.drift.statistics import LEAST_DAYS, Finding
from analytics_pipeline.quality.drift.words import DESCRIPTIONS, FAMILIES, in_words

FIRST = date(2026, 3, 2)
DAYS = 40
WEEKDAYS = (1.0, 1.05, 1.1, 1.05, 1.2, 0.6, 0.5)
COUNTRIES = {"DE": 60, "AT": 25, "CH": 15}


@dataclass(frozen=True)
class World:
    """How a day of two kinds of events is drawn.

    persons: expected on a weekday of 1.0; spread of the logarithms of prices; windfalls: share of prices that are a thousand times as
    high; of_one_person: events of one more, at two in the morning; others as they are named.
    """

    persons: float = 400
    growth: float = 0.0
    countries: dict[str, int] = field(default_factory=lambda: dict(COUNTRIES))
    nameless: float = 0.05
    price: float = 40.0
    hour: float = 14.0
    repeated: float = 0.004
    buys: float = 0.15
    spread: float = 0.5
    windfalls: float = 0.0
    of_one_person: int = 0


def drawn(world: World, index: int, seed: int) -> list[ProfileRow]:
    """The profile of one day, in the form of ops.profiles."""
    rng, day = random.Random(f"{seed}:{index}"), FIRST + timedelta(days=index)
    expected = world.persons * WEEKDAYS[day.weekday()] * (1 + world.growth) ** index
    persons = max(0, round(rng.gauss(expected, expected**0.5)))
    events, countries, hours, prices, nameless = 0, Counter[str](), Counter[str](), [], 0
    visits = []
    for _ in range(persons):
        country = rng.choices(list(world.countries), list(world.countries.values()))[0]
        hour = int(rng.gauss(world.hour, 4)) % 24
        visit = 1 + min(int(rng.expovariate(0.4)), 15)
        events += visit
        visits.append(visit)
        countries[country] += visit
        hours[f"{hour:02d}"] += visit
        nameless += visit if rng.random() < world.nameless else 0
        if rng.random() < world.buys:
            times = 1000 if rng.random() < world.windfalls else 1
            prices.append(world.price * times * rng.lognormvariate(0, world.spread))
    if world.of_one_person:
        events, persons = events + world.of_one_person, persons + 1
        visits.append(world.of_one_person)
        countries["CH"] += world.of_one_person
        hours["02"] += world.of_one_person
    orders = len(prices)
    rows: list[ProfileRow] = []

    def row(event_name: str, metric: str, subject: str, value: str, amount: float | None, total: float) -> None:
        rows.append((day, event_name, metric, subject, value, amount, total))

    for name, count, people in (("", events + orders, persons), ("view", events, persons), ("buy", orders, orders)):
        if count:
            row(name, "count", "events", "", count, count)
            row(name, "count", "persons", "", people, count)
    for name in ("", "view"):
        row(name, "size", "effective_persons", "", sum(visits) ** 2 / max(sum(v * v for v in visits), 1), events)
        row(name, "share", "busiest", "", max(visits, default=0), events)
    row("", "present", "user_id", "", events - nameless, events)
    row("", "share", "repeated", "", sum(rng.random() < world.repeated for _ in range(events)), events)
    for value, count in countries.items():
        row("", "category", "country", value, count, events)
    for value, count in hours.items():
        row("", "category", "hour", value, count, events)
    if orders:
        for place, amount in zip(("p10", "p50", "p90"), np.quantile(prices, [0.1, 0.5, 0.9]), strict=True):
            row("buy", "number", "value", place, float(amount), orders)
        row("buy", "number", "value", "mean", float(np.mean(prices)), orders)
        row("buy", "number", "value", "deviation", float(np.std(prices)), orders)
        row("buy", "number", "value", "max", max(prices), orders)
    return rows


def findings(day_of: Callable[[int], World], seed: int, judged: range) -> Iterator[Finding]:
    days = [FIRST + timedelta(days=i) for i in range(DAYS)]
    history = read_history(days, [row for i in range(DAYS) for row in drawn(day_of(i), i, seed)])
    for i in judged:
        yield from judge_day(history, days[i], set(days[:i]), (), lambda _: 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_chance_is_no_finding(seed: int) -> None:
    assert [in_words(f) for f in findings(lambda _: World(), seed, range(DAYS))] == []


@pytest.mark.parametrize("seed", range(4))
def test_steady_growth_is_no_finding(seed: int) -> None:
    assert [in_words(f) for f in findings(lambda _: World(growth=0.01), seed, range(DAYS))] == []


@pytest.mark.parametrize("seed", range(4))
def test_a_few_great_amounts_that_come_and_go_are_no_finding(seed: int) -> None:
    assert [in_words(f) for f in findings(lambda _: World(windfalls=0.01), seed, range(DAYS))] == []


@pytest.mark.parametrize("seed", range(4))
def test_one_person_of_many_events_is_no_trend(seed: int) -> None:
    """At an hour at which nobody comes, from a country of few: what one does says nothing of the others."""
    found = findings(lambda i: World(of_one_person=150 if i == DAYS - 1 else 0), seed, range(DAYS - 1, DAYS))
    assert [in_words(f) for f in found if f.severity == "blocking"] == []


PLANTED = {
    "half of the day": (World(persons=200), "volume"),
    "all of it twice": (World(persons=800), "volume"),
    "a kind of event that no longer comes": (World(buys=0.0), "volume"),
    "a third without a user": (World(nameless=0.35), "fields_are_there"),
    "cents for euros": (World(price=4000), "numbers"),
    "a constant for a measurement": (World(spread=0.001), "numbers"),
    "another zone": (World(hour=9), "local_hours"),
    "a country that is lost": (World(countries={"DE": 85, "CH": 15}), "values_of_fields"),
    "a field of another column": (World(countries={"mobile": 60, "desktop": 40}), "mix_of_fields"),
    "every tenth event again": (World(repeated=0.1), "odd_events"),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_defect_blocks_on_its_day(name: str, seed: int) -> None:
    world, check = PLANTED[name]
    last = DAYS - 1
    found = list(findings(lambda i: world if i == last else World(), seed, range(last, DAYS)))
    blocking = {FAMILIES[f.key.metric] for f in found if f.severity == "blocking"}
    assert check in blocking, [in_words(f) for f in found]


def test_what_resembles_an_accepted_day_is_no_finding_any_more() -> None:
    days = [FIRST + timedelta(days=i) for i in range(DAYS)]
    dear = World(price=100)
    history = read_history(days, [row for i in range(DAYS) for row in drawn(dear if i >= 37 else World(), i, 5)])
    assert judge_day(history, days[38], set(days[:37]), (), lambda _: 1.0)
    assert judge_day(history, days[38], set(days[:38]), {days[37]}, lambda _: 1.0) == []


def test_an_occasion_of_the_calendar_may_be_larger_and_a_lost_day_is_still_found() -> None:
    days = [FIRST + timedelta(days=i) for i in range(DAYS)]
    for persons, is_found in ((640, False), (40, True)):
        rows = [row for i in range(DAYS) for row in drawn(World(persons=persons if i == 39 else 400), i, 3)]
        found = judge_day(read_history(days, rows), days[39], set(days[:39]), (), lambda _: 3.0)
        assert bool(found) == is_found, [in_words(f) for f in found]


def test_a_day_is_not_judged_before_there_is_a_history() -> None:
    days = [FIRST + timedelta(days=i) for i in range(LEAST_DAYS)]
    rows = [row for i in range(LEAST_DAYS) for row in drawn(World(persons=20 if i == LEAST_DAYS - 1 else 400), i, 1)]
    history = read_history(days, rows)
    assert judge_day(history, days[-1], set(days[:-1]), (), lambda _: 1.0) == []


def test_bad_days_are_no_history() -> None:
    days = [FIRST + timedelta(days=i) for i in range(DAYS)]
    broken = set(range(25, 39))
    rows = [row for i in range(DAYS) for row in drawn(World(price=4000 if i in broken else 40), i, 2)]
    history = read_history(days, rows)
    good = {days[i] for i in range(39) if i not in broken}
    assert judge_day(history, days[39], good, (), lambda _: 1.0) == []


def test_every_family_has_words() -> None:
    found = [f for name in PLANTED for f in findings(_only_last(PLANTED[name][0]), 1, range(DAYS - 1, DAYS))]
    assert all(FAMILIES[f.key.metric] in DESCRIPTIONS for f in found)
    assert all(in_words(replace(f)).startswith(f.day.isoformat()) for f in found)


def _only_last(world: World) -> Callable[[int], World]:
    return lambda i: world if i == DAYS - 1 else World()
