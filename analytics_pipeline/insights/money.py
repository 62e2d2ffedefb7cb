"""Revenue, RFM, and formulas over measures."""

from typing import Any

from psycopg import sql
from sqlglot import exp

from analytics_pipeline.errors import UsageError
from analytics_pipeline.insights.answers import (
    MeasureAnswer,
    MeasureRow,
    RevenueAnswer,
    RevenueRow,
    RfmAnswer,
    RfmRow,
    UnconvertedRow,
)
from analytics_pipeline.insights.published import Published, fragment, tried
from analytics_pipeline.insights.questions import MeasureQuestion, RevenueQuestion, RfmQuestion
from analytics_pipeline.tracking_plan import expressions, selectors


def _one_of(names: list[str]) -> sql.Composable:
    listed = sql.SQL(", ").join(sql.Literal(n) for n in names)
    return sql.SQL('"event_name" in ({})').format(listed) if names else sql.SQL("false")


def answer_rfm(published: Published, question: RfmQuestion, head: dict[str, Any]) -> RfmAnswer:
    """In days, as in the BTYD literature: Fader, Hardie and Lee (2005)."""
    revenue = published.plan.revenue
    if question.events is None and revenue is None:
        raise UsageError("the plan names no revenue events: say which with `events: purchase`")
    wanted = published.selected(question.events) if question.events else _one_of(revenue.events if revenue else [])
    rows = published.rows("rfm", {"events": published.events(wanted, last=head["last_day"])}, last_day=head["last_day"])
    return RfmAnswer(**head, rows=[RfmRow(**row) for row in rows])


def answer_revenue(published: Published, question: RevenueQuestion, head: dict[str, Any]) -> RevenueAnswer:
    """Refunds count on their own day."""
    revenue = published.plan.revenue
    if revenue is None:
        raise UsageError("the plan names no revenue events: add `revenue: {events: [purchase], refunds: [refund]}` to it")
    refund = _one_of(revenue.refunds)
    wanted = _one_of([*revenue.events, *revenue.refunds])
    days = {"first_day": head["first_day"], "last_day": head["last_day"]}
    events = published.events(wanted, first=days["first_day"], last=days["last_day"])
    rows = published.rows("revenue", {"events": events, "refund": refund}, **days)
    unconverted = published.rows("unconverted", {}, **days)
    return RevenueAnswer(
        **head,
        currency=published.plan.currency,
        rows=[RevenueRow(**row) for row in rows],
        unconverted=[UnconvertedRow(**row) for row in unconverted],
    )


def answer_measure(published: Published, question: MeasureQuestion, head: dict[str, Any]) -> MeasureAnswer:
    """Numerator and denominator by period, and by value where a breakdown is asked for."""
    measures = {**published.plan.measures, **question.measures}
    numerator, denominator = tried(expressions.ratio, question.formula, frozenset(measures))
    used = sorted({c.name for side in (numerator, denominator) if side for c in side.find_all(exp.Column)})
    columns: dict[str, list[sql.Composable]] = {"events": [], "sessions": []}
    for name in used:
        measure = measures[name]
        if measure.active_users or measure.per:
            raise UsageError(
                f"measure {name!r} is no plain aggregate: ask for the analysis active_users, or for the KPI by sql"
            )
        source = "sessions" if measure.relation == "sessions" else "events"
        tree = tried(selectors.measure_columns, measure)["expression_sql"]
        columns[source].append(sql.SQL("({})::numeric as {}").format(sql.SQL(tree.replace("%", "%%")), sql.Identifier(name)))
    value: sql.Composable = sql.SQL("'all'")
    session_value: sql.Composable = value
    if question.breakdown:
        value = sql.SQL("coalesce(({})::text, '(none)')").format(published.value(question.breakdown))
        session_value = sql.SQL("coalesce(dimensions ->> {}, '(none)')").format(sql.Literal(question.breakdown))
        if columns["sessions"] and question.breakdown not in published.plan.dimensions:
            raise UsageError(f"sessions are divided by dimensions of the plan only: {question.breakdown!r} is none")
    comma = sql.SQL(", ")
    zero_filled = [
        sql.SQL("{0}" if measures[n].percentile is not None else "coalesce({0}, 0) as {0}").format(sql.Identifier(n))
        for n in used
    ]
    bounds = {"first": head["first_day"], "last": head["last_day"]}
    rows = published.rows(
        "measure",
        {
            "events": published.events(sql.SQL("true"), value, *columns["events"], **bounds),
            "value": value,
            "session_value": session_value,
            "event_columns": comma.join([sql.SQL("count(*) as events_seen"), *columns["events"]]),
            "session_columns": comma.join([sql.SQL("count(*) as sessions_seen"), *columns["sessions"]]),
            "measures": comma.join(zero_filled) if zero_filled else sql.SQL("0 as nothing"),
            "numerator": fragment(numerator),
            "denominator": fragment(denominator) if denominator else sql.SQL("null"),
        },
        grain=question.grain,
        first_day=head["first_day"],
        last_day=head["last_day"],
        is_divided=question.breakdown is not None,
        has_events=bool(columns["events"]),
        has_sessions=bool(columns["sessions"]),
    )
    is_ratio = denominator is not None
    return MeasureAnswer(**head, rows=[_measured(row, is_ratio) for row in rows])


def _measured(row: dict[str, Any], is_ratio: bool) -> MeasureRow:
    over = row["denominator"]
    result = (row["numerator"] / over if over and row["numerator"] is not None else None) if is_ratio else row["numerator"]
    return MeasureRow(**row, result=result)
