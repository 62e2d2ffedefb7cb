"""One way to ask any source what waits in it, without the libraries that loading needs."""

from pathlib import Path

import psycopg

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.known_files import event_files, unseen
from analytics_pipeline.ingest.sources.configuration import FolderSource, KafkaSource, RedisSource, S3Source, Source


def waiting(connection: psycopg.Connection, source: Source) -> str | None:
    """What waits to be read, in words; None if nothing does.

    Raises:
        AnalyticsError: the source does not answer.
    """
    if isinstance(source, FolderSource):
        files = new_files(connection, source)
        return f"{len(files):,} new files" if files else None
    if isinstance(source, S3Source):
        from analytics_pipeline.ingest.sources.s3 import new_objects

        objects = new_objects(connection, source)
        return f"{len(objects):,} new objects" if objects else None
    if isinstance(source, KafkaSource):
        from analytics_pipeline.ingest.sources import kafka

        messages = kafka.lag(connection, source)
        return f"{messages:,} new messages" if messages else None
    if isinstance(source, RedisSource):
        from analytics_pipeline.ingest.sources import redis_streams

        entries = redis_streams.lag(source)
        return f"{entries:,} new entries" if entries else None
    from analytics_pipeline.ingest.sources.sql_table import has_new

    return "new rows" if has_new(connection, source) else None


def new_files(connection: psycopg.Connection, source: FolderSource) -> list[Path]:
    """Files of a folder whose content is not known."""
    name = source.source or load_mapping(source.mapping).name
    return unseen(connection, event_files([source.path]), name) if source.path.exists() else []
