"""Proposes a suite for a table from what the table holds now, for a person to edit. Reading and running suites is elsewhere.

Everything is counted on the server. What is proposed holds on the data that it was made from, with room for tomorrow's; what
it was made from stands beside it as a comment.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import yaml
from psycopg import sql

from analytics_pipeline.errors import UsageError
from analytics_pipeline.quality.masking import may_be_personal

_MOST_VALUES = 20
_FORMATS = {
    "a currency code": "^[A-Z]{3}$",
    "a country code": "^[A-Z]{2}$",
    "a language tag": "^[a-z]{2}(-[A-Z]{2})?$",
    "a UUID": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "a date": r"^\d{4}-\d{2}-\d{2}$",
    "a version": r"^\d+(\.\d+)+$",
    "the key of a person": "^[ua]:.",
}
_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
_TIMES = frozenset({"timestamp with time zone", "timestamp without time zone"})
_KEYS = frozenset({"text", "character varying", "uuid", "date", "integer", "bigint", "smallint"}) | _TIMES
_COLUMNS = """
select a.attname, format_type(a.atttypid, null) from pg_attribute as a
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum
"""


@dataclass(frozen=True)
class _Column:
    """What is known of a column. Values are in `values` only where they are few and nobody's own."""

    name: str
    type: str
    rows: int
    known: int
    distinct: int
    low: Any
    high: Any
    format: str
    values: list[str]


