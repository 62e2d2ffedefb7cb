"""Loads one batch of records: all of it or nothing, once. Where records come from is in `files` and `sources`."""

import hashlib
import re
import uuid
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.types.json import Jsonb

from analytics_pipeline.errors import AnalyticsError, UsageError
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.normalise import Normalised, Normaliser, Refusal
from analytics_pipeline.events.records import Records
from analytics_pipeline.ingest import batch as batches
from analytics_pipeline.ingest import deduplication
from analytics_pipeline.ingest.batch import Batch, Counts, Origin
from analytics_pipeline.ingest.contracts import enforced_contracts
from analytics_pipeline.ingest.ledger import Ledger
from analytics_pipeline.ingest.mappings import note_mapping
from analytics_pipeline.warehouse.locks import LOADING
from analytics_pipeline.warehouse.partitions import Partitions

_T = TypeVar("_T")
_ATTEMPTS = 5
_EVENTS = (
    "event_id, event_name, occurred_at, received_at, source, user_id, anonymous_id, session_id, entity_type, entity_id, "
    "country, region, city, device_type, platform, app_version, value, currency, properties, batch_id"
)
_QUARANTINE = (
    "batch_id, source, uri, line_number, reason_code, reason, payload, quarantined_at, "
    "event_name, app_version, occurred_at, faults"
)
_BREACH_TYPES = ["text", "text", "timestamptz", "jsonb"]
_QUARANTINE_TYPES = ["uuid", "text", "text", "int8", "text", "text", "bytea", "timestamptz", *_BREACH_TYPES]
_NO_BREACH = (None, None, None, None)
_UNSTORABLE = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)

Progress = Callable[[Counts, int], None]
"""Told the counts so far and the bytes of the chunk that has just been stored."""


def no_progress(counts: Counts, read_bytes: int) -> None:
    """Nobody looks."""


def load(
    connection: psycopg.Connection,
    origin: Origin,
    mapping: Mapping,
    read: Callable[[], Iterable[Records]],
    *,
    on_chunk: Progress = no_progress,
    before_commit: Callable[[Counts], None] = lambda _: None,
    refused_again: set[int] | None = None,
) -> Batch:
    """Load records in one transaction; again from the beginning when another loader got in the way.

    Args:
        connection: outside of a transaction.
        origin: where they come from, and what identifies them.
        mapping: how they become events.
        read: gives the records; called once an attempt.
        on_chunk: told after each chunk.
        before_commit: runs last in the transaction, for positions of streams and the like.
        refused_again: of a replay; gets the line numbers of refused records, which are neither counted nor quarantined twice.

    Raises:
        UsageError: no tracking plan is published yet.
        UnreadableFile: the records can't be read to their end; nothing is loaded.
    """
    for _ in range(_ATTEMPTS):
        try:
            with connection.transaction():
                return _load_once(connection, origin, mapping, read, on_chunk, before_commit, refused_again)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            continue
    raise AnalyticsError(f"{origin.uri}: {_ATTEMPTS} attempts met other loaders: nothing of it was loaded; load it again")


def _load_once(
    connection: psycopg.Connection,
    origin: Origin,
    mapping: Mapping,
    read: Callable[[], Iterable[Records]],
    on_chunk: Progress,
    before_commit: Callable[[Counts], None],
    refused_again: set[int] | None,
) -> Batch:
    connection.execute("set transaction isolation level read committed")
    connection.execute("select pg_advisory_xact_lock_shared(%s)", (LOADING,))
    digest = hashlib.sha256(f"{origin.source}:{origin.content_sha256}".encode()).hexdigest()
    if connection.execute("select pg_try_advisory_xact_lock(%s)", (int(digest[:15], 16),)).fetchone() == (False,):
        return Batch(origin.uri, "elsewhere")
    known = "select 1 from raw.ingest_batches where source = %s and content_sha256 = %s and status = 'loaded'"
    if connection.execute(known, (origin.source, origin.content_sha256)).fetchone():
        return Batch(origin.uri, "known")
    plan = connection.execute("select starts_at, timezone from config.plan for share").fetchone()
    if plan is None:
        raise UsageError("no tracking plan is published: run `analytics-pipeline plan publish FILE` first")
    batch_id, now = uuid.uuid4(), datetime.now(UTC)
    batches.begin(connection, batch_id, origin, mapping, now)
    payload_format: dict[str, object] = {"kind": "json"}
    horizons = dict[str, datetime](connection.execute("select event_name, before from ops.horizons").fetchall())
    contracts = enforced_contracts(connection)
    with (
        Normaliser(mapping, origin.source, batch_id, plan[0], now, horizons, contracts) as normaliser,
        Ledger() as ledger,
    ):
        writer = _Writer(connection, origin, batch_id, now, ledger, refused_again)
        with closing(_ahead((records, normaliser.apply(records)) for records in read())) as chunks:
            for records, chunk in chunks:
                writer.write(records, chunk)
                payload_format = records.payload_format
                on_chunk(writer.counts, records.bytes_read)
        counts = writer.finish(str(plan[1]))
    note_mapping(connection, origin.source, mapping)
    batches.finish(connection, batch_id, counts, payload_format)
    before_commit(counts)
    return Batch(origin.uri, "loaded", batch_id, counts)


def _ahead(items: Iterable[_T]) -> Generator[_T, None, None]:
    """The items, of which the next one is made while the caller works on this one."""
    iterator = iter(items)
    nothing = object()
    with ThreadPoolExecutor(1, "normalise") as pool:
        coming = pool.submit(next, iterator, nothing)
        while (item := coming.result()) is not nothing:
            coming = pool.submit(next, iterator, nothing)
            yield item  # type: ignore[misc]


