"""Reads the suites of expectations/: data, one file per table. Running them is in `gates`."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from analytics_pipeline.shipped import shipped

Gate = Literal["raw", "build"]
Severity = Literal["blocking", "warning"]


class Expectation(BaseModel):
    """One expectation of Great Expectations, by its type and arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: str
    severity: Severity
    description: str = ""
    kwargs: dict[str, Any]

    @property
    def check_name(self) -> str:
        """A short name, unique within its table."""
        subject = self.kwargs.get("column") or "_".join(self.kwargs.get("column_list", []))
        if self.description:
            return "_".join("".join(c if c.isalnum() else " " for c in self.description.lower()).split()[:12])
        return "_".join(filter(None, [self.type.removeprefix("expect_"), subject]))


class Suite(BaseModel):
    """The expectations of one table."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    relation: str
    gate: Gate
    expectations: list[Expectation]


def read_suites(gate: Gate, folder: Path | None = None) -> list[Suite]:
    """All suites of a gate, in order of their file names."""
    files = sorted((folder or shipped("expectations")).glob("*.yml"))
    suites = [Suite.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files]
    return [suite for suite in suites if suite.gate == gate]
