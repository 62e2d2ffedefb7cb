"""What a step has done and from which inputs, so that a rerun knows that nothing is left to do."""

import hashlib
import json

import psycopg


def inputs_hash(*inputs: object) -> str:
    """Identity of a step's inputs."""
    return hashlib.sha256(json.dumps(inputs, default=str).encode()).hexdigest()[:16]


def is_done(connection: psycopg.Connection, step: str, inputs: str) -> bool:
    """The step has succeeded with these very inputs, and not with others since."""
    row = connection.execute("select inputs_hash from ops.step_state where step = %s", (step,)).fetchone()
    return row is not None and row[0] == inputs


def note_done(connection: psycopg.Connection, step: str, inputs: str, summary: str, seconds: float) -> None:
    """Record a success."""
    connection.execute(
        """
        insert into ops.step_state (step, inputs_hash, summary, seconds) values (%(step)s, %(inputs)s, %(summary)s, %(seconds)s)
        on conflict (step) do update set inputs_hash = excluded.inputs_hash, summary = excluded.summary,
            seconds = excluded.seconds, finished_at = clock_timestamp()
        """,
        {"step": step, "inputs": inputs, "summary": summary, "seconds": round(seconds, 3)},
    )
