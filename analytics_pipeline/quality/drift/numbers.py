"""Comparisons of levels: habits, amounts and properties that are numbers. Shares are in `fields`."""

import numpy as np
import numpy.typing as npt

from analytics_pipeline.quality.drift.history import History, Matrix
from analytics_pipeline.quality.drift.statistics import (
    LEAST_DAYS,
    Compared,
    Finding,
    distances,
    finding_of,
    is_far,
    median,
    resembles,
)
from analytics_pipeline.quality.results import Severity

Rows = npt.NDArray[np.intp]

_LEAST_PERSONS = 8
_LEAST_MEAN = 0.08
_LEAST_SCALE, _LEAST_TOGETHER = 0.12, 3.5
_COLLAPSED = 0.25
"""Of the least span of the middle eight tenths that any day before had: what varied is now nearly one value."""

_OUTLIER, _ABSURD = 5, 50
"""A single number so many times the greatest before: worth a warning, not to be believed."""


def levels(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Habits: events of a person and of a session, different values of a property."""
    rows = history.rows("level")
    with np.errstate(all="ignore"):
        scaled = np.log(np.maximum(history.amounts[rows], 1e-9))
    noise = 1 / np.maximum(history.persons[rows], 1) + _steps(scaled) ** 2
    scaled[(history.persons[rows] < 20) | (_events(history, rows) < 50)] = np.nan
    c = Compared(rows, scaled[:, at], scaled[:, before], noise[:, at], noise[:, before])
    return _moved(history, at, c, 0.05, 0.5 * tolerance, known, before, tolerance)


def _events(history: History, rows: Rows) -> Matrix:
    """Events that a level was measured on."""
    return np.maximum(history.totals[rows], history.persons[rows])


def _steps(logs: Matrix) -> Matrix:
    """Small whole numbers jump by one where nothing happened: 1 to 2 is no news, 17 to 34 is."""
    with np.errstate(all="ignore"):
        values = np.exp(logs)
        return np.where(np.abs(values - np.round(values)) < 1e-6, 0.7 / np.maximum(values, 1), 0.0)


def numbers(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Values and properties that are numbers: where they lie. Ratios where all are positive, else parts of their spread."""
    found = []
    places: dict[tuple[str, str], dict[str, int]] = {}
    for row in history.rows("number"):
        key = history.keys[row]
        places.setdefault((key.event_name, key.subject), {})[key.value] = int(row)
    for rows in places.values():
        low, high = history.amounts[rows["p10"]], history.amounts[rows["p90"]]
        persons = np.minimum(history.effective[rows["p50"]], history.totals[rows["p50"]])
        enough = persons >= _LEAST_PERSONS
        if not enough[at] or enough[before].sum() < LEAST_DAYS:
            continue
        is_ratio = bool(np.nanmin(low[before]) > 0)
        names = [name for name in ("mean", "p10", "p50", "p90", "max") if name in rows]
        chosen = np.array([rows[name] for name in names], dtype=np.intp)
        values = history.amounts[chosen].copy()
        values[:, ~enough] = np.nan
        with np.errstate(all="ignore"):
            if is_ratio:
                values = np.log(np.maximum(values, 1e-9))
                width = np.log(np.maximum(high, 1e-9)) - np.log(np.maximum(low, 1e-9))
                spread = float(np.nanmedian(width[before]))
                deviation = _deviation(history, rows, before) / float(np.nanmedian(history.amounts[rows["mean"]][before]))
            else:
                middle = np.abs(history.amounts[rows["p50"]][before])
                spread = max(float(np.nanmedian((high - low)[before])), float(np.nanmedian(middle)) * 0.1)
                deviation = _deviation(history, rows, before)
                # Where nearly all are zero, the deciles say nothing.
                spread = spread or max(deviation, 1e-9)
                values, deviation, spread = values / spread, deviation / spread, 1.0
        steps = _steps(np.log(np.maximum(np.abs(history.amounts[chosen]), 1e-9))) if is_ratio else np.zeros_like(values)
        noise = 3 * (spread / 2.56) ** 2 / np.maximum(persons, 1) + steps**2
        noise[names.index("mean")] = np.maximum(noise[names.index("mean")], deviation**2 / np.maximum(persons, 1))
        c = Compared(chosen, values[:, at], values[:, before], noise[:, at], noise[:, before])
        least_move = 0.15 if persons[at] >= 100 else 0.3
        least = np.array([0.0 if name == "max" else least_move for name in names]) * tolerance
        moved = _moved(history, at, c, 0.05, least, known, before, tolerance)
        moved += _collapsed(history, rows, at, before)
        found += moved or (_scaled(history, at, c, names, known, before, tolerance) if is_ratio else [])
    return found


def _deviation(history: History, rows: dict[str, int], before: list[int]) -> float:
    """The standard deviation of a number on a day on which it varied much: a few great ones make the mean of the day."""
    found = history.amounts[rows["deviation"]][before] if "deviation" in rows else np.array([])
    known = found[~np.isnan(found)]
    return float(np.quantile(known, 0.9)) if known.size else 0.0


def _collapsed(history: History, rows: dict[str, int], at: int, before: list[int]) -> list[Finding]:
    """A number that no longer varies: a default where a measurement was."""
    low, middle, high = (history.amounts[rows[place]] for place in ("p10", "p50", "p90"))
    totals = history.totals[rows["p50"]]
    usable = [i for i in before if totals[i] >= 2 * _LEAST_PERSONS]
    if totals[at] < 2 * _LEAST_PERSONS or len(usable) < LEAST_DAYS:
        return []
    is_coarse = bool(np.any((low == middle)[usable]) or np.any((middle == high)[usable]))
    if is_coarse or high[at] - low[at] >= _COLLAPSED * float(np.min((high - low)[usable])):
        return []
    usual = float(np.median(high[usable]))
    return [finding_of(history, at, rows["p90"], usual, 0.0, "blocking", "distribution")]


def _scaled(
    history: History, at: int, c: Compared, names: list[str], known: list[int], before: list[int], tolerance: float
) -> list[Finding]:
    """All of a number moved by one factor, each part of it too little to be seen alone: a tax that is left out, a discount.

    The parts hang together, so that their mean distance is held against a bound, and not their sum.
    """
    parts = [i for i, name in enumerate(names) if name != "max"]
    if len(parts) < 4:
        return []
    events, persons = history.totals[c.rows[0]], history.persons[c.rows[0]]
    scale = np.sqrt(np.maximum(np.minimum(persons, events), 1) / np.maximum(events, 1))
    several = Compared(
        c.rows[parts],
        c.today[parts],
        c.before[parts],
        c.noise[parts] * scale[at] / 2,
        c.noise_before[parts] * scale[before] / 2,
    )
    _, difference, distance, outside = distances(several, 0.02)
    middle = float(np.median(difference))
    is_one_factor = np.all(np.sign(difference) == np.sign(middle)) and np.ptp(difference) <= 0.6 * abs(middle)
    if not is_one_factor or abs(middle) < _LEAST_SCALE * tolerance or abs(float(distance.mean())) < _LEAST_TOGETHER:
        return []
    at_mean = names.index("mean")
    if not outside[parts.index(at_mean)] or resembles(several, history, known, before, _LEAST_SCALE)[0]:
        return []
    row = int(c.rows[at_mean])
    usual = float(np.nanmedian(history.amounts[row][before]))
    return [finding_of(history, at, row, usual, float(distance.mean()), "blocking", "distribution")]


def _is_borne_out(c: Compared, names: list[str], difference: Matrix, distance: Matrix) -> bool:
    """A decile of a few round values jumps; where nothing happened the mean stays."""
    mean = names.index("mean")
    deciles = median(c.before[[names.index(name) for name in ("p10", "p50", "p90")]])
    is_coarse = bool(np.unique(deciles).size < len(deciles))
    return abs(difference[mean]) >= _LEAST_MEAN and (not is_coarse or abs(distance[mean]) >= _LEAST_TOGETHER)


def _moved(
    history: History,
    at: int,
    c: Compared,
    floor: float,
    least: float | Matrix,
    known: list[int],
    before: list[int],
    tolerance: float,
) -> list[Finding]:
    _, difference, distance, outside = distances(c, floor)
    moved = (np.abs(difference) >= least) & is_far(distance, tolerance) & outside
    names = [history.keys[row].value for row in c.rows]
    if "p50" in names and "mean" in names:
        moved &= _is_borne_out(c, names, difference, distance) | (np.array(names) == "max")
    moved &= ~resembles(c, history, known, before, 0.3)
    found = []
    for i in np.flatnonzero(moved):
        row = int(c.rows[i])
        key, usual = history.keys[row], float(np.nanmedian(history.amounts[row][before]))
        severity: Severity = "blocking"
        if key.value == "max":
            times = float(history.amounts[row, at]) / max(float(np.nanmax(history.amounts[row][before])), 1e-9)
            if times < _OUTLIER:
                continue
            severity = "blocking" if times >= _ABSURD else "warning"
        found.append(finding_of(history, at, row, usual, float(distance[i]), severity, "distribution"))
    return found
