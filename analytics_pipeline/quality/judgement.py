"""Which local days and batches a pass of the raw gate is about, and what it decides of them. The checks are elsewhere."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg import sql

_SMALL_SHARE = 0.02
_NEWEST = timedelta(days=7)
_LONGEST_SILENCE = timedelta(days=14)


@dataclass(frozen=True)
class Case:
    """What is under judgement.

    Attributes:
        as_of: of the run.
        batches: that wait or are held.
        days: local days that have ended, and that these batches or the passing of time made or changed.
        rows: events of a batch on a day, for all days that the batches touch.
        is_first: nothing was published yet.
        last_day: the last local day that has ended.
    """

    as_of: datetime
    batches: dict[uuid.UUID, str]
    days: list[date]
    rows: dict[tuple[date, uuid.UUID], int]
    is_first: bool
    last_day: date

    def is_history(self, day: date) -> bool:
        """A day of a first history, but for its newest week: what it differs in is only worth a warning."""
        return self.is_first and day < self.last_day - _NEWEST

    def rows_of(self, relation: str) -> str | None:
        """Query for the rows of a raw table that are under judgement; None for all of another table."""
        batches = sql.Literal([str(batch) for batch in self.batches])
        if relation == "raw.events":
            statement = sql.SQL(
                "select * from raw.events where batch_id = any({0}::uuid[]) and occurred_at between"
                " (select min(min_occurred_at) from raw.ingest_batches where batch_id = any({0}::uuid[]))"
                " and (select max(max_occurred_at) from raw.ingest_batches where batch_id = any({0}::uuid[]))"
            )
        elif relation == "raw.ingest_batches":
            statement = sql.SQL(
                "select * from raw.ingest_batches where batch_id = any({0}::uuid[])"
                " or (status = 'failed' and started_at > now() - interval '1 day')"
            )
        elif relation == "raw.quarantine":
            statement = sql.SQL("select * from raw.quarantine where batch_id = any({0}::uuid[])")
        else:
            return None
        return statement.format(batches).as_string(None)

    def batches_of(self, day: date) -> list[uuid.UUID]:
        """Batches that a twentieth or more of the day's new events came with; all of the day's where none has so many."""
        of_day = {batch: count for (d, batch), count in self.rows.items() if d == day and batch in self.batches}
        total = sum(of_day.values())
        return [batch for batch, count in of_day.items() if count >= total * 0.05] or list(of_day)


def read_case(connection: psycopg.Connection, as_of: datetime) -> Case:
    """Gather what a pass at this time is about; as_of with its zone."""
    batches = dict[uuid.UUID, str](
        connection.execute(
            "select batch_id, uri from raw.ingest_batches where status = 'loaded' and gate_status <> 'released'"
        ).fetchall()
    )
    rows = _rows(connection, list(batches))
    is_first, today = connection.execute(
        """
        select b.build_id is null, (%s at time zone p.timezone)::date
        from config.plan as p left join ops.published_build as b on true
        """,
        (as_of,),
    ).fetchone() or (True, as_of.date())
    profiled = dict[date, tuple[str, float]](
        (day, (outcome, events))
        for day, outcome, events in connection.execute(
            """
            select d.day, d.outcome, coalesce(p.amount, 0) from ops.profiled_days as d
            left join ops.profiles as p
                on d.day = p.day and p.event_name = '' and p.metric = 'count' and p.subject = 'events'
            """
        ).fetchall()
    )
    days = {day for day, _ in rows if day < today}
    days = {day for day in days if _is_changed(day, rows, profiled)}
    days |= {day for day, (outcome, _) in profiled.items() if outcome == "blocked" and day < today}
    days |= {day for day in _taken_back(connection) if day < today}
    known = [*profiled, *(day for day, _ in rows if day < today)]
    if known:
        first, last = min(known), min(today - timedelta(days=1), max(known) + _LONGEST_SILENCE)
        missing = {first + timedelta(days=i) for i in range((last - first).days + 1)} - set(profiled)
        days |= missing
    return Case(as_of, batches, sorted(days), rows, bool(is_first), today - timedelta(days=1))


def _taken_back(connection: psycopg.Connection) -> list[date]:
    """Days that lost events since the last build, whose profiles are of what is no longer there."""
    rows = connection.execute(
        """
        select distinct c.day from ops.changes as c inner join ops.profiled_days as d on c.day = d.day
        where c.consumed_by is null and c.cause in ('revoke', 'erase') and c.created_at > d.profiled_at
        """
    ).fetchall()
    return [day for (day,) in rows]


def _is_changed(day: date, rows: dict[tuple[date, uuid.UUID], int], profiled: dict[date, tuple[str, float]]) -> bool:
    """A few late events don't change what a day looks like."""
    if day not in profiled:
        return True
    new = sum(count for (d, _), count in rows.items() if d == day)
    return new >= max(profiled[day][1] * _SMALL_SHARE, 20)


def _rows(connection: psycopg.Connection, batches: list[uuid.UUID]) -> dict[tuple[date, uuid.UUID], int]:
    bounds = connection.execute(
        "select min(min_occurred_at), max(max_occurred_at) from raw.ingest_batches where batch_id = any(%s)", (batches,)
    ).fetchone()
    if bounds is None or bounds[0] is None:
        return {}
    found = connection.execute(
        """
        select (e.occurred_at at time zone p.timezone)::date, e.batch_id, count(*)
        from raw.events as e cross join config.plan as p
        where e.batch_id = any(%s) and e.occurred_at between %s and %s
        group by 1, 2
        """,
        (batches, *bounds),
    ).fetchall()
    return {(day, batch): count for day, batch, count in found}


def left_out(connection: psycopg.Connection) -> sql.Composable:
    """The condition on an event (its columns without a prefix) under which the plan leaves it out."""
    rules = connection.execute("select condition_sql from config.excluded_traffic order by position").fetchall()
    return sql.SQL(" or ").join(sql.SQL("({})").format(sql.SQL(text)) for (text,) in rules) if rules else sql.SQL("false")
