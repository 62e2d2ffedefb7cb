"""What the page on plan and reality shows, read from the counts of the raw gate. How it looks is in the template."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

WINDOW_DAYS = 28
_MOST_FAULTS = 100
_FAULTS = (Path(__file__).parent / "contract_faults.sql").read_text()

Row = dict[str, Any]


@dataclass(frozen=True)
class Contract:
    """The contents. Days are local days of the plan's zone; the window is the last 28 days that were counted.

    Attributes:
        days: of the window, in order; empty where nothing was counted yet.
        events: accepted ones of the window.
        refused: events that are in quarantine, as they break a strict contract.
        faults: per event, property and violation: counts, versions with their counts, first and last day, counts by day.
        unknown: of those, events and properties that the plan does not know.
        absent: declared events and properties that never came, or no longer come.
        versions: of the sending application: events, and faults of them.
        planned: per declared event: what is said of it, counts by day, and its properties.
    """

    title: str
    name: str
    timezone: str
    unknown_events: str
    counted_at: datetime | None
    days: list[date]
    events: int
    refused: int
    faults: list[Row]
    unknown: list[Row]
    absent: list[Row]
    versions: list[Row]
    planned: list[Row]

    @property
    def is_kept(self) -> bool:
        """Nothing breaks the plan, and nothing is beside it."""
        return not (self.faults or self.unknown)


def read_contract(connection: psycopg.Connection) -> Contract | None:
    """Read everything; None before the first plan."""
    with connection.cursor(row_factory=dict_row) as cursor:
        head = cursor.execute(
            """
            select p.title, p.name, p.timezone, p.unknown_events, max(d.counted_at) as counted_at, max(d.day) as last_day
            from config.plan as p left join ops.contract_days as d on true
            group by p.title, p.name, p.timezone, p.unknown_events
            """
        ).fetchone()
        if head is None:
            return None
        last = head.pop("last_day")
        days = [last - timedelta(days=n) for n in reversed(range(WINDOW_DAYS))] if last else []
        span = {"first": days[0] if days else date.max, "last": last or date.max}
        drift = cursor.execute("select * from ops.contract_drift order by event_name, property").fetchall()
        seen = _seen(cursor, span)
        faults = _faults(cursor, span, days)
        events = [row for row in drift if row["property"] == ""]
        return Contract(
            **head,
            days=days,
            events=sum(row["events"] for row in events),
            refused=sum(row["quarantined"] for row in events),
            faults=[f for f in faults if not f["violation"].startswith("unknown")],
            unknown=[f for f in faults if f["violation"].startswith("unknown")],
            absent=_absent(drift),
            versions=_versions(cursor, span),
            planned=[
                {
                    **e,
                    "history": _history(seen.get(e["event_name"], {}), days),
                    "properties": _properties(drift, e["event_name"]),
                }
                for e in sorted(events, key=lambda row: (-row["events"], row["event_name"]))
                if e["is_declared"] and e["event_name"]
            ],
        )


def _seen(cursor: psycopg.Cursor[Row], span: Row) -> dict[str, dict[date, int]]:
    rows = cursor.execute(
        """
        select event_name, day, sum(events)::bigint as events from ops.contract_seen
        where property = '' and day between %(first)s and %(last)s group by event_name, day
        """,
        span,
    ).fetchall()
    seen: dict[str, dict[date, int]] = {}
    for row in rows:
        seen.setdefault(row["event_name"], {})[row["day"]] = row["events"]
    return seen


def _faults(cursor: psycopg.Cursor[Row], span: Row, days: list[date]) -> list[Row]:
    """The most frequent ones; shares are of all events of the name, also of refused ones."""
    rows = cursor.execute(_FAULTS, {**span, "most": _MOST_FAULTS}).fetchall()
    for row in rows:
        by_day = {date.fromisoformat(day): events for day, events in row.pop("by_day").items()}
        row["history"] = _history(by_day, days)
        row["versions"] = sorted(row["versions"].items(), key=lambda item: (-item[1], item[0]))
    return rows


def _versions(cursor: psycopg.Cursor[Row], span: Row) -> list[Row]:
    """The newest by their last day; events count accepted ones only."""
    return cursor.execute(
        """
        with seen as (
            select app_version, sum(events)::bigint as events, min(day) as first_day, max(day) as last_day
            from ops.contract_seen where property = '' and day between %(first)s and %(last)s group by app_version
        ),
        faults as (
            select app_version, sum(flagged)::bigint as flagged, sum(quarantined)::bigint as quarantined,
                min(day) as first_day, max(day) as last_day
            from ops.contract_faults where day between %(first)s and %(last)s group by app_version
        )
        select app_version, coalesce(s.events, 0) as events, coalesce(f.flagged, 0) as flagged,
            coalesce(f.quarantined, 0) as quarantined, least(s.first_day, f.first_day) as first_day,
            greatest(s.last_day, f.last_day) as last_day
        from seen as s full join faults as f using (app_version)
        order by first_day desc, app_version desc
        """,
        span,
    ).fetchall()


def _absent(drift: list[Row]) -> list[Row]:
    """Events that do not come, and properties of those that do."""
    missing = [row for row in drift if row["state"] in ("never came", "no longer comes")]
    gone = {row["event_name"] for row in missing if row["property"] == "" and row["event_name"]}
    return [row for row in missing if row["property"] == "" or row["event_name"] not in gone]


def _properties(drift: list[Row], event_name: str) -> list[Row]:
    rows = [row for row in drift if row["event_name"] == event_name and row["property"] and row["is_declared"]]
    return sorted(rows, key=lambda row: (row["is_shared"], -row["events"], row["property"]))


def _history(by_day: dict[date, int], days: list[date]) -> list[int]:
    return [by_day.get(day, 0) for day in days]
