"""Which batches a build may read: those that the raw gate has released. Why one is held is decided in `raw_gate`."""

import uuid
from collections.abc import Mapping

import psycopg


def release_pending(connection: psycopg.Connection) -> int:
    """Release what waits, without a judgement. Returns the number of batches."""
    return connection.execute(
        "update raw.ingest_batches set gate_status = 'released', judged_at = clock_timestamp() where gate_status = 'pending'"
    ).rowcount


def judge(connection: psycopg.Connection, judged: list[uuid.UUID], held: Mapping[uuid.UUID, str]) -> None:
    """Hold some of the batches that were judged, each with its reason, and release the others."""
    connection.execute(
        """
        update raw.ingest_batches as b
        set gate_status = case when h.reason is null then 'released' else 'held' end,
            gate_reason = h.reason, judged_at = clock_timestamp()
        from unnest(%s::uuid[], %s::text[]) as h (batch_id, reason)
        where b.batch_id = h.batch_id
        """,
        (judged, [held.get(batch_id) for batch_id in judged]),
    )
