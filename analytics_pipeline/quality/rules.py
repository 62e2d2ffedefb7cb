"""The plan's own rules, held against the days under judgement."""

from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from analytics_pipeline.quality.judgement import Case, left_out
from analytics_pipeline.quality.results import CheckResult, Dimension

_MOST_EXAMPLES = 5
_CHANCE = 3.0
"""Standard deviations of a binomial count."""

# Events of a kind as the plan counts them: without the traffic that it leaves out.
_EVENTS = """
select e.*, (e.occurred_at at time zone p.timezone)::date as day
from raw.events as e cross join config.plan as p
where e.occurred_at >= %(starts)s and e.occurred_at < %(ends)s and {kind} and ({excluded}) is not true
"""
_HOLDS = """
select event_id, day, batch_id, count(*) over (partition by day) as events, ({condition}) is false as is_broken
from ({events}) as e
"""
# The one that was loaded first is right.
_UNIQUE = """
select event_id, day, batch_id, count(*) over (partition by day) as events,
    valued is not null and row_number() over (partition by valued order by commit_order, occurred_at, event_id) > 1 as is_broken
from (select e.*, {value} as valued from ({events}) as e) as v
inner join (select batch_id, commit_order from raw.ingest_batches) as b using (batch_id)
"""
_REFERENCES = """
select event_id, day, batch_id, count(*) over (partition by day) as events, wanted is not null and found is null as is_broken
from (select e.*, {value} as wanted from ({events}) as e where day = any(%(days)s)) as v
left join (select distinct {other} as found from ({other_events}) as e) as o on v.wanted = o.found
"""
_BROKEN = """
with judged as ({rule})
select day, max(events) as events, count(*) filter (where is_broken) as broken,
    array_agg(distinct batch_id::text) filter (where is_broken) as batches,
    (array_agg(event_id::text order by event_id) filter (where is_broken))[1:{most}] as examples
from judged where day = any(%(days)s) group by day
"""
_EQUALS = """
select day, {value} as left_total, {other} as right_total
from (select e.*, live.converted(e.value, e.currency, e.day) as amount from ({events}) as e) as e
where day = any(%(days)s) group by day
"""
_DIMENSIONS: dict[str, Dimension] = {
    "holds": "validity",
    "unique": "uniqueness",
    "references": "integrity",
    "equals": "consistency",
}


def judge(connection: psycopg.Connection, case: Case) -> list[CheckResult]:
    """One result for each rule."""
    if not case.days:
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        rules = cursor.execute("select * from config.rules order by rule").fetchall()
        unwanted = left_out(connection)
        results = []
        for rule in rules:
            try:
                with connection.transaction():
                    results.append(_judge(cursor, rule, unwanted, case))
            except psycopg.DataError as error:
                results.append(_unanswered(rule, case, str(error).splitlines()[0]))
        return results


def _judge(cursor: psycopg.Cursor[dict[str, Any]], rule: dict[str, Any], unwanted: sql.Composable, case: Case) -> CheckResult:
    days = case.days
    before = days[0] - timedelta(days=rule["days"] if rule["kind"] in ("unique", "references") else 0)
    bounds = cursor.execute(
        "select ops.day_start(%s, timezone) as starts, ops.day_start(%s, timezone) as ends from config.plan",
        (before, days[-1] + timedelta(days=1)),
    ).fetchone()
    parameters = {**(bounds or {}), "days": days}
    rows = cursor.execute(_statement(rule, unwanted), parameters).fetchall()
    if rule["kind"] == "equals":
        return _result(rule, [r for r in rows if _differ(r, float(rule["tolerance"]))], {})
    failed = [r for r in rows if r["broken"] > _allowed(r["events"], float(rule["tolerance"]))]
    batches = sorted({batch for r in failed for batch in r["batches"] or ()})
    return _result(rule, failed, {"batches": batches})


def _allowed(events: int, tolerance: float) -> float:
    """So many events of a day may break a rule: the share that is tolerated, and what chance adds where they are few."""
    return float(events * tolerance + _CHANCE * (events * tolerance * (1 - tolerance)) ** 0.5)


def _differ(row: dict[str, Any], tolerance: float) -> bool:
    left, right = float(row["left_total"]), float(row["right_total"])
    return abs(left - right) > tolerance * max(abs(left), abs(right)) + 1e-6


def _statement(rule: dict[str, Any], unwanted: sql.Composable) -> sql.Composed:
    def events(event_name: str | None) -> sql.Composed:
        kind = sql.SQL("e.event_name = {}").format(sql.Literal(event_name)) if event_name else sql.SQL("true")
        return sql.SQL(_EVENTS).format(kind=kind, excluded=unwanted)

    parts = {
        "events": events(rule["event_name"]),
        "other_events": events(rule["other_event_name"]),
        "condition": sql.SQL(rule["condition_sql"] or "true"),
        "value": sql.SQL(rule["value_sql"] or "null"),
        "other": sql.SQL(rule["other_value_sql"] or "null"),
    }
    if rule["kind"] == "equals":
        return sql.SQL(_EQUALS).format(**parts)
    texts = {"holds": _HOLDS, "unique": _UNIQUE, "references": _REFERENCES}
    return sql.SQL(_BROKEN).format(rule=sql.SQL(texts[rule["kind"]]).format(**parts), most=sql.Literal(_MOST_EXAMPLES))


def _result(rule: dict[str, Any], failed: list[dict[str, Any]], details: dict[str, Any]) -> CheckResult:
    failing_days = sorted({r["day"] for r in failed})
    return CheckResult(
        relation="raw.events",
        check_name=f"rule_{rule['rule']}",
        severity=rule["severity"],
        passed=not failed,
        rows_failed=sum(r.get("broken", 1) for r in failed),
        details={
            "description": rule["description"],
            "found": [_in_words(rule, r) for r in sorted(failed, key=lambda r: r["day"])],
            "days": [day.isoformat() for day in failing_days],
            "blocking_days": [day.isoformat() for day in failing_days] if rule["severity"] == "blocking" else [],
            **details,
        },
        engine="rules",
        dimension=_DIMENSIONS[rule["kind"]],
        examples=[{"event_id": e} for r in failed for e in r.get("examples") or ()][:_MOST_EXAMPLES],
    )


def _unanswered(rule: dict[str, Any], case: Case, reason: str) -> CheckResult:
    """A value that the rule can't read (a text where it casts a number) breaks it on all days, as nobody knows on which."""
    days = [day.isoformat() for day in case.days]
    blocking = days if rule["severity"] == "blocking" else []
    found = [f"{rule['description'].rstrip('.')}: can't be answered ({reason.split(':')[0]})"]
    return CheckResult(
        relation="raw.events",
        check_name=f"rule_{rule['rule']}",
        severity=rule["severity"],
        passed=False,
        details={"description": rule["description"], "found": found, "days": days, "blocking_days": blocking},
        engine="rules",
        dimension=_DIMENSIONS[rule["kind"]],
    )


def _in_words(rule: dict[str, Any], row: dict[str, Any]) -> str:
    if rule["kind"] == "equals":
        return f"{row['day']}: {rule['description'].rstrip('.')}: {row['left_total']:,.2f} against {row['right_total']:,.2f}"
    return f"{row['day']}: {rule['description'].rstrip('.')}: {row['broken']:,} events do not"
