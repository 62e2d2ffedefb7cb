"""A pass of a gate, from its beginning to its outcome: what is written, who is told, and what an owner has taken upon them."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

import psycopg

from analytics_pipeline.quality.results import CheckResult, write_results
from analytics_pipeline.warehouse.incidents import close_incident, open_incident

Gate = Literal["raw", "build"]
WHAT_TO_DO = "Mend the source, `ingest revoke BATCH` and load it again; or, if it is right as it is, `publish --accept REASON`."


@dataclass(frozen=True)
class Pass:
    """A pass that has begun."""

    gate_run_id: uuid.UUID
    gate: Gate
    as_of: datetime
    run_id: str | None
    build_id: uuid.UUID | None
    started_at: datetime


@dataclass(frozen=True)
class GateOutcome:
    """What a pass decided.

    Attributes:
        gate_run_id: of ops.gate_runs.
        blocked: nothing downstream may run.
        reason: what failed, for people; of warnings, too; empty where all is well.
        results: of all checks.
        held: batches that are held, with the names of the checks.
    """

    gate_run_id: uuid.UUID
    blocked: bool
    reason: str
    results: list[CheckResult]
    held: dict[uuid.UUID, str] = field(default_factory=dict)


def begin_pass(
    connection: psycopg.Connection, gate: Gate, as_of: datetime, run_id: str | None, build_id: uuid.UUID | None = None
) -> Pass:
    """Begin; nothing is written yet."""
    return Pass(uuid.uuid4(), gate, as_of, run_id, build_id, datetime.now(UTC))


def end_pass(
    connection: psycopg.Connection, begun: Pass, results: list[CheckResult], *, held: dict[uuid.UUID, str] | None = None
) -> GateOutcome:
    """Write the outcome, and open or close the gate's incident.

    Failures that an owner has accepted since the last publication don't block this pass.

    Args:
        connection: in a transaction, or outside of one.
        begun: the pass.
        results: of its checks.
        held: batches that it holds.
    """
    accepted = _accepted(connection, begun.gate)
    results = [replace(r, accepted=True) if r.blocks and _is_accepted(r, accepted) else r for r in results]
    failed = [r for r in results if r.blocks]
    takes = [r for r in results if r.accepted]
    reason = describe(failed or takes)
    outcome = "blocked" if failed else "accepted" if takes or accepted else "passed"
    if outcome == "accepted":
        reason = "; ".join(dict.fromkeys(why for why, _ in accepted.values()))
    connection.execute(
        """
        insert into ops.gate_runs (
            gate_run_id, gate, build_id, run_id, as_of, outcome, reason, checks, failed, started_at
        ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            begun.gate_run_id,
            begun.gate,
            begun.build_id,
            begun.run_id,
            begun.as_of,
            outcome,
            reason or None,
            len(results),
            sum(not r.passed for r in results),
            begun.started_at,
        ),
    )
    write_results(connection, begun.gate, begun.build_id, begun.gate_run_id, results)
    if failed:
        connection.execute(
            """
            update ops.builds set status = 'blocked', finished_at = clock_timestamp(), reason = %s
            where build_id = %s and status = 'building'
            """,
            (reason, begun.build_id),
        )
    tell(connection, begun.gate, results, reason if failed else "")
    return GateOutcome(begun.gate_run_id, bool(failed), reason, results, held or {})


def tell(connection: psycopg.Connection, gate: Gate, results: list[CheckResult], blocked: str) -> None:
    """Open the incidents of a pass, and close those that are over."""
    if blocked:
        open_incident(
            connection,
            f"gate:{gate}",
            severity="critical",
            title=f"The {gate} gate blocks: what readers see is the last good version",
            body=blocked,
            details={"what_to_do": WHAT_TO_DO},
        )
    else:
        close_incident(connection, f"gate:{gate}", "the gate lets data through again")
    warnings = [r for r in results if not r.passed and not r.blocks]
    if warnings:
        open_incident(
            connection,
            f"warnings:{gate}",
            severity="warning",
            title=f"{len(warnings)} check{'s' if len(warnings) > 1 else ''} of the {gate} gate found something",
            body=describe(warnings),
        )
    elif not blocked:
        close_incident(connection, f"warnings:{gate}")


def describe(failed: list[CheckResult]) -> str:
    """What a reader is told: which checks, and the first of what each found, in lines."""
    if not failed:
        return ""
    lines = [f"{len(failed)} check{'s' if len(failed) > 1 else ''} failed", *(f"- {_described(r)}" for r in failed)]
    return "\n".join(lines)


def _described(result: CheckResult) -> str:
    found = [str(line) for line in result.details.get("found", ())]
    name = str(result.details.get("description") or result.check_name.replace("_", " ")).rstrip(".")
    if found:
        more = f" and {len(found) - 2} more" if len(found) > 2 else ""
        return f"{result.relation}: {'; '.join(found[:2])}{more}"
    rows = f" ({result.rows_failed:,} rows do not)" if result.rows_failed else ""
    return f"{result.relation}: {name}{rows}"


def _accepted(connection: psycopg.Connection, gate: Gate) -> dict[tuple[str, str], tuple[str, frozenset[str]]]:
    """Checks of passes that an owner has accepted since the last publication: relation and name to reason and days."""
    rows = connection.execute(
        """
        select q.relation, q.check_name, a.reason, coalesce(q.details -> 'blocking_days', '[]')
        from ops.acceptances as a
        inner join ops.gate_runs as g on a.gate_run_id = g.gate_run_id
        inner join ops.quality_results as q on g.gate_run_id = q.gate_run_id and not q.passed and q.severity = 'blocking'
        where g.gate = %s and a.accepted_at > coalesce((select finished_at from ops.published_build), '-infinity')
        """,
        (gate,),
    ).fetchall()
    found: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
    for relation, check_name, reason, days in rows:
        _, before = found.get((relation, check_name), ("", frozenset()))
        found[relation, check_name] = (reason, before | frozenset(days))
    return found


def _is_accepted(result: CheckResult, accepted: dict[tuple[str, str], tuple[str, frozenset[str]]]) -> bool:
    """The same check of the same days: what came since was not accepted."""
    if (result.relation, result.check_name) not in accepted:
        return False
    return set(result.details.get("blocking_days", ())) <= accepted[result.relation, result.check_name][1]
