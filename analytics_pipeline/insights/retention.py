"""Who comes back, over any range."""

from datetime import date
from typing import Any

from psycopg import sql

from analytics_pipeline.insights.activity import STEPS
from analytics_pipeline.insights.answers import CellRow, DayNRow, RetentionAnswer
from analytics_pipeline.insights.funnels import any_of
from analytics_pipeline.insights.published import Published
from analytics_pipeline.insights.questions import RetentionQuestion


def answer_retention(published: Published, question: RetentionQuestion, head: dict[str, Any]) -> RetentionAnswer:
    """Cells of the asked grain, and day 1, 7 and 30 of each day's cohort."""
    cells = _cells(published, question, head, question.grain, question.periods, rolling=question.rolling)
    days = _cells(published, question, head, "day", 30, rolling=False)
    by_cohort: dict[tuple[str, date], dict[int, int | None]] = {}
    for row in days:
        by_cohort.setdefault((row["value"], row["cohort_start"]), {})[row["period"]] = row["persons"]
    return RetentionAnswer(
        **head,
        cells=[CellRow(**row) for row in cells],
        day_n=[
            DayNRow(value=value, cohort_day=day, persons=of[0] or 0, day_1=of[1], day_7=of[7], day_30=of[30])
            for (value, day), of in by_cohort.items()
        ],
    )


def _cells(
    published: Published, question: RetentionQuestion, head: dict[str, Any], grain: str, periods: int, *, rolling: bool
) -> list[dict[str, Any]]:
    start, back = published.selected(question.start), published.selected(question.returning)
    shown = published.periods(grain, head["first_day"], head["last_day"])
    first_time = question.mode == "first_time"
    wanted = any_of([start, back])
    value = published.value(question.breakdown) if question.breakdown else sql.SQL("null::text")
    everything = published.events(sql.SQL("true"), value)
    return published.rows(
        "retention",
        {
            "events": published.events(wanted, first=None if first_time else shown["first_period"]),
            "start": start,
            "back": back,
            "properties": published.composed("person_properties", {"value": value, "events": everything})
            if question.breakdown
            else sql.SQL("select null::text as person_key, null::text as value where false"),
        },
        grain=grain,
        step=STEPS[grain],
        periods=periods,
        rolling=rolling,
        first_time=first_time,
        **shown,
        is_divided=question.breakdown is not None,
    )
