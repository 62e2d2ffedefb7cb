"""Reads the suites of expectations/: data, one file per table. Running them is in `validation`."""

from collections import Counter
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from analytics_pipeline.errors import UsageError
from analytics_pipeline.quality.results import Dimension, Severity
from analytics_pipeline.shipped import shipped

Gate = Literal["raw", "build"]
QUERY = "unexpected_rows_expectation"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where it was built: ten times as fast


class Expectation(BaseModel):
    """One expectation of Great Expectations: its type and arguments, or a query for rows that should not be there.

    A query says `{batch}` for the rows under judgement; what else it can read is in `judged`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = Field(min_length=1)
    dimension: Dimension
    severity: Severity
    type: str = QUERY
    kwargs: dict[str, Any] = Field(default_factory=dict)
    sql: str = ""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if bool(self.sql) == (self.type != QUERY):
            raise ValueError(f"{self.name}: give either a type with its kwargs, or sql")
        return self

    @property
    def check_name(self) -> str:
        """Its name, unique within its table."""
        return self.name


class Suite(BaseModel):
    """The expectations of one table.

    Attributes:
        relation: schema and table.
        gate: before a build, or before it is published.
        keys: columns by which a person finds a failing row again.
        expectations: in the order in which they are shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    relation: str = Field(pattern=r"^[a-z_]+\.[a-z_0-9]+$")
    gate: Gate
    keys: list[str] = Field(min_length=1)
    expectations: list[Expectation]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for what in ("name", "description"):
            twice = [k for k, n in Counter(getattr(e, what) for e in self.expectations).items() if n > 1]
            if twice:
                raise ValueError(f"two expectations have the {what} {twice[0]!r}: a person could not tell them apart")
        return self


def parse_suite(text: str, place: str) -> Suite:
    """A suite from its YAML.

    Raises:
        UsageError: it is none; names the place, the field and the fault.
    """
    try:
        return Suite.model_validate(yaml.load(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise UsageError(f"{place} is not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{place}: {where}: {first['msg'].removeprefix('Value error, ')}") from None


def read_suites(gate: Gate, folder: Path | None = None) -> list[Suite]:
    """All suites of a gate, in order of their file names. Raises UsageError."""
    files = sorted((folder or shipped("expectations")).glob("*.yml"))
    suites = [parse_suite(path.read_text(encoding="utf-8"), path.name) for path in files]
    return [suite for suite in suites if suite.gate == gate]
