"""Gathers the rooms' assets, checks and resources. Assembly only."""

import dagster as dg

from analytics_pipeline import automation
from analytics_pipeline.anomalies.assets import anomalies
from analytics_pipeline.forecasting.assets import forecast
from analytics_pipeline.ingest.assets import ingest_assets
from analytics_pipeline.ingest.sources.deadlines import source_deadlines
from analytics_pipeline.lifecycle.assets import storage_policies, tier
from analytics_pipeline.modelling.assets import builds, dbt_docs, dbt_models, dbt_resource, publish, touched_days
from analytics_pipeline.modelling.dbt import require_manifest
from analytics_pipeline.modelling.publish import touched_rows
from analytics_pipeline.quality.assets import Surroundings, gate_assets
from analytics_pipeline.reports.assets import contract, executive, write_again
from analytics_pipeline.samples.assets import landing_assets
from analytics_pipeline.settings import Settings, load_settings
from analytics_pipeline.tracking_plan.assets import tracking_plan
from analytics_pipeline.warehouse.resource import WarehouseResource


def build_definitions(settings: Settings) -> dg.Definitions:
    """The graph of one home.

    Raises:
        AnalyticsError: the dbt manifest has not been made.
    """
    models = dbt_models(require_manifest(settings))
    built = [key for key in models.keys if key.path[0] in {"build_marts", "build_kpi"}]
    around = Surroundings(touched_rows, tell_readers=write_again, deadlines=source_deadlines(settings))
    assets = [
        *landing_assets(settings),
        tracking_plan,
        *ingest_assets(settings),
        *gate_assets(built, around),
        builds,
        models,
        publish,
        touched_days,
        forecast,
        anomalies,
        tier,
        storage_policies,
        executive,
        contract,
        dbt_docs,
    ]
    return dg.Definitions(
        assets=dg.map_asset_specs(automation.with_deadline(settings), assets),
        jobs=automation.jobs,
        schedules=automation.schedules,
        sensors=automation.sensors(settings),
        resources={"warehouse": WarehouseResource(), "dbt": dbt_resource(settings)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(load_settings())
