"""The Parquet tier as assets."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from analytics_pipeline.lifecycle.inputs import TIER_STEP, tier_inputs
from analytics_pipeline.lifecycle.storage import apply_policies, policies, read_storage
from analytics_pipeline.lifecycle.tiers import days_due, export_days
from analytics_pipeline.object_store import open_object_store
from analytics_pipeline.warehouse.connection import capabilities
from analytics_pipeline.warehouse.published import published_build_id
from analytics_pipeline.warehouse.resource import WarehouseResource
from analytics_pipeline.warehouse.step_state import note_done
from analytics_pipeline.warehouse.table_metadata import table_metadata


def _spec(key: list[str], kinds: set[str], description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=[["raw", "events"], ["kpi", "kpi_values"]],
        group_name="lifecycle",
        kinds=kinds,
        owners=["team:analytics"],
        description=description,
        code_version="1",
    )


@dg.multi_asset(
    name="tier",
    specs=[
        _spec(["lake", "raw_events"], {"parquet", "s3"}, "Days older than the hot window, as Parquet objects."),
        _spec(["ops", "tier_catalogue"], {"postgres"}, "One row per object, verified after it was written."),
    ],
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def tier(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    began, settings = time.monotonic(), warehouse.settings
    store = open_object_store(settings.object_store_url, settings.s3_endpoint_url)
    with warehouse.connect() as connection:
        build_id = published_build_id(connection)
        row = connection.execute("select as_of from ops.builds where build_id = %s", (build_id,)).fetchone()
        as_of: datetime = row[0] if row else datetime.min
        hot = read_storage(connection, settings.hot_days).hot
        run = export_days(connection, warehouse.warehouse.url, store, days_due(connection, as_of, hot.days, store.url))
        summary = f"{len(run.exported)} days written and read back, {run.rows:,} rows, {run.bytes / 1e6:.1f} MB"
        note_done(connection, TIER_STEP, tier_inputs(settings, build_id, as_of), summary, time.monotonic() - began)
        metadata = table_metadata(connection, "ops", "tier_catalogue")
    yield dg.MaterializeResult(
        asset_key=["lake", "raw_events"],
        metadata={"summary": summary, "store": store.url, "dagster/uri": f"{store.url}/raw/events", "rows": run.rows},
    )
    yield dg.MaterializeResult(asset_key=["ops", "tier_catalogue"], metadata={"summary": summary, **metadata})


@dg.asset(
    key=["ops", "policies"],
    deps=[["ops", "tier_catalogue"]],
    group_name="lifecycle",
    kinds={"postgres"},
    owners=["team:analytics"],
    description="Chunks, columnstore, retention and the live tables, as the plan declares them: applied, and noted.",
    code_version="1",
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def storage_policies(warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    settings = warehouse.settings
    store = open_object_store(settings.object_store_url, settings.s3_endpoint_url)
    with warehouse.connect() as connection:
        can = capabilities(connection)
        row = connection.execute("select as_of from ops.published_build").fetchone()
        as_of = row[0] if row else datetime.now(UTC)
        storage = read_storage(connection, settings.hot_days)
        done = apply_policies(connection, can, policies(connection, can, storage, as_of, store.url))
        metadata = table_metadata(connection, "ops", "policies")
    summary = f"{len(done)} policies on {can.raw_events}" + (", columnstore" if can.columnstore else "")
    return dg.MaterializeResult(metadata={"summary": summary, **done, **metadata})
