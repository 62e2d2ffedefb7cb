"""Forty planted defects at the raw gate. The smallest sizes and the published numbers are in benchmarks/defects.py and its page."""

import pytest

from analytics_pipeline.ingest.revoke import revoke
from tests.quality.clean import Product
from tests.quality.damage import SIZES, Defect, clean_day
from tests.quality.defects import DEFECTS
from tests.quality.effects import INDEX, counted, touched
from tests.quality.world import Verdict, Worlds

FLAGGED_ONLY: frozenset[str] = frozenset()
"""Defects of full size that are let through with a warning, each with its reason in docs/quality/defects.md."""

NOT_SEEN_AT_MEDIUM = frozenset(
    {
        "collector_gap",
        "truncated_lines",
        "silent_platform",
        "silent_place",
        "net_prices",
        "colliding_ids",
        "resalted_ids",
        "one_session",
    }
)
"""Defects of which a middling size is neither blocked nor flagged."""


def _each(size: str) -> list[object]:
    return [
        pytest.param(defect, size, id=f"{defect.name}-{size}", marks=pytest.mark.xdist_group(f"quality {defect.products[0]}"))
        for defect in DEFECTS
    ]


def _verdict(worlds: Worlds, defect: Defect, size: str) -> Verdict:
    product = Product(defect.products[0])
    with worlds.new(product, worlds.template(product, INDEX)) as world:
        return world.day(INDEX, defect.deliver(clean_day(product, INDEX), size))


def test_there_are_forty_defects_and_each_changes_what_arrives_more_the_larger_it_is() -> None:
    assert len(DEFECTS) == len({d.name for d in DEFECTS}) == 40
    for defect in DEFECTS:
        day = clean_day(Product(defect.products[0]), INDEX)
        files = [defect.deliver(day, size) for size in SIZES]
        assert files == [defect.deliver(day, size) for size in SIZES], f"{defect.name} is not the same twice"
        hit = [sum(touched(day, f)) for f in files]
        assert hit[0] > 0, defect.name
        assert hit == sorted(hit) or defect.name == "header_changed", f"{defect.name} hits {hit}"


def test_a_clean_day_counts_what_happened() -> None:
    product = Product("ecommerce")
    day = clean_day(product, INDEX)
    assert touched(day, [product.file(INDEX)]) == (0, 0, 0)
    assert counted(day, [product.file(INDEX)]).events > 1000


@pytest.mark.slow
@pytest.mark.parametrize(("defect", "size"), _each("large"))
def test_a_defect_of_full_size_blocks(worlds: Worlds, defect: Defect, size: str) -> None:
    verdict = _verdict(worlds, defect, size)
    assert verdict.outcome == ("flagged" if defect.name in FLAGGED_ONLY else "blocked"), verdict.explained()
    if verdict.outcome == "blocked" and any(batch.accepted for batch in verdict.batches):
        assert verdict.held > 0, verdict.explained()


@pytest.mark.slow
@pytest.mark.parametrize(("defect", "size"), _each("medium"))
def test_a_defect_of_middling_size_is_seen_unless_it_is_named(worlds: Worlds, defect: Defect, size: str) -> None:
    verdict = _verdict(worlds, defect, size)
    assert (verdict.outcome == "silent") == (defect.name in NOT_SEEN_AT_MEDIUM), verdict.explained()


@pytest.mark.slow
@pytest.mark.parametrize(
    "defect",
    [
        pytest.param(d, id=d.name, marks=pytest.mark.xdist_group("quality ecommerce"))
        for d in DEFECTS
        if d.name in ("negative_prices", "doubled_load", "truncated_gzip", "old_day_again")
    ],
)
def test_a_blocked_day_stays_blocked_until_the_source_is_mended_and_then_nothing_fires(worlds: Worlds, defect: Defect) -> None:
    product = Product("ecommerce")
    with worlds.new(product, worlds.template(product, INDEX)) as world:
        broken = world.day(INDEX, defect.deliver(clean_day(product, INDEX), "large"))
        next_morning = world.day(INDEX + 1)
        for batch in broken.batches:
            if batch.outcome == "loaded":
                revoke(world.connection, str(batch.batch_id))
        world.load([product.file(INDEX)])
        mended = world.judge(product.as_of(INDEX + 1))
    assert (broken.outcome, next_morning.outcome) == ("blocked", "blocked"), next_morning.explained()
    assert mended.outcome == "silent", mended.explained()
    assert mended.held == 0
