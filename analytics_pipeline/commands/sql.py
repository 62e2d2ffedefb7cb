"""`sql`: one read-only query, with a time limit, as table, CSV or JSON."""

import csv
import io
import json
from typing import Any

import psycopg

from analytics_pipeline.errors import AnalyticsError, UsageError
from analytics_pipeline.warehouse.connection import Warehouse

SECONDS = 60


def query(warehouse: Warehouse, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows.

    Raises:
        UsageError: the query is wrong or writes.
        AnalyticsError: it took too long.
    """
    with warehouse.connect() as connection:
        connection.execute("set transaction read only")
        connection.execute("select set_config('statement_timeout', %s, true)", (f"{SECONDS}s",))
        try:
            connection.execute("set local role analytics_reader")
            cursor = connection.execute(text.encode(), prepare=True)
            if cursor.description is None:
                raise UsageError(f"{text.strip()[:60]!r} returns no rows: sql takes one query")
            return [column.name for column in cursor.description], cursor.fetchall()
        except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege):
            raise UsageError("sql only reads marts, kpi, ml, raw, ops, config and live; nothing was changed") from None
        except psycopg.errors.QueryCanceled:
            raise AnalyticsError(f"the query was stopped after {SECONDS} s: narrow it down by day or dimension") from None
        except psycopg.Error as error:
            raise UsageError(f"PostgreSQL does not accept the query: {str(error).strip()}") from None


def formatted(columns: list[str], rows: list[tuple[Any, ...]], form: str) -> str:
    """As table (for people), csv or json (one array of objects)."""
    if form == "json":
        return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str, indent=1)
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([columns, *rows])
        return out.getvalue().rstrip("\n")
    cells = [columns, *[["" if c is None else str(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, f"({len(rows)} row{'' if len(rows) == 1 else 's'})"])
