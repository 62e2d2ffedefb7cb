"""Keeps live.quarter_hours up to date: a continuous aggregate, or a table that does the same on servers without them.

Both add the raw events behind their watermark when they are read, so that they are fresh to the last commit also where
nothing refreshes them. What has left raw.events is never computed again.
"""

from datetime import datetime, timedelta

import psycopg

from analytics_pipeline.warehouse import chunks
from analytics_pipeline.warehouse.connection import Capabilities

_SETTLED = timedelta(hours=1)
_PENDING = """
with pending as (
    select c.change_id, c.day from ops.changes as c
    where c.day is not null and not exists (select 1 from live.refreshed_changes as r where r.change_id = c.change_id)
),
noted as (
    insert into live.refreshed_changes (change_id) select change_id from pending
)
select distinct p.day, ops.day_start(p.day, z.timezone), ops.day_start(p.day + 1, z.timezone)
from pending as p cross join config.plan as z
order by p.day
"""
_INSERT = """
insert into live.quarter_hours_stored (starts_at, event_name, currency, platform, events, value)
select date_bin(interval '15 minutes', occurred_at, '2001-01-01+00'), event_name, currency, platform, count(*), sum(value)
from raw.events
where occurred_at >= %(starts_at)s and occurred_at < %(ends_at)s
group by 1, 2, 3, 4
"""


def refresh(connection: psycopg.Connection, can: Capabilities, as_of: datetime) -> str:
    """Compute anew what has changed, of the days that are there whole.

    Args:
        connection: autocommit.
        can: what the server can do.
        as_of: the watermark is moved to the hour before, never back.

    Returns:
        What was done, for people.
    """
    pieces = chunks.chunks(connection, can)
    horizon = connection.execute("select max(before) from ops.horizons").fetchone()
    if not pieces:
        return "nothing to refresh"
    first = max(filter(None, (pieces[0].starts_at, horizon[0] if horizon else None)))
    until = (as_of - _SETTLED).replace(minute=0, second=0, microsecond=0)
    if until <= first:
        return "nothing to refresh"
    if can.columnstore:
        connection.execute("call refresh_continuous_aggregate('live.quarter_hours', %s, %s)", (first, until))
        return f"from {first:%Y-%m-%d} to {until:%Y-%m-%d %H:%M} UTC"
    return _refresh_table(connection, first, until)


def _refresh_table(connection: psycopg.Connection, first: datetime, until: datetime) -> str:
    with connection.transaction():
        connection.execute("lock table live.quarter_hours_stored in share row exclusive mode")
        row = connection.execute("select at from live.watermark").fetchone()
        known = row[0] if row else first
        until = max(until, known)
        days = connection.execute(_PENDING).fetchall()
        spans = {(max(start, first), min(end, known)) for _, start, end in days} | {(known, until)}
        for starts_at, ends_at in sorted(spans):
            if starts_at < ends_at:
                bounds = {"starts_at": starts_at, "ends_at": ends_at}
                connection.execute(
                    "delete from live.quarter_hours_stored where starts_at >= %(starts_at)s and starts_at < %(ends_at)s", bounds
                )
                connection.execute(_INSERT, bounds)
        connection.execute("delete from live.watermark")
        connection.execute("insert into live.watermark (at) values (%s)", (until,))
    return f"{len(days)} changed days, up to {until:%Y-%m-%d %H:%M} UTC"
