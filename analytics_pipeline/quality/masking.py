"""Failing examples for people's eyes: who is hidden, what is not. Payloads of refused records are masked in `events.masking`.

A text is hidden unless its column is known to hold no personal data: what is added later is hidden until somebody decides.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

MOST_EXAMPLES = 5
_LONGEST = 200
# Names, keys and categories of the plan and of the pipeline itself.
_OPEN_TEXTS = frozenset(
    [
        "app_version",
        "city",
        "conversion",
        "country",
        "currency",
        "definition_hash",
        "device_type",
        "dimension",
        "dimension_value",
        "direction",
        "entity_type",
        "event_name",
        "flow",
        "formula",
        "funnel",
        "gate_status",
        "grain",
        "kind",
        "kpi_name",
        "measure",
        "mode",
        "owner",
        "platform",
        "reason_code",
        "region",
        "relation",
        "retention",
        "rule",
        "segment",
        "source",
        "source_name",
        "status",
        "target",
        "title",
        "unit",
        "uri",
        "what",
    ]
)
# Texts of these columns name a person; the letter before the colon of a person_key does not.
_PERSON_KEY = re.compile(r"^[ua]:")
_NAMES_A_PERSON = re.compile(
    r"user|person|anonymous|session|device_id|mail|phone|(first|last|full)_?name|address|street|birth|payload|query",
    re.IGNORECASE,
)
_LOOKS_PERSONAL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+|\b\d{1,3}(\.\d{1,3}){3}\b|\+\d[\d ()/-]{7,}\d")
_NAMES_NO_VALUE = re.compile(r"does not exist|Undefined(Column|Table|Function)|permission denied|SyntaxError")
_QUOTED = re.compile(r"""(["']).*?\1""", re.DOTALL)


@dataclass(frozen=True)
class Mask:
    """How one warehouse is masked.

    Attributes:
        key: makes the hashes of this warehouse differ from those of any other, so that nobody can list them beforehand.
        open_properties: properties that the plan declares and does not call personal.
    """

    key: bytes
    open_properties: frozenset[str] = frozenset()

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """At most five rows, fit for JSON, with what is personal hidden."""
        return [
            {name: self._value(name, value) for name, value in row.items()}
            for row, _ in zip(rows, range(MOST_EXAMPLES), strict=False)
        ]

    def _value(self, name: str, value: Any) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case Decimal():
                return float(value)
            case datetime() | date():
                return value.isoformat()
            case timedelta() | UUID():
                return str(value)
            case dict():
                return {k: self._property(k, v) for k, v in value.items()}
            case list() | tuple():
                return [self._value(name, item) for item in value][:MOST_EXAMPLES]
            case bytes() | memoryview():
                return "***"
            case _:
                return self._text(name, str(value))

    def _property(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if name not in self.open_properties:
            return self.hidden(value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str))
        return value if isinstance(value, int | float) else _without_personal(str(value))

    def _text(self, name: str, text: str) -> str:
        if name in _OPEN_TEXTS:
            return _without_personal(text)
        prefix = text[:2] if _PERSON_KEY.match(text) else ""
        return prefix + self.hidden(text[len(prefix) :])

    def hidden(self, text: str) -> str:
        """A short name for a text: the same for the same text, and nothing else about it."""
        return "~" + hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:10]


def mask_of(connection: psycopg.Connection) -> Mask:
    """How this warehouse is masked, by its plan."""
    key = connection.execute("select system_identifier::text || current_database() from pg_control_system()").fetchone()
    rows = connection.execute(
        """
        select property from config.properties group by property having not bool_or(is_personal)
        except
        select jsonb_array_elements_text(document -> 'personal') from config.plan
        where jsonb_typeof(document -> 'personal') = 'array'
        """
    ).fetchall()
    return Mask(str(key[0] if key else "").encode(), frozenset(row[0] for row in rows))


def may_be_personal(column: str, text: str) -> bool:
    """Whether a value can be somebody's own, by the name of its column and by its looks."""
    return bool(_NAMES_A_PERSON.search(column) or _LOOKS_PERSONAL.search(text))


def masked_error(message: str) -> str:
    """What a server or a library says, on one line; where it speaks of a value, without what it quotes."""
    first = next((line.strip() for line in message.splitlines() if line.strip()), "")
    return _without_personal(first if _NAMES_NO_VALUE.search(first) else _QUOTED.sub(r"\1***\1", first))


def _without_personal(text: str) -> str:
    return _LOOKS_PERSONAL.sub("***", text)[:_LONGEST]
