"""Lineage of the raw tables in Dagster: from the fields of each source's records to the columns of raw.events."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.events.source_fields import source_fields
from analytics_pipeline.ingest.sources.configuration import FolderSource, KafkaSource, RedisSource, S3Source, Source
from analytics_pipeline.warehouse.connection import place_of


def asset_key(source: Source) -> dg.AssetKey:
    """Of the asset that loads a source."""
    return dg.AssetKey(["ingest", source.name])


def field_lineage(sources: Sequence[Source]) -> dg.TableColumnLineage:
    """Which fields of which sources each column of raw.events is filled from, by their mappings.

    Raises:
        MappingError: a mapping can't be read.
    """
    found: dict[str, list[dg.TableColumnDep]] = defaultdict(list)
    for source in sources:
        for column, paths in source_fields(load_mapping(source.mapping)).items():
            found[column] += [dg.TableColumnDep(asset_key(source), path) for path in paths]
    return dg.TableColumnLineage(found)


def source_metadata(source: Source) -> dict[str, Any]:
    """Where a source is, and its fields that are known: those that fill a column.

    Raises:
        MappingError: its mapping can't be read.
    """
    columns = defaultdict(list)
    for column, paths in source_fields(load_mapping(source.mapping)).items():
        for path in paths:
            columns[path].append(column)
    fields = [dg.TableColumn(path, "field", f"fills {', '.join(names)}") for path, names in columns.items()]
    return {"dagster/column_schema": dg.TableSchema(fields), "dagster/uri": place(source), "mapping": source.mapping}


def place(source: Source) -> str:
    """Where a source is, as a URL without secrets."""
    if isinstance(source, FolderSource):
        return Path(source.path).absolute().as_uri()
    if isinstance(source, S3Source):
        return source.url
    if isinstance(source, KafkaSource):
        return f"kafka://{source.brokers.split(',')[0]}/{source.topic}"
    if isinstance(source, RedisSource):
        address = urlsplit(source.url)
        return f"redis://{address.hostname or 'localhost'}:{address.port or 6379}/{source.stream}"
    return f"postgres://{place_of(source.url)}/{source.table}"
