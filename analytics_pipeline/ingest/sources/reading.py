"""One way to load what waits in any source."""

from collections.abc import Iterator

import psycopg

from analytics_pipeline.events.mapping import Mapping, load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.load import Progress, no_progress
from analytics_pipeline.ingest.sources.configuration import FolderSource, KafkaSource, RedisSource, S3Source, Source
from analytics_pipeline.ingest.sources.waiting import new_files


def read_source(connection: psycopg.Connection, source: Source, on_chunk: Progress = no_progress) -> Iterator[Batch]:
    """Load all that waits.

    Args:
        connection: autocommit, outside of a transaction.
        source: of this home.
        on_chunk: told after each chunk.

    Raises:
        AnalyticsError: the source does not answer.
        MappingError: its mapping can't be read.
    """
    mapping = load_mapping(source.mapping)
    if isinstance(source, FolderSource):
        yield from _read_folder(connection, source, mapping, on_chunk)
    elif isinstance(source, S3Source):
        from analytics_pipeline.ingest.sources.s3 import load_s3

        yield from load_s3(connection, source, mapping, on_chunk)
    elif isinstance(source, KafkaSource):
        from analytics_pipeline.ingest.sources.kafka import load_kafka

        yield from load_kafka(connection, source, mapping, on_chunk)
    elif isinstance(source, RedisSource):
        from analytics_pipeline.ingest.sources.redis_streams import load_redis

        yield from load_redis(connection, source, mapping, on_chunk)
    else:
        from analytics_pipeline.ingest.sources.sql_table import load_sql

        yield from load_sql(connection, source, mapping, on_chunk)


def _read_folder(connection: psycopg.Connection, source: FolderSource, mapping: Mapping, on_chunk: Progress) -> Iterator[Batch]:
    for path in new_files(connection, source):
        yield load_file(connection, path, mapping, source.source or mapping.name, on_chunk)
