"""What an owner takes upon them: the failures of one blocked pass, and no later ones."""

from dataclasses import dataclass

import psycopg

from analytics_pipeline.errors import UsageError
from analytics_pipeline.warehouse.audit import record


@dataclass(frozen=True)
class Accepted:
    """What was accepted.

    Attributes:
        gate: raw or build.
        reason: what had failed.
        batches: that were held and are released.
    """

    gate: str
    reason: str
    batches: int


def accept(connection: psycopg.Connection, reason: str) -> Accepted:
    """Accept the last blocked pass, in one transaction with its entry in the audit log.

    Held batches are released, and the days that were at fault become part of the history that later days are held against.

    Args:
        connection: outside of a transaction.
        reason: of the owner.

    Raises:
        UsageError: nothing is blocked, or it was accepted already.
    """
    with connection.transaction():
        row = connection.execute("select gate_run_id, blocked_by, reason from ops.publication where is_stale").fetchone()
        if row is None:
            raise UsageError("nothing is blocked: `analytics-pipeline status` says what is published")
        gate_run_id, gate, failed = row
        done = connection.execute(
            """
            insert into ops.acceptances (gate_run_id, reason, accepted_by) values (%s, %s, session_user)
            on conflict do nothing returning gate_run_id
            """,
            (gate_run_id, reason),
        ).fetchone()
        if done is None:
            raise UsageError("that was accepted already: `analytics-pipeline run` goes on with it")
        batches = 0
        if gate == "raw":
            batches = connection.execute(
                """
                update raw.ingest_batches set gate_status = 'released', judged_at = clock_timestamp()
                where gate_status = 'held' and status = 'loaded'
                """
            ).rowcount
            connection.execute("update ops.profiled_days set outcome = 'accepted' where outcome = 'blocked'")
        details = {"failed": failed, "reason": reason, "gate": gate, "batches released": batches}
        record(connection, "accept failed checks", str(gate_run_id), details)
        return Accepted(gate, failed, batches)
