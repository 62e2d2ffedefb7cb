"""Which keys of a profile are compared how, and from which effect on a difference matters. The statistics are in `drift`."""

import numpy as np
import numpy.typing as npt

from analytics_pipeline.quality.drift.history import History, Matrix
from analytics_pipeline.quality.drift.statistics import (
    LEAST_DAYS,
    Compared,
    Finding,
    arcsine,
    distances,
    is_far,
    is_moving,
    median,
    resembles,
)
from analytics_pipeline.quality.results import Dimension, Severity

Rows = npt.NDArray[np.intp]

_LEAST_EVENTS = 5
_CLOSED_VALUES = 8
_LEAST_MEAN = 0.08
_LEAST_SCALE, _LEAST_TOGETHER = 0.12, 3.5
_OUTLIER, _ABSURD = 5, 50
"""A single number so many times the greatest before: worth a warning, not to be believed."""
_OPEN_FIELDS = {"country", "region", "city", "hour", "previous", "source"}
_SHARES: dict[str, tuple[float, Severity, Dimension]] = {
    "ahead": (0.02, "blocking", "timeliness"),
    "late": (0.1, "warning", "timeliness"),
    "whole_seconds": (0.2, "blocking", "validity"),
    "whole_minutes": (0.05, "blocking", "validity"),
    "whole_hours": (0.03, "blocking", "validity"),
    "filler": (0.02, "blocking", "validity"),
    "test_id": (0.02, "blocking", "validity"),
    "repeated": (0.03, "blocking", "uniqueness"),
    "repeated_content": (0.12, "blocking", "uniqueness"),
    "busiest": (0.1, "blocking", "distribution"),
}
"""Subjects of the metric share, all of which only matter when they rise."""


def _finding(
    history: History, at: int, row: int, expected: float, distance: float, severity: Severity, dimension: Dimension
) -> Finding:
    observed = float(history.amounts[row, at])
    if history.keys[row].metric in ("present", "share", "category", "sign"):
        observed /= max(float(history.totals[row, at]), 1.0)
    return Finding(history.days[at], history.keys[row], observed, expected, distance, severity, dimension)


def _compared_shares(history: History, rows: Rows, at: int, before: list[int]) -> tuple[Compared, Matrix, Matrix]:
    """On the arcsine scale; with the shares of today and before."""
    with np.errstate(all="ignore"):
        shares = np.minimum(history.amounts[rows] / history.totals[rows], 1)
    shares[history.totals[rows] < _LEAST_EVENTS] = np.nan
    persons = np.maximum(np.minimum(history.persons[rows], history.totals[rows]), 1)
    scaled = arcsine(shares, persons)
    noise = 1 / (4 * persons)
    compared = Compared(rows, scaled[:, at], scaled[:, before], noise[:, at], noise[:, before])
    return compared, shares[:, at], shares[:, before]


