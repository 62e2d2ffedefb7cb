"""Which events of a load are already there: by id, within seven days of one that stays. Storing them is in `load`."""

import bisect
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from psycopg.adapt import Dumper
from psycopg.pq import Format

from analytics_pipeline.warehouse.partitions import WEEK, week_of

DEDUP_WINDOW = timedelta(days=7)
LOCK = 726_002
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUID, _UUID_ARRAY = 2950, 2951
_STORED = """
select event_id, occurred_at from raw.events
where event_id = any(%b) and occurred_at between %s and %s
"""
_COMMITTED_MEANWHILE = """
select batch_id, min_occurred_at, max_occurred_at from raw.ingest_batches
where
    commit_order > %(seen)s
    and min_occurred_at <= %(latest)s::timestamptz + %(window)s
    and max_occurred_at >= %(earliest)s::timestamptz - %(window)s
"""
_SECOND_COMERS = """
select mine.event_id, mine.occurred_at
from raw.events as mine
inner join raw.events as other on mine.event_id = other.event_id
where
    mine.batch_id = %(batch_id)s
    and mine.occurred_at between %(earliest)s and %(latest)s
    and other.batch_id = any(%(others)s)
    and other.occurred_at between %(others_earliest)s and %(others_latest)s
    and other.occurred_at between mine.occurred_at - %(window)s and mine.occurred_at + %(window)s
"""


class Ids:
    """16-byte ids that travel to the server as one binary uuid[]."""

    def __init__(self, values: "npt.NDArray[np.bytes_]") -> None:
        self.values = values


class _IdsDumper(Dumper):
    format = Format.BINARY
    oid = _UUID_ARRAY

    def dump(self, obj: Ids) -> bytes:
        elements = np.empty(len(obj.values), dtype=[("length", ">i4"), ("value", "S16")])
        elements["length"], elements["value"] = 16, obj.values
        head = np.array([1, 0, _UUID, len(elements), 1], dtype=">i4")
        return head.tobytes() + elements.tobytes()


def newest_commit(connection: psycopg.Connection) -> int:
    """The last load that this transaction's next statement sees."""
    row = connection.execute("select coalesce(max(commit_order), 0) from raw.ingest_batches").fetchone()
    return int(row[0]) if row else 0


def is_new(connection: psycopg.Connection, events: pa.Table) -> "npt.NDArray[np.bool_]":
    """Which of the events are no duplicates of stored ones, nor of those before them that stay.

    Args:
        connection: in the transaction of the load.
        events: event_id and occurred_at, in order of arrival.

    Returns:
        A mask of the length of the events.
    """
    ids, times = ids_of(events), times_of(events)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    stored = _stored(connection, ordered, times[order])
    suspects = np.concatenate((repeated, np.array([event_id.bytes for event_id in stored], "S16")))
    keep = np.ones(len(ids), bool)
    if not len(suspects):
        return keep
    kept = {event_id.bytes: sorted(found) for event_id, found in stored.items()}
    for row in np.flatnonzero(np.isin(ids, suspects)):
        at = _EPOCH + timedelta(microseconds=int(times[row]))
        near = kept.setdefault(ids[row].ljust(16, b"\0"), [])
        place = bisect.bisect_left(near, at)
        if any(abs(at - other) <= DEDUP_WINDOW for other in near[max(place - 1, 0) : place + 1]):
            keep[row] = False
        else:
            near.insert(place, at)
    return keep


def ids_of(events: pa.Table) -> "npt.NDArray[np.bytes_]":
    """The ids as 16-byte strings."""
    column = events["event_id"].combine_chunks()
    storage = column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks else column
    if not len(events):
        return np.empty(0, "S16")
    storage = storage.storage if isinstance(storage, pa.ExtensionArray) else storage
    return np.frombuffer(storage.buffers()[1], "S16")[storage.offset : storage.offset + len(storage)]


def times_of(events: pa.Table) -> "npt.NDArray[np.int64]":
    """Microseconds since 1970, UTC."""
    return events["occurred_at"].cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]


def days_of(times: "npt.NDArray[np.int64]") -> set[datetime]:
    """The UTC days that the times lie in."""
    return {_EPOCH + timedelta(days=int(day)) for day in np.unique(times // 86_400_000_000)}


def _stored(connection: psycopg.Connection, ids: Any, times: Any) -> dict[UUID, list[datetime]]:
    """Events with these ids in the window around them. Asked week by week, so that each id meets few partitions."""
    connection.adapters.register_dumper(Ids, _IdsDumper)
    found: dict[UUID, list[datetime]] = {}
    weeks = (times - int((week_of(_EPOCH) - _EPOCH).total_seconds()) * 1_000_000) // (WEEK // timedelta(microseconds=1))
    for week in np.unique(weeks):
        chosen = weeks == week
        earliest, latest = (_EPOCH + timedelta(microseconds=int(t)) for t in (times[chosen].min(), times[chosen].max()))
        bounds = (earliest - DEDUP_WINDOW, latest + DEDUP_WINDOW)
        for event_id, at in connection.execute(_STORED, (Ids(ids[chosen]), *bounds)):
            found.setdefault(event_id, []).append(at)
    return found


def remove_second_comers(
    connection: psycopg.Connection, batch_id: UUID, seen: int, earliest: datetime, latest: datetime
) -> int:
    """Take back events whose id another load has committed meanwhile. The caller holds LOCK.

    Args:
        connection: in the transaction of the load.
        batch_id: of the load.
        seen: `newest_commit` of before its first event was checked.
        earliest: of the load's events.
        latest: of the load's events.

    Returns:
        How many.
    """
    window = {"window": DEDUP_WINDOW, "earliest": earliest, "latest": latest}
    others = connection.execute(_COMMITTED_MEANWHILE, {**window, "seen": seen}).fetchall()
    if not others:
        return 0
    rows = connection.execute(
        _SECOND_COMERS,
        {
            **window,
            "batch_id": batch_id,
            "others": [other for other, _, _ in others],
            "others_earliest": min(first for _, first, _ in others),
            "others_latest": max(last for _, _, last in others),
        },
    ).fetchall()
    for event_id, at in rows:
        connection.execute(
            "delete from raw.events where event_id = %s and occurred_at = %s and batch_id = %s", (event_id, at, batch_id)
        )
    return len(set(rows))
