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
    finding_of,
    is_far,
    is_moving,
    median,
    resembles,
)
from analytics_pipeline.quality.results import Dimension, Severity

Rows = npt.NDArray[np.intp]

_LEAST_EVENTS = 5
_CLOSED_VALUES = 8
_LEAST_SHARE = 0.08
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


def _compared_shares(history: History, rows: Rows, at: int, before: list[int]) -> tuple[Compared, Matrix, Matrix]:
    """On the arcsine scale; with the shares of today and before."""
    with np.errstate(all="ignore"):
        shares = np.minimum(history.amounts[rows] / history.totals[rows], 1)
    shares[history.totals[rows] < _LEAST_EVENTS] = np.nan
    persons = np.maximum(np.minimum(history.effective[rows], history.totals[rows]), 1)
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
        if key.metric == "present" and difference > 0 and _is_new(key.subject, past[i]):
            continue
        # On an occasion of the calendar kinds of events have other shares, and with them what is there in all of them.
        if key.metric == "present" and tolerance > 1 and (difference > 0 or not key.event_name):
            continue
        if key.metric == "share":
            least, severity, dimension = _SHARES[key.subject]
            if difference <= 0:
                continue
        else:
            least, severity, dimension = 0.04, "blocking", "completeness" if key.metric == "present" else "validity"
        matters = abs(difference) >= least
        if never[i] or ever[i]:
            touched = abs(difference) * history.totals[row, at] / history.clump(int(row), at)
            if touched < _LEAST_EVENTS or abs(difference) < 0.005 or (ever[i] and key.metric == "sign"):
                continue
            level: Severity = severity if abs(difference) >= min(least, 0.02) else "warning"
            found.append(finding_of(history, at, row, float(usual[i]), float(distance[i]), level, dimension))
        elif matters and is_far(distance[i], 1) and outside[i]:
            found.append(finding_of(history, at, row, float(usual[i]), float(distance[i]), severity, dimension))
    return found


def _is_new(subject: str, past: Matrix) -> bool:
    """Whether a property came in the newer half of the days before, or today. The contract says whether it is expected."""
    return subject.startswith("properties.") and not np.nansum(past[: len(past) // 2])


def categories(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Single values of a field: a share that moved, or a value that a small closed set never had."""
    rows = history.rows("category")
    if not len(rows):
        return []
    c, today, past = _compared_shares(history, rows, at, before)
    _, _, distance, outside = distances(c, 0.02)
    usual = np.nan_to_num(median(past))
    seen = np.nanmax(np.nan_to_num(past), axis=1) > 0
    same = resembles(c, history, known, before, _LEAST_SHARE)
    often = np.mean(np.nan_to_num(past) > 0, axis=1) >= 0.5
    difference = today - usual
    place = {int(row): i for i, row in enumerate(rows)}
    moving: dict[tuple[str, str], bool] = {}
    found = []
    with np.errstate(invalid="ignore"):
        candidates = ~same & ((~seen & (today > 0)) | (np.abs(difference) >= _LEAST_SHARE))
    for i in np.flatnonzero(candidates):
        row, key = int(rows[i]), history.keys[rows[i]]
        field = (key.event_name, key.subject)
        if field not in moving:
            moving[field] = is_moving(history, history.fields[field], before)
        if key.value == "(other)" or moving[field]:
            continue
        members = [place[member] for member in history.fields[field]]
        is_closed = _is_closed(key.subject, seen[members], often[members])
        events = history.totals[row][before].sum()
        if not seen[i] and is_closed and events >= 1000:
            if today[i] * history.totals[row, at] >= _LEAST_EVENTS * history.clump(int(row), at) and today[i] >= 0.005:
                level: Severity = "blocking" if today[i] >= 0.02 and tolerance == 1 else "warning"
                found.append(finding_of(history, at, row, 0.0, float(distance[i]), level, "distribution"))
            continue
        least = (0.15 if key.subject == "previous" else _LEAST_SHARE) * tolerance
        if abs(difference[i]) >= least and is_far(distance[i], tolerance) and outside[i]:
            found.append(finding_of(history, at, row, float(usual[i]), float(distance[i]), "blocking", "distribution"))
    return found


def _is_closed(subject: str, seen: npt.NDArray[np.bool_], often: npt.NDArray[np.bool_]) -> bool:
    """A few values, each of which is there on most days: another one is news."""
    return subject not in _OPEN_FIELDS and 0 < int(seen.sum()) <= _CLOSED_VALUES and bool(often[seen].all())