class _Writer:
    """Stores the chunks of one batch, inside of the caller's transaction."""

    def __init__(
        self,
        connection: psycopg.Connection,
        origin: Origin,
        batch_id: uuid.UUID,
        now: datetime,
        ledger: Ledger,
        refused_again: set[int] | None,
    ) -> None:
        self.counts = Counts()
        self._refused_again = refused_again
        self._connection, self._origin, self._batch_id, self._now = connection, origin, batch_id, now
        self._partitions = Partitions(connection)
        self._ledger = ledger
        self._seen = deduplication.newest_commit(connection)
        connection.execute("set local enable_seqscan = off")
        connection.execute("set local enable_bitmapscan = off")

    def write(self, records: Records, chunk: Normalised) -> None:
        """Store what is new of a chunk, and quarantine what was refused."""
        events, refused = self._store(chunk.events, records)
        refused = chunk.refused + refused
        readable = len(records) - len(refused)
        if self._refused_again is None:
            self._quarantine(refused)
            self.counts.quarantined += len(refused)
            self.counts.read += len(refused)
        else:
            self._refused_again.update(r.line_number for r in refused)
        self.counts.read += readable
        self.counts.accepted += events.num_rows
        self.counts.duplicate += readable - events.num_rows
        if events.num_rows:
            self._ledger.note(events)
            earliest, latest = pc.min_max(events["occurred_at"]).as_py().values()
            self.counts.earliest = min(filter(None, (self.counts.earliest, earliest)))
            self.counts.latest = max(filter(None, (self.counts.latest, latest)))

    def _store(self, events: pa.Table, records: Records) -> tuple[pa.Table, list[Refusal]]:
        """COPY what is new; a row that PostgreSQL can't store is refused alone.

        Returns:
            The stored events, the refusals.
        """
        refused: list[Refusal] = []
        self._partitions.ensure(deduplication.days_of(deduplication.times_of(events)))
        stored: list[pa.Table] = []
        while events.num_rows:
            new = _by_id(events, deduplication.is_new(self._connection, events))
            try:
                self._copy(new)
                stored.append(new)
                break
            except psycopg.errors.UniqueViolation:
                continue  # another loader has committed one of them since: ask again
            except _UNSTORABLE as error:
                row = _failed_row(error, new.num_rows)
                self._copy(new.slice(0, row))
                stored.append(new.slice(0, row))
                line_number = new["line_number"][row].as_py()
                (payload,) = records.payloads_of([line_number])
                refused.append(Refusal(line_number, "not_storable", payload))
                events = _left(events, new, row)
        return pa.concat_tables([*stored, events.slice(0, 0)]), refused

    def _copy(self, events: pa.Table) -> None:
        with self._connection.transaction(), self._connection.cursor().copy(f"copy raw.events ({_EVENTS}) from stdin") as copy:
            for lines in events["copy_line"].chunks:
                offsets = np.frombuffer(lines.buffers()[1], np.int32)
                copy.write(memoryview(lines.buffers()[2])[offsets[lines.offset] : offsets[lines.offset + len(lines)]])

    def _quarantine(self, refused: list[Refusal]) -> None:
        if not refused:
            return
        with self._connection.cursor().copy(f"copy raw.quarantine ({_QUARANTINE}) from stdin (format binary)") as copy:
            copy.set_types(_QUARANTINE_TYPES)
            for r in refused:
                row = (self._origin.source, self._origin.uri, r.line_number, r.reason_code, r.reason, r.payload)
                copy.write_row((self._batch_id, *row, self._now, *_breach(r)))

    def finish(self, timezone: str) -> Counts:
        """Settle with loads that were committed meanwhile, and note days and persons in the ledger."""
        self._connection.execute("set local enable_seqscan = on")
        self._connection.execute("set local enable_bitmapscan = on")
        cause = "replay" if self._origin.kind == "replay" else "ingest"
        self._ledger.write(self._connection, self._batch_id, cause, timezone)
        self._connection.execute("select pg_advisory_xact_lock(%s)", (deduplication.LOCK,))
        if self.counts.earliest and self.counts.latest:
            span = (self.counts.earliest, self.counts.latest)
            late = deduplication.remove_second_comers(self._connection, self._batch_id, self._seen, *span)
            self.counts.accepted -= late
            self.counts.duplicate += late
        return self.counts


def _breach(refusal: Refusal) -> tuple[str | None, str | None, datetime | None, Jsonb | None]:
    """What the books of contracts need of a refused event."""
    breach = refusal.breach
    if breach is None:
        return _NO_BREACH
    return breach.event_name, breach.app_version, breach.occurred_at, Jsonb([asdict(fault) for fault in breach.faults])


def _by_id(events: pa.Table, chosen: "npt.NDArray[np.bool_]") -> pa.Table:
    """In the order of the unique index, whose pages are then written one after the other: a fifth less time for COPY."""
    rows = np.flatnonzero(chosen)
    return events.take(pa.array(rows[np.argsort(deduplication.ids_of(events)[rows])]))


def _left(events: pa.Table, new: pa.Table, refused: int) -> pa.Table:
    """What is still to be stored after a refusal: the rows behind it, and what was a duplicate of it only."""
    same = deduplication.ids_of(events) == deduplication.ids_of(new)[refused]
    later = pc.greater(events["line_number"], new["line_number"][refused])
    return pa.concat_tables([new.slice(refused + 1), events.filter(pc.and_(pa.array(same), later))])


def _failed_row(error: psycopg.Error, rows: int) -> int:
    """Which row of a COPY the server stumbled over, from zero. It says so in the first number of the error's context."""
    found = re.search(r"COPY\D+(\d+)", error.diag.context or "")
    if found is None or not 1 <= int(found[1]) <= rows:
        raise error
    return int(found[1]) - 1
