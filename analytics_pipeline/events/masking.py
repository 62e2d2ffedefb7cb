"""Payloads for people's eyes: personal values are hidden, their form stays."""

import json
import re
from typing import Any

import orjson

_PERSONAL_KEY = re.compile(
    r"(^|[._$])(user_?id|anonymous_?id|distinct_id|device_?id|domain_userid|network_userid|e_?mail|phone|first_?name|last_?name|"
    r"full_?name|address|street|ip|ip_?address|birth\w*|iban|password|token)$",
    re.IGNORECASE,
)
_EMAIL = re.compile(rb"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_IP = re.compile(rb"\b\d{1,3}(\.\d{1,3}){3}\b")
_LONGEST, _LONGEST_EXAMPLE = 200, 60


def masked(payload: bytes, personal: set[str]) -> str:
    """A payload on one line, cut to 200 characters.

    JSON: values of personal keys become `***`. What can't be read as JSON is shown by its form only: letters become x and
    digits 9, because nobody can say where in it a name stands.

    Args:
        payload: original bytes.
        personal: keys that the plan marks as personal, besides those whose names say so.
    """
    try:
        text = orjson.dumps(_hide(orjson.loads(payload), personal))
    except (orjson.JSONDecodeError, RecursionError, TypeError):
        shape = "".join(_form(c) for c in payload.decode("utf-8", "replace"))
        return _cut(shape)
    return _cut(_IP.sub(b"***", _EMAIL.sub(b"***", text)).decode())


def _hide(value: Any, personal: set[str]) -> Any:
    if isinstance(value, dict):
        return {
            k: "***" if v is not None and (k in personal or _PERSONAL_KEY.search(k)) else _hide(v, personal)
            for k, v in value.items()
        }
    return [_hide(item, personal) for item in value] if isinstance(value, list) else value


def _form(character: str) -> str:
    if character.isalpha():
        return "x"
    if character.isdigit():
        return "9"
    return character if character.isprintable() else "�"


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def example_of(value: Any, key: str, is_personal: bool) -> str:
    """A value of a property that the plan knows, as JSON; `***` where the plan or the name says that it is personal."""
    if is_personal or _PERSONAL_KEY.search(key):
        return "***"
    text = json.dumps(_hide(value, set()), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return _cut(_IP.sub(b"***", _EMAIL.sub(b"***", text)).decode(), _LONGEST_EXAMPLE)


def name_of(key: str) -> str:
    """The name of a property that nobody has declared: at most 200 characters, no address in it, and never empty."""
    hidden = _IP.sub(b"***", _EMAIL.sub(b"***", key.encode("utf-8", "replace"))).decode()
    return hidden[:_LONGEST] or "(empty)"


def form_of(value: Any) -> str:
    """The form of a value that nobody has declared, so that it may be personal: letters become x, digits 9."""
    if value is None or isinstance(value, bool):
        return orjson.dumps(value).decode()
    if isinstance(value, dict | list):
        return f"{'object' if isinstance(value, dict) else 'list'} of {len(value)}"
    form = "".join(_form(c) for c in str(value)[: _LONGEST_EXAMPLE + 1])
    return _cut(f'text "{form}"' if isinstance(value, str) else f"number {form}", _LONGEST_EXAMPLE)
