"""Active users, stickiness, lifecycle and sessions over any range."""

from datetime import timedelta
from typing import Any

from psycopg import sql

from analytics_pipeline.insights.answers import (
    ActiveUsersAnswer,
    LifecycleAnswer,
    LifecycleRow,
    PersonsRow,
    SessionRow,
    SessionsAnswer,
    StickinessAnswer,
    StickinessRow,
)
from analytics_pipeline.insights.published import Published, period_start
from analytics_pipeline.insights.questions import (
    ActiveUsersQuestion,
    LifecycleQuestion,
    SessionsQuestion,
    StickinessQuestion,
)

STEPS = {"day": "1 day", "week": "7 days", "month": "1 month"}


def answer_active_users(published: Published, question: ActiveUsersQuestion, head: dict[str, Any]) -> ActiveUsersAnswer:
    """A daily series over a window, or plain uniques of calendar weeks or months."""
    first, last = head["first_day"], head["last_day"]
    wanted = published.selected(question.events)
    value: sql.Composable = sql.SQL("'all'")
    if question.breakdown:
        value = sql.SQL("coalesce(({})::text, '(none)')").format(published.value(question.breakdown))
    is_divided = question.breakdown is not None
    if question.grain == "day":
        events = published.events(wanted, value, first=first - timedelta(days=question.window_days - 1), last=last)
        rows = published.rows(
            "active_users",
            {"events": events, "value": value},
            window_days=question.window_days,
            first_day=first,
            last_day=last,
            is_divided=is_divided,
        )
    else:
        periods = published.periods(question.grain, first, last)
        events = published.events(
            wanted, value, first=periods["first_period"], last=published.last_day_of(question.grain, last)
        )
        fragments = {"events": events, "value": value, "period": published.period(question.grain)}
        rows = published.rows("active_periods", fragments, **periods, step=STEPS[question.grain], is_divided=is_divided)
    return ActiveUsersAnswer(**head, rows=[PersonsRow(**row) for row in rows])


def answer_stickiness(published: Published, question: StickinessQuestion, head: dict[str, Any]) -> StickinessAnswer:
    """On how many periods of the range persons were active: events of the range's days only."""
    first, last = head["first_day"], head["last_day"]
    start, end = (period_start(day, question.grain, published.plan.week_start) for day in (first, last))
    if question.grain == "month":
        number = (end.year - start.year) * 12 + end.month - start.month + 1
    else:
        number = (end - start).days // (7 if question.grain == "week" else 1) + 1
    fewest, most = question.count.bounds
    rows = published.rows(
        "stickiness",
        {
            "events": published.events(published.selected(question.events), first=first, last=last),
            "period": published.period(question.grain),
        },
        grain=question.grain,
        every=question.every,
        first_period=start,
        fewest=fewest,
        most=most,
        total=-(-number // question.every),
        cumulative=question.cumulative,
    )
    return StickinessAnswer(**head, rows=[StickinessRow(**row) for row in rows])


def answer_lifecycle(published: Published, question: LifecycleQuestion, head: dict[str, Any]) -> LifecycleAnswer:
    """All of history says who is new."""
    grain = question.grain
    rows = published.rows(
        "lifecycle",
        {
            "events": published.events(
                published.selected(question.events), last=published.last_day_of(grain, head["last_day"])
            ),
            "period": published.period(grain),
        },
        step=STEPS[grain],
        **published.periods(grain, head["first_day"], head["last_day"]),
    )
    return LifecycleAnswer(**head, rows=[LifecycleRow(**row) for row in rows])


def answer_sessions(published: Published, question: SessionsQuestion, head: dict[str, Any]) -> SessionsAnswer:
    """Sessions as they are published."""
    days = {"first_day": head["first_day"], "last_day": head["last_day"]}
    totals = published.rows("session_totals", {}, **days)[0]
    rows = [SessionRow(**row) for row in published.rows("sessions", {}, **days)] if question.list else None
    return SessionsAnswer(**head, **totals, rows=rows)
