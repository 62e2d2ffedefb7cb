"""Nothing fires where nothing is wrong: thirty days of each sample product, and what happens to good products."""

from datetime import date, timedelta

import pytest

from tests.quality.clean import CLEAN, EVENTFUL, GROWING, HISTORY, PRODUCTS, SPRING, STORIES, Product, Variation, varied
from tests.quality.world import Verdict, World, Worlds

pytestmark = pytest.mark.slow

STORIES_THAT_BLOCK = frozenset({"ride_hailing", "rental"})
"""Whose outage looks like broken tracking: nearly all payments fail for one reason, half of the searches find nothing. An owner
accepts the day."""


def _each(*names: str) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.xdist_group(f"quality {name}")) for name in names]


def _judged(world: World, product: Product, days: range) -> dict[date, Verdict]:
    """Day by day, each on the next morning, and published; what blocks is accepted, so that it doesn't hide the days behind it."""
    found = {}
    for index in days:
        found[product.day(index)] = verdict = world.day(index)
        if verdict.outcome == "blocked":
            world.accept("it is what happened")
        world.pretend_published(product.as_of(index))
    return found


def _fired(verdicts: dict[date, Verdict], *outcomes: str) -> str:
    return "\n".join(f"{day:%a %Y-%m-%d}: {v.explained()}" for day, v in verdicts.items() if v.outcome in outcomes)


@pytest.mark.parametrize("name", _each(*PRODUCTS))
def test_no_check_fires_on_thirty_clean_days(worlds: Worlds, name: str) -> None:
    product = Product(name)
    with worlds.new(product, worlds.template(product, HISTORY)) as world:
        verdicts = _judged(world, product, range(HISTORY, HISTORY + CLEAN))
    story = verdicts.pop(product.day(STORIES[name]))
    assert (story.outcome == "blocked") == (name in STORIES_THAT_BLOCK), story.explained()
    assert len(verdicts) == CLEAN - 1
    assert min(v.checks for v in verdicts.values()) >= 10
    assert _fired(verdicts, "blocked", "flagged") == ""


@pytest.mark.parametrize("name", _each(*SPRING))
def test_a_day_of_twenty_three_hours_is_a_clean_day(worlds: Worlds, name: str) -> None:
    product = Product(name, SPRING[name] - timedelta(days=HISTORY + 2))
    with worlds.new(product, worlds.template(product, HISTORY)) as world:
        assert _fired(_judged(world, product, range(HISTORY, HISTORY + 5)), "blocked", "flagged") == ""


@pytest.mark.parametrize("name", _each(*PRODUCTS))
def test_a_holiday_a_campaign_and_a_release_of_the_calendar_do_not_block(worlds: Worlds, name: str) -> None:
    _does_not_block(worlds, varied(name, EVENTFUL), EVENTFUL, Product(name))


@pytest.mark.parametrize("name", _each(*PRODUCTS))
def test_growth_and_quiet_weekends_do_not_block(worlds: Worlds, name: str) -> None:
    product = varied(name, GROWING)
    _does_not_block(worlds, product, GROWING, product)


def _does_not_block(worlds: Worlds, product: Product, variation: Variation, before: Product) -> None:
    """before: the product of which the history is."""
    with worlds.new(product, worlds.template(before, HISTORY)) as world:
        if occasions := variation.calendar(product.day(HISTORY)):
            world.publish_plan(occasions)
        verdicts = _judged(world, product, range(HISTORY, HISTORY + variation.days))
    verdicts.pop(product.day(STORIES[product.name]), None)
    assert _fired(verdicts, "blocked") == ""
