"""Keeps how each source is read: which fields fill which columns. A change is in the audit log: numbers mean something else."""

import psycopg
from psycopg.types.json import Jsonb

from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.source_fields import source_fields
from analytics_pipeline.warehouse.audit import record


def note_mapping(connection: psycopg.Connection, source: str, mapping: Mapping) -> None:
    """Note the mapping of a batch that is about to be finished, in its transaction.

    Args:
        connection: which holds the lock that makes batches commit one after the other, or two of a source would wait here.
        source: that the events of the batch carry.
        mapping: that they were read with.
    """
    last = connection.execute(
        """
        select mapping_sha256 from raw.ingest_batches where source = %s and status in ('loaded', 'revoked')
        order by commit_order desc limit 1
        """,
        (source,),
    ).fetchone()
    before = last[0] if last else None
    connection.execute(
        """
        insert into raw.mappings (source, mapping_sha256, mapping, fields) values (%s, %s, %s, %s)
        on conflict (source, mapping_sha256) do nothing
        """,
        (source, mapping.sha256, mapping.name, Jsonb(source_fields(mapping))),
    )
    if before != mapping.sha256:
        record(connection, "use mapping", source, {"mapping": mapping.name, "before": before, "after": mapping.sha256})
