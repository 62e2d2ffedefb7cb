"""Payloads for people's eyes: personal values are hidden, their form stays."""

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
_LONGEST = 200


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


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
