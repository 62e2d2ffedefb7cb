"""Counts what breaks the tracking plan among events that were let in. What a count means for a gate is in `contract_checks`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg

from analytics_pipeline.events.contracts import FaultKind
from analytics_pipeline.quality.contract.counting import Contracts, count_days, read_contracts
from analytics_pipeline.quality.contract.shapes import Faulty, Seen

_REACH_DAYS = 27
_DAYS_AT_ONCE = 7
_FORGET_SEEN = """
delete from ops.contract_seen as t
where
    t.day = any(%(days)s)
    and not exists (
        select from unnest(%(gone_days)s::date[], %(gone_names)s::text[]) as g (day, event_name)
        where g.day = t.day and g.event_name = t.event_name
    )
"""
_FORGET_VIOLATIONS = """
delete from ops.contract_violations as t
where
    t.day = any(%(days)s)
    and not exists (
        select from unnest(%(gone_days)s::date[], %(gone_names)s::text[]) as g (day, event_name)
        where g.day = t.day and g.event_name = t.event_name
    )
"""
_COUNTED = """
insert into ops.contract_days (day, events, contracts_hash)
select d, 0, %(hash)s from unnest(%(days)s::date[]) as d
on conflict (day) do update set contracts_hash = excluded.contracts_hash, counted_at = clock_timestamp()
"""
_COPY_SEEN = "copy ops.contract_seen (day, event_name, property, app_version, events) from stdin"
_COPY_VIOLATIONS = """
copy ops.contract_violations (day, event_name, property, violation, app_version, events, first_seen, last_seen, example)
from stdin
"""
_EVENTS = """
update ops.contract_days as d
set events = coalesce((select sum(s.events) from ops.contract_seen as s where s.day = d.day and s.property = ''), 0)
where d.day = any(%(days)s)
"""


@dataclass(frozen=True)
class Violation:
    """Events of the days that were counted, with one fault, of one version of the sending application.

    Attributes:
        property: its name; empty for an unknown event.
        app_version: "(none)" where events say none.
        events: how many.
        of: events of that name and version in these days.
        example: an offending value, masked where it is or may be personal; None where there is none.
        first_seen: within these days.
        last_seen: likewise.
    """

    event_name: str
    property: str
    violation: FaultKind
    app_version: str
    events: int
    of: int
    example: str | None
    first_seen: datetime
    last_seen: datetime


def days_to_count(connection: psycopg.Connection, touched: Sequence[date]) -> list[date]:
    """The touched local days, and those of the last four weeks that were counted against contracts of an earlier plan."""
    plan = read_contracts(connection)
    if plan is None:
        return []
    stale = connection.execute(
        "select day from ops.contract_days where contracts_hash <> %s and day >= (select max(day) from ops.contract_days) - %s",
        (plan.hash, _REACH_DAYS),
    ).fetchall()
    return sorted({*touched, *(day for (day,) in stale)})


def count_violations(connection: psycopg.Connection, days: Sequence[date]) -> list[Violation]:
    """Hold the raw events of local days against the published plan, and replace what is known of these days.

    One pass over the events, in spans of consecutive days, bounded by constant times; a second one over the few properties
    whose values have to be looked at. What has left the warehouse is not counted anew: what was counted of it stays.

    Args:
        connection: to the warehouse; everything is written in one transaction.
        days: of the plan's zone, in any order.

    Returns:
        Totals over the days, the most frequent first; empty before the first plan.
    """
    with connection.transaction():
        connection.execute("lock table ops.contract_days in share row exclusive mode")
        plan = read_contracts(connection)
        if plan is None:
            return []
        there, gone = _there(connection, plan, days)
        counted = Seen()
        for span in _spans(there):
            one = count_days(connection, plan, span)
            counted.events.update(one.events)
            counted.faults.update(one.faults)
        _replace(connection, plan, there, gone, counted)
    return _totals(counted)


def _there(connection: psycopg.Connection, plan: Contracts, days: Sequence[date]) -> tuple[list[date], set[tuple[date, str]]]:
    """Days of which not everything has left the warehouse, and the names of events that have left it, by day."""
    horizons = dict[str, datetime](connection.execute("select event_name, before from ops.horizons").fetchall())
    starts = connection.execute(
        "select d, ops.day_start(d, %s) from unnest(%s::date[]) as d order by 1", (plan.timezone, sorted(set(days)))
    ).fetchall()
    there = [(day, start) for day, start in starts if "" not in horizons or start >= horizons[""]]
    gone = {(day, name) for day, start in there for name, before in horizons.items() if start < before}
    return [day for day, _ in there], gone


def _spans(days: list[date]) -> Iterator[list[date]]:
    """Runs of consecutive days, at most a week long."""
    run: list[date] = []
    for day in days:
        if run and (day - run[-1] > timedelta(days=1) or len(run) == _DAYS_AT_ONCE):
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def _replace(
    connection: psycopg.Connection, plan: Contracts, days: list[date], gone: set[tuple[date, str]], counted: Seen
) -> None:
    parameters = {
        "days": days,
        "hash": plan.hash,
        "gone_days": [day for day, _ in gone],
        "gone_names": [name for _, name in gone],
    }
    for statement in (_FORGET_SEEN, _FORGET_VIOLATIONS, _COUNTED):
        connection.execute(statement, parameters)
    cursor = connection.cursor()
    with cursor.copy(_COPY_SEEN) as copy:
        for key, events in counted.events.items():
            if key[:2] not in gone:
                copy.write_row((*key, events))
    with cursor.copy(_COPY_VIOLATIONS) as copy:
        for fault, faulty in counted.faults.items():
            if fault[:2] not in gone:
                copy.write_row((*fault, faulty.events, faulty.first_seen, faulty.last_seen, faulty.example))
    connection.execute(_EVENTS, parameters)


def _totals(counted: Seen) -> list[Violation]:
    of: Counter[tuple[str, str]] = Counter()
    for (_, event_name, name, app_version), events in counted.events.items():
        if name == "":
            of[(event_name, app_version)] += events
    found: dict[tuple[str, str, FaultKind, str], list[Faulty]] = {}
    for (_, *what), faulty in counted.faults.items():
        found.setdefault(tuple(what), []).append(faulty)  # type: ignore[arg-type]
    totals = [
        Violation(
            *what,
            events=sum(f.events for f in faults),
            of=of[(what[0], what[3])],
            example=next((f.example for f in faults if f.example is not None), None),
            first_seen=min(f.first_seen for f in faults),
            last_seen=max(f.last_seen for f in faults),
        )
        for what, faults in found.items()
    ]
    return sorted(totals, key=lambda v: (-v.events, v.event_name, v.property, v.violation, v.app_version))
