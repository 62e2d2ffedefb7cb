"""What dbt docs say about models, sources and exposures, held against the database that they describe."""

import json
import random
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics_pipeline.modelling.dbt import manifest_path, prepare_manifest
from analytics_pipeline.modelling.publish import TABLES
from analytics_pipeline.settings import Settings
from tests.conftest import Builder
from tests.property.test_build import FIRST, history, load

pytestmark = pytest.mark.xdist_group("dbt_docs")
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    prepare_manifest(settings)
    return json.loads(manifest_path(settings).read_text())


def models(manifest: Manifest) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def relation(node: dict[str, Any]) -> tuple[str, str]:
    """Schema and name of a model or a source."""
    return node["schema"], node["alias"] if node["resource_type"] == "model" else node["identifier"]


def test_every_column_of_every_model_and_source_is_described_and_no_other(builder: Builder, tmp_path: Path) -> None:
    load(builder, tmp_path / "events.ndjson", history(random.Random(1), 20))
    builder.build(FIRST + timedelta(days=13), publish=False)
    manifest = json.loads((builder.settings.dbt_target / "manifest.json").read_text())
    described = {
        relation(node): {name for name, column in node["columns"].items() if column["description"]}
        for node in (*models(manifest), *manifest["sources"].values())
    }
    there = defaultdict(set)
    query = "select table_schema, table_name, column_name from information_schema.columns where table_schema = any(%s)"
    for schema, table, column in builder.connection.execute(query, [sorted({schema for schema, _ in described})]):
        there[schema, table].add(column)
    assert {r for r in there if r[0].startswith("build_")} == {relation(node) for node in models(manifest)}
    wrong = [
        f"{schema}.{table}.{column} {'is not described' if column in there[schema, table] else 'is described, but not there'}"
        for (schema, table), columns in sorted(described.items())
        for column in sorted(columns ^ there[schema, table])
    ]
    assert not wrong, "\n".join(wrong)


def test_every_model_says_what_one_row_is(manifest: Manifest) -> None:
    assert [node["name"] for node in models(manifest) if not node["description"].startswith("One row per ")] == []


def test_every_exposure_has_an_owner_a_description_and_a_model_that_it_reads(manifest: Manifest) -> None:
    exposures = manifest["exposures"].values()
    assert exposures
    assert [e["name"] for e in exposures if not (e["owner"]["name"] and e["description"] and e["refs"])] == []


def test_every_published_table_is_read_by_an_exposure_and_no_exposure_reads_another_model(manifest: Manifest) -> None:
    read = {ref["name"] for exposure in manifest["exposures"].values() for ref in exposure["refs"]}
    assert read == {table.name for table in TABLES}
