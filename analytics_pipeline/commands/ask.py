"""`ask`: one analysis over any range, as table, CSV or JSON."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from analytics_pipeline.commands.sql import formatted
from analytics_pipeline.errors import UsageError
from analytics_pipeline.insights.answers import Answer
from analytics_pipeline.insights.ask import ask as answer_to
from analytics_pipeline.insights.ask import read_question, schemas
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse


def ask(settings: Settings, file: Path, first_day: date | None, last_day: date | None, form: str) -> str:
    """The answer as text. Raises UsageError."""
    question = read_question(file, first_day, last_day)
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        return written(answer_to(connection, question), form)


def schema(name: str) -> str:
    """The JSON Schema of questions or answers."""
    return json.dumps(schemas()[name], indent=1)


def written(answer: Answer, form: str) -> str:
    """JSON whole; as tables one after the other; as CSV the first table that has rows."""
    document = answer.model_dump(mode="json")
    if form == "json":
        return json.dumps(document, indent=1)
    tables = {name: rows for name, rows in document.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)}
    numbers = {name: value for name, value in document.items() if not isinstance(value, list | dict)}
    if form == "csv":
        return _table(next(iter(tables.values()), [numbers]), "csv")
    parts = [_table([numbers], "table").rsplit("\n", 1)[0]]
    return "\n\n".join([*parts, *(f"{name}\n{_table(rows, 'table')}" for name, rows in tables.items())])


def _table(rows: list[dict[str, Any]], form: str) -> str:
    if not rows:
        raise UsageError("the answer has no rows")
    shown = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return formatted(shown, [tuple(_cell(row[name]) for name in shown) for row in rows], form)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return " > ".join(value) if isinstance(value, list) else value
