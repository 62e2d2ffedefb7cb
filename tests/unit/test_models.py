from datetime import date, timedelta

import numpy as np
import pytest

from analytics_pipeline.anomalies.detect import detect
from analytics_pipeline.forecasting import model
from analytics_pipeline.samples import webshop
from analytics_pipeline.warehouse.series import DailySeries

FIRST = date(2026, 1, 5)


def weekly(days: int, noise: float, seed: int = 1) -> np.ndarray:
    """100 plus half a day of growth a day, plus a week that repeats: what a forecast should go on with."""
    t = np.arange(days)
    week = np.array([-10, -6, -2, 0, 4, 8, 6])[t % 7]
    return 100 + 0.5 * t + week + np.random.default_rng(seed).normal(0, noise, days)


def test_a_forecast_goes_on_with_trend_and_week() -> None:
    expected = weekly(120, 0)[90:]
    found = model.forecast(weekly(90, 1), 30)
    assert np.max(np.abs(found.mean - expected)) < 8
    assert np.all(found.lower_95 <= found.lower_80)
    assert np.all(found.upper_80 <= found.upper_95)


def test_the_intervals_hold_about_the_share_that_they_name() -> None:
    accuracies = [model.backtest(weekly(90, 5, seed)) for seed in range(8)]
    assert 0.65 < np.mean([a.coverage_80 for a in accuracies]) < 0.95
    assert np.mean([a.coverage_95 for a in accuracies]) > 0.85


def test_the_backtest_beats_repeating_last_week_where_noise_hides_the_week() -> None:
    accuracy = model.backtest(weekly(90, 8))
    assert accuracy.mae < accuracy.naive_mae


def test_the_naive_forecast_repeats_the_last_week() -> None:
    assert list(model.seasonal_naive(np.arange(14.0), 9)) == [7, 8, 9, 10, 11, 12, 13, 7, 8]


def test_a_series_that_is_too_short_is_refused_with_the_number_of_days() -> None:
    with pytest.raises(ValueError, match="27 days are too few"):
        model.forecast(weekly(27, 1), 30)


def conversion_series(first_day: date, days: int) -> list[DailySeries]:
    """Checkout conversion straight from the generator, counted naively."""
    counts: dict[tuple[str, str], list[list[int]]] = {}
    history = webshop.generate(first_day, days)
    for index, events in enumerate(history):
        for event in events:
            if event["event_name"] in {"checkout_start", "purchase"}:
                for key in (("all", "all"), ("country", event["country"]), ("device", event["device_type"])):
                    cell = counts.setdefault(key, [[0, 0] for _ in range(days)])[index]
                    cell[event["event_name"] == "purchase"] += 1
    dates = [first_day + timedelta(days=i) for i in range(days)]
    return [
        DailySeries(
            "checkout_conversion", *key, dates, [p / c if c else float("nan") for c, p in cells],
            [float(p) for _, p in cells], [float(c) for c, _ in cells],
        )
        for key, cells in counts.items()
    ]  # fmt: skip


@pytest.mark.parametrize("weekday", range(7))
def test_the_planted_outage_is_found_on_its_day_with_its_causes_whatever_weekday_the_history_begins_on(weekday: int) -> None:
    first_day = FIRST + timedelta(days=weekday)
    planted = webshop.stories(first_day)
    totals = [a for a in detect(conversion_series(first_day, 90)) if a.dimension == "all"]
    strongest = max(totals, key=lambda a: a.score)
    assert strongest.day == planted.outage_day
    assert len(totals) <= 2
    assert strongest.value < strongest.expected
    assert {(d.dimension, d.dimension_value) for d in strongest.drivers} == {
        ("country", planted.outage_country),
        ("device", planted.outage_device),
    }


def test_ordinary_noise_is_no_anomaly() -> None:
    days = [FIRST + timedelta(days=i) for i in range(120)]
    found = []
    for seed in range(10):
        values = np.random.default_rng(seed).poisson(weekly(120, 0)).astype(float).tolist()
        found += detect([DailySeries("orders", "all", "all", days, values, values, None)])
    assert len(found) <= 2


def test_the_sample_is_the_same_whenever_it_is_made_and_grows_at_its_end_only() -> None:
    assert webshop.generate(FIRST, 20) == webshop.generate(FIRST, 21)[:20]


def test_the_sample_has_about_150000_events_in_90_days_and_grows() -> None:
    sizes = [len(day) for day in webshop.generate(FIRST, 90)]
    assert 130_000 < sum(sizes) < 170_000
    assert sum(sizes[-28:]) > 1.1 * sum(sizes[:28])
