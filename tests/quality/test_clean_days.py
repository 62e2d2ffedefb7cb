"""Nothing fires where nothing is wrong: thirty days of each sample product, and what happens to good products."""

from datetime import timedelta

import pytest

from tests.quality.clean import CLEAN, EVENTFUL, GROWING, HISTORY, PRODUCTS, SPRING, Product, Variation, varied
from tests.quality.world import Verdict, World, Worlds

pytestmark = pytest.mark.slow


def _each(*names: str) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.xdist_group(f"quality {name}")) for name in names]


def _judged(world: World, product: Product, days: range) -> dict[str, Verdict]:
    """Day by day, each on the next morning, and published."""
    found = {}
    for index in days:
        found[product.day(index).strftime("%a %Y-%m-%d")] = verdict = world.day(index)
        if verdict.outcome != "blocked":
            world.pretend_published(product.as_of(index))
    return found


def _fired(verdicts: dict[str, Verdict], *outcomes: str) -> str:
    return "\n".join(f"{day}: {v.explained()}" for day, v in verdicts.items() if v.outcome in outcomes)


@pytest.mark.parametrize("name", _each(*PRODUCTS))
def test_no_check_fires_on_thirty_clean_days(worlds: Worlds, name: str) -> None:
    product = Product(name)
    with worlds.new(product, worlds.template(product, HISTORY)) as world:
        verdicts = _judged(world, product, range(HISTORY, HISTORY + CLEAN))
    assert len(verdicts) == CLEAN
    assert min(v.checks for v in verdicts.values()) >= 10
    assert _fired(verdicts, "blocked", "flagged") == ""


@pytest.mark.parametrize("name", _each(*SPRING))
def test_a_day_of_twenty_three_hours_is_a_clean_day(worlds: Worlds, name: str) -> None:
    product = Product(name, SPRING[name] - timedelta(days=HISTORY + 2))
    with worlds.new(product, worlds.template(product, HISTORY)) as world:
        assert _fired(_judged(world, product, range(HISTORY, HISTORY + 5)), "blocked", "flagged") == ""


@pytest.mark.parametrize("name", _each(*PRODUCTS))
def test_a_holiday_a_campaign_and_a_release_of_the_calendar_do_not_block(worlds: Worlds, name: str) -> None:
    _does_not_block(worlds, name, EVENTFUL)


@pytest.mark.parametrize("name", _each(*PRODUCTS))
def test_growth_and_quiet_weekends_do_not_block(worlds: Worlds, name: str) -> None:
    _does_not_block(worlds, name, GROWING)


def _does_not_block(worlds: Worlds, name: str, variation: Variation) -> None:
    product = varied(name, variation)
    occasions = variation.calendar(product.day(HISTORY))
    with worlds.new(product, worlds.template(product, HISTORY, occasions=occasions)) as world:
        verdicts = _judged(world, product, range(HISTORY, HISTORY + variation.days))
    assert _fired(verdicts, "blocked") == ""
