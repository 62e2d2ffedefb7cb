"""Objects below an S3 prefix. Each is fetched once a version; what it holds is loaded like a file."""

import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg

from analytics_pipeline.errors import ObjectStoreError
from analytics_pipeline.events.file_kinds import is_event_file
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.load import Progress, no_progress
from analytics_pipeline.ingest.sources.configuration import S3Source

_NEW = """
select l.uri, l.version from listing as l
left join raw.ingest_objects as o on o.source = %s and o.uri = l.uri and o.version = l.version
where o.uri is null
order by l.uri
"""
_REMEMBER = """
insert into raw.ingest_objects (source, uri, version, batch_id) values (%s, %s, %s, %s) on conflict do nothing
"""


def new_objects(connection: psycopg.Connection, source: S3Source) -> list[tuple[str, str]]:
    """URI and version of the event files that were not looked at yet.

    The listing streams to the server page by page and is compared there: neither side holds a million keys in Python.

    Raises:
        ObjectStoreError: the server refuses.
    """
    with connection.transaction():
        connection.execute("create temp table listing (uri text, version text) on commit drop")
        with connection.cursor().copy("copy listing from stdin") as copy:
            for uri, version in _listing(source):
                copy.write_row((uri, version))
        connection.execute("analyze listing")
        return connection.execute(_NEW, (source.name,)).fetchall()


def load_s3(
    connection: psycopg.Connection, source: S3Source, mapping: Mapping, on_chunk: Progress = no_progress
) -> Iterator[Batch]:
    """Load what is new, one batch an object.

    Raises:
        ObjectStoreError: the server refuses.
    """
    client = _client(source)
    for uri, version in new_objects(connection, source):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        with tempfile.TemporaryDirectory(prefix="analytics-s3-") as folder:
            path = Path(folder) / PurePosixPath(key).name
            if not _fetch(client, bucket, key, version, path):
                yield Batch(uri, "growing")
                continue
            name = source.source or mapping.name
            batch = load_file(connection, path, mapping, name, on_chunk, kind="s3", uri=uri)
        if batch.outcome in ("loaded", "known", "failed"):
            connection.execute(_REMEMBER, (source.name, uri, version, batch.batch_id))
        yield batch


def _client(source: S3Source) -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=source.endpoint_url)


def _listing(source: S3Source) -> Iterator[tuple[str, str]]:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = source.url.removeprefix("s3://").partition("/")
    try:
        for page in _client(source).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                if is_event_file(Path(entry["Key"])):
                    yield f"s3://{bucket}/{entry['Key']}", f"{entry['ETag'].strip(chr(34))}:{entry['Size']}"
    except (BotoCoreError, ClientError) as error:
        raise ObjectStoreError(f"{source.url} can't be listed ({error}): correct the URL, the endpoint or AWS_*") from None


def _fetch(client: Any, bucket: str, key: str, version: str, path: Path) -> bool:
    """Download this very version; False if another one took its place meanwhile."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = client.get_object(Bucket=bucket, Key=key, IfMatch=version.rpartition(":")[0])
        with path.open("wb") as target:
            for block in answer["Body"].iter_chunks(1 << 20):
                target.write(block)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (404, 412):
            return False
        raise ObjectStoreError(f"s3://{bucket}/{key} can't be read ({error}): correct its permissions") from None
    except BotoCoreError as error:
        raise ObjectStoreError(f"s3://{bucket}/{key} was cut off ({error}): run again") from None
    return True
