"""Counts a table of events in DuckDB. What the counts suggest is the business of the other modules."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from analytics_pipeline.tracking_plan.infer.facts import EventFacts, Facts, PropertyFacts

MOST_KINDS, MOST_PROPERTIES, FEW_VALUES = 200, 60, 50
_LONGEST_NAME = 100
_PERSONS_IN_ORDER = 200_000
_TYPES = {"VARCHAR": "text", "BOOLEAN": "boolean", "OBJECT": "object", "ARRAY": "array"}
_LOOKS = ("email", "phone", "ip", "time", "number", "sentence")
_FOLDER = Path(__file__).parent

Key = tuple[str, str]


def new_table(database: duckdb.DuckDBPyConnection) -> None:
    """An empty table `events`; see events.sql."""
    database.execute("set timezone = 'UTC'")
    database.execute(_query("events"))


def count(database: duckdb.DuckDBPyConnection) -> Facts:
    """Count the table `events`, which holds at least one."""
    for statement in database.extract_statements(_query("counting")):
        database.execute(statement)
    properties = _properties(database)
    regular = {name: (seconds, share) for name, seconds, share, pairs in _rows(database, "gaps") if pairs >= 20}
    kinds = database.sql(_query("kinds")).limit(MOST_KINDS).to_arrow_table().to_pylist()
    events = [
        EventFacts(
            **kind,
            regular_seconds=regular.get(kind["name"], (0, 0))[0],
            regular_share=regular.get(kind["name"], (0, 0))[1],
            properties=tuple(sorted(properties[kind["name"]], key=lambda p: -p.events)[:MOST_PROPERTIES]),
        )
        for kind in kinds
    ]
    first, earliest, last, persons, number = _one(database, _query("totals"))
    order = _rows(database, "order", {"part": max(1, persons // _PERSONS_IN_ORDER)})
    return Facts(
        tuple(events),
        max(_time(first), _time(earliest)),
        _time(earliest),
        _time(last),
        _columns(database),
        number,
        _session_gap(database),
        {(one, other): both for one, other, both, _ in order},
        {(one, other): before for one, other, _, before in order},
    )


def _properties(database: duckdb.DuckDBPyConnection) -> dict[str, list[PropertyFacts]]:
    types: defaultdict[Key, dict[str, int]] = defaultdict(dict)
    distinct: defaultdict[Key, int] = defaultdict(int)
    empty: defaultdict[Key, int] = defaultdict(int)
    for event_name, name, type_, events, empties, values in _rows(database, "properties"):
        if 0 < len(name) <= _LONGEST_NAME:
            kind = _TYPES.get(type_, "number")
            of_property = types[event_name, name]
            if events:
                of_property[kind] = of_property.get(kind, 0) + events
            distinct[event_name, name] += values
            empty[event_name, name] += empties
    manifold = [key for key, number in distinct.items() if number > FEW_VALUES]
    database.execute("create temp table manifold (event_name varchar, name varchar)")
    if manifold:
        database.executemany("insert into manifold values (?, ?)", manifold)
    values_of: defaultdict[Key, dict[str, int]] = defaultdict(dict)
    for event_name, name, value, events in _rows(database, "values"):
        values_of[event_name, name][value] = events
    looks = {(row[0], row[1]): dict(zip(_LOOKS, row[2:], strict=True)) for row in _rows(database, "looks")}
    found: defaultdict[str, list[PropertyFacts]] = defaultdict(list)
    for (event_name, name), of in types.items():
        key = (event_name, name)
        number = len(values_of[key]) if key in values_of and set(of) == {"text"} else distinct[key]
        few, look = values_of.get(key, {}), looks.get(key, {})
        found[event_name].append(PropertyFacts(name, sum(of.values()), of, number, few, look, empty[key]))
    return found


def _columns(database: duckdb.DuckDBPyConnection) -> dict[str, PropertyFacts]:
    values: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, value, events in _rows(database, "columns"):
        values[name][value] = events
    return {name: PropertyFacts(name, sum(of.values()), {}, len(of), of) for name, of in values.items()}


def _session_gap(database: duckdb.DuckDBPyConnection) -> float | None:
    row = _one(database, _query("session_gap"))
    return float(row[0]) if row[1] >= 100 else None


def _query(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text()


def _rows(database: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    return database.execute(_query(name), parameters or {}).fetchall()


def _one(database: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = database.execute(query).fetchone()
    assert row is not None
    return row


def _time(moment: Any) -> datetime:
    found: datetime = moment
    return found
