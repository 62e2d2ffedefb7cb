"""The pieces by time that raw.events lies in: chunks of a hypertable, or partitions. How old ones leave is in `lifecycle`.

A piece keeps the unique index small, so that a load costs the same however long the history is, and leaves as a whole.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from analytics_pipeline.warehouse.connection import Capabilities
from analytics_pipeline.warehouse.partitions import PARTITIONS, WEEK, Partitions

EVENTS_PER_CHUNK = 10_000_000
"""About 3 GB of rows and 0.7 GB of unique index, which a load has to keep in memory."""

DAY = timedelta(days=1)

_CHUNKS = """
select format('%I.%I', chunk_schema, chunk_name), range_start, range_end, is_compressed
from timescaledb_information.chunks
where hypertable_schema = 'raw' and hypertable_name = 'events'
order by range_start
"""


@dataclass(frozen=True)
class Chunk:
    """One piece.

    Attributes:
        name: of the table, quoted.
        starts_at: inclusive.
        ends_at: exclusive.
        is_columnar: lies in the columnstore, at least in part.
    """

    name: str
    starts_at: datetime
    ends_at: datetime
    is_columnar: bool


def chunk_interval(events_per_day: int | None) -> timedelta:
    """How much time a piece covers: a week, or a day where a week would have more than ten million events.

    Args:
        events_per_day: what the plan expects; None where it doesn't say.
    """
    return WEEK if events_per_day is None or 7 * events_per_day <= EVENTS_PER_CHUNK else DAY


def chunks(connection: psycopg.Connection, can: Capabilities) -> list[Chunk]:
    """All pieces, the oldest first."""
    if can.raw_events == "partitions":
        return [Chunk(name, start, end, is_columnar=False) for name, start, end in connection.execute(PARTITIONS)]
    return [Chunk(*row) for row in connection.execute(_CHUNKS)]


def set_interval(connection: psycopg.Connection, can: Capabilities, interval: timedelta) -> bool:
    """Let future chunks of a hypertable cover this time; partitions ask the plan when they are made.

    Returns:
        Whether it was another one before.
    """
    if can.raw_events != "hypertable":
        return False
    query = """
    select time_interval from timescaledb_information.dimensions
    where hypertable_schema = 'raw' and hypertable_name = 'events' and dimension_number = 1
    """
    if connection.execute(query).fetchone() == (interval,):
        return False
    connection.execute("select set_chunk_time_interval('raw.events', %s::interval)", (interval,))
    return True


def make_ahead(connection: psycopg.Connection, can: Capabilities, moments: set[datetime]) -> None:
    """Make the pieces that events of these times will need, so that no load has to.

    A load that makes a chunk holds a lock on the hypertable until it ends, for which others wait that need a new one. An
    event that comes and goes in one transaction leaves its chunk behind, and nothing else.

    Args:
        connection: autocommit.
        can: what the server can do.
        moments: with their zone.
    """
    if can.raw_events == "partitions":
        Partitions(connection).ensure({m.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) for m in moments})
        return
    there = chunks(connection, can)
    for moment in sorted(moments):
        if any(c.starts_at <= moment < c.ends_at for c in there):
            continue
        event_id = uuid.uuid4()
        with connection.transaction():
            connection.execute(
                """
                insert into raw.events (event_id, event_name, occurred_at, received_at, source, batch_id)
                values (%s, '', %s, %s, '', %s)
                """,
                (event_id, moment, moment, event_id),
            )
            connection.execute("delete from raw.events where event_id = %s and occurred_at = %s", (event_id, moment))


def drop(connection: psycopg.Connection, can: Capabilities, chunk: Chunk) -> None:
    """Remove a piece with all its events, in the caller's transaction. Takes milliseconds, and the table's strongest lock."""
    if can.raw_events == "hypertable":
        connection.execute(
            "select drop_chunks('raw.events', older_than => %s::timestamptz, newer_than => %s::timestamptz)",
            (chunk.ends_at, chunk.starts_at),
        )
        return
    name = sql.SQL(chunk.name)
    connection.execute(sql.SQL("alter table raw.events detach partition {}").format(name))
    connection.execute(sql.SQL("drop table {}").format(name))
