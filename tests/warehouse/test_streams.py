"""Kafka and Redis Streams: positions move with the rows, whatever dies between."""

import json
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.positions import only_reader, read_positions
from analytics_pipeline.ingest.sources import kafka, redis_streams
from analytics_pipeline.ingest.sources.configuration import KafkaSource, RedisSource
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import require

pytestmark = pytest.mark.only_on("embedded", "offsets are in plain tables, and brokers are slow")
AT = datetime(2026, 2, 1, 10, tzinfo=UTC)
ENVELOPE = load_mapping("envelope")


def event(number: int) -> bytes:
    at = AT + timedelta(seconds=number)
    return json.dumps(
        {"event_id": str(uuid.UUID(int=number)), "event_name": "view", "occurred_at": at.isoformat(), "user_id": "u"}
    ).encode()


class Killed(Exception):
    """The process dies at this moment."""


def die(*_: object) -> None:
    raise Killed


def stored(connection: psycopg.Connection) -> list[int]:
    return sorted(row[0].int for row in connection.execute("select event_id from raw.events").fetchall())


# Kafka ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """librdkafka's own mock cluster, which speaks the protocol over TCP."""
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored"})
    deadline = time.monotonic() + 20
    while not (found := owner.list_topics(timeout=5).brokers):
        assert time.monotonic() < deadline
    yield ",".join(f"{b.host}:{b.port}" for b in found.values())
    del owner


@pytest.fixture
def topic(brokers: str) -> KafkaSource:
    name = f"t{uuid.uuid4().hex}"
    return KafkaSource(
        kind="kafka", name="clicks", brokers=brokers, topic=name, dead_letter_topic=f"{name}-dead", batch_records=40
    )


