"""dbt docs as one file, in which each column says where it comes from: its models, its source fields, and KPIs their events.

dbt writes what people have described; the lineage is added to the descriptions, which its page shows in full.
"""

import json
from pathlib import Path
from typing import Any

import psycopg

from analytics_pipeline.events.source_fields import fields_in_use
from analytics_pipeline.modelling.kpi_inputs import kpi_inputs, written
from analytics_pipeline.modelling.lineage import Columns, Key, lineage_of_models, origins, read_project

_RAW = ("raw", "events")


def write_page(connection: psycopg.Connection, target: Path) -> Path:
    """The page, from what `dbt docs generate` has left in its target folder.

    Args:
        connection: to the warehouse that the models are in.
        target: dbt's folder, with manifest.json, catalog.json, index.html and the SQL of the last run.
    """
    manifest = json.loads((target / "manifest.json").read_text())
    _add_lineage(connection, manifest, lineage_of_models(read_project(connection, target / "manifest.json", target)))
    page = (target / "index.html").read_text()
    for name, data in (("MANIFEST", json.dumps(manifest)), ("CATALOG", (target / "catalog.json").read_text())):
        # No text of the data may end the script that it stands in.
        page = page.replace(f'"{name}.JSON INLINE DATA"', data.replace("</", "<\\/"))
    path = target / "static_index.html"
    partial = path.with_suffix(".part")
    partial.write_text(page)
    partial.replace(path)
    return path


def _add_lineage(connection: psycopg.Connection, manifest: dict[str, Any], lineage: dict[Key, Columns]) -> None:
    for node in manifest["nodes"].values():
        key = (node.get("schema"), node.get("name"))
        for name, sources in lineage.get(key, {}).items() if node["resource_type"] == "model" else ():
            ends = {column for source, column in origins(lineage, key, name) if source == _RAW}
            _add(node["columns"].get(name), "Made from", [f"{source[-1]}.{column}" for source, column in sources])
            _add(node["columns"].get(name), "In raw.events", sorted(ends))
        if key == ("build_kpi", "kpi_values"):
            rests_on = [(name, *written(inputs)) for name, inputs in kpi_inputs(connection).items()]
            rows = [f"| {' | '.join(row)} |" for row in [("KPI", "events", "columns of raw.events"), ("---",) * 3, *rests_on]]
            node["description"] += "\n\nWhat each KPI rests on:\n\n" + "\n".join(rows)
    for node in manifest["sources"].values():
        if (node["schema"], node["identifier"]) == _RAW:
            for source in fields_in_use(connection):
                for name, paths in source.fields.items():
                    _add(node["columns"].get(name), f"From source {source.source}, mapping {source.mapping}", paths)


def _add(column: dict[str, Any] | None, label: str, names: list[str]) -> None:
    """A paragraph below the description; a column that nobody has described has no place for it."""
    if column is not None and names:
        column["description"] += f"\n\n{label}: " + ", ".join(f"`{name}`" for name in names)
