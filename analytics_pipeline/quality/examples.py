"""Events that show what a finding means: at most a few, without ids of persons and without free text."""

from typing import Any

import psycopg
from psycopg import sql

from analytics_pipeline.quality.drift.statistics import Finding

_MOST = 5
_COLUMNS = frozenset(
    {"user_id", "anonymous_id", "session_id", "entity_id", "country", "region", "city", "device_type", "platform"}
    | {"app_version", "value", "currency", "source"}
)
_QUERY = """
select e.event_id, e.event_name, e.occurred_at, e.source, e.app_version, b.uri
from raw.events as e inner join raw.ingest_batches as b on e.batch_id = b.batch_id cross join config.plan as p
where e.occurred_at >= ops.day_start(%(day)s, p.timezone) and e.occurred_at < ops.day_start(%(day)s + 1, p.timezone)
    and (%(event_name)s = '' or e.event_name = %(event_name)s) and ({condition})
order by e.event_id
limit %(most)s
"""


def examples_of(connection: psycopg.Connection, findings: list[Finding]) -> list[dict[str, Any]]:
    """Up to five events for each finding that is about single events."""
    found: list[dict[str, Any]] = []
    for finding in findings:
        condition = _condition(finding)
        if condition is None:
            continue
        parameters = {"day": finding.day, "event_name": finding.key.event_name, "most": _MOST, "value": finding.key.value}
        rows = connection.execute(sql.SQL(_QUERY).format(condition=condition), parameters).fetchall()
        names = ("event_id", "event_name", "occurred_at", "source", "app_version", "file")
        found += [
            dict[str, Any](shows=f"{finding.key.subject} {finding.key.value}".strip())
            | {name: _text(cell) for name, cell in zip(names, row, strict=True)}
            for row in rows
        ]
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _condition(finding: Finding) -> sql.Composable | None:
    """Which events a finding is about; None where it is about how many there are."""
    key = finding.key
    field = _field(key.subject)
    if key.metric == "present" and field is not None and finding.observed < finding.expected:
        return sql.SQL("{} is null").format(field)
    if key.metric == "present" and field is not None:
        return sql.SQL("{} is not null").format(field)
    if key.metric == "category" and field is not None and finding.observed > finding.expected:
        return sql.SQL("{}::text = %(value)s").format(field)
    if key.metric == "share" and key.subject == "ahead":
        return sql.SQL("e.received_at < e.occurred_at - interval '1 second'")
    if key.metric == "share" and key.subject == "late":
        return sql.SQL("e.received_at > e.occurred_at + interval '1 hour'")
    return None


def _field(subject: str) -> sql.Composable | None:
    if subject in _COLUMNS:
        return sql.SQL("e.{}").format(sql.Identifier(subject))
    if subject.startswith("properties."):
        return sql.SQL("e.properties ->> {}").format(sql.Literal(subject.removeprefix("properties.")))
    return None
