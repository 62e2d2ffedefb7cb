"""Brings the schemas raw, config, ops, ml and live to this version, by Alembic. What dbt or publish own is not here."""

from pathlib import Path

import psycopg

from analytics_pipeline.errors import WarehouseUnavailable

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 726_001


def newest_revision() -> str:
    """The revision that this installation needs, read from the file names: Alembic's import is left for when there is work."""
    return max(path.stem.split("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def current_revision(connection: psycopg.Connection) -> str | None:
    """The revision that the warehouse is at; None for an empty database."""
    if connection.execute("select to_regclass('ops.alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("select version_num from ops.alembic_version").fetchone()
    return str(row[0]) if row else None


def migrate(url: str, timescaledb: str = "auto") -> None:
    """Apply what is missing; one process at a time, the others wait.

    Args:
        url: of the warehouse.
        timescaledb: "off" makes raw events a partitioned table also where the server has TimescaleDB; else it is used
            where it is there. Counts once, when the tables are made.

    Raises:
        WarehouseUnavailable: the warehouse was written by a newer version.
    """
    newest = newest_revision()
    with psycopg.connect(url, autocommit=True) as connection:
        current = current_revision(connection)
        if current == newest:
            return
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        current = current_revision(connection)
        if current is not None and current > newest:
            raise WarehouseUnavailable(
                f"the warehouse is at revision {current}, this version knows {newest}: install the newer analytics-pipeline"
            )
        if current != newest:
            _upgrade(url, timescaledb)


def _upgrade(url: str, timescaledb: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import ProgrammingError

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["url"], config.attributes["timescaledb"] = url, timescaledb
    try:
        command.upgrade(config, "head")
    except ProgrammingError as error:
        raise WarehouseUnavailable(
            f"the migration was refused ({str(error.orig).strip()}): grant create on the database to the user, or use its owner"
        ) from None
