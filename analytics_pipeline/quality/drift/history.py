"""Profiles as matrices, a row per key and a column per day, for `drift` to judge. Reads no table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
ProfileRow = tuple[date, str, str, str, str, float | None, float]
"""day, event_name, metric, subject, value, amount, events: as in ops.profiles."""


@dataclass(frozen=True)
class Key:
    """What is measured: of which kind of event ('' for all), which metric of which field, and for which of its values."""

    event_name: str
    metric: str
    subject: str
    value: str


@dataclass(frozen=True)
class History:
    """Profiles of consecutive days.

    Attributes:
        days: in order.
        keys: all that was ever measured, but for signatures.
        amounts: keys x days; nan where nothing was measured.
        totals: keys x days; events that the amount is a part of, 0 where there was none.
        persons: keys x days; persons with such an event, or events where nobody is known.
        effective: keys x days; so many persons with as many events each would say as much (Kish 1965): one person with half of
            the events makes them few. Chance is told by this number.
        signatures: subject to one set of hashes a day.
    """

    days: list[date]
    keys: list[Key]
    amounts: Matrix
    totals: Matrix
    persons: Matrix
    effective: Matrix
    signatures: dict[str, list[frozenset[str]]]

    @cached_property
    def fields(self) -> dict[tuple[str, str], list[int]]:
        """Positions of the values of each field: kind of event and subject of the metric category."""
        groups: dict[tuple[str, str], list[int]] = {}
        for row in self.rows("category"):
            groups.setdefault((self.keys[row].event_name, self.keys[row].subject), []).append(int(row))
        return groups

    def clump(self, row: int, at: int) -> float:
        """Events that come together: those of a person. A single one with many of them is no trend."""
        events = max(float(self.totals[row, at]), 1.0)
        return max(events / max(float(self.effective[row, at]), 1.0), 1.0)

    def rows(self, *metrics: str) -> npt.NDArray[np.intp]:
        """Positions of the keys of these metrics."""
        return np.array([i for i, key in enumerate(self.keys) if key.metric in metrics], dtype=np.intp)


def read_history(days: Sequence[date], rows: Iterable[ProfileRow]) -> History:
    """Arrange the profiles of these days.

    A part of a field that was not seen on a day is 0 of what was; a field that no event of the day has is present in 0 of them.
    """
    position = {day: i for i, day in enumerate(days)}
    keys: dict[Key, int] = {}
    cells: list[tuple[int, int, float, float]] = []
    signatures: dict[str, list[set[str]]] = {}
    for day, event_name, metric, subject, value, amount, events in rows:
        if metric == "signature":
            signatures.setdefault(subject, [set() for _ in days])[position[day]].add(value)
        else:
            row = keys.setdefault(Key(event_name, metric, subject, value), len(keys))
            cells.append((row, position[day], np.nan if amount is None else amount, events))
    amounts = np.full((len(keys), len(days)), np.nan)
    totals = np.zeros((len(keys), len(days)))
    if cells:
        at, when, amount_of, total_of = (np.array(column) for column in zip(*cells, strict=True))
        amounts[at.astype(int), when.astype(int)] = amount_of
        totals[at.astype(int), when.astype(int)] = total_of
    listed = list(keys)
    of_kind = _of_kind(listed, amounts, "count", "events")
    persons = _of_kind(listed, amounts, "count", "persons")
    persons = np.where(persons > 0, persons, of_kind)
    effective = _of_kind(listed, amounts, "size", "effective_persons")
    for row, key in enumerate(listed):
        if key.metric == "category":
            continue
        if key.metric in ("present", "share", "count"):
            totals[row] = of_kind[row]
    _spread_totals(listed, totals)
    is_part = np.array([key.metric in ("present", "share", "category", "sign", "count") for key in listed], dtype=bool)
    absent = is_part[:, None] & np.isnan(amounts) & ((totals > 0) | _is_count(listed)[:, None])
    amounts[absent] = 0
    return History(
        list(days),
        listed,
        amounts,
        totals,
        persons,
        np.where(effective > 0, effective, persons),
        {subject: [frozenset(s) for s in sets] for subject, sets in signatures.items()},
    )


def _is_count(keys: list[Key]) -> npt.NDArray[np.bool_]:
    return np.array([key.metric == "count" for key in keys], dtype=bool)


def _of_kind(keys: list[Key], amounts: Matrix, metric: str, subject: str) -> Matrix:
    """For each key this number of its kind of event, day by day."""
    found = {key.event_name: row for row, key in enumerate(keys) if key.metric == metric and key.subject == subject}
    nothing = np.zeros(amounts.shape[1])
    return np.array([np.nan_to_num(amounts[found[k.event_name]]) if k.event_name in found else nothing for k in keys])


def _spread_totals(keys: list[Key], totals: Matrix) -> None:
    """All values of a field are parts of one total, also on days on which a value did not occur."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row, key in enumerate(keys):
        if key.metric in ("category", "sign", "number"):
            groups.setdefault((key.event_name, key.metric, key.subject), []).append(row)
    for rows in groups.values():
        totals[rows] = totals[rows].max(axis=0)
