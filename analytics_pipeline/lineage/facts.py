"""What became of a run and of the assets that it was to make, as far as OpenLineage asks. Reading it is in `runs`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Key = tuple[str, ...]
"""Of an asset."""

Outcome = Literal["COMPLETE", "FAIL", "ABORT"]


@dataclass(frozen=True)
class Column:
    """Of a table, as its asset describes it."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class AssetRun:
    """One asset in a run. Times are UTC.

    Attributes:
        key: of the asset.
        description: of the asset.
        parents: assets that it depends on.
        started: its step began.
        ended: it was made, or its step ended without it.
        outcome: whether it was made.
        error: the first line of what went wrong, without rows or secrets.
        columns: of the table.
        lineage: of its columns: which columns of which assets they are made from.
        uri: where it is, if it is no table of the warehouse.
    """

    key: Key
    description: str
    parents: tuple[Key, ...]
    started: datetime
    ended: datetime
    outcome: Outcome
    error: str = ""
    columns: tuple[Column, ...] = ()
    lineage: dict[str, list[tuple[Key, str]]] = field(default_factory=dict)
    uri: str | None = None


@dataclass(frozen=True)
class RunFacts:
    """One run of a job, with the assets that began in it. Times are UTC."""

    run_id: str
    job: str
    started: datetime
    ended: datetime
    outcome: Outcome
    error: str
    assets: tuple[AssetRun, ...]


@dataclass(frozen=True)
class Check:
    """One check of a relation by a gate of the run.

    Attributes:
        gate: raw or build.
        relation: schema and table.
        name: of the check.
        passed: it found nothing.
        blocks: a failure stops what is downstream.
        column: that it is about, if it is about one.
        description: what it asserts.
    """

    gate: str
    relation: str
    name: str
    passed: bool
    blocks: bool
    column: str | None
    description: str
