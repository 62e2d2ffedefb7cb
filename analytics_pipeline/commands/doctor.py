"""`doctor`: checks the installation, the connection and the books, and says how to mend what it finds."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import capabilities, open_warehouse

_LEAST_FREE = 1 << 30

BOOKS = """
select
    (select count(*) from raw.events) as events,
    (select coalesce(sum(rows_accepted), 0) from raw.ingest_batches where status = 'loaded') as accepted,
    (select count(*) from raw.quarantine) as quarantine,
    (select coalesce(sum(rows_quarantined), 0) from raw.ingest_batches where status = 'loaded') as quarantined,
    (
        select count(*) from raw.ingest_batches
        where status = 'loaded' and rows_read <> rows_accepted + rows_duplicate + rows_quarantined
    ) as unbalanced
"""


@dataclass(frozen=True)
class Finding:
    """One check; remedy is empty where all is well."""

    what: str
    state: str
    remedy: str = ""


def examine(settings: Settings, prepare: Callable[[], None]) -> Iterator[Finding]:
    """Run all checks; those that need the warehouse only if it answers.

    Args:
        settings: of the home.
        prepare: makes the dbt manifest where it is missing.
    """
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
            yield from _books(connection)
    except AnalyticsError as error:
        yield Finding("warehouse", "does not answer", str(error))


def _home(settings: Settings) -> Iterator[Finding]:
    place = next(p for p in (settings.home, *settings.home.parents) if p.is_dir())
    free = shutil.disk_usage(place).free
    remedy = "" if free >= _LEAST_FREE else "free some space, or set ANALYTICS_HOME to a larger disk"
    yield Finding("disk", f"{free / 1e9:.1f} GB free at {place}", remedy)


def _books(connection: psycopg.Connection) -> Iterator[Finding]:
    events, accepted, quarantine, quarantined, unbalanced = connection.execute(BOOKS).fetchone() or (0, 0, 0, 0, 0)
    even = events == accepted and quarantine == quarantined and unbalanced == 0
    yield Finding(
        "books",
        f"{events:,} events, {accepted:,} accepted; "
        f"{quarantine:,} in quarantine, {quarantined:,} refused; {unbalanced} uneven batches",
        "" if even else "rows were changed by hand: restore the backup, or revoke and load the uneven batches again",
    )
