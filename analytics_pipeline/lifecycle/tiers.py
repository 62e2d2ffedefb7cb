"""Copies days that have left the hot window to Parquet objects: write, read back, compare, then record.

One object a UTC day under an immutable key. A day that changed later gets a new object; the catalogue is swapped in one
transaction, and only then the old object goes. Nothing is dropped from the warehouse here.
"""

import hashlib
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from analytics_pipeline.errors import ObjectStoreError
from analytics_pipeline.object_store import ObjectStore, StoredObject

RELATION = "raw.events"
SCHEMA_VERSION = 1
_HERE = Path(__file__).parent
_EXPORT = (_HERE / "export_day.sql").read_text()
_CHECKSUM_POSTGRES = (_HERE / "checksum_postgres.sql").read_text()
_CHECKSUM_PARQUET = (_HERE / "checksum_parquet.sql").read_text()
_RECHECK_MARGIN = timedelta(hours=1)


@dataclass(frozen=True)
class TierRun:
    """What an export did: days written, days that were there already and unchanged, rows and bytes of the written ones."""

    exported: list[date]
    unchanged: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class _Content:
    rows: int
    checksum: str


def days_due(connection: psycopg.Connection, as_of: datetime, hot_days: int, store_url: str) -> list[date]:
    """UTC days older than the hot window that have no object in this store, or that a later load may have changed.

    Args:
        connection: to the warehouse.
        as_of: the build's; with its zone.
        hot_days: width of the hot window.
        store_url: of the store in use.
    """
    rows = connection.execute(
        """
        with batches as (
            select min_occurred_at, max_occurred_at, finished_at from raw.ingest_batches
            where status in ('loaded', 'revoked') and min_occurred_at < %(horizon)s
        ),
        days as (
            select distinct d::date as day, max(b.finished_at) as touched_at
            from batches as b
            cross join lateral generate_series(
                date_trunc('day', b.min_occurred_at), least(b.max_occurred_at, %(horizon)s - interval '1 us'), interval '1 day'
            ) as d
            group by d
        )
        select d.day from days as d
        left join ops.tier_catalogue as c on c.relation = %(relation)s and c.day = d.day and c.status = 'current'
        where c.object_key is null or c.store_url <> %(store_url)s or d.touched_at > c.verified_at - %(margin)s
        order by d.day
        """,
        {"horizon": _horizon(as_of, hot_days), "relation": RELATION, "store_url": store_url, "margin": _RECHECK_MARGIN},
    ).fetchall()
    return [row[0] for row in rows]


def _horizon(as_of: datetime, hot_days: int) -> datetime:
    return datetime.combine(as_of.astimezone(UTC).date() - timedelta(days=hot_days), time(), UTC)


def export_days(
    connection: psycopg.Connection,
    url: str,
    store: ObjectStore,
    days: list[date],
    on_day: Callable[[date], None] = lambda _: None,
) -> TierRun:
    """Bring the objects of these days up to date.

    Args:
        connection: to the warehouse, autocommit.
        url: of the same warehouse, for ADBC.
        store: where the objects go.
        days: UTC days.
        on_day: told each day that is done.

    Raises:
        ObjectStoreError: the store refuses, or what was read back differs; nothing is recorded for that day.
    """
    if not days:
        return TierRun([], 0, 0, 0)
    import adbc_driver_postgresql.dbapi as adbc

    exported, unchanged, rows, size = [], 0, 0, 0
    with adbc.connect(url) as reader, tempfile.TemporaryDirectory(prefix="analytics-tier-") as folder:
        for day in days:
            stored = _export_day(connection, reader, store, day, Path(folder))
            if stored is None:
                unchanged += 1
            else:
                exported.append(day)
                rows, size = rows + stored[0], size + stored[1]
            on_day(day)
    return TierRun(exported, unchanged, rows, size)


def _export_day(
    connection: psycopg.Connection, reader: object, store: ObjectStore, day: date, folder: Path
) -> tuple[int, int] | None:
    start = datetime.combine(day, time(), UTC)
    bounds = {"range_start": start, "range_end": start + timedelta(days=1)}
    read_at = datetime.now(UTC)
    content = _Content(*(connection.execute(_CHECKSUM_POSTGRES, bounds).fetchone() or (0, "0")))
    old = connection.execute(
        """
        select object_key, content_checksum, rows, store_url, bytes from ops.tier_catalogue
        where relation = %s and day = %s and status = 'current'
        """,
        (RELATION, day),
    ).fetchone()
    if old and (old[1], old[2], old[3]) == (content.checksum, content.rows, store.url) and _is_there(store, old[0], old[4]):
        connection.execute("update ops.tier_catalogue set verified_at = %s where object_key = %s", (read_at, old[0]))
        return None
    if content.rows == 0 and old is None:
        return None
    written, back = folder / "written.parquet", folder / "back.parquet"
    _write_parquet(connection, reader, bounds, written)
    key = f"raw/events/day={day}/{uuid.uuid4()}.parquet"
    stored = store.put(key, written)
    sha256 = _verify(store, stored, written, back, content)
    with connection.transaction():
        connection.execute(
            "update ops.tier_catalogue set status = 'replaced' where relation = %s and day = %s and status = 'current'",
            (RELATION, day),
        )
        connection.execute(
            """
            insert into ops.tier_catalogue (
                object_key, relation, day, range_start, range_end, store_url, object_version, rows, bytes, sha256,
                content_checksum, schema_version, status, verified_at
            ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'current', %s)
            """,
            (
                key,
                RELATION,
                day,
                bounds["range_start"],
                bounds["range_end"],
                store.url,
                stored.version,
                content.rows,
                stored.size,
                sha256,
                content.checksum,
                SCHEMA_VERSION,
                read_at,
            ),
        )
    if old and old[3] == store.url:
        store.delete(old[0])
    return content.rows, stored.size


def _is_there(store: ObjectStore, key: str, size: int) -> bool:
    return any(found.key == key and found.size == size for found in store.list(key))


def _write_parquet(connection: psycopg.Connection, reader: object, bounds: dict[str, datetime], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    literals = {name: sql.Literal(moment) for name, moment in bounds.items()}
    query = sql.SQL(_EXPORT).format(**literals).as_string(connection)
    with reader.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(query)
        batches = cursor.fetch_record_batch()
        position = batches.schema.get_field_index("value")
        amount = pa.field("value", pa.decimal128(18, 4))
        schema = batches.schema.set(position, amount)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                writer.write_table(table.set_column(position, amount, table["value"].cast(amount.type)))


def _verify(store: ObjectStore, stored: StoredObject, written: Path, back: Path, content: _Content) -> str:
    """Read the object back and compare bytes, rows and content with the warehouse; returns the SHA-256."""
    import duckdb

    store.get(stored.key, back)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (written, back)]
    try:
        with duckdb.connect() as database:
            found = _Content(*(database.execute(_CHECKSUM_PARQUET, {"path": str(back)}).fetchone() or (0, "0")))
    except duckdb.Error as error:
        found = _Content(0, f"unreadable: {str(error).splitlines()[0]}")
    if digests[0] != digests[1] or found != content:
        store.delete(stored.key)
        raise ObjectStoreError(
            f"{store.url}/{stored.key} came back different: {found.rows} rows with checksum {found.checksum}, the warehouse "
            f"has {content.rows} with {content.checksum}. The object was removed and nothing recorded: run again"
        )
    return digests[0]
