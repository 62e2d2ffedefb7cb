"""Up to where streams and tables have been read. Written in the transaction of the rows; see `before_commit` of `load`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import psycopg
from psycopg.types.json import Jsonb

_SOURCE_LOCKS = 726_100


def read_positions(connection: psycopg.Connection, source: str) -> dict[str, Any]:
    """Part (a partition, a stream, a table) to position; empty at the beginning."""
    rows = connection.execute("select part, position from raw.ingest_positions where source = %s", (source,)).fetchall()
    return dict(rows)


def write_positions(connection: psycopg.Connection, source: str, positions: dict[str, Any]) -> None:
    """Move the positions of some parts."""
    for part, position in positions.items():
        connection.execute(
            """
            insert into raw.ingest_positions (source, part, position) values (%s, %s, %s)
            on conflict (source, part) do update set position = excluded.position, updated_at = clock_timestamp()
            """,
            (source, part, Jsonb(position)),
        )


@contextmanager
def only_reader(connection: psycopg.Connection, source: str) -> Iterator[bool]:
    """Whether this process is the one that reads a stream or table now. A reader that dies gives way at once."""
    key = (_SOURCE_LOCKS, crc32(source.encode()) - (1 << 31))
    row = connection.execute("select pg_try_advisory_lock(%s, %s)", key).fetchone()
    mine = row is not None and bool(row[0])
    try:
        yield mine
    finally:
        if mine and not connection.broken:
            connection.execute("select pg_advisory_unlock(%s, %s)", key)
