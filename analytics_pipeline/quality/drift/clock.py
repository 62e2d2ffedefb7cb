"""Comparisons of the local hours at which things happen."""

import numpy as np

from analytics_pipeline.quality.drift.history import History, Key, Matrix
from analytics_pipeline.quality.drift.statistics import LEAST_DAYS, Compared, Finding, distances, resembles

_LEAST_EVENTS = 500
_RARE, _LEAST_ODD, _LEAST_ODD_PERSONS = 0.002, 0.04, 8
"""Hours with so small a share of the history are odd; from such a share of the day on, and so many persons, they are news."""

_LEAST_SILENCE, _LEAST_MISSED = 0.08, 16
"""Part of a usual day that lies in hours without any event, and persons who were to be expected in it."""


def hours(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """The mean local hour: a shifted zone or a missing half moves it."""
    rows = [int(r) for r in history.rows("category") if history.keys[r].subject == "hour" and not history.keys[r].event_name]
    if not rows:
        return []
    hour = np.array([float(history.keys[row].value) for row in rows])
    with np.errstate(all="ignore"):
        mean = (history.amounts[rows] * hour[:, None]).sum(axis=0) / history.totals[rows[0]]
    persons = np.maximum(history.effective[rows[0]], 1)
    noise = (6.0**2 / persons)[None, :]
    scaled = mean[None, :]
    c = Compared(np.array(rows[:1]), scaled[:, at], scaled[:, before], noise[:, at], noise[:, before])
    center, difference, distance, outside = distances(c, 0.05)
    least = 0.75 * tolerance
    if resembles(c, history, known, before, least)[0] or not outside[0] or abs(difference[0]) < least:
        return []
    if abs(distance[0]) < 4.5 * tolerance**0.5:
        return []
    key = Key("", "mean", "hour", "")
    return [Finding(history.days[at], key, float(mean[at]), float(center[0]), float(distance[0]), "blocking", "timeliness")]


def odd_hours(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Events of a kind at hours at which it never happens: mornings for afternoons, or a zone."""
    found = []
    busiest = {history.keys[row].event_name: row for row in history.rows("share") if history.keys[row].subject == "busiest"}
    for event_name, rows in _hours_of(history).items():
        totals = history.totals[rows[0]]
        past = history.amounts[rows][:, before]
        if totals[before].sum() < _LEAST_EVENTS or totals[at] == 0:
            continue
        is_rare = past.sum(axis=1) / totals[before].sum() < _RARE
        odd = history.amounts[rows][is_rare].sum(axis=0)
        with np.errstate(all="ignore"):
            shares = np.nan_to_num(odd / totals)
        today, most = float(shares[at]), float(shares[before].max())
        resembling = any(abs(float(shares[k]) - today) < _LEAST_ODD for k in known)
        of_others = odd[at] - (history.amounts[busiest[event_name], at] if event_name in busiest else 0)
        is_few = of_others < _LEAST_ODD_PERSONS * history.clump(rows[0], at)
        if is_few or today < _LEAST_ODD * tolerance or today < 2 * most or resembling:
            continue
        key = Key(event_name, "odd_hours", "hour", "")
        found.append(Finding(history.days[at], key, today, float(np.median(shares[before])), 0.0, "blocking", "timeliness"))
    return found


def silence(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Hours of a day without anything, in which a usual day has much: a collector that was down."""
    rows = _hours_of(history).get("", [])
    usable = [i for i in before if rows and history.totals[rows[0], i] > 0]
    if len(usable) < LEAST_DAYS or history.totals[rows[0], at] == 0:
        return []
    totals = history.totals[rows[0]]
    usual = np.zeros(24)
    counts = np.zeros((24, len(history.days)))
    for row in rows:
        counts[int(history.keys[row].value)] = history.amounts[row]
    usual = np.median(counts[:, usable] / totals[usable], axis=1)
    today, most = _silent(counts[:, at], usual), max(_silent(counts[:, i], usual) for i in usable)
    missed = today / max(1 - today, 0.01) * float(history.persons[rows[0], at])
    resembling = any(abs(_silent(counts[:, k], usual) - today) < _LEAST_SILENCE for k in known)
    if today < _LEAST_SILENCE * tolerance or missed < _LEAST_MISSED or today < 2 * most or resembling:
        return []
    key = Key("", "silence", "hour", "")
    return [Finding(history.days[at], key, today, most, 0.0, "blocking", "completeness")]


def _silent(counts: Matrix, usual: Matrix) -> float:
    """The largest part of a usual day that lies in hours on end without an event."""
    longest = current = 0.0
    for count, share in zip(counts, usual, strict=True):
        current = current + float(share) if count == 0 else 0.0
        longest = max(longest, current)
    return longest


def _hours_of(history: History) -> dict[str, list[int]]:
    return {event_name: rows for (event_name, subject), rows in history.fields.items() if subject == "hour"}
