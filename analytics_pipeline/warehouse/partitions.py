"""Weekly partitions of raw.events on servers without TimescaleDB, which cuts its hypertable into chunks itself.

A partition keeps the unique index small, so that a load costs the same however long the history is.
"""

from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

WEEK = timedelta(days=7)
_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)
_LOCK = 726_004
_BOUNDS = """
select
    (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz,
    (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz
from pg_inherits as i inner join pg_class as c on c.oid = i.inhrelid
where i.inhparent = 'raw.events'::regclass
"""


def week_of(moment: datetime) -> datetime:
    """The Monday, 00:00 UTC, on which the partition of a time begins."""
    return _ORIGIN + (moment - _ORIGIN) // WEEK * WEEK


class Partitions:
    """The partitions that one load needs. They are created in transactions of their own, so that loaders don't wait."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Args: connection: of the load; another one like it creates."""
        kind = connection.execute("select relkind from pg_class where oid = 'raw.events'::regclass").fetchone()
        self._needed = kind == ("p",)
        self._connection = connection
        self._weeks: set[datetime] = set()

    def ensure(self, weeks: set[datetime]) -> None:
        """See to it that events of these weeks can be stored.

        Args:
            weeks: Mondays, 00:00 UTC.
        """
        if not self._needed or weeks <= self._weeks:
            return
        if _missing(self._connection, weeks):
            info = self._connection.info
            with psycopg.connect(info.dsn, password=info.password, options="-c timezone=UTC") as connection:
                connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
                for week in _missing(connection, weeks):
                    _create(connection, week)
        self._weeks |= weeks


def _missing(connection: psycopg.Connection, weeks: set[datetime]) -> list[datetime]:
    """Those for which there is no partition yet."""
    bounds = connection.execute(_BOUNDS).fetchall()
    return [week for week in sorted(weeks) if not any(start <= week < end for start, end in bounds)]


def _create(connection: psycopg.Connection, week: datetime) -> None:
    """ATTACH blocks neither readers nor writers of the other partitions; CREATE ... PARTITION OF would."""
    name = sql.Identifier("raw", f"events_{week:%Y_%m_%d}")
    like = "create table {} (like raw.events including defaults including constraints)"
    attach = "alter table raw.events attach partition {} for values from ({}) to ({})"
    connection.execute(sql.SQL(like).format(name))
    connection.execute(sql.SQL(attach).format(name, sql.Literal(week.isoformat()), sql.Literal((week + WEEK).isoformat())))
