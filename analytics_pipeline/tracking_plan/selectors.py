"""Turns what a plan selects (events, values, aggregates) into sqlglot trees. The whole plan is compiled in `compile`."""

from typing import Any

from sqlglot import exp

from analytics_pipeline.tracking_plan import expressions
from analytics_pipeline.tracking_plan.schema.measures import Measure
from analytics_pipeline.tracking_plan.schema.parts import Selector


def selected(selector: Selector) -> exp.Expression:
    """The condition of a selector. Raises ExpressionError."""
    parts: list[exp.Expression] = []
    if selector.event == "any":
        parts.append(exp.column("is_activity"))
    elif selector.event is not None:
        parts.append(exp.column("event_name").eq(exp.Literal.string(selector.event)))
    if selector.where is not None:
        parts.append(expressions.condition(selector.where, expressions.EVENT_COLUMNS))
    return parts[0] if len(parts) == 1 else exp.And(this=parts[0], expression=exp.Paren(this=parts[1]))


def number(text: str, columns: frozenset[str]) -> exp.Expression:
    """A numeric column, or a property as a number. The value of an event is its amount in the plan's currency.

    Raises:
        ExpressionError: it is anything else.
    """
    tree = expressions.value(text, columns)
    if not isinstance(tree, exp.Column):
        return expressions.value(f"cast({text} as numeric)", columns) if not isinstance(tree, exp.Case) else tree
    if columns is expressions.EVENT_COLUMNS:
        if tree.name != "value":
            raise expressions.ExpressionError(f"{text!r} is not a number: use value or properties.NAME")
        return exp.column("amount")
    return tree


def filtered(aggregate: exp.Expression, where: exp.Expression | None) -> exp.Expression:
    """The aggregate over the rows that meet a condition."""
    return exp.Filter(this=aggregate, expression=exp.Where(this=where)) if where is not None else aggregate


def or_zero(aggregate: exp.Expression) -> exp.Expression:
    """A count or sum over nothing is 0."""
    return exp.Coalesce(this=aggregate, expressions=[exp.Literal.number(0)])


def measure_columns(measure: Measure) -> dict[str, Any]:
    """What config.measures says about a measure: one aggregate over its relation, and its parts where they are stored apart.

    Raises:
        ExpressionError: a part can't be compiled.
    """
    columns = expressions.SESSION_COLUMNS if measure.relation == "sessions" else expressions.EVENT_COLUMNS
    where = expressions.condition(measure.where, columns) if measure.where else None
    row: dict[str, Any] = {"item_sql": None, "amount_sql": None, "percentile": None, "is_per_item": measure.per is not None}
    if measure.active_users:
        aggregate: exp.Expression | None = exp.column(measure.active_users)
    elif measure.sum:
        aggregate = or_zero(filtered(exp.Sum(this=number(measure.sum, columns)), where))
    elif measure.count == "persons":
        aggregate = filtered(exp.Count(this=exp.Distinct(expressions=[exp.column("person_key")])), where)
    elif measure.count_distinct:
        item = expressions.value(measure.count_distinct, columns)
        row["item_sql"] = expressions.to_sql(item)
        aggregate = filtered(exp.Count(this=exp.Distinct(expressions=[item])), where)
    elif measure.over:
        aggregate = _percentile(measure, where, row)
    else:
        aggregate = filtered(exp.Count(this=exp.Star()), where)
    row["expression_sql"] = expressions.to_sql(aggregate) if aggregate is not None else None
    row["condition_sql"] = expressions.to_sql(where) if where is not None else "true"
    return row


def _percentile(measure: Measure, where: exp.Expression | None, row: dict[str, Any]) -> exp.Expression | None:
    over = number(str(measure.over), expressions.EVENT_COLUMNS)
    row["percentile"] = share = (measure.percentile or 0) / 100
    if measure.per:
        row["item_sql"] = expressions.to_sql(expressions.value(measure.per, expressions.EVENT_COLUMNS))
        row["amount_sql"] = expressions.to_sql(over)
        return None
    row["item_sql"] = expressions.to_sql(over)
    within = exp.WithinGroup(
        this=exp.PercentileCont(this=exp.Literal.number(str(share))), expression=exp.Order(expressions=[exp.Ordered(this=over)])
    )
    return filtered(within, where)
