"""Column lineage of the dbt models, from the SQL that dbt ran: a fraction of a second for all of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
from sqlglot.errors import SqlglotError

from analytics_pipeline.modelling.columns import Relation, columns_of, parsed, relations_of

Key = tuple[str, ...]
"""Of an asset."""

Columns = dict[str, list[tuple[Key, str]]]
"""A model's columns, each with the columns of assets that it is made from."""

_COLUMNS = """
select n.nspname, c.relname, a.attname
from pg_attribute as a
inner join pg_class as c on a.attrelid = c.oid
inner join pg_namespace as n on c.relnamespace = n.oid
inner join unnest(%s::text[], %s::text[]) as r (nspname, relname) using (nspname, relname)
where a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""


@dataclass(frozen=True)
class Project:
    """What the manifest says of models and sources.

    Attributes:
        connection: to the warehouse that the models are in.
        files: the SQL that dbt ran, by model; one that has not run yet has none.
        assets: asset by relation. Several tables of the plan are one asset; then columns are named with their table.
        known: columns of relations that were looked up.
    """

    connection: psycopg.Connection
    files: dict[Relation, Path]
    assets: dict[Relation, Key]
    known: dict[Relation, list[str]] = field(default_factory=dict)


def read_project(connection: psycopg.Connection, manifest: Path, target: Path) -> Project:
    """Models and sources of the manifest, with the SQL below dbt's target folder."""
    document = json.loads(manifest.read_text())
    files: dict[Relation, Path] = {}
    assets: dict[Relation, Key] = {}
    for node in document["nodes"].values():
        if node["resource_type"] == "model":
            relation = (node["schema"], node["name"])
            files[relation] = target / "compiled" / node["package_name"] / node["original_file_path"]
            assets[relation] = relation
    for source in document["sources"].values():
        relation = (source["schema"], source["identifier"])
        assets[relation] = tuple(_asset_key(source) or relation)
    return Project(connection, files, assets)


def _asset_key(source: Mapping[str, Any]) -> list[str] | None:
    meta = {**source.get("meta", {}), **source.get("config", {}).get("meta", {})}
    key: list[str] | None = meta.get("dagster", {}).get("asset_key")
    return key


def model_lineage(project: Project, model: Relation) -> Columns:
    """Lineage of one model; empty where it has not run, or its SQL can't be followed: nobody's numbers depend on it."""
    path = project.files.get(model)
    if path is None or not path.exists():
        return {}
    try:
        tree = parsed(path.read_text())
        relations = relations_of(tree)
        _look_up(project, relations)
        found = columns_of(tree, {relation: project.known.get(relation, []) for relation in relations})
    except SqlglotError:
        return {}
    return {
        column: sorted({_as_asset(project, relation, name) for relation, name in sources}) for column, sources in found.items()
    }


def _look_up(project: Project, relations: set[Relation]) -> None:
    missing = sorted(relations - project.known.keys())
    if missing:
        for schema, table, column in project.connection.execute(_COLUMNS, tuple(map(list, zip(*missing, strict=True)))):
            project.known.setdefault((schema, table), []).append(column)


def _as_asset(project: Project, relation: Relation, column: str) -> tuple[Key, str]:
    key = project.assets.get(relation, relation)
    is_one_of_many = key != relation and sum(key == other for other in project.assets.values()) > 1
    return key, f"{relation[1]}.{column}" if is_one_of_many else column


def lineage_of_models(project: Project) -> dict[Key, Columns]:
    """Of all models that have run."""
    return {model: columns for model in project.files if (columns := model_lineage(project, model))}


def origins(lineage: Mapping[Key, Columns], key: Key, column: str) -> set[tuple[Key, str]]:
    """Columns outside of the models that a column is made from, however many models are between."""
    found, seen, waiting = set[tuple[Key, str]](), set[tuple[Key, str]](), [(key, column)]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        if place[0] in lineage:
            waiting += lineage[place[0]].get(place[1], [])
        else:
            found.add(place)
    return found


def with_column_lineage(invocation: Any, project: Project) -> Iterator[Any]:
    """The events of a dbt run with column schema and column lineage.

    Args:
        invocation: of dbt, not streamed yet.
        project: of this very run.
    """
    models = {"__".join(model): model for model in project.files}
    for event in invocation.stream().fetch_column_metadata(with_column_lineage=False):
        model = models.get(_name(event))
        columns = model_lineage(project, model) if model else {}
        metadata = getattr(event, "metadata", None) or {}
        yield event.with_metadata({**metadata, "dagster/column_lineage": as_metadata(columns)}) if columns else event


def _name(event: Any) -> str:
    if isinstance(event, dg.AssetMaterialization):
        return "__".join(event.asset_key.path)
    return event.output_name if isinstance(event, dg.Output) else ""


def as_metadata(columns: Mapping[str, list[tuple[Key, str]]]) -> dg.TableColumnLineage:
    """As Dagster's catalogue shows it."""
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(dg.AssetKey(key), column) for key, column in deps] for name, deps in columns.items()}
    )
