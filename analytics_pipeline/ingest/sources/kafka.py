"""A Kafka topic. Offsets live in the warehouse and move with the rows; the broker's copy of them is for lag monitors only."""

import hashlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.events.json_lines import json_records
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.records import BYTES_PER_CHUNK, RECORDS_PER_CHUNK, Records
from analytics_pipeline.ingest.batch import Batch, Counts, Origin
from analytics_pipeline.ingest.load import Progress, load, no_progress
from analytics_pipeline.ingest.positions import only_reader, read_positions, write_positions
from analytics_pipeline.ingest.sources.configuration import KafkaSource

_PATIENCE = 30.0
_UNSENT = """
select batch_id, line_number, uri, reason_code, reason, payload from raw.quarantine
where source = %s and uri like %s and forwarded_at is null and resolved_at is null
order by batch_id, line_number limit 1000
"""
_SENT = """
update raw.quarantine as q set forwarded_at = clock_timestamp()
from unnest(%s::uuid[], %s::bigint[]) as sent (batch_id, line_number)
where q.batch_id = sent.batch_id and q.line_number = sent.line_number
"""


def lag(connection: psycopg.Connection, source: KafkaSource) -> int:
    """Messages that were not read yet.

    Raises:
        AnalyticsError: no broker answers, or there is no such topic.
    """
    consumer = _consumer(source)
    try:
        positions = read_positions(connection, source.name)
        return sum(end - start for start, end in _ranges(consumer, source, positions).values())
    finally:
        consumer.close()


def load_kafka(
    connection: psycopg.Connection, source: KafkaSource, mapping: Mapping, on_chunk: Progress = no_progress
) -> Iterator[Batch]:
    """Read up to the ends that the partitions have now, in batches of bounded size.

    Raises:
        AnalyticsError: no broker answers, or there is no such topic.
    """
    uri = f"kafka://{source.brokers}/{source.topic}"
    with only_reader(connection, source.name) as mine:
        if not mine:
            yield Batch(uri, "elsewhere")
            return
        consumer = _consumer(source)
        try:
            ranges = _ranges(consumer, source, read_positions(connection, source.name))
            for partition, (start, end) in sorted(ranges.items()):
                while start < end:
                    batch, start = _load_part(connection, consumer, source, mapping, partition, start, end, on_chunk)
                    yield batch
            _forward(connection, source, source.source or mapping.name, uri)
        finally:
            consumer.close()


def _consumer(source: KafkaSource) -> Consumer:
    fixed = {"enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "error"}
    return Consumer({**source.settings, "bootstrap.servers": source.brokers, "group.id": f"analytics-{source.name}", **fixed})


def _ranges(consumer: Consumer, source: KafkaSource, positions: dict[str, Any]) -> dict[int, tuple[int, int]]:
    """Partition to the offsets of its first unread message and of its end."""
    try:
        topic = consumer.list_topics(source.topic, timeout=_PATIENCE).topics[source.topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        ranges = {}
        for partition in topic.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(source.topic, partition), timeout=_PATIENCE)
            wanted = int(positions.get(str(partition), low))
            if wanted < low or wanted > high:
                raise AnalyticsError(
                    f"{source.name}: partition {partition} of {source.topic} holds offsets {low} to {high}, the next one to "
                    f"read is {wanted}: messages expired before they were read, or the topic was made anew. Delete the row of "
                    "raw.ingest_positions to begin at the oldest message; events that were loaded stay single"
                )
            ranges[partition] = (wanted, high)
    except KafkaException as error:
        raise AnalyticsError(
            f"{source.name}: topic {source.topic} at {source.brokers} can't be read ({error.args[0].str()}): "
            "start the broker, or correct sources.yml"
        ) from None
    return ranges


def _load_part(
    connection: psycopg.Connection,
    consumer: Consumer,
    source: KafkaSource,
    mapping: Mapping,
    partition: int,
    start: int,
    end: int,
    on_chunk: Progress,
) -> tuple[Batch, int]:
    """One batch of one partition, and the offset that follows it."""
    uri = f"kafka://{source.brokers}/{source.topic}/{partition}"
    reached = [start]

    def read() -> Iterator[Records]:
        reached[0] = start
        consumer.assign([TopicPartition(source.topic, partition, start)])
        yield from _chunks(consumer, source, start, min(end, start + source.batch_records), reached)

    def move(counts: Counts) -> None:
        write_positions(connection, source.name, {str(partition): reached[0]})

    # The position is what makes it exactly once; a topic made anew has the same offsets again.
    identity = hashlib.sha256(f"{source.topic}:{partition}:{start}:{uuid.uuid4()}".encode()).hexdigest()
    origin = Origin(source.source or mapping.name, uri, identity, "kafka")
    batch = load(connection, origin, mapping, read, on_chunk=on_chunk, before_commit=move)
    consumer.commit(offsets=[TopicPartition(source.topic, partition, reached[0])], asynchronous=True)
    return batch, reached[0]


def _chunks(consumer: Consumer, source: KafkaSource, start: int, end: int, reached: list[int]) -> Iterator[Records]:
    offsets: list[int] = []
    payloads: list[bytes] = []
    size, deadline = 0, time.monotonic() + _PATIENCE
    while reached[0] < end:
        messages = consumer.consume(10_000, timeout=1.0)
        if messages:
            deadline = time.monotonic() + _PATIENCE
        elif time.monotonic() > deadline:
            raise AnalyticsError(f"{source.name}: {source.brokers} sent nothing for {_PATIENCE:.0f} s: run again")
        for message in messages:
            if _is_end(source, message):
                reached[0] = end  # the last offsets hold transaction markers or were compacted away
                break
            offset = int(message.offset() or 0)
            if offset >= end:
                reached[0] = end
                break
            reached[0] = offset + 1
            offsets.append(offset)
            payloads.append(message.value() or b"")
            size += len(payloads[-1])
            if size >= BYTES_PER_CHUNK or len(payloads) >= RECORDS_PER_CHUNK:
                yield json_records(offsets, payloads)
                offsets, payloads, size = [], [], 0
    if payloads:
        yield json_records(offsets, payloads)


def _is_end(source: KafkaSource, message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    raise AnalyticsError(f"{source.name}: {source.topic} can't be read ({error.str()}): run again")


def _forward(connection: psycopg.Connection, source: KafkaSource, name: str, uri: str) -> None:
    """Send what is in quarantine to the dead-letter topic. Marked when the broker has it: at least once, never lost."""
    if source.dead_letter_topic is None:
        return
    producer = Producer({**source.settings, "bootstrap.servers": source.brokers, "enable.idempotence": True})
    failures: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error.str())

    while rows := connection.execute(_UNSENT, (name, f"{uri}/%")).fetchall():
        for _, offset, part, code, reason, payload in rows:
            headers = {"reason_code": code, "reason": reason, "origin": f"{part}/{offset}"}
            producer.produce(
                source.dead_letter_topic,
                bytes(payload),
                headers={key: value.encode() for key, value in headers.items()},
                on_delivery=delivered,
            )
        left = producer.flush(_PATIENCE)
        if failures or left:
            raise AnalyticsError(
                f"{source.name}: {source.dead_letter_topic} did not take the refused records "
                f"({(failures or ['no answer'])[0]}): they are in raw.quarantine; run again"
            )
        connection.execute(_SENT, ([row[0] for row in rows], [row[1] for row in rows]))
