"""Compiles a plan's conditions and formulas to PostgreSQL through sqlglot's AST.

Only nodes on the list pass, only known columns are named, and every literal is quoted by the generator: no plan can bring
SQL of its own. What is done with the results is in `compile`.
"""

from collections.abc import Callable
from typing import cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

EVENT_COLUMNS = frozenset(
    {
        "event_name",
        "source",
        "user_id",
        "anonymous_id",
        "session_id",
        "entity_type",
        "entity_id",
        "country",
        "region",
        "city",
        "device_type",
        "platform",
        "app_version",
        "value",
        "currency",
    }
)
SESSION_COLUMNS = frozenset(["duration_seconds", "events", "page_views", "is_bounce", "converted", "value"])
PERSON_COLUMNS = frozenset(
    {
        "frequency",
        "purchase_days",
        "recency_days",
        "age_days",
        "days_since_purchase",
        "days_since_first_active",
        "monetary",
        "engagement",
        "active_days",
        "days_since_active",
        "events",
        "is_churned",
    }
)

_CONDITION_NODES: tuple[type[exp.Expression], ...] = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.In,
    exp.Between,
    exp.Is,
    exp.Like,
    exp.ILike,
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.Neg,
    exp.Column,
    exp.Identifier,
    exp.Tuple,
    exp.Cast,
    exp.DataType,
)
_FORMULA_NODES: tuple[type[exp.Expression], ...] = (
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Paren,
    exp.Literal,
    exp.Neg,
    exp.Column,
    exp.Identifier,
)
_JSON_KINDS = {exp.DataType.Type.DECIMAL: "number", exp.DataType.Type.BOOLEAN: "boolean"}
_CAST_TYPES = {*_JSON_KINDS, exp.DataType.Type.TEXT}


class ExpressionError(ValueError):
    """The text can't be compiled; the message says which part and what is possible."""


def condition(text: str, columns: frozenset[str]) -> exp.Expression:
    """A row condition over the given columns; `properties.NAME` is a property as text, `cast(... as numeric)` a number.

    Raises:
        ExpressionError: not SQL, or more than a condition may be.
    """
    return _properties(_allowed(_parse(text), _CONDITION_NODES, columns))


def value(text: str, columns: frozenset[str]) -> exp.Expression:
    """A single column or property.

    Raises:
        ExpressionError: it is anything else.
    """
    tree = _allowed(_parse(text), (exp.Column, exp.Identifier, exp.Cast, exp.DataType), columns)
    return _properties(tree)


def ratio(text: str, measures: frozenset[str]) -> tuple[exp.Expression, exp.Expression | None]:
    """A KPI formula as numerator and denominator (None: it is not a ratio).

    Raises:
        ExpressionError: it names an unknown measure or divides inside.
    """
    tree = _parse(text)
    while isinstance(tree, exp.Paren):
        tree = tree.this
    if isinstance(tree, exp.Div):
        return tuple(_allowed(side, _FORMULA_NODES, measures) for side in (tree.this, tree.expression))  # type: ignore[return-value]
    return _allowed(tree, _FORMULA_NODES, measures), None


def to_sql(tree: exp.Expression) -> str:
    """PostgreSQL text with all identifiers quoted."""
    return tree.sql(dialect="postgres", identify=True, comments=False)


def _parse(text: str) -> exp.Expression:
    try:
        trees = sqlglot.parse(text, read="postgres")
    except SqlglotError as error:
        detail = str(error).splitlines()[0]
        raise ExpressionError(f"{text!r} is not an SQL expression ({detail})") from None
    if len(trees) != 1 or trees[0] is None:
        raise ExpressionError(f"{text!r} is not one SQL expression")
    return cast(exp.Expression, trees[0])


def _allowed(tree: exp.Expression, nodes: tuple[type[exp.Expression], ...], columns: frozenset[str]) -> exp.Expression:
    for node in tree.walk():
        if type(node) not in nodes:
            raise ExpressionError(f"{node.sql(dialect='postgres')!r} ({type(node).__name__}) is not possible here")
        if isinstance(node, exp.Column):
            if node.table == "properties" and len(node.parts) == 2:
                if "event_name" in columns:
                    continue
                raise ExpressionError(f"{node.sql()!r}: only events have properties")
            if len(node.parts) != 1 or node.name not in columns:
                raise ExpressionError(f"{node.sql()!r} is not known here: use one of {', '.join(sorted(columns))}")
        if isinstance(node, exp.Cast) and node.to.this not in _CAST_TYPES:
            raise ExpressionError(f"{node.sql(dialect='postgres')!r}: cast to numeric, text or boolean only")
        if isinstance(node, exp.Cast) and node.to.this in _JSON_KINDS and not _is_property(node.this):
            raise ExpressionError(f"{node.sql(dialect='postgres')!r}: only properties.NAME can be cast to a number or boolean")
    return tree


def _properties(tree: exp.Expression) -> exp.Expression:
    """Replace `properties.NAME` by the JSON access; a cast gives null where the property is of another kind."""

    def replace(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Cast) and _is_property(node.this) and node.to.this in _JSON_KINDS:
            text = _access(node.this, exp.JSONExtractScalar)
            kind = exp.func("jsonb_typeof", _access(node.this, exp.JSONExtract))
            typed = exp.cast(text, node.to)
            return exp.Case(ifs=[exp.If(this=kind.eq(_JSON_KINDS[node.to.this]), true=typed)])
        if _is_property(node):
            return _access(node, exp.JSONExtractScalar)
        return node

    return tree.transform(replace)


def _is_property(node: exp.Expression | None) -> bool:
    return isinstance(node, exp.Column) and node.table == "properties"


def _access(column: exp.Expression, kind: Callable[..., exp.Expression]) -> exp.Expression:
    return exp.Paren(this=kind(this=exp.column("properties"), expression=exp.Literal.string(column.name)))
