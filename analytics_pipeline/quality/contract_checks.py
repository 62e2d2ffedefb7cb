"""Checks over what breaks the tracking plan. What always was so is only counted; what is new stops, or is flagged.

A missing property, a wrong type and an impossible value make numbers wrong, and stop. An event or a property that the plan
does not know is flagged: it is in no number yet. What a release renamed is missed under its old name.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import psycopg

from analytics_pipeline.quality.contracts import count_violations, days_to_count
from analytics_pipeline.quality.judgement import Case
from analytics_pipeline.quality.results import CheckResult, Severity

DESCRIPTIONS = {
    "no_new_unknown_event": "No kind of event comes that the plan does not know and that did not come before.",
    "no_new_unknown_property": "No property comes that the plan does not know and that did not come before.",
    "no_more_missing": "Required properties are missing no more often than before.",
    "no_more_wrong_type": "Properties have the wrong type no more often than before.",
    "no_more_impossible_value": "Properties have values that the plan excludes no more often than before.",
}
"""Name of a check to what it promises; the end of a name is the kind of violation."""

_REACH = timedelta(days=28)
_LEAST_EVENTS, _LEAST_SHARE, _BLOCKING_SHARE = 5, 0.005, 0.02
_FLAGGED = {"unknown_event", "unknown_property"}


@dataclass(frozen=True)
class _Fault:
    day: date
    event_name: str
    field: str
    violation: str
    share: float
    before: float
    events: int
    versions: str

    @property
    def severity(self) -> Severity:
        is_rare = self.share - self.before < _BLOCKING_SHARE
        return "warning" if self.violation in _FLAGGED or is_rare else "blocking"

    @property
    def in_words(self) -> str:
        what = f"{self.event_name}.{self.field}" if self.field else self.event_name
        return (
            f"{self.day}: {what}: {self.violation.replace('_', ' ')} in {self.share:.1%} of events ({self.before:.1%} before), "
            f"versions {self.versions}"
        )


def judge(connection: psycopg.Connection, case: Case) -> list[CheckResult]:
    """One result for each kind of violation; the counts of the days under judgement are made anew."""
    count_violations(connection, days_to_count(connection, case.days))
    faults = _faults(connection, case) if case.days else []
    return [_result(name, text, [f for f in faults if name.endswith(f.violation)], case) for name, text in DESCRIPTIONS.items()]


def _result(name: str, description: str, faults: list[_Fault], case: Case) -> CheckResult:
    blocking = [f for f in faults if f.severity == "blocking" and not case.is_history(f.day)]
    shown = sorted(faults, key=lambda f: (f not in blocking, f.day, -f.share))
    return CheckResult(
        relation="raw.events",
        check_name=name,
        severity="blocking" if blocking or (not faults and name.startswith("no_more")) else "warning",
        passed=not faults,
        rows_failed=sum(f.events for f in faults),
        details={
            "description": description,
            "found": [f.in_words for f in shown[:20]],
            "days": sorted({f.day.isoformat() for f in faults}),
            "blocking_days": sorted({f.day.isoformat() for f in blocking}),
        },
        engine="contract",
        dimension="schema" if name.startswith("no_new") else "validity",
    )


def _faults(connection: psycopg.Connection, case: Case) -> list[_Fault]:
    """Violations of a day that are clearly more frequent than in the four weeks before it."""
    rows = connection.execute(
        """
        with totals as (
            select day, event_name, sum(events) as events from ops.contract_seen
            where property = '' and day between %(first)s and %(last)s group by day, event_name
        ),
        faults as (
            select day, event_name, property, violation, sum(events) as events,
                string_agg(distinct app_version, ', ' order by app_version) as versions
            from ops.contract_violations where day between %(first)s and %(last)s
            group by day, event_name, property, violation
        )
        select f.day, f.event_name, f.property, f.violation, f.versions, f.events, t.events,
            coalesce((
                select sum(b.events) from faults as b
                where b.event_name = f.event_name and b.property = f.property and b.violation = f.violation
                    and b.day between f.day - %(reach)s and f.day - 1
            ), 0),
            coalesce((
                select sum(b.events) from totals as b
                where (b.event_name = f.event_name or f.violation = 'unknown_event')
                    and b.day between f.day - %(reach)s and f.day - 1
            ), 0)
        from faults as f
        cross join lateral (
            select sum(t.events) as events from totals as t
            where t.day = f.day and (t.event_name = f.event_name or f.violation = 'unknown_event')
        ) as t
        where f.day = any(%(days)s)
        """,
        {"first": case.days[0] - _REACH, "last": case.days[-1], "reach": _REACH.days, "days": case.days},
    ).fetchall()
    found = []
    for day, event_name, name, violation, versions, events, total, events_before, total_before in rows:
        share = float(events) / max(float(total or 0), 1)
        before = float(events_before) / float(total_before) if total_before else 0.0
        is_new = violation not in _FLAGGED or not events_before
        is_first = total_before < 100 and violation in _FLAGGED
        if events >= _LEAST_EVENTS and share >= _LEAST_SHARE and share > 2 * before + _LEAST_SHARE and is_new and not is_first:
            found.append(_Fault(day, event_name, name, violation, share, before, int(events), versions))
    return found
