"""What a tracking plan promises of the properties of events, and one event held against it. By columns: `contract_columns`."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import orjson

from analytics_pipeline.events.masking import example_of, form_of, name_of

FaultKind = Literal["unknown_event", "unknown_property", "missing", "wrong_type", "impossible_value"]

TIMESTAMP = (
    r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)?([Zz]|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?$"
)
"""A day or time as ISO 8601 writes it, for Python, DuckDB and PostgreSQL alike. That the month has the day is asked apart."""

_TIMESTAMP = re.compile(TIMESTAMP)
_KINDS: dict[type, str] = {str: "text", int: "number", float: "number", bool: "boolean", dict: "object", list: "array"}
_WORDS = {"timestamp": "a time (ISO 8601)", "text": "text", "number": "a number", "boolean": "true or false"}
_LONGEST_NAME, _FAULTS_SHOWN = 60, 3


@dataclass(frozen=True)
class PropertyRule:
    """What is declared of a property.

    Attributes:
        type: text, number, boolean, timestamp, object or array.
        values: the only ones that are possible; None: any.
    """

    type: str
    is_required: bool = False
    is_personal: bool = False
    values: frozenset[str] | None = None


Rules = Mapping[str, PropertyRule]


@dataclass(frozen=True)
class Contracts:
    """What is enforced when events are loaded.

    Attributes:
        strict: event name to the rules of its properties; an event that breaks them is refused.
        known: the names of all events of the plan, where others are refused; None where they are accepted.
    """

    strict: Mapping[str, Rules] = field(default_factory=dict)
    known: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.strict) or self.known is not None


@dataclass(frozen=True)
class Fault:
    """One way in which an event breaks the plan.

    Attributes:
        property: its name; empty for an unknown event.
        violation: what is wrong with it.
        example: the offending value, masked where it is or may be personal; empty where there is none.
        expected: what is declared instead, in words.
    """

    property: str
    violation: FaultKind
    example: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Breach:
    """An event that breaks the plan, and how.

    Attributes:
        app_version: of the sending application; None where it says none.
        occurred_at: when it happened.
    """

    event_name: str
    app_version: str | None
    occurred_at: datetime
    faults: tuple[Fault, ...]

    @property
    def text(self) -> str:
        """For a person: each property with its fault and value."""
        if self.faults[0].violation == "unknown_event":
            return f"the plan has no event {self.event_name!r}"
        shown = [f"{_short(fault.property)} {_said(fault)}" for fault in self.faults[:_FAULTS_SHOWN]]
        more = len(self.faults) - len(shown)
        return f"{_short(self.event_name)}: {'; '.join(shown)}{f'; and {more} more' if more else ''}"


def breach_of(event: Mapping[str, Any], contracts: Contracts) -> Breach | None:
    """How an event breaks what is enforced; None where it does not.

    Args:
        event: event_name, app_version, occurred_at and properties (JSON).
        contracts: what is enforced.
    """
    name = event["event_name"]
    faults: tuple[Fault, ...] = ()
    if contracts.known is not None and name not in contracts.known:
        faults = (Fault("", "unknown_event"),)
    elif (rules := contracts.strict.get(name)) is not None and (properties := parsed(event["properties"])) is not None:
        faults = faults_of(properties, rules)
    return Breach(name, event["app_version"], event["occurred_at"], faults) if faults else None


def faults_of(properties: Mapping[str, Any], rules: Rules) -> tuple[Fault, ...]:
    """All faults of an event's properties, unknown ones first, then in the order of the plan.

    - null is no value: missing where the property is required, and not there elsewhere.
    - An empty text is missing where the property is required, unless it is one of its values; elsewhere it is a text.
    - Types are those of JSON: a number in quotes is a text, and a number is no text.
    - A timestamp is a text in the form of ISO 8601.
    """
    unknown = [
        Fault(name_of(key), "unknown_property", form_of(value))
        for key, value in properties.items()
        if key not in rules and value is not None
    ]
    return (*unknown, *(f for name, rule in rules.items() if (f := _fault(name, rule, properties.get(name))) is not None))


def _fault(name: str, rule: PropertyRule, value: Any) -> Fault | None:
    if value is None or (value == "" and rule.is_required and not (rule.values and "" in rule.values)):
        return Fault(name, "missing") if rule.is_required else None
    if not has_type(value, rule.type):
        expected = _WORDS.get(rule.type, f"an {rule.type}")
        return Fault(name, "wrong_type", example_of(value, name, rule.is_personal), expected)
    if rule.values is not None and value not in rule.values:
        expected = _short(f"one of {', '.join(sorted(rule.values))}")
        return Fault(name, "impossible_value", example_of(value, name, rule.is_personal), expected)
    return None


def has_type(value: Any, type_: str) -> bool:
    """Whether a JSON value that is not null is of a plan's type."""
    if type_ == "timestamp":
        return isinstance(value, str) and is_timestamp(value)
    return _KINDS[type(value)] == type_


def is_timestamp(text: str) -> bool:
    """A day or time in the form of ISO 8601, with or without a zone, on a day that the calendar has."""
    return _TIMESTAMP.match(text) is not None and not text.endswith("\n") and is_day(text[:10])


def is_day(text: str) -> bool:
    """A day as YYYY-MM-DD that the calendar has."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def parsed(properties: str) -> dict[str, Any] | None:
    """The JSON object; of a key that is there twice the last counts, as in PostgreSQL. None where PostgreSQL can't read it."""
    try:
        return dict(orjson.loads(properties))
    except orjson.JSONDecodeError:  # numbers beyond the range of floats, which PostgreSQL takes, and halves of characters
        try:
            found = dict(json.loads(properties, parse_int=float))
            json.dumps(found, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return None
        return found


def contracts_of(
    events: Iterable[tuple[str, str]], rules: Iterable[tuple[str, str, str, bool, bool, list[str] | None]], unknown_events: str
) -> Contracts:
    """What is enforced, from the rows of a published plan.

    Args:
        events: event_name, contract.
        rules: event_name, property, type, is_required, is_personal, possible_values.
        unknown_events: accept or quarantine.
    """
    contracts = dict(events)
    strict: dict[str, dict[str, PropertyRule]] = {name: {} for name, contract in contracts.items() if contract == "strict"}
    for event_name, name, type_, is_required, is_personal, values in rules:
        if event_name in strict:
            possible = frozenset(values) if values is not None else None
            strict[event_name][name] = PropertyRule(type_, is_required, is_personal, possible)
    return Contracts(strict, frozenset(contracts) if unknown_events == "quarantine" else None)


def _said(fault: Fault) -> str:
    if fault.violation == "unknown_property":
        return f"is not in the plan ({fault.example})"
    if fault.violation == "missing":
        return "is missing"
    return f"is {fault.example}, and must be {fault.expected}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
