"""What a build computed again, and why, for the audit log."""

from typing import Any

import psycopg

from analytics_pipeline.modelling.builds import Build


def recomputed(connection: psycopg.Connection, build: Build, rows: dict[str, int]) -> dict[str, Any]:
    """Kind, causes, days, models and tables of a build that is about to be published.

    Args:
        connection: inside of the transaction that publishes it.
        build: whose changes are still in ops.build_changes.
        rows: written, by "schema.table".
    """
    head = connection.execute(
        "select plan_hash, code_hash, run_id from ops.builds where build_id = %s", (build.build_id,)
    ).fetchone()
    plan_hash, code_hash, run_id = head or (None, None, None)
    causes = connection.execute(
        """
        select c.cause, count(*) from ops.build_changes as b inner join ops.changes as c using (change_id)
        where b.build_id = %s group by c.cause order by c.cause
        """,
        (build.build_id,),
    ).fetchall()
    return {
        "kind": "full" if build.is_full else "incremental",
        "as_of": build.as_of.isoformat(),
        "previous_as_of": build.previous_as_of.isoformat() if build.previous_as_of else None,
        "plan_hash": plan_hash,
        "code_hash": code_hash,
        "run_id": run_id,
        "changes": dict(causes),
        "days": "all" if build.is_full else _days(connection),
        "models_for_all_of_history": "all" if build.is_full else list(build.rebuilt),
        "rows": rows,
    }


def _days(connection: psycopg.Connection) -> dict[str, Any]:
    """Local days whose numbers the build computed again."""
    row = connection.execute(
        "select count(distinct day), min(day), max(day) from build_intermediate.int_touched_days"
    ).fetchone()
    count, first, last = row or (0, None, None)
    return {"count": count, "first": first and first.isoformat(), "last": last and last.isoformat()}
