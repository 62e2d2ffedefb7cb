"""The raw gate: judges what waits, holds the batches that are at fault and releases the others, all in one pass.

Who is told, and what is not run then, is in `passes` and `assets`.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import psycopg

from analytics_pipeline.quality import contract_checks, holds, rules
from analytics_pipeline.quality.drift.history import read_history
from analytics_pipeline.quality.drift.judge import judge_day
from analytics_pipeline.quality.drift.statistics import HOLIDAY, Finding
from analytics_pipeline.quality.drift.words import DESCRIPTIONS, FAMILIES, in_words
from analytics_pipeline.quality.examples import examples_of
from analytics_pipeline.quality.freshness import judge_sources
from analytics_pipeline.quality.judgement import Case, read_case
from analytics_pipeline.quality.passes import GateOutcome, begin_pass, end_pass
from analytics_pipeline.quality.profiling import profile_days
from analytics_pipeline.quality.results import CheckResult, Dimension
from analytics_pipeline.quality.validation import run_suites
from analytics_pipeline.warehouse.connection import Warehouse

RELATION = "raw.events"
_REACH = timedelta(days=56)
_MOST_SHOWN = 40
_TOLERANCES = {"holiday": HOLIDAY, "campaign": 3.0, "release": 3.0}


def judge_raw(
    warehouse: Warehouse,
    as_of: datetime,
    *,
    run_id: str | None = None,
    with_suites: bool = False,
    deadline: timedelta = timedelta(hours=26),
    deadlines: Mapping[str, timedelta] | None = None,
) -> GateOutcome:
    """One pass of the raw gate.

    Before anything is published, what the days of a first history have in common with each other is only worth a warning,
    but for its newest week: a product changes in the course of a year, and nobody would get past the gate.

    Args:
        warehouse: running.
        as_of: of the run; days that have not ended then are not held against their history.
        run_id: of Dagster, for the record.
        with_suites: also run the suites of Great Expectations, whose import takes seconds.
        deadline: how old the latest event of a source may be.
        deadlines: of sources that have one of their own, by the name that their events carry.

    Returns:
        The outcome; batches are held and released, results are written.
    """
    with warehouse.connect(autocommit=True) as connection:
        started = begin_pass(connection, "raw", as_of, run_id)
        case = read_case(connection, as_of)
        results = run_suites(warehouse, "raw", case.rows_of) if with_suites else []
        with connection.transaction():
            findings = _drift(connection, case)
            results += _drift_results(connection, case, findings)
            results += contract_checks.judge(connection, case)
            results += rules.judge(connection, case)
            results += judge_sources(connection, as_of, deadline, deadlines)
            held = _held(case, results)
            holds.judge(connection, list(case.batches), held)
            _note_days(connection, case, results)
            return end_pass(connection, started, results, held=held)


def _drift(connection: psycopg.Connection, case: Case) -> list[Finding]:
    if not case.days:
        return []
    profile_days(connection, case.days)
    first = case.days[0] - _REACH
    rows = connection.execute(
        "select day, event_name, metric, subject, value, amount, events from ops.profiles where day between %s and %s",
        (first, case.days[-1]),
    ).fetchall()
    outcomes = dict[date, str](
        connection.execute("select day, outcome from ops.profiled_days where day >= %s", (first,)).fetchall()
    )
    occasions = connection.execute("select kind, first_day, last_day from config.calendar").fetchall()
    days = sorted({row[0] for row in rows} | set(case.days))
    history = read_history(days, rows)
    good = {day for day, outcome in outcomes.items() if outcome != "blocked"} - set(case.days)
    accepted = {day for day in good if outcomes[day] == "accepted"}
    found: list[Finding] = []
    for day in case.days:
        of_day = judge_day(history, day, good, accepted, lambda d: _tolerance(d, occasions))
        found += of_day
        if case.is_first or not any(f.severity == "blocking" for f in of_day):
            good.add(day)
    return found


def _tolerance(day: date, occasions: list[Any]) -> float:
    return max((_TOLERANCES[kind] for kind, first, last in occasions if first <= day <= last), default=1.0)


def _drift_results(connection: psycopg.Connection, case: Case, findings: list[Finding]) -> list[CheckResult]:
    """One for each family, whether it found something or not."""
    results = []
    for check_name, description in DESCRIPTIONS.items():
        found = [f for f in findings if FAMILIES[f.key.metric] == check_name]
        blocking = [f for f in found if f.severity == "blocking" and not case.is_history(f.day)]
        found.sort(key=lambda f: (f not in blocking, f.day, -abs(f.distance)))
        shown = found[:_MOST_SHOWN]
        results.append(
            CheckResult(
                relation=RELATION,
                check_name=check_name,
                severity="blocking" if blocking or not found else "warning",
                passed=not found,
                rows_failed=len(found),
                details={
                    "description": description,
                    "days judged": len(case.days),
                    "found": [in_words(f) for f in shown],
                    "days": sorted({f.day.isoformat() for f in found}),
                    "blocking_days": sorted({f.day.isoformat() for f in blocking}),
                },
                engine="drift",
                dimension=found[0].dimension if found else _DIMENSIONS[check_name],
                examples=examples_of(connection, shown[:3]),
            )
        )
    return results


_DIMENSIONS: dict[str, Dimension] = {
    "volume": "volume",
    "fields_are_there": "completeness",
    "odd_events": "uniqueness",
    "signs_of_numbers": "validity",
    "values_of_fields": "distribution",
    "mix_of_fields": "distribution",
    "local_hours": "timeliness",
    "habits": "distribution",
    "numbers": "distribution",
    "persons_and_repeated_days": "uniqueness",
}


def _held(case: Case, results: list[CheckResult]) -> dict[Any, str]:
    """Batches of the days that failed a check that blocks, or that the check names, and why; all where it names none."""
    held: dict[Any, list[str]] = {}
    for result in results:
        if not result.blocks:
            continue
        named = {batch for batch in case.batches if str(batch) in result.details.get("batches", ())}
        of_days = {b for d in result.details.get("blocking_days", ()) for b in case.batches_of(date.fromisoformat(d))}
        for batch in named | of_days or set(case.batches):
            held.setdefault(batch, []).append(result.check_name)
    return {batch: ", ".join(dict.fromkeys(names)) for batch, names in held.items()}


def _note_days(connection: psycopg.Connection, case: Case, results: list[CheckResult]) -> None:
    failed = {day for r in results if r.blocks for day in r.details.get("blocking_days", ())}
    connection.execute(
        """
        update ops.profiled_days
        set outcome = case when day = any(%s::date[]) then 'blocked' else 'passed' end, profiled_at = clock_timestamp()
        where day = any(%s::date[])
        """,
        (sorted(failed), case.days),
    )
