"""Takes a load back: its events, its quarantine, what was replayed from it; and notes what has to be computed again."""

import uuid
from dataclasses import dataclass

import psycopg

from analytics_pipeline.errors import UsageError
from analytics_pipeline.warehouse.audit import record
from analytics_pipeline.warehouse.locks import LOADING

_EVENTS = """
with gone as (
    delete from raw.events
    where batch_id = %(batch_id)s and occurred_at between %(earliest)s and %(latest)s
    returning occurred_at, user_id, anonymous_id
),
days as (
    insert into ops.changes (cause, batch_id, day)
    select distinct 'revoke', %(batch_id)s::uuid, (occurred_at at time zone %(timezone)s)::date from gone
),
persons as (
    insert into ops.changes (cause, batch_id, person_key)
    select 'revoke', %(batch_id)s::uuid, person_key
    from (select 'u:' || user_id as person_key from gone union select 'a:' || anonymous_id from gone) as p
    where person_key is not null
)
select count(*) from gone
"""
_OVERLAPPING = """
select later.batch_id, later.uri from raw.ingest_batches as later
inner join raw.ingest_batches as revoked on revoked.batch_id = %s
where
    later.status = 'loaded'
    and later.rows_duplicate > 0
    and later.commit_order > revoked.commit_order
order by later.commit_order
"""


@dataclass(frozen=True)
class Revoked:
    """What was taken back.

    Attributes:
        uri: of the batch.
        events: removed from raw.events.
        quarantined: removed from raw.quarantine.
        overlapping: later batches that had duplicates, possibly of these events: batch and uri.
    """

    uri: str
    events: int
    quarantined: int
    overlapping: list[tuple[uuid.UUID, str]]


def revoke(connection: psycopg.Connection, batch: str) -> Revoked:
    """Take a load back, in one transaction. Its file can then be loaded again.

    Args:
        connection: outside of a transaction.
        batch: its id, or the beginning of it.

    Raises:
        UsageError: there is no such load, or it was not loaded.
    """
    with connection.transaction():
        # A load that is under way may hold its events against this one: they come before or after it as a whole.
        connection.execute("select pg_advisory_xact_lock(%s)", (LOADING,))
        batch_id, uri = _find(connection, batch)
        overlapping = connection.execute(_OVERLAPPING, (batch_id,)).fetchall()
        replays = connection.execute(
            "select batch_id from raw.ingest_batches where replays = %s and status = 'loaded'", (batch_id,)
        ).fetchall()
        events = sum(_take_back(connection, one) for one in (batch_id, *(row[0] for row in replays)))
        quarantined = connection.execute("delete from raw.quarantine where batch_id = %s", (batch_id,)).rowcount
        counts = {"uri": uri, "events": events, "quarantined": quarantined, "replays": [row[0] for row in replays]}
        record(connection, "revoke", str(batch_id), counts)
        return Revoked(uri, events, quarantined, [(i, u) for i, u in overlapping if i not in {r[0] for r in replays}])


def _find(connection: psycopg.Connection, batch: str) -> tuple[uuid.UUID, str]:
    rows = connection.execute(
        "select batch_id, uri, status, kind from raw.ingest_batches where starts_with(batch_id::text, %s) limit 2",
        (batch.lower(),),
    ).fetchall()
    if not rows or len(batch) < 6:
        raise UsageError(f"no batch {batch!r}: `analytics-pipeline status` lists them; give at least six characters of its id")
    if len(rows) > 1:
        raise UsageError(f"several batches begin with {batch!r}: give more of the id")
    batch_id, uri, status, kind = rows[0]
    if status != "loaded":
        raise UsageError(f"batch {batch_id} ({uri}) is {status}: only a loaded one can be revoked")
    if kind == "replay":
        raise UsageError(f"batch {batch_id} was replayed from quarantine: revoke the batch that it came from")
    return batch_id, uri


def _take_back(connection: psycopg.Connection, batch_id: uuid.UUID) -> int:
    row = connection.execute(
        """
        update raw.ingest_batches as b
        set status = 'revoked', revoked_at = clock_timestamp(), finished_at = clock_timestamp()
        from config.plan as p
        where b.batch_id = %s
        returning b.min_occurred_at, b.max_occurred_at, p.timezone
        """,
        (batch_id,),
    ).fetchone()
    connection.execute("delete from raw.ingest_objects where batch_id = %s", (batch_id,))
    if row is None or row[0] is None:
        return 0
    # A load may be larger than what TimescaleDB decompresses for one statement; other servers take the setting for a name.
    connection.execute("set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
    parameters = {"batch_id": batch_id, "earliest": row[0], "latest": row[1], "timezone": row[2]}
    removed = connection.execute(_EVENTS, parameters).fetchone()
    return int(removed[0]) if removed else 0
