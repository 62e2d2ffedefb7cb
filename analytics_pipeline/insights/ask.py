"""Reads a question, finds the analysis, gives its answer."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import yaml
from pydantic import ValidationError

from analytics_pipeline.errors import AnalyticsError, UsageError
from analytics_pipeline.insights import activity, funnels, money, retention, sequences
from analytics_pipeline.insights.answers import ANSWERS, Answer
from analytics_pipeline.insights.published import Published, open_published
from analytics_pipeline.insights.questions import QUESTION, AnyQuestion

SECONDS = 300
_ANALYSES: Mapping[str, Callable[[Published, Any, dict[str, Any]], Answer]] = {
    "funnel": funnels.answer_funnel,
    "retention": retention.answer_retention,
    "conversion": funnels.answer_conversion,
    "active_users": activity.answer_active_users,
    "stickiness": activity.answer_stickiness,
    "lifecycle": activity.answer_lifecycle,
    "sessions": activity.answer_sessions,
    "transitions": sequences.answer_transitions,
    "paths": sequences.answer_paths,
    "variants": sequences.answer_variants,
    "rfm": money.answer_rfm,
    "revenue": money.answer_revenue,
    "measure": money.answer_measure,
}
_OF_THE_PLAN = {"funnel": "funnels", "retention": "retentions", "conversion": "conversions"}


def ask(connection: psycopg.Connection, document: Mapping[str, Any]) -> Answer:
    """Answer a question over the published build. The connection's transaction becomes read-only.

    Args:
        connection: not in autocommit.
        document: the question, as read from YAML. `use: NAME` takes the plan's funnel, retention or conversion of that
            name; other keys stand in for the plan's.

    Raises:
        UsageError: the question is wrong; one line for each mistake.
        AnalyticsError: nothing is published yet, or the answer took too long.
    """
    connection.execute("set transaction read only")
    published = open_published(connection)
    question = _question(published, document)
    connection.execute("select set_config('statement_timeout', %s, true)", (f"{SECONDS}s",))
    connection.execute("set local role analytics_reader")
    first, last = published.range_of(question)
    if first > last:
        raise UsageError(f"from ({first}) lies after the last day with events ({last}): give `to` as well")
    plan = published.plan
    head = {
        "analysis": question.analysis,
        "product": plan.name,
        "timezone": plan.timezone,
        "as_of": published.as_of,
        "first_day": first,
        "last_day": last,
    }
    try:
        return _ANALYSES[question.analysis](published, question, head)
    except psycopg.errors.QueryCanceled:
        raise AnalyticsError(f"the question was stopped after {SECONDS} s: ask for fewer days") from None
    except psycopg.errors.DataError as error:
        raise UsageError(f"PostgreSQL does not accept the question: {str(error).splitlines()[0]}") from None


def read_question(path: Path, first_day: date | None = None, last_day: date | None = None) -> dict[str, Any]:
    """A question from a YAML or JSON file; the given days stand in for its own.

    Raises:
        UsageError: no such file, or no mapping in it.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: can't be read as UTF-8 text ({error}): give the path of a YAML or JSON file") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML ({error}): correct it") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: holds no keys: begin with `analysis: funnel` or another of {', '.join(_ANALYSES)}")
    return {**document, **({"from": first_day} if first_day else {}), **({"to": last_day} if last_day else {})}


def schemas() -> dict[str, Any]:
    """JSON Schemas of questions and answers, by name."""
    answers = [a.model_json_schema(mode="serialization") for a in ANSWERS]
    return {"question": QUESTION.json_schema(by_alias=True), "answer": {"anyOf": answers}}


def _question(published: Published, document: Mapping[str, Any]) -> AnyQuestion:
    asked = dict(document)
    if "use" in asked:
        asked = {**_of_the_plan(published, str(asked.get("analysis")), asked.pop("use")), **asked}
    try:
        return QUESTION.validate_python(asked)
    except ValidationError as error:
        raise UsageError("\n".join(_described(e) for e in error.errors())) from None


def _of_the_plan(published: Published, analysis: str, name: Any) -> dict[str, Any]:
    table = _OF_THE_PLAN.get(analysis)
    known = getattr(published.plan, table) if table else {}
    if name not in known:
        there = ", ".join(known) or "none for this analysis"
        raise UsageError(f"use: the plan has no {analysis} {name!r}; it has {there}")
    found: dict[str, Any] = json.loads(known[name].model_dump_json(by_alias=True))
    return {key: value for key, value in found.items() if key != "dimensions"}


def _described(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"] if part not in _ANALYSES)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is not a key of this analysis: correct its name or remove it"
    value = "" if isinstance(error["input"], dict) or error["type"] == "extra_forbidden" else f" {error['input']!r}"
    return f"{where or 'question'}{value}: {message}"
