"""How raw events leave the warehouse behind a horizon: whole chunks that are in the object store, or one kind of event.

Horizons are beginnings of local days. Later events of such a day are refused (`too_late`), and its numbers stay as they are.
"""

from datetime import UTC, date, datetime

import psycopg
from psycopg import sql

from analytics_pipeline.lifecycle.tiers import RELATION
from analytics_pipeline.warehouse import chunks
from analytics_pipeline.warehouse.chunks import Chunk
from analytics_pipeline.warehouse.connection import Capabilities
from analytics_pipeline.warehouse.locks import LOADING

_LOCK_TIMEOUT = "10s"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING = """
with days as (
    select (occurred_at at time zone 'UTC')::date as day, count(*) as rows from raw.events
    where occurred_at >= %(starts_at)s and occurred_at < %(ends_at)s
    group by 1
)
select d.day
from days as d
left join ops.tier_catalogue as c
    on c.relation = %(relation)s and c.day = d.day and c.status = 'current' and c.store_url = %(store_url)s
where
    c.rows is null or c.rows < d.rows
    or exists (
        select 1 from raw.ingest_batches as b
        where
            b.status in ('loaded', 'revoked')
            and b.finished_at > c.verified_at
            and b.min_occurred_at < (d.day + 1)::timestamp at time zone 'UTC'
            and b.max_occurred_at >= d.day::timestamp at time zone 'UTC'
    )
order by d.day
"""
_UNCOUNTED = """
select
    exists (select 1 from ops.builds where status = 'building')
    or exists (
        select 1 from ops.changes
        where consumed_by is null and day >= (%(starts_at)s at time zone p.timezone)::date
            and day <= (%(ends_at)s at time zone p.timezone)::date
    )
from config.plan as p
"""
_NOTE_CHUNK = """
insert into ops.departures (batch_id, event_name, rows, reason)
select batch_id, event_name, count(*), 'retention' from raw.events
where occurred_at >= %(starts_at)s and occurred_at < %(ends_at)s
group by batch_id, event_name
"""
_MOVE_HORIZON = """
with local as (
    select (%(before)s::timestamptz at time zone timezone)::date as day, timezone from config.plan
),
rounded as (
    select day + case when %(rounded_up)s and ops.day_start(day, timezone) < %(before)s then 1 else 0 end as day, timezone
    from local
)
insert into ops.horizons (event_name, before)
select %(event_name)s, ops.day_start(day, timezone) from rounded
on conflict (event_name) do update set before = excluded.before, moved_at = clock_timestamp()
where excluded.before > ops.horizons.before
"""
_DELETE_KIND = """
with gone as (
    delete from raw.events
    where event_name = %(event_name)s and occurred_at >= %(starts_at)s and occurred_at < %(ends_at)s
    returning batch_id
)
insert into ops.departures (batch_id, event_name, rows, reason)
select batch_id, %(event_name)s, count(*), 'keep' from gone group by batch_id
returning rows
"""


def drop_older(connection: psycopg.Connection, can: Capabilities, horizon: datetime, store_url: str) -> str:
    """Drop the chunks that end before the horizon, each in a transaction of its own, the oldest first.

    One stays, with all that follow, where a day of it is not in the object store as it is here, a change of it is not
    counted yet, or somebody reads it for longer than ten seconds.

    Args:
        connection: autocommit.
        can: what the server can do.
        horizon: with its zone.
        store_url: of the object store.
    """
    dropped = 0
    for chunk in chunks.chunks(connection, can):
        if chunk.ends_at > horizon:
            break
        try:
            waits = _drop(connection, can, chunk, store_url)
        except psycopg.errors.LockNotAvailable:
            waits = "somebody reads it"
        if waits:
            return f"{dropped} chunks dropped; that of {chunk.starts_at:%Y-%m-%d} stays: {waits}"
        dropped += 1
    return f"{dropped} chunks dropped"


def _drop(connection: psycopg.Connection, can: Capabilities, chunk: Chunk, store_url: str) -> str:
    """Loads wait for the horizon only, not for the counting of what leaves."""
    bounds = {"starts_at": chunk.starts_at, "ends_at": chunk.ends_at}
    if waits := _missing(connection, bounds, store_url):
        return waits
    with connection.transaction():
        connection.execute("select set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
        connection.execute("select pg_advisory_xact_lock(%s)", (LOADING,))
        if connection.execute(_UNCOUNTED, bounds).fetchone() != (False,):
            return "it has changes that no build has published"
        connection.execute(_MOVE_HORIZON, {"event_name": "", "before": chunk.ends_at, "rounded_up": True})
    with connection.transaction():
        connection.execute("select set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
        if waits := _missing(connection, bounds, store_url):
            return waits
        connection.execute(_NOTE_CHUNK, bounds)
        chunks.drop(connection, can, chunk)
    return ""


def _missing(connection: psycopg.Connection, bounds: dict[str, datetime], store_url: str) -> str:
    """What keeps a chunk from leaving; empty when each of its days is in the store."""
    missing: list[tuple[date]] = connection.execute(
        _MISSING, {**bounds, "relation": RELATION, "store_url": store_url}
    ).fetchall()
    return f"{len(missing)} of its days, from {missing[0][0]}, are not in {store_url} as they are here" if missing else ""


def delete_kind(connection: psycopg.Connection, can: Capabilities, event_name: str, horizon: datetime) -> str:
    """Delete events of one name before the local day of the horizon, chunk by chunk; what went before is not looked at again.

    Args:
        connection: autocommit.
        can: what the server can do.
        event_name: whose events leave.
        horizon: with its zone.
    """
    before = connection.execute("select before from ops.horizons where event_name = %s", (event_name,)).fetchone()
    with connection.transaction():
        if connection.execute(_UNCOUNTED, {"starts_at": _BEGINNING, "ends_at": horizon}).fetchone() != (False,):
            return "waits: there are changes that no build has published"
        # Loads that begin from here on refuse what would come too late; those under way are waited for.
        connection.execute("select pg_advisory_xact_lock(%s)", (LOADING,))
        connection.execute(_MOVE_HORIZON, {"event_name": event_name, "before": horizon, "rounded_up": False})
    row = connection.execute("select before from ops.horizons where event_name = %s", (event_name,)).fetchone()
    ends_at: datetime = row[0] if row else horizon
    rows = 0
    for chunk in chunks.chunks(connection, can):
        starts_at = max(chunk.starts_at, before[0]) if before else chunk.starts_at
        if starts_at < min(chunk.ends_at, ends_at):
            rows += _delete(connection, event_name, starts_at, min(chunk.ends_at, ends_at))
    return f"{rows:,} events deleted" if rows else "nothing to delete"


def _delete(connection: psycopg.Connection, event_name: str, starts_at: datetime, ends_at: datetime) -> int:
    values = {"event_name": event_name, "starts_at": starts_at, "ends_at": ends_at}
    with connection.transaction():
        # A chunk may hold more than what TimescaleDB decompresses for one statement; others take the setting for a name.
        connection.execute("set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
        literals = {name: sql.Literal(value) for name, value in values.items()}
        return sum(rows for (rows,) in connection.execute(_literal(_DELETE_KIND, literals)))


def _literal(query: str, literals: dict[str, sql.Literal]) -> sql.Composed:
    """With constants in place of parameters: TimescaleDB then opens no other chunk."""
    for name in literals:
        query = query.replace(f"%({name})s", f"{{{name}}}")
    return sql.SQL(query).format(**literals)
