"""Builds, dbt models and published tables as assets."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from analytics_pipeline.modelling.backfill import note_days
from analytics_pipeline.modelling.builds import begin_build, current_build
from analytics_pipeline.modelling.dbt import column_descriptions, dbt_environment, dbt_executable
from analytics_pipeline.modelling.docs import DOCS_STEP, docs_inputs
from analytics_pipeline.modelling.docs_page import write_page
from analytics_pipeline.modelling.lineage import read_project, with_column_lineage
from analytics_pipeline.modelling.publish import TABLES, PublishedTable, publish_build
from analytics_pipeline.modelling.sparklines import kpi_metadata
from analytics_pipeline.settings import Settings
from analytics_pipeline.shipped import shipped
from analytics_pipeline.warehouse.resource import WarehouseResource
from analytics_pipeline.warehouse.step_state import is_done, note_done
from analytics_pipeline.warehouse.table_metadata import table_metadata


class BuildConfig(dg.Config):
    """How to build.

    as_of: ISO 8601 with zone; later events are invisible. Default: now.
    full_refresh: build all of history again.
    """

    as_of: str | None = None
    full_refresh: bool = False


@dg.asset(
    key=["ops", "builds"],
    deps=[["quality", "raw_gate"], ["config", "tracking_plan"]],
    group_name="modelling",
    kinds={"postgres"},
    owners=["team:analytics"],
    code_version="1",
    description="A build begins: one as_of, and the frozen set of changes that it takes up.",
)
def builds(context: dg.AssetExecutionContext, config: BuildConfig, warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    as_of = datetime.fromisoformat(config.as_of) if config.as_of else datetime.now(UTC)
    with warehouse.connect() as connection:
        build = begin_build(connection, as_of, full_refresh=config.full_refresh, run_id=context.run_id)
        row = connection.execute(
            "select count(*), count(distinct day), count(distinct person_key) from ops.current_changes"
        ).fetchone()
    changes, days, persons = row or (0, 0, 0)
    kind = "full" if build.is_full else "incremental"
    return dg.MaterializeResult(
        metadata={
            "summary": f"{kind}, {changes:,} changes: {days:,} days, {persons:,} ids",
            "as_of": build.as_of.isoformat(),
            "build_id": str(build.build_id),
        }
    )


class _Translator(DagsterDbtTranslator):
    """Asset key = schema and table; owners and code version as everywhere."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "model":
            return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])
        return super().get_asset_key(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return ["team:analytics"]


def dbt_models(manifest: Path) -> dg.AssetsDefinition:
    """The models of the project, run by one dbt process."""

    translator = _Translator(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    @dbt_assets(manifest=manifest, dagster_dbt_translator=translator, name="dbt_models")
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource) -> Iterator[Any]:
        with warehouse.connect() as connection:
            build = current_build(connection)
            arguments = ["build", "--full-refresh"] if build.is_full else ["build"]
            target = warehouse.settings.dbt_target
            run = dbt.cli(arguments, context=context, target_path=target)
            yield from with_column_lineage(run, read_project(connection, manifest, target))

    return models


def dbt_resource(settings: Settings) -> DbtCliResource:
    """dbt of this environment on the shipped project; it writes below the home only."""
    import os

    os.environ.update(dbt_environment(settings))
    project = str(shipped("dbt_project"))
    return DbtCliResource(project_dir=project, profiles_dir=project, dbt_executable=dbt_executable())


def _published_spec(table: PublishedTable) -> dg.AssetSpec:
    return dg.AssetSpec(
        [table.schema, table.name],
        deps=[["quality", "build_gate"], [f"build_{table.schema}", table.name]],
        group_name="published",
        kinds={"postgres"},
        owners=["team:analytics"],
        code_version="1",
        description=f"What readers see: the last build of {table.name} that passed its gate.",
    )


@dg.multi_asset(name="publish", specs=[_published_spec(table) for table in TABLES])
def publish(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    descriptions = column_descriptions(warehouse.settings)
    with warehouse.connect() as connection:
        written = publish_build(connection, current_build(connection))
        for table in TABLES:
            metadata = table_metadata(connection, table.schema, table.name, descriptions[table.name])
            rows = written[f"{table.schema}.{table.name}"]
            lineage = {
                column.name: [dg.TableColumnDep(dg.AssetKey([f"build_{table.schema}", table.name]), column.name)]
                for column in metadata["dagster/column_schema"].columns
            }
            yield dg.MaterializeResult(
                asset_key=[table.schema, table.name],
                metadata={
                    **kpi_metadata(connection, table),
                    "summary": f"{len(written)} tables, {sum(written.values()):,} rows written",
                    "rows written": rows,
                    "dagster/column_lineage": dg.TableColumnLineage(lineage),
                    **metadata,
                },
            )


@dg.asset(
    key=["docs", "dbt"],
    deps=[[table.schema, table.name] for table in TABLES],
    group_name="reports",
    kinds={"dbt", "html"},
    owners=["team:analytics"],
    code_version="1",
    description="dbt docs: every model with its columns and lineage, as one file.",
)
def dbt_docs(dbt: DbtCliResource, warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    began = time.monotonic()
    target = warehouse.settings.dbt_target / "static_index.html"
    with warehouse.connect() as connection:
        inputs = docs_inputs(connection)
        if not (is_done(connection, DOCS_STEP, inputs) and target.exists()):
            dbt.cli(["docs", "generate", "--no-compile"], target_path=warehouse.settings.dbt_target).wait()
            write_page(connection, warehouse.settings.dbt_target)
            note_done(connection, DOCS_STEP, inputs, str(target), time.monotonic() - began)
    return dg.MaterializeResult(
        metadata={"summary": str(target), "page": dg.MetadataValue.url(target.as_uri()), "dagster/uri": target.as_uri()}
    )


@dg.asset(
    key=["ops", "touched_days"],
    partitions_def=dg.DailyPartitionsDefinition(start_date="2015-01-01", end_offset=1),
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="modelling",
    kinds={"postgres"},
    owners=["team:analytics"],
    code_version="1",
    description="Days to compute again: a backfill chosen here becomes rows of the ledger, and the next run does the rest.",
)
def touched_days(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    days = [date.fromisoformat(key) for key in context.partition_keys]
    with warehouse.connect() as connection:
        note_days(connection, days)
    return dg.MaterializeResult(metadata={"summary": f"{len(days)} days noted in the ledger"})
