"""Whether data is late: of each source, and of what readers see. Late is told before it is a wrong number."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import psycopg

from analytics_pipeline.quality.results import CheckResult
from analytics_pipeline.warehouse.incidents import close_incident, close_incidents_except, open_incident

_PREFIX = "freshness:"
_MARTS = "freshness:marts"
_FORGOTTEN = timedelta(days=30)


def judge_sources(
    connection: psycopg.Connection, now: datetime, deadline: timedelta, deadlines: Mapping[str, timedelta] | None = None
) -> list[CheckResult]:
    """One result for each source that delivered in the last thirty days, and an incident for each that is late.

    A source is as fresh as its latest event that has happened.

    Args:
        connection: to the warehouse.
        now: with its zone.
        deadline: of a source that has none of its own.
        deadlines: by the name that the events carry.
    """
    rows = connection.execute(
        """
        select source, max(least(max_occurred_at, %(now)s)) from raw.ingest_batches
        where status = 'loaded' and rows_accepted > 0 and min_occurred_at <= %(now)s
            and max_occurred_at > %(now)s - %(forgotten)s
        group by source order by source
        """,
        {"now": now, "forgotten": _FORGOTTEN},
    ).fetchall()
    results, late = [], []
    for source, latest in rows:
        limit = (deadlines or {}).get(source, deadline)
        age = now - latest
        passed = age <= limit
        hours = f"{age.total_seconds() / 3600:.0f} hours"
        found = [] if passed else [f"the latest event of {source} happened {hours} ago, {_hours(limit)} are allowed"]
        results.append(
            CheckResult(
                relation="raw.events",
                check_name=f"{source}_is_fresh",
                severity="warning",
                passed=passed,
                details={"description": f"Source {source} is at most {_hours(limit)} behind.", "found": found},
                engine="freshness",
                dimension="timeliness",
            )
        )
        if not passed:
            late.append(f"{_PREFIX}source:{source}")
            open_incident(
                connection,
                late[-1],
                severity="warning",
                title=f"Source {source} is late",
                body=found[0],
                details={
                    "what_to_do": "Look whether its export or tracker still runs; numbers of the missing days wait for it."
                },
            )
    close_incidents_except(connection, f"{_PREFIX}source:", late)
    return results


def judge_marts(connection: psycopg.Connection, now: datetime, deadline: timedelta) -> CheckResult | None:
    """Whether what readers see is younger than the deadline; opens or closes the incident. None before anything is there."""
    row = connection.execute("select as_of, is_stale, reason from ops.publication").fetchone()
    if row is None or row[0] is None:
        return None
    as_of, is_stale, reason = row
    age = now - as_of
    passed = age <= deadline
    if passed:
        close_incident(connection, _MARTS)
    else:
        why = f" The last run was blocked: {reason}" if is_stale else ""
        open_incident(
            connection,
            _MARTS,
            severity="critical",
            title="Published numbers are older than their deadline",
            body=f"They are as of {as_of:%Y-%m-%d %H:%M} UTC, {_hours(age)} ago; {_hours(deadline)} are allowed.{why}",
            details={"what_to_do": "analytics-pipeline status says what failed; analytics-pipeline run builds again."},
        )
    found = [] if passed else [f"published numbers are {_hours(age)} old, {_hours(deadline)} are allowed"]
    return CheckResult(
        relation="kpi.kpi_values",
        check_name="is_fresh",
        severity="warning",
        passed=passed,
        details={"description": f"Published numbers are at most {_hours(deadline)} old.", "found": found},
        engine="freshness",
        dimension="timeliness",
    )


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"
