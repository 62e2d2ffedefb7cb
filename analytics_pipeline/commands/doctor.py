"""`doctor`: checks the installation, the connection and the books, and says how to mend what it finds."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from analytics_pipeline.errors import AnalyticsError, UsageError
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.audit import verify
from analytics_pipeline.warehouse.connection import capabilities, open_warehouse

_LEAST_FREE = 1 << 30
_HASH = re.compile("[0-9a-f]{64}")

BOOKS = """
with batches as (
    select * from raw.ingest_batches where status = 'loaded'
),
totals as (
    select
        coalesce(sum(rows_read), 0) as read,
        coalesce(sum(rows_accepted), 0) as accepted,
        coalesce(sum(rows_duplicate), 0) as duplicate,
        coalesce(sum(rows_quarantined), 0) as quarantined,
        coalesce(sum(rows_read) filter (where kind = 'replay'), 0) as replayed,
        count(*) filter (where rows_read <> rows_accepted + rows_duplicate + rows_quarantined) as uneven
    from batches
),
events as (
    select batch_id, sum(rows)::bigint as stored
    from (
        select batch_id, count(*) as rows from raw.events group by batch_id
        union all
        select batch_id, rows from ops.departures
    ) as e
    group by batch_id
),
quarantine as (
    select batch_id, count(*) as stored, count(resolved_at) as resolved from raw.quarantine group by batch_id
)
select
    t.read, t.accepted, t.duplicate, t.quarantined,
    (select coalesce(sum(stored), 0) from events) as events,
    (select coalesce(sum(stored), 0) from quarantine) as in_quarantine,
    t.uneven
    + (
        select count(*) from events as e full join batches as b using (batch_id)
        where coalesce(e.stored, 0) <> coalesce(b.rows_accepted, 0)
    )
    + (
        select count(*) from quarantine as q full join batches as b using (batch_id)
        where coalesce(q.stored, 0) <> coalesce(b.rows_quarantined, 0)
    )
    + case when t.replayed <> (select coalesce(sum(resolved), 0) from quarantine) then 1 else 0 end as uneven
from totals as t
"""
"""One row: read, accepted, duplicate, quarantined; events and refused records that are there; batches that don't add up."""


@dataclass(frozen=True)
class Finding:
    """One check; remedy is empty where all is well."""

    what: str
    state: str
    remedy: str = ""


def examine(settings: Settings, prepare: Callable[[], None], audit_hash: str | None = None) -> Iterator[Finding]:
    """Run all checks; those that need the warehouse only if it answers.

    Args:
        settings: of the home.
        prepare: makes the dbt manifest where it is missing.
        audit_hash: that somebody kept of the audit log.
    """
    if audit_hash is not None and not _HASH.fullmatch(audit_hash):
        raise UsageError(f"{audit_hash!r} is no hash of the audit log: give all 64 characters that doctor printed")
    yield from _home(settings)
    try:
        prepare()
        yield Finding("dbt manifest", "there")
    except AnalyticsError as error:
        yield Finding("dbt manifest", str(error), "install analytics-pipeline again")
    try:
        with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
            can = capabilities(connection)
            edition = (
                f", TimescaleDB {can.timescaledb_version} ({can.timescaledb})"
                if can.timescaledb_version
                else ", no TimescaleDB"
            )
            yield Finding("warehouse", f"{warehouse.place}, PostgreSQL {can.server_version // 10000}{edition}")
            columnstore = "with a columnstore and continuous aggregates" if can.columnstore else "without a columnstore"
            kind = f"a hypertable {columnstore}" if can.raw_events == "hypertable" else "native partitions"
            yield Finding("raw events", kind)
            yield from _books(connection)
            yield from _identities(connection)
            yield _alerts(connection)
            yield _audit(connection, audit_hash)
    except AnalyticsError as error:
        yield Finding("warehouse", "does not answer", str(error))


def _audit(connection: psycopg.Connection, kept_hash: str | None) -> Finding:
    verdict = verify(connection, kept_hash)
    if verdict.fault:
        remedy = "somebody has worked on the log: compare it with a backup, and see who may change tables of the schema ops"
        return Finding("audit log", f"{verdict.entries:,} entries; {verdict.fault}", remedy)
    held = ", which hold the kept hash" if kept_hash else ""
    return Finding("audit log", f"{verdict.entries:,} entries{held}; keep elsewhere the newest hash {verdict.newest_hash}")


def _alerts(connection: psycopg.Connection) -> Finding:
    row = connection.execute(
        """
        select count(distinct alert_id) filter (where a.closed_at is null), count(*) filter (where d.status = 'given_up')
        from ops.alerts as a left join ops.alert_deliveries as d using (alert_id)
        where coalesce(a.closed_at > now() - interval '1 day', true)
        """
    ).fetchone()
    opened, lost = row or (0, 0)
    remedy = "`alerts list --all` says why, `alerts test` tries the channels, `alerts retry` sends them again" if lost else ""
    return Finding("alerts", f"{opened} open; {lost} messages of the last day could not be delivered", remedy)


def _home(settings: Settings) -> Iterator[Finding]:
    place = next(p for p in (settings.home, *settings.home.parents) if p.is_dir())
    free = shutil.disk_usage(place).free
    remedy = "" if free >= _LEAST_FREE else "free some space, or set ANALYTICS_HOME to a larger disk"
    yield Finding("disk", f"{free / 1e9:.1f} GB free at {place}", remedy)


def _books(connection: psycopg.Connection) -> Iterator[Finding]:
    read, accepted, duplicate, quarantined, events, refused, uneven = connection.execute(BOOKS).fetchone() or (0,) * 7
    yield Finding(
        "books",
        f"{read:,} read = {accepted:,} accepted + {duplicate:,} duplicate + {quarantined:,} quarantined; "
        f"{events:,} events and {refused:,} refused records are there; {uneven} batches don't add up",
        "" if uneven == 0 else "rows were changed by hand: restore the backup, or revoke and load the uneven batches again",
    )


def _identities(connection: psycopg.Connection) -> Iterator[Finding]:
    """Visitors with several users are people who share a device, or one person with two accounts: nothing is merged."""
    if connection.execute("select to_regclass('build_intermediate.int_links')").fetchone() == (None,):
        return
    row = connection.execute(
        """
        select count(*), count(*) filter (where users > 1)
        from (
            select anonymous_id, count(distinct user_id) as users from build_intermediate.int_links group by anonymous_id
        ) as linked
        """
    ).fetchone()
    linked, shared = row or (0, 0)
    yield Finding("identities", f"{linked:,} visitors are linked to a user, {shared:,} of them to several; one link counts")