def suggest(connection: psycopg.Connection, relation: str) -> str:
    """A suite as YAML, with the evidence as comments.

    Args:
        connection: to the warehouse.
        relation: schema and table; what readers see stands for the build's table of the same name.

    Raises:
        UsageError: there is no such table, or it is one that no gate judges.
    """
    relation = _judged_relation(connection, relation)
    rows = _one(connection, sql.SQL("select count(*) from {}").format(_table(relation)))[0]
    if not rows:
        raise UsageError(f"{relation} has no rows, so nothing can be said of them: load or build first")
    columns = [_profile(connection, relation, name, kind, rows) for name, kind in connection.execute(_COLUMNS, (relation,))]
    key = _key(connection, relation, columns)
    lines = [
        f"# Proposed from the {rows:,} rows of {relation} as they are now.",
        "# Take out what holds by chance, and say in each description why the rest has to hold.",
        f"relation: {relation}",
        f"gate: {'raw' if relation.startswith('raw.') else 'build'}",
        f"keys: [{', '.join(key or [columns[0].name])}]",
        "expectations:",
        *_expectation("there_are_rows", "There are rows.", "volume", "warning", "expect_table_row_count_to_be_between",
                      {"min_value": 1}, f"{rows:,} rows now; a gate counts those under judgement"),
        *(_unique(key, rows) if key else ["  # no columns without nulls are unique: the table has no key, or it has doubles"]),
        *(line for column in columns for line in _of_column(column)),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _judged_relation(connection: psycopg.Connection, relation: str) -> str:
    relation = f"build_{relation}" if relation.startswith(("marts.", "kpi.")) else relation
    if not re.fullmatch(r"(raw|build_marts|build_kpi)\.[a-z_][a-z0-9_]*", relation):
        raise UsageError(f"{relation!r} is judged by no gate: name a table of raw, marts or kpi, such as marts.fct_sessions")
    if connection.execute("select to_regclass(%s)", (relation,)).fetchone() == (None,):
        raise UsageError(f"{relation} does not exist: `analytics-pipeline status` says what is there")
    return relation


def _profile(connection: psycopg.Connection, relation: str, name: str, kind: str, rows: int) -> _Column:
    """One scan for a column, one more for its values where they are few."""
    column, is_text = sql.Identifier(name), kind in ("text", "character varying")
    comparable = is_text or kind in _NUMBERS | _KEYS | {"boolean"}
    null = sql.SQL("null")
    parts = [
        sql.SQL("count({})").format(column),
        sql.SQL("count(distinct {})").format(column) if comparable else sql.SQL("0"),
        sql.SQL("min({0}), max({0})").format(column) if kind in _NUMBERS | _TIMES else sql.SQL("null, null"),
        *(sql.SQL("bool_and({} ~ {})").format(column, pattern) if is_text else null for pattern in _FORMATS.values()),
    ]
    known, distinct, low, high, *matches = _one(
        connection, sql.SQL("select {} from {}").format(sql.SQL(", ").join(parts), _table(relation))
    )
    found = next((what for what, matched in zip(_FORMATS, matches, strict=True) if matched), "")
    values: list[str] = []
    if is_text and not found and 0 < distinct <= min(_MOST_VALUES, rows / 5):
        query = sql.SQL("select distinct {0} from {1} where {0} is not null order by 1").format(column, _table(relation))
        values = [value for (value,) in connection.execute(query)]
        values = [] if any(may_be_personal(name, value) for value in values) else values
    return _Column(name, kind, rows, known, distinct, low, high, found, values)


def _key(connection: psycopg.Connection, relation: str, columns: list[_Column]) -> list[str]:
    """Columns without nulls that are unique together: of all that can be part of a key, as few as needed."""
    single = [c.name for c in columns if c.distinct == c.rows == c.known and c.type in _KEYS]
    if single:
        return single[:1]
    names = [c.name for c in columns if c.known == c.rows and c.type in _KEYS and c.distinct > 1]
    if not names or not _is_unique(connection, relation, names):
        return []
    for name in reversed(names):
        fewer = [n for n in names if n != name]
        if fewer and _is_unique(connection, relation, fewer):
            names = fewer
    return names


def _is_unique(connection: psycopg.Connection, relation: str, names: list[str]) -> bool:
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    query = sql.SQL("select not exists (select from {} group by {} having count(*) > 1)").format(_table(relation), columns)
    return bool(_one(connection, query)[0])


def _unique(key: list[str], rows: int) -> Iterator[str]:
    evidence = f"as many different ones as rows: {rows:,}"
    kind, kwargs = "expect_compound_columns_to_be_unique", dict[str, Any](column_list=key)
    if len(key) == 1:
        kind, kwargs = "expect_column_values_to_be_unique", {"column": key[0]}
    what = f"Each {key[0]} has one row." if len(key) == 1 else f"Each {', '.join(key[:-1])} and {key[-1]} has one row."
    yield from _expectation("row_is_unique", what, "uniqueness", "blocking", kind, kwargs, evidence)


def _of_column(c: _Column) -> Iterator[str]:
    column: dict[str, Any] = {"column": c.name}
    if c.known == c.rows:
        yield from _expectation(
            f"{c.name}_is_known", f"Every row has {c.name}.", "completeness", "blocking",
            "expect_column_values_to_not_be_null", column, f"none of {c.rows:,} rows is null",
        )  # fmt: skip
    elif c.known == 0:
        yield f"  # {c.name}: always null, nothing is proposed"
        return
    if c.type in _NUMBERS:
        low, high = _with_room(float(c.low), float(c.high))
        yield from _expectation(
            f"{c.name}_is_in_range", f"Every {c.name} lies in the usual range.", "validity", "warning",
            "expect_column_values_to_be_between", column | {"min_value": low, "max_value": high},
            f"from {c.low} to {c.high}, with half of that span as room",
        )  # fmt: skip
    elif c.format:
        yield from _expectation(
            f"{c.name}_is_well_formed", f"Every {c.name} looks like {c.format}.", "validity", "warning",
            "expect_column_values_to_match_regex", column | {"regex": _FORMATS[c.format]}, f"all of {c.known:,} values do",
        )  # fmt: skip
    elif c.values:
        yield from _expectation(
            f"{c.name}_is_known_value", f"Every {c.name} is one of those that there are.", "validity", "warning",
            "expect_column_values_to_be_in_set", column | {"value_set": c.values},
            f"{c.distinct} different ones in {c.known:,}",
        )  # fmt: skip


def _with_room(low: float, high: float) -> tuple[float, float]:
    """Bounds with half of the span as room; what is never negative stays so."""
    room = (high - low) / 2 or abs(high) / 2 or 1
    first, last = (0.0 if low >= 0 else low - room), high + room
    return math.floor(first), math.ceil(last)


def _expectation(
    name: str, description: str, dimension: str, severity: str, kind: str, kwargs: dict[str, Any], evidence: str
) -> list[str]:
    def flow(value: Any) -> str:
        return yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True).strip().removesuffix("\n...")

    return [
        f"  - name: {name}  # {evidence}",
        f"    description: {flow(description)}",
        f"    dimension: {dimension}",
        f"    severity: {severity}",
        f"    type: {kind}",
        f"    kwargs: {flow(kwargs)}",
    ]


def _table(relation: str) -> sql.Identifier:
    return sql.Identifier(*relation.split("."))


def _one(connection: psycopg.Connection, query: sql.Composed) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    return row or ()
