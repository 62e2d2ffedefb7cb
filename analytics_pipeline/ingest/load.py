"""Loads one file as one batch: all of it or nothing, once."""

import hashlib
import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psycopg
import pyarrow as pa
import pyarrow.csv

from analytics_pipeline.errors import UnreadableFile, UsageError
from analytics_pipeline.events.envelope import REASONS
from analytics_pipeline.events.formats import read_records
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.normalise import Normalised, Normaliser

_SQL = Path(__file__).with_name("insert_staged.sql").read_text()
_DEDUPLICATION_LOCK = 726_002
_COLUMNS = (
    "line_number, event_id, event_name, occurred_at, received_at, source, user_id, anonymous_id, session_id, entity_type, "
    "entity_id, country, region, city, device_type, platform, app_version, value, currency, properties"
)

Outcome = Literal["loaded", "known", "failed", "elsewhere"]


@dataclass(frozen=True)
class Batch:
    """What became of one file. `elsewhere`: another process is loading it at this moment."""

    uri: str
    outcome: Outcome
    batch_id: uuid.UUID | None = None
    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    error: str = ""


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_file(
    connection: psycopg.Connection,
    path: Path,
    mapping: Mapping,
    source: str,
    on_rows: Callable[[int], None] = lambda _: None,
) -> Batch:
    """Load a file in one transaction.

    Args:
        connection: outside of a transaction.
        path: a file of one of the known formats.
        mapping: how its records become events.
        source: the name that the events carry; with the content it identifies the file.
        on_rows: told the number of records of each chunk.

    Raises:
        UsageError: no tracking plan is published yet.
    """
    sha256 = content_sha256(path)
    batch_id = uuid.uuid4()
    try:
        with connection.transaction():
            lock = int(hashlib.sha256(f"{source}:{sha256}".encode()).hexdigest()[:15], 16)
            if connection.execute("select pg_try_advisory_xact_lock(%s)", (lock,)).fetchone() == (False,):
                return Batch(str(path), "elsewhere")
            query = "select 1 from raw.ingest_batches where source = %s and content_sha256 = %s and status = 'loaded'"
            if connection.execute(query, (source, sha256)).fetchone():
                return Batch(str(path), "known")
            return _load(connection, batch_id, path, sha256, mapping, source, on_rows)
    except UnreadableFile as error:
        _note_failure(connection, batch_id, path, sha256, mapping, source, str(error))
        return Batch(str(path), "failed", batch_id, error=str(error))


def _load(
    connection: psycopg.Connection,
    batch_id: uuid.UUID,
    path: Path,
    sha256: str,
    mapping: Mapping,
    source: str,
    on_rows: Callable[[int], None],
) -> Batch:
    started_at = datetime.now(UTC)
    plan = connection.execute("select starts_at, timezone from config.plan").fetchone()
    if plan is None:
        raise UsageError("no tracking plan is published: run `analytics-pipeline plan publish FILE` first")
    connection.execute(
        """
        insert into raw.ingest_batches
        (batch_id, source, uri, content_sha256, mapping_sha256, status, started_at)
        values (%s, %s, %s, %s, %s, 'loading', %s)
        """,
        (batch_id, source, str(path), sha256, mapping.sha256, started_at),
    )
    connection.execute(
        """
        create temp table staged on commit drop as
        select 0::bigint as line_number, e.* from raw.events as e with no data
        """
    )
    read = quarantined = 0
    with Normaliser(mapping, source, plan[0], started_at) as normaliser:
        for records in read_records(path):
            chunk = normaliser.apply(records)
            _stage(connection, chunk)
            _quarantine(connection, batch_id, source, str(path), chunk, started_at)
            read += len(records)
            quarantined += len(chunk.refused)
            on_rows(len(records))
    accepted, earliest, latest = _insert(connection, batch_id, str(plan[1]))
    duplicate = read - quarantined - accepted
    connection.execute("drop table staged")
    connection.execute(
        """
        update raw.ingest_batches
        set status = 'loaded', rows_read = %s, rows_accepted = %s, rows_duplicate = %s, rows_quarantined = %s,
            min_occurred_at = %s, max_occurred_at = %s, finished_at = clock_timestamp()
        where batch_id = %s
        """,
        (read, accepted, duplicate, quarantined, earliest, latest, batch_id),
    )
    return Batch(str(path), "loaded", batch_id, read, accepted, duplicate, quarantined)


def _stage(connection: psycopg.Connection, chunk: Normalised) -> None:
    """Stream a chunk as CSV, in which only an unquoted nothing is null."""
    if not chunk.events.num_rows:
        return
    columns = [c.strip() for c in _COLUMNS.split(",")]
    table = chunk.events.select(columns)
    table = table.set_column(1, "event_id", table["event_id"].cast(pa.string()))
    options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")
    buffer = io.BytesIO()
    pa.csv.write_csv(table, buffer, options)
    with connection.cursor().copy(f"copy staged ({_COLUMNS}) from stdin (format csv)") as copy:
        copy.write(buffer.getbuffer())


def _quarantine(
    connection: psycopg.Connection, batch_id: uuid.UUID, source: str, uri: str, chunk: Normalised, at: datetime
) -> None:
    if not chunk.refused:
        return
    columns = "batch_id, source, uri, line_number, reason_code, reason, payload, quarantined_at"
    with connection.cursor().copy(f"copy raw.quarantine ({columns}) from stdin") as copy:
        for line_number, code, offending, payload in chunk.refused:
            reason = f"{REASONS[code]}: {offending!r}" if offending else REASONS[code]
            copy.write_row((batch_id, source, uri, line_number, code, reason, payload, at))


def _insert(connection: psycopg.Connection, batch_id: uuid.UUID, timezone: str) -> tuple[int, datetime | None, datetime | None]:
    """Move what is new from the stage to raw.events, and note the days and persons in the ledger.

    An id that occurs k times in the file takes k rounds: each occurrence is held against what the ones before left.
    """
    connection.execute("analyze staged")
    connection.execute("select pg_advisory_xact_lock(%s)", (_DEDUPLICATION_LOCK,))
    most = connection.execute("select max(n) from (select count(*) as n from staged group by event_id) as c").fetchone()
    accepted, earliest, latest = 0, None, None
    for occurrence in range(1, ((most and most[0]) or 0) + 1):
        row = connection.execute(_SQL, {"batch_id": batch_id, "timezone": timezone, "occurrence": occurrence}).fetchone()
        if row and row[0]:
            accepted += row[0]
            earliest = min(filter(None, (earliest, row[1])))
            latest = max(filter(None, (latest, row[2])))
    return accepted, earliest, latest


def _note_failure(
    connection: psycopg.Connection,
    batch_id: uuid.UUID,
    path: Path,
    sha256: str,
    mapping: Mapping,
    source: str,
    error: str,
) -> None:
    connection.execute(
        """
        insert into raw.ingest_batches
        (batch_id, source, uri, content_sha256, mapping_sha256, status, error, started_at, finished_at)
        values (%s, %s, %s, %s, %s, 'failed', %s, clock_timestamp(), clock_timestamp())
        """,
        (batch_id, source, str(path), sha256, mapping.sha256, error),
    )
