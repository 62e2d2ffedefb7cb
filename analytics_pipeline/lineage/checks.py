"""What the gates of a run found, for OpenLineage's assertions. No failing examples: a catalogue is no place for rows."""

import psycopg

from analytics_pipeline.lineage.facts import Check


def read_checks(connection: psycopg.Connection, run_id: str) -> list[Check]:
    """All results of a Dagster run."""
    rows = connection.execute(
        """
        select
            r.gate, r.relation, r.check_name, r.passed or r.accepted, r.severity = 'blocking',
            r.details -> 'expected' ->> 'column', r.details ->> 'description'
        from ops.quality_results as r inner join ops.gate_runs as g using (gate_run_id)
        where g.run_id = %s
        order by r.gate, r.relation, r.check_name
        """,
        (run_id,),
    ).fetchall()
    return [
        Check(gate, relation, name, passed, blocks, column, description or "")
        for gate, relation, name, passed, blocks, column, description in rows
    ]
