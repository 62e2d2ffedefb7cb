"""Row count and columns of a table, as Dagster's catalogue shows them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dagster as dg
import psycopg
from psycopg import sql

_SMALL = 2000
"""Pages up to which rows are counted one by one."""


def table_metadata(
    connection: psycopg.Connection, schema: str, table: str, descriptions: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """dagster/row_count (an estimate of large tables), dagster/column_schema and dagster/table_name of a table.

    Args:
        connection: to the warehouse.
        schema: of the table.
        table: its name.
        descriptions: of its columns, by name.
    """
    query = "select relpages, reltuples::bigint from pg_class where oid = to_regclass(%s)"
    pages, count = connection.execute(query, (f"{schema}.{table}",)).fetchone() or (0, -1)
    if count < 0 or pages < _SMALL:
        row = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))).fetchone()
        count = row[0] if row else 0
    columns = connection.execute(
        """
        select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute as a
        where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped order by a.attnum
        """,
        (f"{schema}.{table}",),
    ).fetchall()
    return {
        "dagster/row_count": count,
        "dagster/table_name": f"{schema}.{table}",
        "dagster/column_schema": dg.TableSchema([dg.TableColumn(name, kind, descriptions.get(name)) for name, kind in columns]),
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """A small table for an asset's page."""
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) for row in rows]
    return dg.MetadataValue.md("\n".join(f"| {line} |" for line in lines))
