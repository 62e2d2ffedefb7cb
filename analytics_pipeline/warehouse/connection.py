"""Connections to the warehouse, and what its server can do.

The embedded server's lifetime is in `embedded`, the tables are in `migrations`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from analytics_pipeline.errors import WarehouseUnavailable
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse import embedded
from analytics_pipeline.warehouse.migrate import migrate

OLDEST_SERVER = 160000


@dataclass(frozen=True)
class Capabilities:
    """What a server can do, and how raw events are stored on it.

    Attributes:
        server_version: as PostgreSQL gives it: 180001.
        timescaledb: edition of the extension in this database.
        timescaledb_version: of it.
        raw_events: "hypertable", or native "partitions"; a hypertable has a columnstore and continuous aggregates in the
            community edition only.
    """

    server_version: int
    timescaledb: Literal["none", "apache", "community"]
    timescaledb_version: str | None
    raw_events: Literal["hypertable", "partitions"]

    @property
    def columnstore(self) -> bool:
        """Whether old chunks can be compressed, and aggregates refreshed continuously."""
        return self.timescaledb == "community" and self.raw_events == "hypertable"


@dataclass(frozen=True)
class Warehouse:
    """A warehouse that answers and is migrated.

    Attributes:
        url: libpq URL. It can hold a password: never print it, print `place`.
        is_embedded: the server belongs to this home.
    """

    url: str
    is_embedded: bool

    @property
    def place(self) -> str:
        """Where the server is, without secrets."""
        return place_of(self.url)

    @property
    def sqlalchemy_url(self) -> str:
        """For libraries on SQLAlchemy: psycopg2, and a host, which they insist on, also for a socket."""
        return self.url.replace("postgresql://postgres@/", "postgresql://postgres@localhost/").replace(
            "postgresql://", "postgresql+psycopg2://", 1
        )

    @property
    def dagster_url(self) -> str:
        """For Dagster's run and event storage: a schema of its own in the same database."""
        separator = "&" if urlsplit(self.url).query else "?"
        return f"{self.url}{separator}options={quote('-csearch_path=dagster', safe='')}"

    def connect(self, **options: Any) -> psycopg.Connection:
        """A new connection; sessions speak UTC.

        Raises:
            WarehouseUnavailable: nobody answers, or the credentials are refused.
        """
        return connect(self.url, **options)

    def environment(self) -> dict[str, str]:
        """The variables that child processes (dbt, Dagster's daemon) find this warehouse by."""
        parts = conninfo_to_dict(self.url)
        return {
            "ANALYTICS_DATABASE_URL": self.url,
            "ANALYTICS_DAGSTER_DATABASE_URL": self.dagster_url,
            "PGOPTIONS": "-c timezone=UTC",
            "ANALYTICS_DBT_HOST": str(parts.get("host") or "localhost"),
            "ANALYTICS_DBT_PORT": str(parts.get("port") or 5432),
            "ANALYTICS_DBT_USER": str(parts.get("user") or "postgres"),
            "DBT_ENV_SECRET_ANALYTICS_PASSWORD": str(parts.get("password") or ""),
            "ANALYTICS_DBT_DATABASE": str(parts.get("dbname") or "postgres"),
            "ANALYTICS_DBT_SSLMODE": str(parts.get("sslmode") or "prefer"),
        }


def configured_warehouse(settings: Settings) -> Warehouse:
    """Where the warehouse of this home is, whether it runs or not."""
    if settings.database_url is None:
        return Warehouse(embedded.server_url(settings.home), is_embedded=True)
    url = settings.database_url.get_secret_value().replace("postgres://", "postgresql://", 1)
    return Warehouse(url, is_embedded=False)


def place_of(url: str) -> str:
    """host:port/database of a URL, without its secrets."""
    parts = conninfo_to_dict(url)
    return f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def connect(url: str, **options: Any) -> psycopg.Connection:
    """See `Warehouse.connect`."""
    try:
        connection = psycopg.connect(url, connect_timeout=10, options="-c timezone=UTC", **options)
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise WarehouseUnavailable(
            f"PostgreSQL at {place_of(url)} can't be reached ({reason}): start it, correct ANALYTICS_DATABASE_URL, "
            "or unset it to use the embedded server"
        ) from None
    return connection


def capabilities(connection: psycopg.Connection) -> Capabilities:
    """Ask the server what it is.

    The licence setting is only known once the library is loaded in the session, so a real call comes first.
    """
    installed = connection.execute("select extversion from pg_extension where extname = 'timescaledb'").fetchone()
    if installed is None:
        return Capabilities(connection.info.server_version, "none", None, "partitions")
    connection.execute("select time_bucket(interval '1 day', now())")
    row = connection.execute("select current_setting('timescaledb.license', true)").fetchone()
    edition: Literal["apache", "community"] = "community" if row and row[0] == "timescale" else "apache"
    is_hypertable = connection.execute(
        "select 1 from timescaledb_information.hypertables where hypertable_schema = 'raw' and hypertable_name = 'events'"
    ).fetchone()
    return Capabilities(connection.info.server_version, edition, installed[0], "hypertable" if is_hypertable else "partitions")


def check_timescaledb(can: Capabilities, setting: str, place: str) -> None:
    """Hold what the warehouse has become against the setting.

    Raises:
        WarehouseUnavailable: they differ.
    """
    if setting == "require" and not can.columnstore:
        has = f"TimescaleDB {can.timescaledb_version} ({can.timescaledb})" if can.timescaledb_version else "no TimescaleDB"
        raise WarehouseUnavailable(
            f"ANALYTICS_TIMESCALEDB is require, and {place} has {has}, with raw events as {can.raw_events}: "
            "use a server with the community edition and an empty database, or set it to auto"
        )
    if setting == "off" and can.raw_events == "hypertable":
        raise WarehouseUnavailable(
            f"ANALYTICS_TIMESCALEDB is off, but raw events at {place} are a hypertable already: use an empty database, or set "
            "it to auto"
        )


@contextmanager
def open_warehouse(settings: Settings, tell: Callable[[str], None] = embedded.tell_nobody) -> Iterator[Warehouse]:
    """The warehouse of this home, running and migrated, for as long as the context lasts.

    Raises:
        WarehouseUnavailable: it can't be reached or is older than PostgreSQL 16.
    """
    warehouse = configured_warehouse(settings)
    lease = embedded.acquire(settings.home, tell) if warehouse.is_embedded else nullcontext()
    with lease:
        with warehouse.connect() as connection:
            if connection.info.server_version < OLDEST_SERVER:
                raise WarehouseUnavailable(
                    f"PostgreSQL {connection.info.server_version // 10000} at {warehouse.place} is too old: 16 to 18 work"
                )
        migrate(warehouse.url, settings.timescaledb)
        if settings.timescaledb != "auto":
            with warehouse.connect(autocommit=True) as connection:
                check_timescaledb(capabilities(connection), settings.timescaledb, warehouse.place)
        os.environ.update({k: v for k, v in warehouse.environment().items() if k != "ANALYTICS_DATABASE_URL"})
        yield warehouse
