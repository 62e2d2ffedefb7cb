"""Compiles the plan's rules. Pure; the rest of the plan is compiled in `compile`."""

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from analytics_pipeline.errors import PlanError
from analytics_pipeline.tracking_plan import expressions
from analytics_pipeline.tracking_plan.hashes import Row
from analytics_pipeline.tracking_plan.schema.rules import Rule

Try = Callable[..., Any]
"""Calls a function for a place in the plan, which its errors name."""


def rule_row(
    name: str, rule: Rule, measures: list[Row], attempt: Try, error: Callable[[tuple[str | int, ...], str], PlanError]
) -> Row:
    """The row of config.rules.

    Args:
        name: of the rule.
        rule: in the plan.
        measures: compiled ones, for totals that are to be equal.
        attempt: calls a compiler for a place in the plan.
        error: of such a place.

    Raises:
        PlanError: an expression can't be compiled, or a measure is none over events.
    """

    def compiled(text: str | None, key: str, compiler: Callable[..., exp.Expression]) -> str | None:
        if text is None:
            return None
        return expressions.to_sql(attempt(("rules", name, key), compiler, text, expressions.EVENT_COLUMNS))

    row: Row = {
        "rule": name,
        "description": rule.description,
        "kind": rule.kind,
        "severity": rule.severity,
        "event_name": rule.event,
        "condition_sql": compiled(rule.holds, "holds", expressions.condition),
        "value_sql": compiled(rule.unique, "unique", expressions.value) or compiled(rule.value, "value", expressions.value),
        "other_event_name": rule.among.event if rule.among else None,
        "other_value_sql": compiled(rule.among.value if rule.among else None, "among", expressions.value),
        "days": rule.days,
        "tolerance": rule.tolerance,
    }
    if rule.equals:
        totals = {m["measure"]: m["expression_sql"] for m in measures if m["relation"] == "events"}
        for measure in rule.equals:
            if measure not in totals:
                raise error(("rules", name, "equals"), f"{measure!r} is not a measure over events: name a count or a sum")
        row["value_sql"], row["other_value_sql"] = (totals[measure] for measure in rule.equals)
    return row
