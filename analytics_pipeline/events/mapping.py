"""Mappings as data: which path of a record fills which column of an event. Applying one is in `normalise`."""

import hashlib
import json
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from analytics_pipeline.errors import MappingError
from analytics_pipeline.events.envelope import FIELDS

_PRESETS = Path(__file__).parent / "mappings"


class FieldSource(BaseModel):
    """Where a column's value comes from.

    path: a key, or keys joined by dots; several paths are joined with '/' (for an id that only a group of columns gives).
    constant: the value when there is no path, or nothing at it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str | tuple[str, ...] | None = None
    constant: str | None = None
    format: Literal["iso", "epoch_s", "epoch_ms", "epoch_us"] = "iso"
    zone: str | None = None

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone: write one like Europe/Berlin or UTC")
        return value

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths."""
        if self.path is None:
            return ()
        return (self.path,) if isinstance(self.path, str) else self.path


class Mapping(BaseModel):
    """One tracker's or export's form."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    description: str = ""
    fields: dict[str, FieldSource]

    @field_validator("fields", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if isinstance(value, dict):
            return {k: {"path": v} if isinstance(v, str | list) else v for k, v in value.items()}
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


def load_mapping(name_or_path: str) -> Mapping:
    """A preset by name, or a mapping file by path.

    Raises:
        MappingError: there is none, or it is not a mapping.
    """
    preset = _PRESETS / f"{name_or_path}.yml"
    path = preset if preset.exists() else Path(name_or_path)
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in _PRESETS.glob("*.yml")))
        raise MappingError(f"no mapping {name_or_path!r}: give the path of a YAML file or one of {names}")
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: not UTF-8 text ({error.reason}): save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise MappingError(f"{path}: not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MappingError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
