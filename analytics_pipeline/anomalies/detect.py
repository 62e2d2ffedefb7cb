"""Outliers among seasonal residuals, and the dimension values behind them. Pure: series in, anomalies out.

A residual is what STL (robust, weekly season; Cleveland et al. 1990) can't explain, divided by the noise that its counts
have by chance, so that a small country's jumps are not news. The smoothers are stiff: flexible ones follow the noise, and
what they leave is too small to judge by. The outlier score is PyOD's MAD: the modified z-score of Iglewicz and Hoaglin (1993).
"""

import warnings
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from analytics_pipeline.warehouse.series import TOTAL, DailySeries

Array = npt.NDArray[np.float64]

SEASON = 7
SHORTEST = 3 * SEASON
TOTAL_THRESHOLD, PART_THRESHOLD = 4.0, 5.0
_FEWEST_PER_DAY = 20
_TREND_DAYS = 35
_DRIVER_SHARE, _DRIVER_LIFT = 0.5, 1.2
DETECTOR = "STL(7, robust) residuals, PyOD MAD"


@dataclass(frozen=True)
class Driver:
    """A dimension value behind an anomaly.

    Attributes:
        share: part of the deviation of the total that it accounts for.
        weight: its part of the total on ordinary days.
    """

    dimension: str
    dimension_value: str
    share: float
    weight: float


@dataclass(frozen=True)
class Anomaly:
    """One day of one series; value and expected in the KPI's unit."""

    kpi_name: str
    day: date
    dimension: str
    dimension_value: str
    value: float
    expected: float
    score: float
    drivers: list[Driver]


@dataclass(frozen=True)
class _Fitted:
    series: DailySeries
    expected: Array
    scores: Array


def detect(series: list[DailySeries]) -> list[Anomaly]:
    """The anomalous days of all series; those of a total carry their drivers.

    Args:
        series: totals and the series of dimension values. Shorter ones than 21 days, and those with a median
            below 20 a day, are left out.
    """
    fitted = [_fit(s) for s in series if _is_long_enough(s)]
    found = []
    for fit in fitted:
        s = fit.series
        is_total = (s.dimension, s.dimension_value) == TOTAL
        if not is_total and not _is_counted(s):
            continue
        for i in np.flatnonzero(fit.scores > (TOTAL_THRESHOLD if is_total else PART_THRESHOLD)):
            day = s.days[i]
            drivers = _drivers(fit, [f for f in fitted if f.series.kpi_name == s.kpi_name], day) if is_total else []
            found.append(
                Anomaly(
                    s.kpi_name,
                    day,
                    s.dimension,
                    s.dimension_value,
                    s.values[i],
                    float(fit.expected[i]),
                    float(fit.scores[i]),
                    drivers,
                )
            )
    return found


def _is_counted(series: DailySeries) -> bool:
    """Amounts are judged in total only: one large order in a small part of the shop is no anomaly."""
    return series.weights is not None or all(value.is_integer() for value in series.values)


def _is_long_enough(series: DailySeries) -> bool:
    volume = series.weights if series.weights is not None else series.numerators
    return len(series.days) >= SHORTEST and float(np.median(np.nan_to_num(volume))) >= _FEWEST_PER_DAY


def _fit(series: DailySeries) -> _Fitted:
    from pyod.models.mad import MAD
    from statsmodels.tsa.seasonal import STL

    values = np.asarray(series.values, dtype=float)
    known = ~np.isnan(values)
    filled = np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])
    fit = STL(filled, period=SEASON, seasonal=len(values) | 1, trend=_TREND_DAYS, robust=True).fit()
    expected = np.asarray(fit.trend + fit.seasonal, dtype=float)
    residuals = np.where(known, (filled - expected) / _chance(series, expected), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = MAD(threshold=TOTAL_THRESHOLD).fit(residuals.reshape(-1, 1))
    spread = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    return _Fitted(series, expected, np.asarray(detector.decision_scores_, dtype=float) * min(1.0, spread))


def _chance(series: DailySeries, expected: Array) -> Array:
    """Standard deviation by chance alone: Poisson for counts, binomial for shares. No series is judged by less."""
    if series.weights is None:
        return np.sqrt(np.maximum(expected, 1.0))
    share = np.clip(expected, 0.01, 0.99)
    return np.sqrt(share * (1 - share) / np.maximum(series.weights, 1.0))


def _drivers(total: _Fitted, parts: list[_Fitted], day: date) -> list[Driver]:
    """Values whose own deviation makes up most of the total's, and more than their size would."""
    deviation, size = _deviation(total, day)
    drivers = []
    for part in parts:
        if part is total or day not in part.series.days:
            continue
        own, own_size = _deviation(part, day)
        share, weight = (own / deviation if deviation else 0.0), (own_size / size if size else 0.0)
        if share >= _DRIVER_SHARE and share >= weight * _DRIVER_LIFT:
            drivers.append(Driver(part.series.dimension, part.series.dimension_value, round(share, 3), round(weight, 3)))
    return sorted(drivers, key=lambda d: d.weight / d.share)


def _deviation(fit: _Fitted, day: date) -> tuple[float, float]:
    """Actual less expected, and the expected size: of a ratio in units of its numerator."""
    i = fit.series.days.index(day)
    expected = float(fit.expected[i])
    if fit.series.weights is None:
        return fit.series.values[i] - expected, expected
    weight = fit.series.weights[i]
    return fit.series.numerators[i] - expected * weight, expected * weight
