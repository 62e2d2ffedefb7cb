"""What differs between the published plan and another. What it costs to compute again is the business of `modelling`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from analytics_pipeline.tracking_plan.hashes import Row, Tables

_NAMED = {
    "events": "event_name",
    "dimensions": "dimension",
    "measures": "measure",
    "kpis": "kpi_name",
    "funnels": "funnel",
    "retentions": "retention",
    "flows": "flow",
    "conversions": "conversion",
    "segments": "segment",
    "excluded_traffic": "rule",
}
_TABLES_OF_DOCUMENT = {*_NAMED, "exclude", "version"}


@dataclass(frozen=True)
class Difference:
    """One definition, or one setting.

    Attributes:
        kind: table of config.*, or "setting".
        name: of the definition.
        change: added, removed, redefined (its numbers change) or described anew (they don't).
    """

    kind: str
    name: str
    change: str


def published_tables(connection: psycopg.Connection) -> Tables:
    """What `config.*` holds, as far as two plans are compared; no plan before the first publication."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return {
            table: cursor.execute(sql.SQL("select * from {}").format(sql.Identifier("config", table))).fetchall()
            for table in ("plan", "parts", *_NAMED)
        }


def differences(before: Tables, after: Tables) -> Iterator[Difference]:
    """Settings and definitions that came, went or changed, in the order of the plan."""
    old, new = before["plan"][0]["document"], after["plan"][0]["document"]
    for name, value in new.items():
        if name not in _TABLES_OF_DOCUMENT and old.get(name) != value:
            yield Difference("setting", name, f"{_short(old.get(name))} becomes {_short(value)}")
    for table, key in _NAMED.items():
        yield from _of_table(table, *({row[key]: row for row in tables.get(table, [])} for tables in (before, after)))


def changed_parts(before: Tables, after: Tables) -> set[str]:
    """Names of config.parts whose hash differs."""
    old, new = ({row["part"]: row["part_hash"] for row in tables["parts"]} for tables in (before, after))
    return {part for part in old.keys() | new.keys() if old.get(part) != new.get(part)}


def _of_table(table: str, old: dict[str, Row], new: dict[str, Row]) -> Iterator[Difference]:
    for name in [*new, *(n for n in old if n not in new)]:
        if name not in old:
            yield Difference(table, name, "added")
        elif name not in new:
            yield Difference(table, name, "removed")
        elif old[name].get("definition_hash") != new[name].get("definition_hash"):
            yield Difference(table, name, "redefined")
        elif any(_plain(old[name][column]) != _plain(value) for column, value in new[name].items()):
            yield Difference(table, name, "redefined" if "definition_hash" not in new[name] else "described anew")


def _plain(value: Any) -> Any:
    """A number as the file and as the database give it."""
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
