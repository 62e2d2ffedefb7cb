"""Funnels and conversion credit over any range."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from psycopg import sql

from analytics_pipeline.insights.answers import (
    ConversionAnswer,
    CreditRow,
    FunnelAnswer,
    StepRow,
)
from analytics_pipeline.insights.published import Published
from analytics_pipeline.insights.questions import ConversionQuestion, FunnelQuestion

_NOTHING = sql.SQL("null::text")
_WALK = sql.SQL("occurred_at, event_id")
_STRICT_WALK = sql.SQL(
    "occurred_at, case when steps = 0 then 32 else length(ltrim((steps & -steps)::bit(32)::text, '0')) end, event_id"
)


def _bits(conditions: Sequence[sql.Composable]) -> sql.Composable:
    """Condition i met is bit i."""
    parts = [sql.SQL("case when {} then {} else 0 end").format(c, sql.Literal(1 << i)) for i, c in enumerate(conditions)]
    return sql.SQL(" + ").join([sql.SQL("0"), *parts])


def any_of(conditions: Sequence[sql.Composable]) -> sql.Composable:
    """At least one of the conditions."""
    return sql.SQL(" or ").join(sql.SQL("({})").format(c) for c in conditions)


def _days(window: timedelta | None) -> int | None:
    return None if window is None else -(-int(window.total_seconds()) // 86400) + 1


def answer_funnel(published: Published, question: FunnelQuestion, head: dict[str, Any]) -> FunnelAnswer:
    """The range takes each person's deepest attempt in it, an entry day the deepest of that day."""
    steps: list[sql.Composable] = [published.selected(s) for s in question.steps]
    excluded: list[sql.Composable] = [published.selected(e) for e in question.exclude]
    value = published.value(question.breakdown) if question.breakdown else _NOTHING
    is_strict = question.order == "strict"
    wanted = sql.SQL('"is_activity"') if is_strict else any_of([*steps, *excluded])
    used = [value, *steps, *excluded]
    first, last = head["first_day"], head["last_day"]
    ahead = _days(question.window)
    until = None if ahead is None else last + timedelta(days=ahead)
    at_step = question.breakdown_value if isinstance(question.breakdown_value, int) else None
    rows = published.rows(
        "funnel",
        {
            "events": published.events(wanted, *used, first=first, last=until),
            "steps": _bits(steps),
            "excluded": _bits(excluded),
            "value": value,
            "walk_order": _STRICT_WALK if is_strict else _WALK,
            "opens": sql.SQL("steps <> 0" if question.order == "unordered" else "steps & 1 = 1"),
        },
        step_count=len(steps),
        step_order=question.order,
        window=question.window,
        exclude_from=[e.from_step for e in question.exclude],
        exclude_to=[e.to_step for e in question.exclude],
        first_day=first,
        last_day=last,
        breakdown_value="step" if at_step else question.breakdown_value,
        breakdown_step=at_step,
        is_divided=question.breakdown is not None,
        list_persons=question.persons,
    )
    of_range = [r for r in rows if r["scope"] == "range"]
    return FunnelAnswer(
        **head,
        steps=[_step(question, r) for r in of_range] or [_empty(question, k) for k in range(1, len(steps) + 1)],
        days=[
            _step(question, r, is_partial=_is_open(published, question, r["entry_day"])) for r in rows if r["scope"] == "day"
        ],
        values=[_step(question, r) for r in rows if r["scope"] == "value"],
        reached=[r["reached"] or [] for r in of_range] if question.persons else None,
    )


def _is_open(published: Published, question: FunnelQuestion, entry_day: date) -> bool:
    return question.window is None or published.day_start(entry_day + timedelta(days=1)) + question.window > published.as_of


def _step(question: FunnelQuestion, row: dict[str, Any], *, is_partial: bool | None = None) -> StepRow:
    return StepRow(
        entry_day=row["entry_day"],
        is_partial=is_partial,
        value=row["value"],
        step=row["step"],
        title=question.steps[row["step"] - 1].label,
        persons=row["persons"],
        conversion=row["persons"] / row["entered"],
        step_conversion=row["persons"] / row["before"] if row["step"] > 1 and row["before"] else None,
        average_seconds=row["average_seconds"],
        median_seconds=row["median_seconds"],
    )


def _empty(question: FunnelQuestion, step: int) -> StepRow:
    title = question.steps[step - 1].label
    return StepRow(
        step=step, title=title, persons=0, conversion=None, step_conversion=None, average_seconds=None, median_seconds=None
    )


def answer_conversion(published: Published, question: ConversionQuestion, head: dict[str, Any]) -> ConversionAnswer:
    """Each conversion goes to the last opportunity at or before it, inside the window, end inclusive."""
    opportunity, conversion = published.selected(question.opportunity), published.selected(question.conversion)
    value = published.value(question.breakdown) if question.breakdown else _NOTHING
    match = sql.SQL("({})::text").format(published.value(question.match)) if question.match else sql.SQL("''")
    back = _days(question.window)
    first = None if back is None else head["first_day"] - timedelta(days=back)
    rows = published.rows(
        "conversion",
        {
            "events": published.events(any_of([opportunity, conversion]), value, match, first=first, last=head["last_day"]),
            "opportunity": opportunity,
            "conversion": conversion,
            "value": value,
            "match": match,
        },
        first_day=head["first_day"],
        last_day=head["last_day"],
        window=question.window,
    )
    credited = [r for r in rows if r["is_credited"]]
    number = sum(r["conversions"] for r in credited)
    return ConversionAnswer(
        **head,
        conversions=sum(r["conversions"] for r in rows),
        credited=number,
        amount=sum(r["amount"] for r in credited),
        uncredited_amount=sum(r["amount"] for r in rows if not r["is_credited"]),
        mean_seconds=sum(r["seconds"] for r in credited) / number if number else None,
        values=[
            CreditRow(
                value=r["value"], credited=r["conversions"], amount=r["amount"], mean_seconds=r["seconds"] / r["conversions"]
            )
            for r in credited
            if question.breakdown
        ],
    )
