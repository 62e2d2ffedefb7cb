"""What all parts of a plan are made of: names, durations, expressions, selectors of events."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,50}$")]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str) and value[-1:] in _UNITS and value[:-1].isdigit():
        return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a whole number and a unit: 90s, 30m, 24h or 14d")


def _written(value: timedelta | None) -> str:
    if value is None:
        return "none"
    seconds = int(value.total_seconds())
    unit = max((u for u in _UNITS if seconds % _UNITS[u] == 0), key=_UNITS.__getitem__)
    return f"{seconds // _UNITS[unit]}{unit}"


_as_written = PlainSerializer(_written, return_type=str, when_used="json")
Duration = Annotated[
    timedelta, BeforeValidator(_duration), _as_written, WithJsonSchema({"type": "string", "pattern": r"^\d+[smhd]$"})
]


def _window(value: object) -> object:
    return None if value == "none" else value


Window = Annotated[
    Duration | None,
    BeforeValidator(_window),
    _as_written,
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^\d+[smhd]$"}, {"const": "none"}, {"type": "null"}]}),
]


class Part(BaseModel):
    """Base of all parts: unknown keys are errors, so that a typing mistake does not pass as silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Selector(Part):
    """Which events are meant: the name of one, `any` (all that count as activity), a condition, or both.

    In YAML a bare text is short for `event`.
    """

    event: str | None = Field(None, description="Name of an event, or any: all events that count as activity.", min_length=1)
    where: str | None = Field(None, description="SQL condition over the columns of an event and properties.NAME.")

    @model_validator(mode="before")
    @classmethod
    def _text_is_an_event(cls, value: Any) -> Any:
        return {"event": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _selects(self) -> "Selector":
        if self.event is None and self.where is None:
            raise ValueError("give an event, any, or a condition (where)")
        return self


def _selector_schema(model: type[Selector]) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", "minLength": 1}, model.model_json_schema()]}


AnyEvent = Selector(event="any", where=None)
EventSelector = Annotated[Selector, WithJsonSchema(_selector_schema(Selector))]
