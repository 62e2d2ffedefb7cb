"""A Redis stream, read by a consumer group. Entries are acknowledged after the commit; the warehouse knows the last one."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any, cast

import orjson
import psycopg
import redis

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.events.json_lines import json_records
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.records import BYTES_PER_CHUNK, Records
from analytics_pipeline.ingest.batch import Batch, Counts, Origin
from analytics_pipeline.ingest.load import Progress, load, no_progress
from analytics_pipeline.ingest.positions import only_reader, read_positions, write_positions
from analytics_pipeline.ingest.sources.configuration import RedisSource

_CONSUMER = "analytics-pipeline"
_ONE_DOCUMENT = (b"event", b"data", b"payload", b"json")

_Entry = tuple[bytes, dict[bytes, bytes]]


def lag(source: RedisSource) -> int:
    """Entries that the group has not read or not acknowledged.

    Raises:
        AnalyticsError: no server answers.
    """
    client = _client(source)
    try:
        if not client.exists(source.stream):
            return 0
        groups = {group["name"]: group for group in client.xinfo_groups(source.stream)}
        group = groups.get(source.group.encode()) or groups.get(source.group)
        if group is None:
            return client.xlen(source.stream)
        unread = group.get("lag")
        return int(group["pending"]) + (int(unread) if unread is not None else client.xlen(source.stream))
    except redis.RedisError as error:
        raise _unavailable(source, error) from None


def load_redis(
    connection: psycopg.Connection, source: RedisSource, mapping: Mapping, on_chunk: Progress = no_progress
) -> Iterator[Batch]:
    """Read to the end of the stream, in batches; first what an earlier reader took and did not acknowledge.

    Only one reader works at a time, so all that is pending is an orphan and ids grow from batch to batch: entries up to the
    stored id were committed, and are only acknowledged.

    Raises:
        AnalyticsError: no server answers.
    """
    with only_reader(connection, source.name) as mine:
        if not mine:
            yield Batch(_uri(source), "elsewhere")
            return
        client = _client(source)
        try:
            _ensure_group(client, source)
            _require_same_stream(client, source, read_positions(connection, source.name).get(source.stream))
            for entries in _batches(client, source):
                last = read_positions(connection, source.name).get(source.stream, "0-0")
                new = [entry for entry in entries if _order(entry[0]) > _order(last.encode())]
                if new:
                    yield _load(connection, source, mapping, new, on_chunk)
                client.xack(source.stream, source.group, *(entry_id for entry_id, _ in entries))
        except redis.RedisError as error:
            raise _unavailable(source, error) from None


def _client(source: RedisSource) -> redis.Redis:
    try:
        return redis.Redis.from_url(source.url, socket_timeout=30)
    except ValueError:
        raise AnalyticsError(
            f"{source.name}: its url can't be read: write redis://:password@host:6379/0, "
            "and / : @ in the password as %2F %3A %40"
        ) from None


def _uri(source: RedisSource) -> str:
    place = _client(source).connection_pool.connection_kwargs
    return f"redis://{place.get('host', 'localhost')}:{place.get('port', 6379)}/{place.get('db', 0)}/{source.stream}"


def _unavailable(source: RedisSource, error: redis.RedisError) -> AnalyticsError:
    return AnalyticsError(f"{source.name}: {_uri(source)} can't be read ({error}): start the server, or correct sources.yml")


def _order(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)


def _ensure_group(client: redis.Redis, source: RedisSource) -> None:
    try:
        client.xgroup_create(source.stream, source.group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def _require_same_stream(client: redis.Redis, source: RedisSource, last: str | None) -> None:
    newest = cast(Any, client.xinfo_stream(source.stream))["last-generated-id"]
    if last is not None and _order(newest) < _order(last.encode()):
        raise AnalyticsError(
            f"{source.name}: the newest entry of {source.stream} is {newest.decode()}, but {last} was read already: "
            "the stream was made anew. Delete its row of raw.ingest_positions to read it from its beginning; "
            "events that were loaded stay single"
        )


def _batches(client: redis.Redis, source: RedisSource) -> Iterator[list[_Entry]]:
    start: Any = "0-0"
    while True:
        answer = client.xautoclaim(source.stream, source.group, _CONSUMER, 0, start_id=start, count=source.batch_records)
        start, claimed = cast(Any, answer)[:2]
        entries = [entry for entry in claimed if entry[1] is not None]
        if entries:
            yield entries
        if start == b"0-0":
            break
    while True:
        streams = cast(Any, client.xreadgroup(source.group, _CONSUMER, {source.stream: ">"}, count=source.batch_records))
        if not streams:
            return
        yield streams[0][1] if isinstance(streams, list) else next(iter(streams.values()))[0]


def _load(
    connection: psycopg.Connection, source: RedisSource, mapping: Mapping, entries: list[_Entry], on_chunk: Progress
) -> Batch:
    first, last = entries[0][0].decode(), entries[-1][0].decode()
    # The position is what makes it exactly once; a stream made anew may have the same ids again.
    identity = hashlib.sha256(f"{source.stream}:{first}:{last}:{uuid.uuid4()}".encode()).hexdigest()
    origin = Origin(source.source or mapping.name, f"{_uri(source)}/{first}", identity, "redis")
    payloads = [_document(values) for _, values in entries]
    size = sum(map(len, payloads))
    step = max(1, len(payloads) * BYTES_PER_CHUNK // max(size, 1))

    def move(counts: Counts) -> None:
        write_positions(connection, source.name, {source.stream: last})

    def read() -> Iterator[Records]:
        for start in range(0, len(payloads), step):
            part = payloads[start : start + step]
            yield json_records(list(range(start + 1, start + 1 + len(part))), part)

    return load(connection, origin, mapping, read, on_chunk=on_chunk, before_commit=move)


def _document(values: dict[bytes, bytes]) -> bytes:
    """The JSON that a single field holds, or the fields as an object of text."""
    if len(values) == 1:
        key, value = next(iter(values.items()))
        if key in _ONE_DOCUMENT:
            return value
    try:
        return orjson.dumps({key.decode(): value.decode() for key, value in values.items()})
    except UnicodeDecodeError:
        return b" ".join(part for pair in values.items() for part in pair)
