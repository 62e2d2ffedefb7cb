"""Finds by columns the events that may break their contract, so that few are judged one by one in `contracts`.

What passes here keeps its contract. What does not may keep it, too: its form alone does not say so.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from duckdb import CaseExpression, ColumnExpression, ConstantExpression, DuckDBPyRelation, Expression, FunctionExpression

from analytics_pipeline.events.contracts import TIMESTAMP, Contracts, PropertyRule

_NAME, _SHAPE, _EMPTY, _TEXTS = (f"watched_{part}" for part in ("name", "shape", "empty", "texts"))
_PLAIN = re.compile(r'[^\x00-\x1f*"\\]+')
_TYPES = {"VARCHAR": "text", "BOOLEAN": "boolean", "OBJECT": "object", "ARRAY": "array", "NULL": "null"} | dict.fromkeys(
    ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DOUBLE"), "number"
)
_PROPERTIES = ColumnExpression("properties")


@dataclass(frozen=True)
class _Watched:
    """A property whose value is looked at: in which events, and which of its texts are fine there."""

    column: str
    name: str
    is_timestamp: bool
    rules: dict[str, PropertyRule]


def identity(contracts: Contracts) -> str:
    """Equal exactly where two enforce the same."""
    parts = {name: {p: asdict(rule) for p, rule in rules.items()} for name, rules in contracts.strict.items()}
    return hashlib.sha256(json.dumps([parts, contracts.known], default=sorted, sort_keys=True).encode()).hexdigest()


def watched(judged: DuckDBPyRelation, contracts: Contracts) -> DuckDBPyRelation:
    """Add what `suspects` looks at.

    Args:
        judged: rows of normalise.sql.
        contracts: what is enforced; where that is nothing, the columns are null and cost nothing.

    Returns:
        Columns watched_name, of all accepted events; of strict ones watched_shape (keys, and types of what is declared, as two
        lines of JSON), watched_empty (a required text is empty) and watched_N, texts of properties with values and times.
    """
    everything = [ColumnExpression(name) for name in judged.columns]
    name = ColumnExpression("event_name")
    accepted = ColumnExpression("reason_code").isnull()
    nothing = ConstantExpression(None).cast("varchar")
    named = CaseExpression(accepted, name) if contracts else nothing
    if not contracts.strict:
        empty = [nothing.alias(column) for column in (_SHAPE, _EMPTY)]
        return judged.select(*everything, named.alias(_NAME), *empty)
    is_strict = accepted & name.isin(*map(ConstantExpression, contracts.strict))
    looked_at = _watched(contracts)
    found = {
        _SHAPE: _shape(contracts),
        _EMPTY: _an_empty_text(contracts),
        _TEXTS: _texts([w.name for w in looked_at]),
    }
    step = judged.select(*everything, named.alias(_NAME), *(CaseExpression(is_strict, e).alias(c) for c, e in found.items()))
    kept = [*everything, *(ColumnExpression(column) for column in (_NAME, _SHAPE, _EMPTY))]
    return step.select(*kept, *(_text(place, w).alias(w.column) for place, w in enumerate(looked_at, 1)))


def suspects(rows: pa.Table, contracts: Contracts) -> "npt.NDArray[np.bool_]":
    """Which rows have to be judged one by one. A mask of the length of the rows; refused ones are none of them."""
    names, shapes, declared = _encoded(rows[_NAME]), _encoded(rows[_SHAPE]), _declared(contracts)
    found = _each_pair(names, shapes, lambda name, shape: _breaks(name, shape, contracts, declared))
    if contracts.strict:
        found |= rows[_EMPTY].cast(pa.bool_()).combine_chunks().fill_null(False).to_numpy(zero_copy_only=False)
    for column in _watched(contracts):
        texts = _encoded(rows[column.column])
        found |= _each_pair(names, texts, lambda name, text, column=column: _is_wrong(column, name, text))  # type: ignore[misc]
    return found


def _shape(contracts: Contracts) -> Expression:
    """Types are asked of declared properties only: one that is not declared is at fault whatever it is."""
    paths = ConstantExpression([_path(name) for name in _declared(contracts)] or ["$.x"])
    lines = (_call("to_json", _call("json_keys", _PROPERTIES)), _call("to_json", _call("json_type", _PROPERTIES, paths)))
    return _call("concat_ws", ConstantExpression("\n"), *(line.cast("varchar") for line in lines))


def _declared(contracts: Contracts) -> list[str]:
    return sorted({name for rules in contracts.strict.values() for name in rules if _PLAIN.fullmatch(name)})


def _breaks(name: str | None, shape: str | None, contracts: Contracts, declared: list[str]) -> bool:
    if name is None:
        return False
    if contracts.known is not None and name not in contracts.known:
        return True
    rules = contracts.strict.get(name)
    if rules is None or shape is None:
        return rules is not None
    keys, types = map(orjson.loads, shape.split("\n"))
    if len(set(keys)) < len(keys) or any(key not in rules for key in keys):
        return True  # of a key that is there twice, the columns do not say which value counts
    kinds = {key: "null" if type_ is None else _TYPES.get(type_, "?") for key, type_ in zip(declared, types, strict=False)}
    for key, rule in rules.items():
        kind = kinds.get(key, "?" if key in keys else "null")
        expected = "text" if rule.type == "timestamp" else rule.type
        if rule.is_required if kind == "null" else kind != expected:
            return True
    return False


def _is_wrong(column: _Watched, name: str | None, text: str | None) -> bool:
    rule = column.rules.get(name) if name is not None and text is not None else None
    return rule is not None and (column.is_timestamp or text not in (rule.values or ()))


def _watched(contracts: Contracts) -> list[_Watched]:
    found: dict[tuple[str, bool], dict[str, PropertyRule]] = {}
    for event_name, rules in contracts.strict.items():
        for name, rule in rules.items():
            if (rule.values is not None or rule.type == "timestamp") and _PLAIN.fullmatch(name):
                found.setdefault((name, rule.type == "timestamp"), {})[event_name] = rule
    return [_Watched(f"watched_{i}", *key, rules) for i, (key, rules) in enumerate(sorted(found.items()))]


def _texts(names: list[str]) -> Expression:
    """The texts of properties as a list: the JSON is read once."""
    if not names:
        return ConstantExpression(None).cast("varchar[]")
    return _call("json_extract_string", _PROPERTIES, ConstantExpression([_path(name) for name in names]))


def _text(place: int, column: _Watched) -> Expression:
    """The text at a place of the list; of times only those that are none, as the others are many and all different."""
    text = _call("list_extract", ColumnExpression(_TEXTS), ConstantExpression(place))
    if not column.is_timestamp:
        return text
    is_one = _call("regexp_matches", text, ConstantExpression(TIMESTAMP)) & _call("try_day", text).isnotnull()
    return CaseExpression(is_one, ConstantExpression(None).cast("varchar")).otherwise(text)


def _an_empty_text(contracts: Contracts) -> Expression:
    """Whether a text that some event requires is empty. Few events hold an empty text at all, so that is asked first."""
    required = {
        name
        for rules in contracts.strict.values()
        for name, rule in rules.items()
        if rule.is_required and rule.type == "text" and rule.values is None and _PLAIN.fullmatch(name)
    }
    if not required:
        return ConstantExpression(False).cast("boolean")
    texts = _texts(sorted(required))
    some_empty = _call("contains", _PROPERTIES.cast("varchar"), ConstantExpression('""'))
    return CaseExpression(some_empty, _call("list_contains", texts, ConstantExpression("")))


def _call(function: str, *arguments: Expression) -> Expression:
    return FunctionExpression(function, *arguments)


def _path(name: str) -> str:
    return "$." + orjson.dumps(name).decode()


def _encoded(column: pa.ChunkedArray) -> "tuple[list[str | None], npt.NDArray[np.int64]]":
    """Distinct texts, with None at the end, and for each row the place of its own."""
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks() if encoded.num_chunks != 1 else encoded.chunk(0)
    texts: list[str | None] = encoded.dictionary.to_pylist()
    places = encoded.indices.fill_null(len(texts)).to_numpy().astype(np.int64)
    return [*texts, None], places


def _each_pair(
    one: "tuple[list[str | None], npt.NDArray[np.int64]]",
    other: "tuple[list[str | None], npt.NDArray[np.int64]]",
    is_suspect: Callable[[str | None, str | None], bool],
) -> "npt.NDArray[np.bool_]":
    """Ask once for each pair of texts that occurs."""
    (first, place), (second, other_place) = one, other
    pairs, pair_of = np.unique(place * len(second) + other_place, return_inverse=True)
    judged = [is_suspect(first[int(pair) // len(second)], second[int(pair) % len(second)]) for pair in pairs]
    return np.array(judged, bool)[pair_of]
