"""Loads one file as one batch: all of it or nothing, once."""

import bisect
import hashlib
import io
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import psycopg
import pyarrow as pa
import pyarrow.csv

from analytics_pipeline.errors import AnalyticsError, UnreadableFile, UsageError
from analytics_pipeline.events.envelope import REASONS
from analytics_pipeline.events.formats import Records, read_records
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.normalise import Normaliser, Refusal
from analytics_pipeline.ingest.landing import content_sha256

_INSERT = Path(__file__).with_name("insert_staged.sql").read_text()
# What is stored comes first (no line number), then the stage in order of its lines.
_TWINS = """
with twins as (select event_id from staged group by event_id having count(*) > 1)
select event_id, occurred_at, null::bigint as line_number from raw.events where event_id in (select event_id from twins)
union all
select event_id, occurred_at, line_number from staged where event_id in (select event_id from twins)
order by line_number nulls first
"""
DEDUP_WINDOW = timedelta(days=7)
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
    uri = os.fsencode(path).decode("utf-8", "backslashreplace")
    try:
        sha256 = content_sha256(path)
    except OSError as error:
        return Batch(uri, "failed", error=f"{uri} can't be read ({error.strerror}): mend that and load it again")
    batch_id = uuid.uuid4()
    try:
        with connection.transaction():
            lock = int(hashlib.sha256(f"{source}:{sha256}".encode()).hexdigest()[:15], 16)
            if connection.execute("select pg_try_advisory_xact_lock(%s)", (lock,)).fetchone() == (False,):
                return Batch(uri, "elsewhere")
            query = "select 1 from raw.ingest_batches where source = %s and content_sha256 = %s and status = 'loaded'"
            if connection.execute(query, (source, sha256)).fetchone():
                return Batch(uri, "known")
            return _load(connection, batch_id, path, uri, sha256, mapping, source, on_rows)
    except OSError as error:
        return Batch(uri, "failed", error=f"{uri} can't be read to its end ({error.strerror}): load it again")
    except UnreadableFile as error:
        reason = str(error) if uri in str(error) else f"{uri}: {error}"
        _note_failure(connection, batch_id, uri, sha256, mapping, source, reason)
        return Batch(uri, "failed", batch_id, error=reason)


def _load(
    connection: psycopg.Connection,
    batch_id: uuid.UUID,
    path: Path,
    uri: str,
    sha256: str,
    mapping: Mapping,
    source: str,
    on_rows: Callable[[int], None],
) -> Batch:
    started_at = datetime.now(UTC)
    plan = connection.execute("select starts_at, timezone from config.plan for share").fetchone()
    if plan is None:
        raise UsageError("no tracking plan is published: run `analytics-pipeline plan publish FILE` first")
    connection.execute(
        """
        insert into raw.ingest_batches
        (batch_id, source, uri, content_sha256, mapping_sha256, status, started_at)
        values (%s, %s, %s, %s, %s, 'loading', %s)
        """,
        (batch_id, source, uri, sha256, mapping.sha256, started_at),
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
            refused = chunk.refused + _stage(connection, chunk.events, records)
            _quarantine(connection, batch_id, source, uri, refused, started_at)
            read += len(records)
            quarantined += len(refused)
            on_rows(len(records))
    accepted, duplicate, earliest, latest = _insert(connection, batch_id, str(plan[1]), read - quarantined)
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
    return Batch(uri, "loaded", batch_id, read, accepted, duplicate, quarantined)


def _stage(connection: psycopg.Connection, events: pa.Table, records: Records) -> list[Refusal]:
    """Stream events to the stage; those that PostgreSQL can't store are found by halves, refused, and the others kept."""
    if not events.num_rows:
        return []
    try:
        with connection.transaction():
            _copy(connection, events)
        return []
    except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex):
        if events.num_rows == 1:
            line_number = events["line_number"][0].as_py()
            return [(line_number, "not_storable", "", records.payload[records.line_number.index(line_number)])]
        middle = events.num_rows // 2
        return _stage(connection, events.slice(0, middle), records) + _stage(connection, events.slice(middle), records)


def _copy(connection: psycopg.Connection, events: pa.Table) -> None:
    """COPY as CSV, in which only an unquoted nothing is null."""
    table = events.select([c.strip() for c in _COLUMNS.split(",")])
    buffer = io.BytesIO()
    pa.csv.write_csv(table, buffer, pa.csv.WriteOptions(include_header=False, quoting_style="needed"))
    with connection.cursor().copy(f"copy staged ({_COLUMNS}) from stdin (format csv)") as copy:
        copy.write(buffer.getbuffer())


def _quarantine(
    connection: psycopg.Connection, batch_id: uuid.UUID, source: str, uri: str, refused: list[Refusal], at: datetime
) -> None:
    if not refused:
        return
    columns = "batch_id, source, uri, line_number, reason_code, reason, payload, quarantined_at"
    with connection.cursor().copy(f"copy raw.quarantine ({columns}) from stdin") as copy:
        for line_number, code, offending, payload in refused:
            reason = f"{REASONS[code]}: {offending!r}" if offending else REASONS[code]
            copy.write_row((batch_id, source, uri, line_number, code, reason, payload, at))


def _insert(
    connection: psycopg.Connection, batch_id: uuid.UUID, timezone: str, staged: int
) -> tuple[int, int, datetime | None, datetime | None]:
    """Move what is new from the stage to raw.events, and note its days and persons in the ledger.

    Returns:
        accepted, duplicate, earliest, latest.

    Raises:
        AnalyticsError: the stage does not hold what was read; nothing is loaded.
    """
    connection.execute("analyze staged")
    connection.execute("select pg_advisory_xact_lock(%s)", (_DEDUPLICATION_LOCK,))
    twins = _drop_twins(connection)
    row = connection.execute(_INSERT, {"batch_id": batch_id, "timezone": timezone}).fetchone()
    accepted, known, earliest, latest = row or (0, 0, None, None)
    if accepted + known + twins != staged:
        raise AnalyticsError(
            f"{staged} events were staged, {accepted} + {known} + {twins} arrived: nothing was loaded; run again"
        )
    return accepted, known + twins, earliest, latest


def _drop_twins(connection: psycopg.Connection) -> int:
    """Take repeated ids out of the stage: each is held against what is stored and what stays of the lines before it."""
    rows = connection.execute(_TWINS).fetchall()
    kept: dict[uuid.UUID, list[datetime]] = {}
    twins = []
    for event_id, occurred_at, line_number in rows:
        times = kept.setdefault(event_id, [])
        at = bisect.bisect_left(times, occurred_at)
        near = times[max(at - 1, 0) : at + 1]
        if line_number is not None and any(abs(occurred_at - time) <= DEDUP_WINDOW for time in near):
            twins.append(line_number)
        else:
            times.insert(at, occurred_at)
    connection.execute("delete from staged where line_number = any(%s)", (twins,))
    return len(twins)


def _note_failure(
    connection: psycopg.Connection,
    batch_id: uuid.UUID,
    uri: str,
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
        (batch_id, source, uri, sha256, mapping.sha256, error),
    )