def produce(source: KafkaSource, *values: bytes, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": source.brokers})
    for value in values:
        producer.produce(source.topic, value, partition=partition)
    assert producer.flush(20) == 0


def consume(connection: psycopg.Connection, source: KafkaSource) -> list[Batch]:
    return list(kafka.load_kafka(connection, source, ENVELOPE))


@pytest.mark.xdist_group("streams")
def test_a_topic_is_read_to_its_end_in_batches_and_again_from_there(planned: psycopg.Connection, topic: KafkaSource) -> None:
    produce(topic, *(event(n) for n in range(100)))
    produce(topic, *(event(n) for n in range(100, 110)), partition=1)
    assert kafka.lag(planned, topic) == 110
    assert sorted(batch.read for batch in consume(planned, topic)) == [10, 20, 40, 40]
    assert stored(planned) == list(range(110))
    assert kafka.lag(planned, topic) == 0
    assert consume(planned, topic) == []
    produce(topic, event(5), event(200))
    assert [(b.accepted, b.duplicate) for b in consume(planned, topic)] == [(1, 1)]
    assert read_positions(planned, "clicks") == {"0": 102, "1": 10}


@pytest.mark.xdist_group("streams")
def test_a_reader_that_dies_before_the_commit_leaves_neither_rows_nor_offsets(
    planned: psycopg.Connection, topic: KafkaSource
) -> None:
    produce(topic, *(event(n) for n in range(60)), b"broken")
    calls: list[int] = []

    def die_in_the_second(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Killed

    with pytest.raises(Killed):
        list(kafka.load_kafka(planned, topic, ENVELOPE, die_in_the_second))
    assert stored(planned) == list(range(40))
    assert read_positions(planned, "clicks") == {"0": 40}
    consume(planned, topic)
    assert stored(planned) == list(range(60))
    assert planned.execute("select line_number, payload from raw.quarantine").fetchall() == [(60, b"broken")]


@pytest.mark.xdist_group("streams")
def test_what_is_refused_goes_to_the_dead_letter_topic_once(planned: psycopg.Connection, topic: KafkaSource) -> None:
    produce(topic, b"broken", event(1), b"[]", b"")
    consume(planned, topic)
    consume(planned, topic)
    reader = Consumer(
        {"bootstrap.servers": topic.brokers, "group.id": "test", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    )
    reader.subscribe([str(topic.dead_letter_topic)])
    found: list[tuple[bytes, dict[str, bytes]]] = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and len(found) < 3:
        message = reader.poll(1)
        if message is not None and message.error() is None:
            found.append((message.value() or b"", dict(message.headers() or [])))
    assert reader.poll(0.5) is None or len(found) == 3
    reader.close()
    assert sorted(payload for payload, _ in found) == [b"", b"[]", b"broken"]
    headers = dict(found)
    assert headers[b"broken"]["reason_code"] == b"invalid_json"
    assert headers[b"broken"]["origin"].endswith(f"{topic.topic}/0/0".encode())
    assert planned.execute("select count(*) from raw.quarantine where forwarded_at is null").fetchone() == (0,)


@pytest.mark.xdist_group("streams")
def test_offsets_that_expired_before_they_were_read_are_an_error_and_not_a_gap(
    planned: psycopg.Connection, topic: KafkaSource
) -> None:
    produce(topic, event(1))
    planned.execute("insert into raw.ingest_positions (source, part, position) values ('clicks', '0', '50')")
    with pytest.raises(AnalyticsError, match=r"offsets 0 to 1, the next one to read is 50.*raw.ingest_positions"):
        consume(planned, topic)


@pytest.mark.xdist_group("streams")
def test_a_broker_that_is_not_there_is_named(planned: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_PATIENCE", 2.0)
    source = KafkaSource(kind="kafka", name="clicks", brokers="127.0.0.1:1", topic="t")
    with pytest.raises(AnalyticsError, match=r"clicks: topic t at 127.0.0.1:1 can't be read.*sources.yml"):
        consume(planned, source)


# Redis ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = require("redis-server", "streams are read exactly once")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""], stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}/0"
    deadline = time.monotonic() + 20
    while True:
        try:
            redis.Redis.from_url(url).ping()
            break
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield url
    server.terminate()
    server.wait()


@pytest.fixture
def stream(redis_url: str) -> RedisSource:
    return RedisSource(kind="redis", name="app", url=redis_url, stream=f"s{uuid.uuid4().hex}", batch_records=40)


def add(source: RedisSource, *values: bytes) -> None:
    client = redis.Redis.from_url(source.url)
    for value in values:
        client.xadd(source.stream, {"event": value})


def pending(source: RedisSource) -> int:
    return int(redis.Redis.from_url(source.url).xinfo_groups(source.stream)[0]["pending"])


def follow(connection: psycopg.Connection, source: RedisSource) -> list[Batch]:
    return list(redis_streams.load_redis(connection, source, ENVELOPE))


@pytest.mark.xdist_group("streams")
def test_a_stream_is_read_to_its_end_and_acknowledged(planned: psycopg.Connection, stream: RedisSource) -> None:
    add(stream, *(event(n) for n in range(100)), b"broken")
    assert redis_streams.lag(stream) == 101
    assert [batch.read for batch in follow(planned, stream)] == [40, 40, 21]
    assert stored(planned) == list(range(100))
    assert (redis_streams.lag(stream), pending(stream)) == (0, 0)
    assert follow(planned, stream) == []
    add(stream, event(500))
    assert [batch.accepted for batch in follow(planned, stream)] == [1]


@pytest.mark.xdist_group("streams")
def test_fields_of_an_entry_are_an_event_too(planned: psycopg.Connection, stream: RedisSource) -> None:
    fields: dict[Any, Any] = {"event_name": "view", "occurred_at": AT.isoformat(), "user_id": "u", "value": "2.5"}
    redis.Redis.from_url(stream.url).xadd(stream.stream, fields)
    follow(planned, stream)
    assert planned.execute("select event_name, user_id, value::float from raw.events").fetchall() == [("view", "u", 2.5)]


@pytest.mark.xdist_group("streams")
def test_a_reader_that_dies_before_the_commit_leaves_its_entries_to_the_next(
    planned: psycopg.Connection, stream: RedisSource
) -> None:
    add(stream, *(event(n) for n in range(60)), b"broken")
    with pytest.raises(Killed):
        list(redis_streams.load_redis(planned, stream, ENVELOPE, die))
    assert (stored(planned), pending(stream)) == ([], 40)
    follow(planned, stream)
    assert (stored(planned), pending(stream)) == (list(range(60)), 0)


@pytest.mark.xdist_group("streams")
def test_a_reader_that_dies_between_commit_and_acknowledgement_loads_nothing_twice(
    planned: psycopg.Connection, stream: RedisSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(stream, *(event(n) for n in range(10)), b"broken")
    with monkeypatch.context() as patch:
        patch.setattr(redis.Redis, "xack", die)
        with pytest.raises(Killed):
            follow(planned, stream)
    assert (len(stored(planned)), pending(stream)) == (10, 11)
    assert follow(planned, stream) == []
    assert pending(stream) == 0
    assert planned.execute("select count(*) from raw.quarantine").fetchone() == (1,)
    assert planned.execute("select sum(rows_read) from raw.ingest_batches").fetchone() == (11,)


@pytest.mark.xdist_group("streams")
@pytest.mark.parametrize("kind", ["kafka", "redis"])
def test_while_one_process_reads_a_source_another_leaves_it_alone(
    planned: psycopg.Connection, warehouse: Warehouse, kind: str, request: pytest.FixtureRequest
) -> None:
    source: Any = request.getfixturevalue("topic" if kind == "kafka" else "stream")
    read: Callable[..., Iterator[Batch]] = kafka.load_kafka if kind == "kafka" else redis_streams.load_redis
    with warehouse.connect(autocommit=True) as other, only_reader(other, source.name) as first:
        assert first
        assert [batch.outcome for batch in read(planned, source, ENVELOPE)] == ["elsewhere"]


@pytest.mark.xdist_group("streams")
def test_a_redis_that_is_not_there_is_named_without_its_password(planned: psycopg.Connection) -> None:
    source = RedisSource(kind="redis", name="app", url="redis://:secret@127.0.0.1:1/0", stream="s")
    with pytest.raises(AnalyticsError, match=r"app: redis://127.0.0.1:1/0/s can't be read") as error:
        follow(planned, source)
    assert "secret" not in str(error.value)
