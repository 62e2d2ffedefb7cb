"""The SQL that dbt writes for a full and for an incremental build, run again and again without dbt.

dbt takes seconds to start; a property needs hundreds of builds. So dbt itself builds twice in one database, its texts are
kept, and a build is those texts, through psycopg, in the order of the graph.
"""

import json
import re
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psycopg

from analytics_pipeline.modelling.builds import Build

_TEMPORARY = re.compile(r'"(\w+__dbt_tmp\d+)"')


@dataclass(frozen=True)
class Model:
    """A node of the graph, with what dbt ran for it.

    Attributes:
        relation: schema and name, quoted.
        kind: view, table or incremental.
        select: the query of a full build.
        touched_select: the query of an incremental build.
        replace: of an incremental model, the statements that delete the touched rows and write them again from "fresh".
    """

    relation: str
    kind: str
    select: str
    touched_select: str
    replace: str


class CompiledProject:
    """All models, in order."""

    def __init__(self, models: list[Model]) -> None:
        self.models = models

    def build(self, connection: psycopg.Connection, build: Build, *, stop_after: int | None = None) -> None:
        """What dbt would do. stop_after: die behind so many models."""
        for model in self.models[:stop_after]:
            with connection.transaction():
                if build.is_full or model.kind != "incremental":
                    self._create(connection, model, model.select if build.is_full else model.touched_select)
                else:
                    _execute(connection, f"create temporary table fresh as {model.touched_select}")
                    _execute(connection, model.replace)
                    _execute(connection, "drop table fresh")

    def with_texts(self, selects: dict[str, str]) -> "CompiledProject":
        """The same project, in which the full builds of some models (by quoted name) have another text."""
        return CompiledProject([replace(m, select=selects.get(m.relation.split(".")[1], m.select)) for m in self.models])

    def only(self, names: set[str]) -> "CompiledProject":
        """Some models, by name."""
        return CompiledProject([m for m in self.models if m.relation.split(".")[1].strip('"') in names])

    @staticmethod
    def _create(connection: psycopg.Connection, model: Model, select: str) -> None:
        if model.kind == "view":
            _execute(connection, f"create or replace view {model.relation} as {select}")
        else:
            _execute(connection, f"drop table if exists {model.relation}; create table {model.relation} as {select}")


def _execute(connection: psycopg.Connection, text: str) -> None:
    connection.execute(text.encode())


def read_models(target: Path, database: str, full: dict[str, str]) -> list[Model]:
    """The models of a target folder in which dbt has just run an incremental build.

    Args:
        target: dbt's target path.
        database: whose name the texts carry.
        full: compiled texts of a full build by unique id, as `compiled_texts` gives them.
    """
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    models = {k: n for k, n in nodes.items() if n["resource_type"] == "model"}
    order = TopologicalSorter(
        {k: [d for d in n["depends_on"]["nodes"] if d in models] for k, n in models.items()}
    ).static_order()
    touched = compiled_texts(target, database)
    return [_model(models[k], full[k], touched[k], target, database) for k in order]


def compiled_texts(target: Path, database: str, names: set[str] | None = None) -> dict[str, str]:
    """The query of each model that dbt has compiled (or of the named ones), without the name of the database."""
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    return {
        k: _here((target / "compiled" / "analytics" / n["original_file_path"]).read_text(), database)
        for k, n in nodes.items()
        if n["resource_type"] == "model" and (names is None or n["name"] in names)
    }


def _model(node: dict[str, Any], full: str, touched: str, target: Path, database: str) -> Model:
    kind = node["config"]["materialized"]
    replace = ""
    if kind == "incremental":
        run = _here((target / "run" / "analytics" / node["original_file_path"]).read_text(), database)
        replace = _TEMPORARY.sub('"fresh"', run)
    return Model(f'"{node["schema"]}"."{node["name"]}"', kind, full, touched, replace)


def _here(text: str, database: str) -> str:
    return text.replace(f'"{database}".', "")
