"""Asks the server what came on a run of days, and what of it is at fault. What that means is in `shapes`."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg

from analytics_pipeline.events.contracts import TIMESTAMP, PropertyRule, has_type
from analytics_pipeline.events.masking import example_of, form_of
from analytics_pipeline.quality.contract.shapes import Key, Seen, Shape, judge_shapes, undecided

_SHAPES, _VALUES, _EXAMPLES = (Path(__file__).with_name(f"{name}.sql").read_text() for name in ("shapes", "values", "examples"))


@dataclass(frozen=True)
class Contracts:
    """What the published plan says of events.

    Attributes:
        rules: event name to its properties.
        hash: of all of them.
    """

    timezone: str
    rules: dict[str, dict[str, PropertyRule]]
    hash: str


def read_contracts(connection: psycopg.Connection) -> Contracts | None:
    """Those of the published plan; None before the first."""
    row = connection.execute("select timezone from config.plan").fetchone()
    if row is None:
        return None
    names = [name for (name,) in connection.execute("select event_name from config.events order by 1")]
    properties = connection.execute(
        "select event_name, property, type, is_required, is_personal, possible_values from config.properties order by 1, 2"
    ).fetchall()
    rules: dict[str, dict[str, PropertyRule]] = {name: {} for name in names}
    for event_name, name, type_, is_required, is_personal, values in properties:
        possible = frozenset(values) if values is not None else None
        rules[event_name][name] = PropertyRule(type_, is_required, is_personal, possible)
    digest = hashlib.sha256(json.dumps([row[0], names, properties]).encode()).hexdigest()
    return Contracts(row[0], rules, digest)


def count_days(connection: psycopg.Connection, plan: Contracts, days: Sequence[date]) -> Seen:
    """Hold the events of consecutive local days against the plan."""
    bounds = connection.execute(
        "select ops.day_start(%s, %s), ops.day_start(%s, %s)",
        (days[0], plan.timezone, days[-1] + timedelta(days=1), plan.timezone),
    ).fetchone()
    assert bounds is not None
    span: dict[str, Any] = {"timezone": plan.timezone, "from": bounds[0], "until": bounds[1]}
    shapes = [_shape(row, plan) for row in connection.execute(_SHAPES, span, prepare=False)]
    pairs = sorted(undecided(shapes, plan.rules))
    seen = judge_shapes(shapes, plan.rules, set(pairs))
    _add_examples(connection, seen, plan)
    if pairs:
        asked = {"event_names": [e for e, _ in pairs], "properties": [p for _, p in pairs], "timestamp": TIMESTAMP}
        for row in connection.execute(_VALUES, span | asked, prepare=False):
            day, event_name, name, violation, app_version, events, first_seen, last_seen, text = row
            key: Key = (day, event_name, name, violation, seen.version_of(app_version))
            is_personal = plan.rules[event_name][name].is_personal
            example = None if violation == "missing" else example_of(_read(text), name, is_personal)
            seen.add(key, events, first_seen, last_seen, example)
    return seen


def _shape(row: tuple[Any, ...], plan: Contracts) -> Shape:
    day, event_name, app_version, keys, types, has_empty_text, events, first_seen, last_seen = row
    found = dict(zip(keys, types, strict=True)) if keys is not None and event_name in plan.rules else None
    return Shape(day, event_name, app_version, found, bool(has_empty_text), events, first_seen, last_seen)


def _add_examples(connection: psycopg.Connection, seen: Seen, plan: Contracts) -> None:
    """A value of each fault that was found by its type, from the moment of its first event."""
    keys = [key for key in seen.faults if key[3] in ("unknown_property", "wrong_type")]
    if not keys:
        return
    moments = [seen.faults[key].first_seen for key in keys]
    parameters = {
        "places": list(range(len(keys))),
        "event_names": [event_name for _, event_name, *_ in keys],
        "properties": [name for _, _, name, *_ in keys],
        "moments": moments,
        "first": min(moments),
        "last": max(moments),
    }
    for place, value in connection.execute(_EXAMPLES, parameters, prepare=False):
        _, event_name, name, violation, _ = keys[place]
        rule = plan.rules[event_name].get(name)
        if violation == "unknown_property":
            seen.faults[keys[place]].example = form_of(value)
        elif rule is not None and value is not None and not has_type(value, rule.type):
            seen.faults[keys[place]].example = example_of(value, name, rule.is_personal)


def _read(text: str) -> Any:
    """The JSON value; where its text was cut, that."""
    try:
        return json.loads(text)
    except ValueError:
        return text
