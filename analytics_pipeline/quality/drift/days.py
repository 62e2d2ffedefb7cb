"""Comparisons that take a day as a whole: how much there was, when, how it divided, and whether it was there before."""

import numpy as np

from analytics_pipeline.quality.drift.history import History, Key, Matrix
from analytics_pipeline.quality.drift.statistics import (
    HOLIDAY,
    LEAST_DAYS,
    Compared,
    Finding,
    arcsine,
    distances,
    is_far,
    is_moving,
)
from analytics_pipeline.quality.results import Severity

_LEAST_OF_ALL, _LEAST_OF_A_KIND = 0.25, 0.4
"""Effects on the logarithm of a count; 0.4 is a third less, or half as much again."""


def counts(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Events, persons and sessions: the level of the last good week, its trend, and the habit of the weekday."""
    rows = history.rows("count")
    amounts = np.nan_to_num(history.amounts[rows])
    logs = np.log(amounts + 0.5)
    weekdays = np.array([day.weekday() for day in history.days])
    columns = np.array(before)
    habit = _weekday_habits(logs[:, columns], weekdays[columns])
    flat = logs - habit[:, weekdays]
    expected = _expected(flat[:, columns]) + habit[:, weekdays[at]]
    past = np.full((len(rows), len(columns)), np.nan)
    for j in range(7, len(columns)):
        past[:, j] = flat[:, columns[j]] - _expected(flat[:, columns[:j]])
    difference = logs[:, at] - expected
    with np.errstate(all="ignore"):
        spread = 1.4826 * np.nanmedian(np.abs(past), axis=1) if len(columns) > 7 else np.full(len(rows), 0.2)
        largest = np.nanmax(np.abs(past), axis=1) if len(columns) > 7 else np.zeros(len(rows))
    usual = np.exp(expected) - 0.5
    persons = np.maximum(np.median(history.persons[rows][:, before], axis=1), 1)
    clumps = np.maximum(usual, 0.5) / np.maximum(np.minimum(persons, np.maximum(usual, 0.5)), 0.5)
    variance = np.maximum(spread**2, 0.05**2) + clumps / np.maximum(usual, 0.5)
    distance = difference / np.sqrt(variance)
    found = []
    for i, row in enumerate(rows):
        key = history.keys[row]
        is_fall = difference[i] < 0
        least = (_LEAST_OF_A_KIND if key.event_name else _LEAST_OF_ALL) * _times(tolerance, is_fall)
        small = usual[i] < 8 if is_fall else amounts[i, at] < 30
        near = any(abs(logs[i, k] - logs[i, at]) < least for k in known)
        is_closed = is_fall and key.event_name and tolerance >= HOLIDAY
        if small or near or is_closed or abs(difference[i]) < least or abs(difference[i]) < 1.25 * largest[i]:
            continue
        if abs(distance[i]) > 5 * tolerance**0.5:
            observed = float(amounts[i, at])
            severity: Severity = "warning" if is_fall and tolerance >= HOLIDAY else "blocking"
            found.append(Finding(history.days[at], key, observed, float(usual[i]), float(distance[i]), severity, "volume"))
    return found


def _times(tolerance: float, is_fall: bool) -> float:
    """Of the least effect: on a holiday a twentieth may come, and less is only worth a warning; in a campaign four times as
    many, as what is loaded twice is found by what it repeats."""
    if tolerance == 1:
        return 1.0
    return (2 * tolerance if tolerance >= HOLIDAY else tolerance) if is_fall else max(tolerance, HOLIDAY)


def _weekday_habits(logs: Matrix, weekdays: Matrix) -> Matrix:
    """How much each weekday differs from the days around it: keys x 7, on the logarithm."""
    around = np.empty_like(logs)
    for j in range(logs.shape[1]):
        around[:, j] = np.median(logs[:, max(0, j - 3) : j + 4], axis=1)
    habit = np.zeros((logs.shape[0], 7))
    for weekday in range(7):
        of_weekday = weekdays == weekday
        if of_weekday.any():
            habit[:, weekday] = np.median((logs - around)[:, of_weekday], axis=1)
    return habit


def _expected(flat: Matrix) -> Matrix:
    """The next day: the median of the last week, moved by half of a week's trend."""
    last = np.median(flat[:, -7:], axis=1)
    if flat.shape[1] < 14:
        return np.asarray(last)
    trend = np.clip(last - np.median(flat[:, -14:-7], axis=1), -0.15, 0.15)
    return np.asarray(last + trend / 2)


def mixes(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """How a field divides as a whole: half of the sum of the differences of shares (the total variation)."""
    found = []
    for (event_name, subject), rows in history.fields.items():
        totals = history.totals[rows[0]]
        persons = min(float(history.persons[rows[0], at]), float(totals[at]))
        usable = [i for i in before if totals[i] >= 20]
        if totals[at] < 50 or persons < 30 or len(usable) < LEAST_DAYS:
            continue
        shares = history.amounts[rows][:, [*usable, at]] / totals[[*usable, at]]
        center = np.median(shares[:, :-1], axis=1)
        variation = np.abs(shares - center[:, None]).sum(axis=0) / 2
        past, today = variation[:-1], float(variation[-1])
        least = (0.25 if subject == "previous" else 0.18) * tolerance
        middle = float(np.median(past))
        spread = max(1.4826 * float(np.median(np.abs(past - middle))), 0.01)
        chance = np.sqrt(center * (1 - center) / persons).sum() * 0.4
        resembling = [i for i in known if i in usable and _apart(shares, usable.index(i)) < least / 2]
        if today - middle < least or today < 1.4 * past.max() or today < 2.5 * chance or resembling:
            continue
        if is_moving(history, rows, usable):
            continue
        distance = (today - middle) / spread
        if is_far(np.array(distance), tolerance):
            key = Key(event_name, "mix", subject, "")
            found.append(Finding(history.days[at], key, today, middle, distance, "blocking", "distribution"))
    return found


def _apart(shares: Matrix, column: int) -> float:
    return float(np.abs(shares[:, -1] - shares[:, column]).sum() / 2)


def signatures(history: History, at: int, before: list[int], known: list[int], tolerance: float) -> list[Finding]:
    """Whether the persons of the day are known, and whether the day is another one once more."""
    found = []
    for subject, least, severity in (("persons", 0.25, "blocking"), ("contents", 0.3, "blocking")):
        if subject not in history.signatures or not history.signatures[subject][at]:
            continue
        days = [i for i in before if i - before[0] >= 7 and history.signatures[subject][i]]
        if len(days) < LEAST_DAYS:
            continue
        shares = np.array([_seen_before(history, subject, i) for i in [*days, at]])[None, :]
        size = np.array([len(history.signatures[subject][i]) for i in [*days, at]], dtype=float)[None, :]
        scaled, noise = arcsine(shares, size), 1 / (4 * size)
        c = Compared(np.array([0]), scaled[:, -1], scaled[:, :-1], noise[:, -1], noise[:, :-1])
        _, _, distance, outside = distances(c, 0.02)
        usual = float(np.median(shares[0, :-1]))
        difference = float(shares[0, -1]) - usual
        accepted = any(abs(float(shares[0, days.index(k)]) - float(shares[0, -1])) < least for k in known if k in days)
        if accepted or (subject == "contents" and difference < 0):
            continue
        if abs(difference) >= least * tolerance and is_far(distance, 1)[0] and outside[0]:
            level: Severity = severity  # type: ignore[assignment]
            key = Key("", "seen_before", subject, "")
            found.append(Finding(history.days[at], key, float(shares[0, -1]), usual, float(distance[0]), level, "uniqueness"))
    return found


def _seen_before(history: History, subject: str, at: int) -> float:
    """Persons: share known from the two weeks before. Contents: the largest share that one of the four weeks' days had, too."""
    today = history.signatures[subject][at]
    if subject == "persons":
        earlier: frozenset[str] = frozenset().union(*history.signatures[subject][max(0, at - 14) : at])
        return len(today & earlier) / len(today)
    return max((len(today & other) / len(today) for other in history.signatures[subject][max(0, at - 28) : at]), default=0.0)
