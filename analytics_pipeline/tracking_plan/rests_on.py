"""What a measure, and so a KPI, rests on: events, and columns and properties of raw events. Read from the compiled plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlglot
from sqlglot import exp

Row = Mapping[str, Any]
_PERSON = ("anonymous_id", "user_id")
_AMOUNT = ("currency", "value")
_DERIVED = {"amount": _AMOUNT, "person_key": _PERSON, "is_activity": ("event_name",)}
_OF_SESSIONS = {
    "page_views": ("event_name",),
    "is_bounce": ("event_name",),
    "duration_seconds": (),
    "events": (),
}
_SESSION = ("occurred_at", "session_id", *_PERSON)
_EXPRESSIONS = ("expression_sql", "condition_sql", "item_sql", "amount_sql")


@dataclass(frozen=True)
class Inputs:
    """What numbers are made from.

    Attributes:
        events: names of the events that count; None for any.
        columns: of raw.events, in alphabetical order.
        properties: names, in alphabetical order.
    """

    events: tuple[str, ...] | None
    columns: tuple[str, ...]
    properties: tuple[str, ...]


def inputs_of_measure(measure: Row, plan: Row) -> Inputs:
    """Inputs of a row of config.measures.

    Args:
        measure: the row.
        plan: the row of config.plan: what converts a session, what is revenue.
    """
    trees = [_parsed(measure[name]) for name in _EXPRESSIONS if measure[name]]
    if measure["relation"] == "active_users":
        return Inputs(None, ("event_name", "occurred_at", *_PERSON), ())
    if measure["relation"] == "sessions":
        return _of_sessions({c.name for tree in trees for c in tree.find_all(exp.Column)}, plan)
    names = _names(_parsed(measure["condition_sql"]))
    people = _PERSON if measure["relation"] == "persons" else ()
    return _inputs(names, trees, ("occurred_at", *people))


def inputs_of_kpi(kpi: Row, measures: Iterable[Row], plan: Row) -> Inputs:
    """Of all measures of a row of config.kpis, together."""
    return together(inputs_of_measure(m, plan) for m in measures if m["measure"] in kpi["measures"])


def together(several: Iterable[Inputs]) -> Inputs:
    """The union."""
    all_of_them = list(several)
    names = None if any(i.events is None for i in all_of_them) else {n for i in all_of_them for n in i.events or ()}
    return Inputs(
        None if names is None else tuple(sorted(names)),
        tuple(sorted({c for i in all_of_them for c in i.columns})),
        tuple(sorted({p for i in all_of_them for p in i.properties})),
    )


def _of_sessions(columns: set[str], plan: Row) -> Inputs:
    """Sessions are made of all events; some of their columns look at particular ones."""
    trees = []
    if columns & {"converted", "is_bounce"}:
        trees.append(_parsed(plan["conversion_sql"]))
    if "value" in columns:
        trees += [_parsed(plan["revenue_sql"]), _parsed(plan["refund_sql"]), exp.column("amount")]
    more = {c for name in columns for c in _OF_SESSIONS.get(name, ())}
    return _inputs(None, trees, (*_SESSION, *more))


def _inputs(names: set[str] | None, trees: list[exp.Expression], more: tuple[str, ...]) -> Inputs:
    columns, properties = set(more), set[str]()
    for tree in trees:
        for node in tree.find_all(exp.JSONExtract, exp.JSONExtractScalar):
            properties.update(str(key.this) for key in node.expression.find_all(exp.JSONPathKey))
        for column in tree.find_all(exp.Column):
            if column.name != "properties":
                columns.update(_DERIVED.get(column.name, (column.name,)))
    return Inputs(None if names is None else tuple(sorted(names)), tuple(sorted(columns)), tuple(sorted(properties)))


def _names(condition: exp.Expression) -> set[str] | None:
    """Names of events that a condition lets through; None where others may pass, too."""
    if isinstance(condition, exp.Paren):
        return _names(condition.this)
    if isinstance(condition, exp.And | exp.Or):
        left, right = _names(condition.this), _names(condition.expression)
        if isinstance(condition, exp.Or):
            return None if left is None or right is None else left | right
        return right if left is None else left if right is None else left & right
    if isinstance(condition, exp.EQ):
        sides = (condition.this, condition.expression)
        return _literals(sides) if any(_is_name(side) for side in sides) else None
    if isinstance(condition, exp.In) and _is_name(condition.this):
        return _literals(condition.expressions)
    return None


def _is_name(node: exp.Expression) -> bool:
    return isinstance(node, exp.Column) and node.name == "event_name"


def _literals(nodes: Iterable[exp.Expression]) -> set[str] | None:
    found = [node for node in nodes if not _is_name(node)]
    return {node.name for node in found} if all(isinstance(node, exp.Literal) for node in found) else None


def _parsed(text: str) -> exp.Expression:
    return cast(exp.Expression, sqlglot.parse_one(text, dialect="postgres"))
