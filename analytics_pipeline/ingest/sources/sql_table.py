"""A table of an application's PostgreSQL, read by a cursor column without losing what is committed late.

A cursor alone loses rows: a transaction that took its id or its time early may commit after a later one was read. So each run
notes the oldest transaction that was still running, and the next run reads, besides the rows beyond the cursor, those up to
the cursor that this transaction or a younger one wrote. Rows that were read already are duplicates by their event id.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.events.json_lines import json_records
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.records import Records
from analytics_pipeline.ingest.batch import Batch, Counts, Origin
from analytics_pipeline.ingest.load import Progress, load, no_progress
from analytics_pipeline.ingest.positions import only_reader, read_positions, write_positions
from analytics_pipeline.ingest.sources.configuration import SqlSource

_ROWS_PER_CHUNK = 20_000
_ALL = "select row_to_json(t)::text from {table} as t order by t.{cursor}"
# A row's writer (xmin) has 32 bits; with the epoch of the snapshot it is comparable to the transactions of a snapshot.
_CHANGED = """
with now as (
    select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as top
)
select row_to_json(t)::text from {table} as t cross join now
where
    t.{cursor} > %(after)s
    or (
        (t.{cursor} <= %(after)s or t.{cursor} is null)
        and (now.top >> 32 << 32) + t.xmin::text::bigint
        - case when (now.top >> 32 << 32) + t.xmin::text::bigint > now.top then 1::bigint << 32 else 0 end >= %(oldest)s
    )
order by t.{cursor}
"""
_STATE = """
select max({cursor})::text, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_snapshot()::text from {table}
"""


def has_new(connection: psycopg.Connection, source: SqlSource) -> bool:
    """There are rows beyond the cursor. Late ones are found by the next run, which looks for them always.

    Raises:
        AnalyticsError: the application's database can't be read.
    """
    position = read_positions(connection, source.name).get(source.table)
    with _application(source) as application:
        if position is None or position["after"] is None:
            query = "select exists (select 1 from {table})"
        else:
            query = "select exists (select 1 from {table} where {cursor} > %(after)s)"
        return bool(_ask(application, query, source, position or {}) == (True,))


def load_sql(
    connection: psycopg.Connection, source: SqlSource, mapping: Mapping, on_chunk: Progress = no_progress
) -> Iterator[Batch]:
    """Load what is new, as one batch out of one snapshot.

    Raises:
        AnalyticsError: the application's database can't be read.
    """
    with only_reader(connection, source.name) as mine:
        if not mine:
            yield Batch(_uri(source), "elsewhere")
            return
        position = read_positions(connection, source.name).get(source.table) or {"after": None, "oldest": 0}
        with _application(source) as application:
            after, oldest, snapshot = _ask(application, _STATE, source, {}) or (None, 0, "")
            reached = {"after": after if after is not None else position["after"], "oldest": oldest}
            identity = hashlib.sha256(f"{source.table}:{position}:{snapshot}".encode()).hexdigest()

            def read() -> Iterator[Records]:
                query = _ALL if position["after"] is None else _CHANGED
                first = 1
                with application.cursor("rows") as cursor:
                    cursor.execute(_composed(query, source), position)
                    while rows := cursor.fetchmany(_ROWS_PER_CHUNK):
                        yield json_records(list(range(first, first + len(rows))), [row[0].encode() for row in rows])
                        first += len(rows)

            def move(counts: Counts) -> None:
                if not counts.read:
                    raise _NothingNew
                write_positions(connection, source.name, {source.table: reached})

            origin = Origin(source.source or mapping.name, _uri(source), identity, "sql")
            try:
                yield load(connection, origin, mapping, read, on_chunk=on_chunk, before_commit=move)
            except _NothingNew:
                write_positions(connection, source.name, {source.table: reached})


class _NothingNew(Exception):
    """No row to load."""


def _composed(query: Any, source: SqlSource) -> sql.Composed:
    table = sql.Identifier(*source.table.split("."))
    return sql.SQL(query).format(table=table, cursor=sql.Identifier(source.cursor))


def _uri(source: SqlSource) -> str:
    parts = conninfo_to_dict(source.url)
    return f"postgresql://{parts.get('host') or 'localhost'}/{parts.get('dbname') or ''}/{source.table}"


@contextmanager
def _application(source: SqlSource) -> Iterator[psycopg.Connection]:
    """A read-only connection whose statements share one snapshot."""
    try:
        application = psycopg.connect(source.url, connect_timeout=10, options="-c timezone=UTC")
    except psycopg.OperationalError as error:
        raise _unreadable(source, error) from None
    with application:
        application.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        application.read_only = True
        yield application


def _ask(application: psycopg.Connection, query: str, source: SqlSource, position: dict[str, Any]) -> Any:
    """The first row."""
    try:
        return application.execute(_composed(query, source), position).fetchone()
    except psycopg.Error as error:
        raise _unreadable(source, error) from None


def _unreadable(source: SqlSource, error: psycopg.Error) -> AnalyticsError:
    reason = str(error).strip().splitlines()[0]
    return AnalyticsError(
        f"{source.name}: {_uri(source)} can't be read ({reason}): correct url, table and cursor in sources.yml; "
        "the cursor is a number or a time, and the user may select"
    )
