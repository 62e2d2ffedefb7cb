"""The graph as Dagster sees it, without running it."""

from pathlib import Path

import dagster as dg
import pytest

from analytics_pipeline.definitions import build_definitions
from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.modelling.dbt import prepare_manifest
from analytics_pipeline.modelling.publish import TABLES
from analytics_pipeline.settings import Settings
from analytics_pipeline.shipped import shipped


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    prepare_manifest(settings)
    return build_definitions(settings)


def test_the_definitions_load(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_without_a_manifest_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AnalyticsError, match="doctor --prepare"):
        build_definitions(Settings(home=tmp_path))


def test_every_asset_has_an_owner_a_kind_a_description_and_a_group(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.owners, key
        assert node.description, key
        assert node.kinds, key
        assert node.group_name != "default", key


def test_lineage_goes_from_the_files_to_the_report(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    waiting, names = [dg.AssetKey(["reports", "executive"])], set()
    while waiting:
        key = waiting.pop()
        if key.to_user_string() not in names:
            names.add(key.to_user_string())
            waiting += graph.get(key).parent_keys
    assert {"landing/files", "raw/events", "quality/raw_gate", "build_staging/stg_raw__events", "build_kpi/kpi_values"} <= names
    assert {"quality/build_gate", "kpi/kpi_values", "ml/forecasts", "ml/anomalies", "config/tracking_plan"} <= names


def test_every_mart_and_kpi_model_is_published(definitions: dg.Definitions) -> None:
    project = shipped("dbt_project")
    assert sorted(t.name for t in TABLES if t.schema == "marts") == sorted(
        path.stem for path in (project / "models" / "marts").rglob("*.sql")
    )
    assert sorted(t.name for t in TABLES if t.schema == "kpi") == sorted(
        path.stem for path in (project / "models" / "kpi").rglob("*.sql")
    )


def test_a_daily_and_a_weekly_schedule_run_jobs_of_the_graph(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    schedules = {s.name: s.job_name for s in repository.schedule_defs}
    assert schedules == {"daily": "everything", "weekly": "full_refresh"}
