"""Transitions, paths and variants: what follows what."""

from datetime import timedelta
from typing import Any

from psycopg import sql

from analytics_pipeline.insights.answers import LinkRow, LinksAnswer, VariantRow, VariantsAnswer
from analytics_pipeline.insights.published import Published
from analytics_pipeline.insights.questions import PathsQuestion, TransitionsQuestion, VariantsQuestion


def _sequences(
    published: Published, question: TransitionsQuestion | PathsQuestion | VariantsQuestion, head: dict[str, Any]
) -> sql.Composable:
    """A session belongs to the day of its start, with all of its events; other sequences are cut at the range's ends."""
    node, wanted = published.value(question.node), published.selected(question.events)
    last = head["last_day"]
    used = [node]
    if question.by == "session":
        last += timedelta(hours=published.plan.max_session_hours, days=1)
    if question.by == "entity":
        used.append(sql.SQL('"entity_id"'))
    events = published.events(wanted, *used, first=head["first_day"], last=last)
    return published.composed(f"{question.by}_sequences", {"node": node, "events": events})


def _days(head: dict[str, Any]) -> dict[str, Any]:
    return {"first_day": head["first_day"], "last_day": head["last_day"]}


def answer_transitions(published: Published, question: TransitionsQuestion, head: dict[str, Any]) -> LinksAnswer:
    """Pairs of consecutive nodes, with a start and an end."""
    rows = published.rows("transitions", {"sequences": _sequences(published, question, head)}, **_days(head))
    return LinksAnswer(**head, rows=[LinkRow(**row) for row in rows])


def answer_paths(published: Published, question: PathsQuestion, head: dict[str, Any]) -> LinksAnswer:
    """The first nodes of each sequence, or those from or to a named one."""
    rows = published.rows(
        "paths",
        {"sequences": _sequences(published, question, head)},
        **_days(head),
        steps=question.steps,
        from_event=question.from_event,
        to_event=question.to_event,
        collapse=question.collapse_repeats,
    )
    return LinksAnswer(**head, rows=[LinkRow(**row) for row in rows])


def answer_variants(published: Published, question: VariantsQuestion, head: dict[str, Any]) -> VariantsAnswer:
    """Whole sequences."""
    rows = published.rows("variants", {"sequences": _sequences(published, question, head)}, **_days(head), limit=question.limit)
    total = rows[0]["total"] if rows else 0
    return VariantsAnswer(
        **head, entities=total, rows=[VariantRow(**{k: v for k, v in r.items() if k != "total"}) for r in rows]
    )
