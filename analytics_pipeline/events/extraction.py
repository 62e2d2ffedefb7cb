"""Compiles a mapping to DuckDB expressions over the JSON documents of records. No SQL text is made from a mapping."""

import re
from functools import reduce

import orjson
from duckdb import CaseExpression, ColumnExpression, ConstantExpression, DuckDBPyRelation, Expression, FunctionExpression

from analytics_pipeline.events.envelope import FIELDS
from analytics_pipeline.events.mapping import Alternative, Condition, FieldSource, Mapping

_NOTHING = FieldSource()
_DOCUMENT = ColumnExpression("document")


def extract(readable: DuckDBPyRelation, mapping: Mapping) -> DuckDBPyRelation:
    """Texts of all columns of an event, beside the record.

    Args:
        readable: columns line_number, document (a JSON object or null) and problem.
        mapping: which path fills which column.

    Returns:
        line_number, document, problem; prepared, the document with lists of keys and JSON texts unfolded; a text
        column for each of envelope.FIELDS; occurred_time, received_time (timestamptz) and number (decimal); lacks_zone;
        named_keys, how many keys of the document a column takes as they are; known, a merge patch that removes those.
    """
    kept = [ColumnExpression(name) for name in ("line_number", "document", "problem")]
    unfolded = _unfolded(mapping) if mapping.key_values or mapping.json_in_text else _DOCUMENT
    kept_too = [*kept, ColumnExpression("prepared")]
    paths = _paths(mapping)
    values = _call("json_extract_string", ColumnExpression("prepared"), ConstantExpression([_json_path(p) for p in paths]))
    extracted = readable.select(*kept, unfolded.alias("prepared")).select(*kept_too, values.alias("extracted"))
    places = {
        path: _call("list_extract", ColumnExpression("extracted"), ConstantExpression(i + 1)) for i, path in enumerate(paths)
    }
    fields = {name: mapping.fields.get(name, _NOTHING) for name in FIELDS}
    columns = (_text(places, source).alias(name) for name, source in fields.items())
    texts = extracted.select(*kept_too, ColumnExpression("extracted"), *columns)
    occurred, received = fields["occurred_at"], fields["received_at"]
    # A key of which a column is only made up together with others would be gone: it stays in the properties, too.
    alone = {a.path[0] for source in fields.values() for a in source.alternatives if len(a.path) == 1}
    top = [path for path in paths if _is_key(path) and path in alone]
    known = ConstantExpression(orjson.dumps({_keys(path)[0]: None for path in top}).decode())
    return texts.select(
        *kept_too,
        *(ColumnExpression(name) for name in FIELDS),
        _call("parse_time", ColumnExpression("occurred_at"), *_form(occurred)).alias("occurred_time"),
        _call("lacks_zone", ColumnExpression("occurred_at"), *_form(occurred)).alias("lacks_zone"),
        _call("parse_time", ColumnExpression("received_at"), *_form(received)).alias("received_time"),
        _call("parse_number", ColumnExpression("value"), ConstantExpression(fields["value"].unit)).alias("number"),
        _count_present([places[path] for path in top]).alias("named_keys"),
        known.alias("known"),
    )


def _call(function: str, *arguments: Expression) -> Expression:
    return FunctionExpression(function, *arguments)


def _form(source: FieldSource) -> tuple[Expression, Expression]:
    return ConstantExpression(source.format), ConstantExpression(source.zone)


def _paths(mapping: Mapping) -> list[str]:
    """All paths that fields and conditions read, each once."""
    found: dict[str, None] = {}
    for source in mapping.fields.values():
        for alternative in source.alternatives:
            found.update(dict.fromkeys(alternative.path))
            found.update(dict.fromkeys(alternative.when))
            found.update(dict.fromkeys(c.differs_from for c in alternative.when.values() if c.differs_from))
    return list(found) or ["event_name"]


def _count_present(values: list[Expression]) -> Expression:
    return reduce(lambda a, b: a + b, (value.isnotnull().cast("integer") for value in values), ConstantExpression(0))


def constants_of(mapping: Mapping) -> list[str]:
    """All texts that the mapping itself brings."""
    return [a.constant for source in mapping.fields.values() for a in source.alternatives if a.constant]


def _keys(path: str) -> list[str]:
    return [key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", path)]


def _is_key(path: str) -> bool:
    return len(_keys(path)) == 1 and not path.endswith("]")


def _json_path(path: str) -> str:
    steps = (re.fullmatch(r"(.*?)((?:\[\d+\])*)", key, re.DOTALL) for key in _keys(path))
    return "$" + "".join("." + orjson.dumps(step[1]).decode() + step[2] for step in steps if step)


def _text(places: dict[str, Expression], source: FieldSource) -> Expression:
    found = [_alternative(places, alternative) for alternative in source.alternatives]
    if not found:
        return ConstantExpression(None).cast("varchar")
    text = found[0] if len(found) == 1 else _call("coalesce_text", _call("list_value", *found))
    return _call(source.case, text) if source.case else text


def _alternative(places: dict[str, Expression], alternative: Alternative) -> Expression:
    parts = [places[path] for path in alternative.path]
    constant = ConstantExpression(alternative.constant)
    if not parts:
        value = constant
    else:
        value = _call("filled", parts[0]) if len(parts) == 1 else _call("joined", _call("list_value", *parts))
        if alternative.constant:
            value = CaseExpression(value.isnotnull(), value).otherwise(constant)
    conditions = [_holds(places, path, condition) for path, condition in alternative.when.items()]
    return CaseExpression(reduce(lambda a, b: a & b, conditions), value) if conditions else value


def _holds(places: dict[str, Expression], path: str, condition: Condition) -> Expression:
    value = _call("filled", places[path])
    tests: list[Expression] = []
    if condition.one_of is not None:
        tests.append(value.isin(*map(ConstantExpression, condition.one_of)))
    if condition.none_of is not None:
        tests.append(value.isnull() | value.isnotin(*map(ConstantExpression, condition.none_of)))
    if condition.exists is not None:
        tests.append(value.isnotnull() if condition.exists else value.isnull())
    if condition.differs_from is not None:
        other = _call("filled", places[condition.differs_from])
        tests.append(value.isnotnull() & (other.isnull() | (value != other)))
    return reduce(lambda a, b: a & b, tests)


def _unfolded(mapping: Mapping) -> Expression:
    """The document, in which lists of keys and values, and JSON in texts, are JSON."""
    forms = {**dict.fromkeys(mapping.key_values, "key_values_object"), **dict.fromkeys(mapping.json_in_text, "json_of_text")}
    values = {key: _call("json_extract", _DOCUMENT, ConstantExpression(_json_path(key))) for key in forms}
    members = [_call("member", ConstantExpression(key), _call(form, values[key])) for key, form in forms.items()]
    removal = ConstantExpression(orjson.dumps(dict.fromkeys(forms)).decode())
    return _call("json_with", _DOCUMENT, removal, _call("list_value", *members))


def cast_properties(judged: DuckDBPyRelation, mapping: Mapping) -> DuckDBPyRelation:
    """Give the texts of some properties their types."""
    if not mapping.casts:
        return judged
    casts = [{"at": _json_path(key), "key": key, "type": kind} for key, kind in mapping.casts.items()]
    typed = _call("cast_properties", ColumnExpression("properties"), ConstantExpression(casts))
    others = [ColumnExpression(name) for name in judged.columns if name != "properties"]
    return judged.select(*others, typed.alias("properties"))
