"""What became of a check, whoever made it: Great Expectations, dbt, or a rule of our own. Who stops what is in `assets`."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

Severity = Literal["blocking", "warning"]
Engine = Literal["great_expectations", "dbt", "drift", "contract", "rules", "freshness"]
Dimension = Literal[
    "completeness",
    "validity",
    "uniqueness",
    "consistency",
    "timeliness",
    "volume",
    "distribution",
    "schema",
    "integrity",
]


@dataclass(frozen=True)
class CheckResult:
    """What became of one check. Counts are rows; None where a check is not about rows.

    Attributes:
        relation: schema and table.
        check_name: unique within the relation; letters, digits and underscores.
        severity: blocking stops what is downstream.
        passed: it did not find anything.
        rows_checked: of the relation.
        rows_failed: of them.
        details: what was expected and observed; no personal data.
        engine: who made it.
        dimension: of quality.
        examples: rows that failed, at most a few; personal fields are masked.
        accepted: it failed, and an owner has taken that upon them.
    """

    relation: str
    check_name: str
    severity: Severity
    passed: bool
    rows_checked: int | None = None
    rows_failed: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    engine: Engine = "great_expectations"
    dimension: Dimension = "validity"
    examples: list[dict[str, Any]] = field(default_factory=list)
    accepted: bool = False

    @property
    def blocks(self) -> bool:
        """Nothing downstream may run."""
        return not self.passed and self.severity == "blocking" and not self.accepted


def write_results(
    connection: psycopg.Connection,
    gate: str,
    build_id: uuid.UUID | None,
    gate_run_id: uuid.UUID | None,
    results: Iterable[CheckResult],
) -> None:
    """Keep results in ops.quality_results."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into ops.quality_results (
                gate, build_id, gate_run_id, relation, check_name, severity, passed, rows_checked, rows_failed, details,
                engine, quality_dimension, examples, accepted
            )
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    gate,
                    build_id,
                    gate_run_id,
                    r.relation,
                    r.check_name,
                    r.severity,
                    r.passed,
                    r.rows_checked,
                    r.rows_failed,
                    Jsonb(r.details),
                    r.engine,
                    r.dimension,
                    Jsonb(r.examples),
                    r.accepted,
                )
                for r in results
            ],
        )
