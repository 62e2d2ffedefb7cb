"""Column lineage of the dbt models, derived once for a project and a plan: parsing all SQL takes longer than a small run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

_KEY = "dagster/column_lineage"
_Columns = dict[str, list[tuple[list[str], str]]]


def with_column_lineage(invocation: Any, cache: Path) -> Iterator[Any]:
    """The events of a dbt run with column schema and column lineage.

    Args:
        invocation: of dbt, not streamed yet.
        cache: file of the lineage of this very project and plan; written by the first run that ends well.
    """
    known: dict[str, _Columns] = json.loads(cache.read_text()) if cache.exists() else {}
    found: dict[str, _Columns] = {}
    for event in invocation.stream().fetch_column_metadata(with_column_lineage=not known):
        name = "/".join(event.asset_key.path) if isinstance(event, dg.AssetMaterialization) else _output_name(event)
        metadata = getattr(event, "metadata", None) or {}
        if _KEY in metadata:
            found[name] = _written(metadata[_KEY].value)
        yield event.with_metadata({**metadata, _KEY: _read(known[name])}) if name in known else event
    if found and not known:
        partial = cache.with_suffix(".part")
        partial.write_text(json.dumps(found))
        partial.replace(cache)


def _output_name(event: Any) -> str:
    return event.output_name if isinstance(event, dg.Output) else ""


def _written(lineage: dg.TableColumnLineage) -> _Columns:
    return {column: [(list(d.asset_key.path), d.column_name) for d in deps] for column, deps in lineage.deps_by_column.items()}


def _read(columns: _Columns) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(dg.AssetKey(path), column) for path, column in deps] for name, deps in columns.items()}
    )
