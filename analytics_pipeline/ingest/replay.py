"""Reads the quarantine again, after a mapping or a plan was mended: what is accepted now is loaded, once."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg

from analytics_pipeline.events.delimited import read_payloads
from analytics_pipeline.events.json_lines import json_records
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.records import RECORDS_PER_CHUNK, Records
from analytics_pipeline.ingest.batch import Batch, Counts, Origin
from analytics_pipeline.ingest.load import load
from analytics_pipeline.warehouse.audit import record

_LOCK = 726_005
_DUE = """
select b.batch_id, b.uri, b.payload_format
from raw.ingest_batches as b
where
    b.status = 'loaded'
    and b.source = %(source)s
    and exists (
        select 1 from raw.quarantine as q
        where q.batch_id = b.batch_id and q.resolved_at is null
            and (%(reason)s::text is null or q.reason_code = %(reason)s)
    )
order by b.commit_order
"""
_PAYLOADS = """
select line_number, payload from raw.quarantine
where batch_id = %(batch_id)s and resolved_at is null and (%(reason)s::text is null or reason_code = %(reason)s)
order by line_number
"""
_RESOLVE = """
update raw.quarantine set resolved_at = clock_timestamp()
where
    batch_id = %(batch_id)s
    and resolved_at is null
    and (%(reason)s::text is null or reason_code = %(reason)s)
    and not line_number = any(%(refused)s)
"""


class _NothingNew(Exception):
    """All records are refused again."""


def replay(connection: psycopg.Connection, mapping: Mapping, source: str, reason: str | None = None) -> list[Batch]:
    """Try the unresolved records of a source again. Those that are refused again stay as they are.

    Args:
        connection: outside of a transaction, autocommit.
        mapping: the mended one.
        source: whose batches.
        reason: a reason code; None for all.

    Returns:
        One batch for each of those that had something in quarantine; `nothing` where all was refused again. A batch reads
        what it resolves.
    """
    connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
    try:
        due = connection.execute(_DUE, {"source": source, "reason": reason}).fetchall()
        return [_replay(connection, mapping, source, reason, *row) for row in due]
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (_LOCK,))


def _replay(
    connection: psycopg.Connection,
    mapping: Mapping,
    source: str,
    reason: str | None,
    batch_id: uuid.UUID,
    uri: str,
    payload_format: dict[str, Any],
) -> Batch:
    what = {"batch_id": batch_id, "reason": reason}
    identity = hashlib.sha256(f"replay:{uuid.uuid4()}".encode()).hexdigest()
    refused: set[int] = set()

    def read() -> Iterator[Records]:
        refused.clear()
        info = connection.info
        with psycopg.connect(info.dsn, password=info.password) as reader, reader.cursor("payloads") as cursor:
            cursor.execute(_PAYLOADS, what)
            while rows := cursor.fetchmany(RECORDS_PER_CHUNK):
                numbers, payloads = [number for number, _ in rows], [payload for _, payload in rows]
                if payload_format["kind"] == "delimited":
                    yield read_payloads(numbers, payloads, payload_format, mapping.delimited)
                else:
                    yield json_records(numbers, payloads)

    def resolve(counts: Counts) -> None:
        if not counts.read:
            raise _NothingNew
        connection.execute(_RESOLVE, {**what, "refused": list(refused)})
        read = {"read": counts.read, "accepted": counts.accepted, "duplicate": counts.duplicate}
        how = {"source": source, "uri": uri, "reason": reason, "mapping_sha256": mapping.sha256}
        record(connection, "replay", str(batch_id), {**how, **read})

    try:
        origin = Origin(source, uri, identity, "replay", batch_id)
        return load(connection, origin, mapping, read, before_commit=resolve, refused_again=refused)
    except _NothingNew:
        return Batch(uri, "nothing")
