"""What differs between the published plan and another. What it costs to compute again is the business of `modelling`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from analytics_pipeline.tracking_plan.hashes import Row, Tables, definition_hash

_NAMED = {
    "events": "event_name",
    "properties": "property",
    "dimensions": "dimension",
    "measures": "measure",
    "kpis": "kpi_name",
    "funnels": "funnel",
    "retentions": "retention",
    "flows": "flow",
    "conversions": "conversion",
    "segments": "segment",
    "excluded_traffic": "rule",
    "rules": "rule",
}
_WITHOUT_NUMBERS = {"properties", "rules"}
_TABLES_OF_DOCUMENT = {*_NAMED, "exclude", "version"}


@dataclass(frozen=True)
class Difference:
    """One definition, or one setting.

    Attributes:
        kind: table of config.*, or "setting".
        name: of the definition.
        change: added, removed, redefined (its numbers change) or described anew (they don't).
        before: hash of what was; None for what is new. That of the numbers where they change, else that of the whole.
        after: hash of what will be; None for what goes.
    """

    kind: str
    name: str
    change: str
    before: str | None = None
    after: str | None = None


def published_tables(connection: psycopg.Connection) -> Tables:
    """What `config.*` holds, as far as two plans are compared; no plan before the first publication."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return {
            table: cursor.execute(sql.SQL("select * from {}").format(sql.Identifier("config", table))).fetchall()
            for table in ("plan", "parts", *_NAMED)
        }


def differences(before: Tables, after: Tables) -> Iterator[Difference]:
    """Settings and definitions that came, went or changed, in the order of the plan."""
    new = after["plan"][0]["document"]
    old = before["plan"][0]["document"] if before["plan"] else new
    for name, value in new.items():
        if name not in _TABLES_OF_DOCUMENT and old.get(name) != value:
            hashes = definition_hash(old.get(name)), definition_hash(value)
            yield Difference("setting", name, f"{_short(old.get(name))} becomes {_short(value)}", *hashes)
    for table in _NAMED:
        yield from _of_table(table, *({_name(table, row): row for row in tables.get(table, [])} for tables in (before, after)))


def changed_parts(before: Tables, after: Tables) -> set[str]:
    """Names of config.parts whose hash differs."""
    old, new = ({row["part"]: row["part_hash"] for row in tables["parts"]} for tables in (before, after))
    return {part for part in old.keys() | new.keys() if old.get(part) != new.get(part)}


def summary(before: Tables, after: Tables) -> dict[str, Any]:
    """What the audit log says of a publication: each definition that changes, with the hashes of what was and what will be.

    Addresses of owners are left out, as an entry stays for ever.
    """
    definitions = [
        {"kind": d.kind, "name": d.name, "change": _without_addresses(d.change), "before": d.before, "after": d.after}
        for d in differences(before, after)
    ]
    hashes = (tables["plan"][0]["plan_hash"] if tables["plan"] else None for tables in (before, after))
    parts = sorted(changed_parts(before, after)) if before["plan"] else []
    return {"plan_hash": dict(zip(("before", "after"), hashes, strict=True)), "parts": parts, "definitions": definitions}


def _without_addresses(change: str) -> str:
    return "changed" if "@" in change else change


def _name(table: str, row: Row) -> str:
    """Properties are named within their event."""
    name = str(row[_NAMED[table]])
    return f"{row['event_name']}.{name}" if table == "properties" else name


def _of_table(table: str, old: dict[str, Row], new: dict[str, Row]) -> Iterator[Difference]:
    for name in [*new, *(n for n in old if n not in new)]:
        if name not in old:
            yield Difference(table, name, "added", None, _hash_of(new[name]))
        elif name not in new:
            yield Difference(table, name, "removed", _hash_of(old[name]), None)
        else:
            now = new[name]
            was = {column: old[name].get(column) for column in now}
            if was.get("definition_hash") != now.get("definition_hash"):
                yield Difference(table, name, "redefined", _hash_of(was), _hash_of(now))
            elif _hash_of_row(was) != _hash_of_row(now):
                is_described = "definition_hash" in now or table in _WITHOUT_NUMBERS
                change = "described anew" if is_described else "redefined"
                yield Difference(table, name, change, _hash_of_row(was), _hash_of_row(now))


def _hash_of(row: Row) -> str:
    """The hash that its numbers carry; for what has no numbers of its own, that of the row."""
    return str(row.get("definition_hash") or _hash_of_row(row))


def _hash_of_row(row: Row) -> str:
    return definition_hash({column: _plain(value) for column, value in row.items()})


def _plain(value: Any) -> Any:
    """A number as the file and as the database give it."""
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
