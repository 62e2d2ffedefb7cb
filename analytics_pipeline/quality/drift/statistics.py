"""Distances between a day and those before it.

A finding needs three things at once: a distance from the usual that its own spread and the number of persons don't explain,
an effect that matters, and a place outside of all that the days before have shown. Shares are compared on the arcsine scale
(Anscombe 1948), whose variance is that of the number of persons; spreads are median absolute deviations, so that one bad day
in the history doesn't hide the next.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from analytics_pipeline.quality.drift.history import History, Key, Matrix
from analytics_pipeline.quality.results import Dimension, Severity

LEAST_DAYS = 10
"""Good days that a judgement needs; before, a day is not judged."""

BASELINE_DAYS = 35
"""At most so many good days before the day are its history."""

HOLIDAY = 6.0
"""Tolerance of a day on which offices are closed: kinds of events may be missing, and the whole be a fifth."""

_DISTANCE = 6.0
_ROBUST = 1.4826


@dataclass(frozen=True)
class Finding:
    """Something that a day's profile has and those before had not.

    Attributes:
        day: local.
        key: what is measured.
        observed: a count, a share (0 to 1) or a level.
        expected: the same, of the days before.
        distance: from it, in standard deviations.
        severity: blocking, or warning.
        dimension: of quality.
    """

    day: date
    key: Key
    observed: float
    expected: float
    distance: float
    severity: Severity
    dimension: Dimension


@dataclass(frozen=True)
class Compared:
    """Keys of one family on the day and before, on a scale on which differences add up.

    Attributes:
        rows: positions of the keys.
        today: keys; on the scale.
        before: keys x days of the baseline; nan where nothing was measured.
        noise: keys; the variance that the number of persons explains today.
        noise_before: keys x days; and then.
    """

    rows: npt.NDArray[np.intp]
    today: Matrix
    before: Matrix
    noise: Matrix
    noise_before: Matrix


def distances(c: Compared, floor: float) -> tuple[Matrix, Matrix, Matrix, npt.NDArray[np.bool_]]:
    """How far today is from before.

    Args:
        c: what is compared.
        floor: the least standard deviation from day to day.

    Returns:
        Center of the days before, difference of today, that difference in standard deviations, and whether today lies
        outside of all that those days have shown by more than a quarter of their range.
    """
    with np.errstate(all="ignore"):
        center = median(c.before)
        deviation = np.abs(c.before - center[:, None])
        spread = _ROBUST * median(deviation)
        process = np.maximum(spread**2 - median(c.noise_before), 0)
        days = np.sum(~np.isnan(c.before), axis=1)
        variance = (process + floor**2) * (1 + 3 / np.maximum(days, 1)) + c.noise
        difference = c.today - center
        low, high = _range(c.before)
        margin = 0.25 * (high - low)
        outside = (c.today < low - margin) | (c.today > high + margin)
        distance = difference / np.sqrt(variance)
    distance[(days < LEAST_DAYS) | np.isnan(distance)] = 0
    return center, difference, distance, outside


def is_far(distance: Matrix, tolerance: float) -> npt.NDArray[np.bool_]:
    """Farther than chance goes in years of days and thousands of keys."""
    return np.asarray(np.abs(distance) > _DISTANCE * tolerance**0.5)


def resembles(c: Compared, history: History, known: list[int], before: list[int], least: float) -> npt.NDArray[np.bool_]:
    """Whether today is within a least effect of a day that was accepted as it was."""
    columns = [before.index(i) for i in known]
    if not columns:
        return np.zeros(len(c.rows), dtype=bool)
    with np.errstate(all="ignore"):
        return np.asarray(np.any(np.abs(c.before[:, columns] - c.today[:, None]) < least, axis=1))


def arcsine(share: Matrix, persons: Matrix) -> Matrix:
    """Shares on a scale on which their variance is 1 / (4 persons)."""
    with np.errstate(all="ignore"):
        return np.asarray(np.arcsin(np.sqrt((share * persons + 0.375) / (persons + 0.75))))


def is_moving(history: History, rows: list[int], before: list[int]) -> bool:
    """New values are what this field usually has: days since something, numbers of weeks, campaigns."""
    if len(before) < LEAST_DAYS:
        return False
    with np.errstate(all="ignore"):
        shares = np.nan_to_num(history.amounts[rows][:, before] / history.totals[rows[0], before])
    seen = np.maximum.accumulate(shares, axis=1) > 0
    is_new = (shares[:, 1:] >= 0.05) & ~seen[:, :-1]
    return int(is_new[:, len(before) // 2 :].any(axis=0).sum()) >= 2


def finding_of(
    history: History, at: int, row: int, expected: float, distance: float, severity: Severity, dimension: Dimension
) -> Finding:
    """A finding about a key on a day; parts are told as shares."""
    observed = float(history.amounts[row, at])
    if history.keys[row].metric in ("present", "share", "category", "sign"):
        observed /= max(float(history.totals[row, at]), 1.0)
    return Finding(history.days[at], history.keys[row], observed, expected, distance, severity, dimension)


def median(values: Matrix) -> Matrix:
    """Along the days; nan for a key that was never measured."""
    ordered, known = _ordered(values)
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, max(values.shape[1] - 1, 0))
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    each = np.arange(len(values))
    return np.asarray((ordered[each, low] + ordered[each, high]) / 2)


def _range(values: Matrix) -> tuple[Matrix, Matrix]:
    """The least and the greatest along the days; nan for a key that was never measured."""
    ordered, known = _ordered(values)
    return ordered[:, 0], ordered[np.arange(len(values)), np.maximum(known - 1, 0)]


def _ordered(values: Matrix) -> tuple[Matrix, npt.NDArray[np.intp]]:
    """Along the days, nan last, and how many are known. numpy's functions for nan are twenty times as slow."""
    return np.sort(values, axis=1), np.sum(~np.isnan(values), axis=1)