def shares(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Fields that are there, and events that should not be.

    What never occurred, or was never missing, in the days before needs no statistics: a few events are enough.
    """
    rows = history.rows("present", "share", "sign")
    c, today, past = _compared_shares(history, rows, at, before)
    _, _, distance, outside = distances(c, 0.01)
    usual = median(past) if len(rows) else past[:, :1].ravel()
    days = np.sum(~np.isnan(past), axis=1)
    events = np.nansum(history.totals[rows][:, before], axis=1)
    always = (days >= LEAST_DAYS) & (events >= 500)
    never = always & (np.nanmax(np.nan_to_num(past), axis=1) == 0)
    ever = always & (np.nanmin(np.where(np.isnan(past), 1, past), axis=1) == 1)
    same = resembles(c, history, known, before, 0.05)
    found = []
    for i, row in enumerate(rows):
        key = history.keys[row]
        if np.isnan(today[i]) or same[i]:
            continue
        difference = float(today[i] - usual[i])
        # That a property is new is said by the contract, which knows whether the plan expects it.
        if key.metric == "present" and not np.nansum(past[i]) and key.subject.startswith("properties."):
            continue
        if key.metric == "present" and difference > 0 and tolerance > 1:
            continue
        if key.metric == "share":
            least, severity, dimension = _SHARES[key.subject]
            if difference <= 0:
                continue
        else:
            least, severity, dimension = 0.04, "blocking", "completeness" if key.metric == "present" else "validity"
        matters = abs(difference) >= least
        if never[i] or ever[i]:
            touched = abs(difference) * history.totals[row, at]
            if touched < _LEAST_EVENTS or abs(difference) < 0.005 or (ever[i] and key.metric == "sign"):
                continue
            level: Severity = severity if abs(difference) >= min(least, 0.02) else "warning"
            found.append(_finding(history, at, row, float(usual[i]), float(distance[i]), level, dimension))
        elif matters and is_far(distance[i], 1) and outside[i]:
            found.append(_finding(history, at, row, float(usual[i]), float(distance[i]), severity, dimension))
    return found


def categories(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Single values of a field: a share that moved, or a value that a small closed set never had."""
    rows = history.rows("category")
    if not len(rows):
        return []
    c, today, past = _compared_shares(history, rows, at, before)
    _, _, distance, outside = distances(c, 0.02)
    usual = np.nan_to_num(median(past))
    seen = np.nanmax(np.nan_to_num(past), axis=1) > 0
    same = resembles(c, history, known, before, 0.08)
    groups: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault((history.keys[row].event_name, history.keys[row].subject), []).append(i)
    often = np.mean(np.nan_to_num(past) > 0, axis=1) >= 0.5
    closed = {group for group, members in groups.items() if _is_closed(group[1], seen[members], often[members])}
    moving = {group for group, members in groups.items() if is_moving(history, [int(rows[i]) for i in members], before)}
    found = []
    for i, row in enumerate(rows):
        key = history.keys[row]
        if np.isnan(today[i]) or same[i] or key.value == "(other)" or (key.event_name, key.subject) in moving:
            continue
        difference = float(today[i] - usual[i])
        events = history.totals[row][before].sum()
        if not seen[i] and (key.event_name, key.subject) in closed and events >= 1000:
            if today[i] * history.totals[row, at] >= _LEAST_EVENTS and today[i] >= 0.005:
                level: Severity = "blocking" if today[i] >= 0.02 and tolerance == 1 else "warning"
                found.append(_finding(history, at, row, 0.0, float(distance[i]), level, "distribution"))
            continue
        least = (0.15 if key.subject == "previous" else 0.08) * tolerance
        if abs(difference) >= least and is_far(distance[i], tolerance) and outside[i]:
            found.append(_finding(history, at, row, float(usual[i]), float(distance[i]), "blocking", "distribution"))
    return found


def _is_closed(subject: str, seen: npt.NDArray[np.bool_], often: npt.NDArray[np.bool_]) -> bool:
    """A few values, each of which is there on most days: another one is news."""
    return subject not in _OPEN_FIELDS and 0 < int(seen.sum()) <= _CLOSED_VALUES and bool(often[seen].all())


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
        persons = np.minimum(history.persons[rows["p50"]], history.totals[rows["p50"]])
        enough = persons >= 8
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
            else:
                middle = np.abs(history.amounts[rows["p50"]][before])
                spread = max(float(np.nanmedian((high - low)[before])), float(np.nanmedian(middle)) * 0.1, 1e-9)
                values, spread = values / spread, 1.0
        steps = _steps(np.log(np.maximum(np.abs(history.amounts[chosen]), 1e-9))) if is_ratio else np.zeros_like(values)
        noise = 3 * (spread / 2.56) ** 2 / np.maximum(persons, 1) + steps**2
        c = Compared(chosen, values[:, at], values[:, before], noise[:, at], noise[:, before])
        least_move = 0.15 if persons[at] >= 100 else 0.3
        least = np.array([0.0 if name == "max" else least_move for name in names]) * tolerance
        moved = _moved(history, at, c, 0.05, least, known, before, tolerance)
        found += moved or (_scaled(history, at, c, names, known, before, tolerance) if is_ratio else [])
    return found


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
    return [_finding(history, at, row, usual, float(distance.mean()), "blocking", "distribution")]


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
        # A decile of a few round values jumps; where nothing happened the mean stays.
        moved &= (np.abs(difference[names.index("mean")]) >= _LEAST_MEAN) | (np.array(names) == "max")
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
        found.append(_finding(history, at, row, usual, float(distance[i]), severity, "distribution"))
    return found
