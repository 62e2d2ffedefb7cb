"""The Parquet tier as assets."""

import time
from collections.abc import Iterator
from datetime import datetime

import dagster as dg

from analytics_pipeline.lifecycle.inputs import TIER_STEP, tier_inputs
from analytics_pipeline.lifecycle.tiers import days_due, export_days
from analytics_pipeline.object_store import open_object_store
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
        run = export_days(connection, warehouse.warehouse.url, store, days_due(connection, as_of, settings.hot_days, store.url))
        summary = f"{len(run.exported)} days written and read back, {run.rows:,} rows, {run.bytes / 1e6:.1f} MB"
        note_done(connection, TIER_STEP, tier_inputs(settings, build_id, as_of), summary, time.monotonic() - began)
        metadata = table_metadata(connection, "ops", "tier_catalogue")
    yield dg.MaterializeResult(
        asset_key=["lake", "raw_events"], metadata={"summary": summary, "store": store.url, "rows": run.rows}
    )
    yield dg.MaterializeResult(asset_key=["ops", "tier_catalogue"], metadata={"summary": summary, **metadata})
