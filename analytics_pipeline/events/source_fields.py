"""Which fields of a source's records fill which columns of an event: the first step of column lineage."""

import re
from dataclasses import dataclass

import psycopg

from analytics_pipeline.events.mapping import Mapping

REST = "*"
"""Stands for all keys of a record that fill no column: they are kept in the properties."""


@dataclass(frozen=True)
class SourceFields:
    """How the newest batch of a source was read: by which mapping, and from which paths each column was filled."""

    source: str
    mapping: str
    fields: dict[str, list[str]]


def fields_in_use(connection: psycopg.Connection) -> list[SourceFields]:
    """Of each source that something was loaded from, in alphabetical order."""
    rows = connection.execute("select source, mapping, fields from raw.mappings_in_use order by source").fetchall()
    return [SourceFields(*row) for row in rows]


def source_fields(mapping: Mapping) -> dict[str, list[str]]:
    """Column to paths, in order; also those of conditions that decide between alternatives. A constant has no path.

    The event's id is that of the record where it has one; the rest of the record goes to the properties.
    """
    found: dict[str, dict[str, None]] = {}
    for column, source in mapping.fields.items():
        paths = found.setdefault(column, {})
        for alternative in source.alternatives:
            paths.update(dict.fromkeys(alternative.path))
            paths.update(dict.fromkeys(alternative.when))
            paths.update(dict.fromkeys(c.differs_from for c in alternative.when.values() if c.differs_from))
    found.setdefault("properties", {})[REST] = None
    return {column: list(paths) for column, paths in found.items() if paths}


def property_fields(fields: dict[str, list[str]], name: str) -> list[str]:
    """Where a property comes from: below the paths of the properties, or a key of the record that fills no column.

    Args:
        fields: of a source, by column.
        name: of the property.
    """
    inside = [f"{path}.{_escaped(name)}" for path in fields.get("properties", []) if path != REST]
    keys = {re.split(r"(?<!\\)\.", path)[0] for paths in fields.values() for path in paths if path != REST}
    return inside if name in keys else [*inside, _escaped(name)]


def _escaped(name: str) -> str:
    return name.replace(".", "\\.")
