"""Partitions of raw.events on servers without TimescaleDB, which cuts its hypertable into chunks itself.

They are made by loads that need them, and ahead of time by `lifecycle.storage`; `chunks` lists and drops them.
"""

from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

WEEK = timedelta(days=7)
_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)
_LOCK = 726_004
PARTITIONS = """
select
    format('%I.%I', n.nspname, c.relname),
    (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz as range_start,
    (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz as range_end
from pg_inherits as i
inner join pg_class as c on c.oid = i.inhrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where i.inhparent = 'raw.events'::regclass
order by range_start
"""
"""Name, begin and end of each, the oldest first."""

Bounds = tuple[datetime, datetime]


def week_of(moment: datetime) -> datetime:
    """The Monday, 00:00 UTC, on which the week of a time begins."""
    return _start_of(moment, WEEK)


def _start_of(moment: datetime, width: timedelta) -> datetime:
    return _ORIGIN + (moment - _ORIGIN) // width * width


class Partitions:
    """The partitions that one load needs. They are created in transactions of their own, so that loaders don't wait."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Args: connection: of the load; another one like it creates."""
        kind = connection.execute("select relkind from pg_class where oid = 'raw.events'::regclass").fetchone()
        self._needed = kind == ("p",)
        self._connection = connection
        self._days: set[datetime] = set()

    def ensure(self, days: set[datetime]) -> None:
        """See to it that events of these days can be stored.

        Args:
            days: 00:00 UTC.
        """
        if not self._needed or days <= self._days:
            return
        if _missing(_bounds(self._connection), days):
            info = self._connection.info
            with psycopg.connect(info.dsn, password=info.password, options="-c timezone=UTC") as connection:
                connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
                row = connection.execute("select chunk_interval from config.storage").fetchone()
                width, bounds = (row[0] if row else WEEK), _bounds(connection)
                while missing := _missing(bounds, days):
                    bounds.append(_room(bounds, missing[0], width))
                    _create(connection, *bounds[-1])
        self._days |= days


def _bounds(connection: psycopg.Connection) -> list[Bounds]:
    return [(start, end) for _, start, end in connection.execute(PARTITIONS)]


def _missing(bounds: list[Bounds], days: set[datetime]) -> list[datetime]:
    """Those for which there is no partition yet."""
    return [day for day in sorted(days) if not any(start <= day < end for start, end in bounds)]


def _room(bounds: list[Bounds], day: datetime, width: timedelta) -> Bounds:
    """The partition of a day, as wide as its neighbours leave room: they may be of another width."""
    start = _start_of(day, width)
    end = start + width
    return max([start, *(e for _, e in bounds if e <= day)]), min([end, *(s for s, _ in bounds if s > day)])


def _create(connection: psycopg.Connection, start: datetime, end: datetime) -> None:
    """ATTACH blocks neither readers nor writers of the other partitions; CREATE ... PARTITION OF would."""
    name = sql.Identifier("raw", f"events_{start:%Y_%m_%d}")
    like = "create table {} (like raw.events including defaults including constraints)"
    attach = "alter table raw.events attach partition {} for values from ({}) to ({})"
    connection.execute(sql.SQL(like).format(name))
    connection.execute(sql.SQL(attach).format(name, sql.Literal(start.isoformat()), sql.Literal(end.isoformat())))
