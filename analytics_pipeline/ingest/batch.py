"""What becomes of one load: its row in raw.ingest_batches."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import psycopg
from psycopg.types.json import Jsonb

from analytics_pipeline.events.mapping import Mapping

Kind = Literal["file", "s3", "kafka", "redis", "sql", "replay"]
Outcome = Literal["loaded", "known", "failed", "elsewhere", "growing", "nothing"]


@dataclass(frozen=True)
class Origin:
    """Where the records of a batch come from.

    Attributes:
        source: the name that the events carry; with the content it identifies the batch.
        uri: where the records lie, for people.
        content_sha256: identity of the records.
        kind: of the source.
        replays: the batch whose quarantine is read again.
    """

    source: str
    uri: str
    content_sha256: str
    kind: Kind = "file"
    replays: uuid.UUID | None = None


@dataclass
class Counts:
    """read = accepted + duplicate + quarantined."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None


@dataclass(frozen=True)
class Batch:
    """What became of one load.

    `elsewhere`: another process is loading it at this moment. `growing`: it is still being written.
    `nothing`: there was nothing to load.
    """

    uri: str
    outcome: Outcome
    batch_id: uuid.UUID | None = None
    counts: Counts = field(default_factory=Counts)
    error: str = ""

    @property
    def read(self) -> int:
        """Records."""
        return self.counts.read

    @property
    def accepted(self) -> int:
        """New events."""
        return self.counts.accepted

    @property
    def duplicate(self) -> int:
        """Events that were there before, or earlier in the batch."""
        return self.counts.duplicate

    @property
    def quarantined(self) -> int:
        """Refused records."""
        return self.counts.quarantined


def totals(batches: Iterable[Batch]) -> tuple[int, int, int, int]:
    """Read, accepted, duplicate and quarantined of several loads."""
    done = list(batches)
    return (
        sum(b.read for b in done),
        sum(b.accepted for b in done),
        sum(b.duplicate for b in done),
        sum(b.quarantined for b in done),
    )


def begin(connection: psycopg.Connection, batch_id: uuid.UUID, origin: Origin, mapping: Mapping, at: datetime) -> None:
    """Write the batch as loading; it becomes visible when it is done."""
    connection.execute(
        """
        insert into raw.ingest_batches
        (batch_id, source, uri, content_sha256, mapping_sha256, status, kind, replays, started_at)
        values (%s, %s, %s, %s, %s, 'loading', %s, %s, %s)
        """,
        (batch_id, origin.source, origin.uri, origin.content_sha256, mapping.sha256, origin.kind, origin.replays, at),
    )


def finish(connection: psycopg.Connection, batch_id: uuid.UUID, counts: Counts, payload_format: dict[str, object]) -> None:
    """Close the books of the batch. The caller holds the lock that makes commit_order the order of commits."""
    connection.execute(
        """
        update raw.ingest_batches
        set status = 'loaded', rows_read = %s, rows_accepted = %s, rows_duplicate = %s, rows_quarantined = %s,
            min_occurred_at = %s, max_occurred_at = %s, payload_format = %s, commit_order = nextval('raw.commit_order'),
            finished_at = clock_timestamp()
        where batch_id = %s
        """,
        (
            counts.read,
            counts.accepted,
            counts.duplicate,
            counts.quarantined,
            counts.earliest,
            counts.latest,
            Jsonb(payload_format),
            batch_id,
        ),
    )


def note_failure(connection: psycopg.Connection, origin: Origin, mapping: Mapping, error: str) -> uuid.UUID:
    """Write a batch of which nothing was loaded."""
    batch_id = uuid.uuid4()
    connection.execute(
        """
        insert into raw.ingest_batches
        (batch_id, source, uri, content_sha256, mapping_sha256, status, kind, error, started_at, finished_at)
        values (%s, %s, %s, %s, %s, 'failed', %s, %s, clock_timestamp(), clock_timestamp())
        """,
        (batch_id, origin.source, origin.uri, origin.content_sha256, mapping.sha256, origin.kind, error),
    )
    return batch_id
