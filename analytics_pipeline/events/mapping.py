"""Mappings as data: which path of a record fills which column of an event. Applying one is in `normalise`."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from analytics_pipeline.errors import MappingError
from analytics_pipeline.events.envelope import FIELDS

_PRESETS = Path(__file__).parent / "mappings"
_PATH = re.compile(r"((\\.|[^.\[\]*\\])+(\[\d{1,6}\])*)(\.(\\.|[^.\[\]*\\])+(\[\d{1,6}\])*)*")
_PLAIN_KEY = re.compile(r"[^.\[\]*]+")
_EPOCHS = ("epoch_s", "epoch_ms", "epoch_us")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | bool | int | float) else value


def _as_text(value: object) -> object:
    """JSON's spelling of a YAML scalar: what a record's value is compared with."""
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return json.dumps(value) if isinstance(value, bool | int | float) else value


_Texts = Annotated[tuple[str, ...], BeforeValidator(_listed), BeforeValidator(_as_text)]


class Condition(BaseModel):
    """What must hold of the value at a path; all that is given must.

    Attributes:
        one_of: the value, as text, is one of these.
        none_of: the value is none of these, or there is none.
        exists: there is a value, or there is none.
        differs_from: the value is not that of another path.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    one_of: _Texts | None = None
    none_of: _Texts | None = None
    exists: bool | None = None
    differs_from: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"one_of": value} if isinstance(value, str | bool | int | float | list) else value

    @model_validator(mode="after")
    def _says_something(self) -> "Condition":
        if self.one_of == () or self.none_of == () or not self.model_fields_set:
            raise ValueError("a condition needs a value, or one_of, none_of, exists or differs_from")
        return self


class Alternative(BaseModel):
    """One place where a value may come from.

    Attributes:
        path: a key, or keys joined by dots (`\\.` for a dot in a key); several paths are joined with '/'.
        constant: the value when there is no path.
        when: path to condition; the alternative counts only where all hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: _Texts = ()
    constant: str | None = None
    when: dict[str, Condition] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _paths_are_paths(self) -> "Alternative":
        for path in (*self.path, *self.when, *(c.differs_from for c in self.when.values() if c.differs_from is not None)):
            if not _PATH.fullmatch(path):
                raise ValueError(f"{path!r} is no path: write keys joined by dots, items[0] for a place in a list")
        return self


class FieldSource(Alternative):
    """Where a column's value comes from, and how to read it.

    Attributes:
        first_of: alternatives; the first that gives a value counts. Instead of path, with constant as the last resort.
        format: of a time: iso (default), epoch_s, epoch_ms, epoch_us, or a pattern such as `%d.%m.%Y %H:%M:%S`.
        zone: IANA name; the zone of times that bring none. For epochs that were counted in local time, too.
        unit: what one of the source's units is worth; 0.01 for amounts in cents.
        case: lower or upper.
    """

    first_of: tuple[Alternative, ...] = ()
    format: str = "iso"
    zone: str | None = None
    unit: float = Field(default=1, ge=1e-8, le=1e4)
    case: Literal["lower", "upper"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _list_is_a_joined_path(cls, value: object) -> object:
        return {"path": value} if isinstance(value, list) else value

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, value: str) -> str:
        if value != "iso" and value not in _EPOCHS and "%" not in value:
            raise ValueError(f"{value!r} is no time format: use iso, {', '.join(_EPOCHS)} or a pattern like %d.%m.%Y %H:%M:%S")
        if "%z" in value or "%Z" in value:
            raise ValueError(f"{value!r}: a pattern can't read a zone: write times as ISO 8601, or state `zone`")
        return value

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone: write one like Europe/Berlin or UTC")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> "FieldSource":
        if self.first_of and self.path:
            raise ValueError("path and first_of exclude each other: make the path the first of first_of")
        if "%" in self.format and self.zone is None:
            raise ValueError(f"the pattern {self.format!r} reads no zone: state `zone`")
        return self

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """All places, in order."""
        if self.first_of:
            return (*self.first_of, *([Alternative(constant=self.constant)] if self.constant else []))
        return (self,) if self.path or self.constant else ()


class Delimited(BaseModel):
    """How delimited text is written, where a file does not say so itself.

    Attributes:
        columns: names, for files without a header line.
        quoted: False where quotes are ordinary characters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: tuple[str, ...] = ()
    quoted: bool = True


COMMA_OR_TAB = Delimited()
"""With a header line and quotes."""


class Mapping(BaseModel):
    """One tracker's or export's form.

    Attributes:
        name: the default source of its events.
        fields: column of an event to where its value comes from.
        key_values: paths of lists of {key, value} that become objects first, as in BigQuery's export of GA4.
        json_in_text: paths of texts that hold JSON and become JSON first.
        casts: key of the properties to the type that its text becomes; a text that can't stays.
        delimited: for CSV and TSV.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    description: str = ""
    fields: dict[str, FieldSource]
    key_values: tuple[str, ...] = ()
    json_in_text: tuple[str, ...] = ()
    casts: dict[str, Literal["number", "boolean"]] = Field(default_factory=dict)
    delimited: Delimited = COMMA_OR_TAB

    @field_validator("key_values", "json_in_text", "casts")
    @classmethod
    def _keys_are_plain(cls, value: "dict[str, str] | tuple[str, ...]") -> "dict[str, str] | tuple[str, ...]":
        for key in value:
            if not _PLAIN_KEY.fullmatch(key):
                raise ValueError(f"{key!r} is not a top-level key: paths can't be named here")
        return value

    @model_validator(mode="after")
    def _columns_exist(self) -> "Mapping":
        for field in self.fields:
            if field not in FIELDS:
                raise ValueError(f"{field!r} is not a column of an event: use one of {', '.join(FIELDS)}")
        for needed in ("event_name", "occurred_at"):
            if needed not in self.fields:
                raise ValueError(f"{needed} is missing: every event needs one")
        return self

    @property
    def sha256(self) -> str:
        """Identity of what the mapping does."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


def preset_names() -> list[str]:
    """The mappings that are part of this project."""
    return sorted(path.stem for path in _PRESETS.glob("*.yml"))


def load_mapping(name_or_path: str) -> Mapping:
    """A preset by name, or a mapping file by path.

    Raises:
        MappingError: there is none, or it is not a mapping.
    """
    preset = _PRESETS / f"{name_or_path}.yml"
    path = preset if preset.exists() else Path(name_or_path)
    if not path.is_file():
        names = ", ".join(preset_names())
        raise MappingError(f"no mapping {name_or_path!r}: give the path of a YAML file or one of {names}")
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: not UTF-8 text ({error.reason}): save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise MappingError(f"{path}: not YAML: {error}") from None
    except ValidationError as error:
        raise MappingError(f"{path}: {_first_fault(error)}") from None


def _first_fault(error: ValidationError) -> str:
    first: Any = error.errors(include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
