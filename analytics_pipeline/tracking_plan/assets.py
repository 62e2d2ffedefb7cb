"""The tracking plan as an asset: the YAML file, compiled and published to config.*."""

import dagster as dg

from analytics_pipeline.tracking_plan.compiled import compiled_plan
from analytics_pipeline.tracking_plan.publish import publish_plan
from analytics_pipeline.warehouse.resource import WarehouseResource
from analytics_pipeline.warehouse.table_metadata import markdown_table


@dg.asset(
    key=["config", "tracking_plan"],
    group_name="sources",
    kinds={"yaml", "postgres"},
    owners=["team:analytics"],
    code_version="1",
    description="What the product's events and numbers mean: compiled from YAML to the tables of schema config.",
)
def tracking_plan(warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    plan = compiled_plan(warehouse.settings)
    with warehouse.connect() as connection:
        changed = publish_plan(connection, plan)
    kpis = [(k["kpi_name"], k["formula"], k["unit"], k["owner"]) for k in plan.tables["kpis"]]
    return dg.MaterializeResult(
        metadata={
            "summary": f"{plan.name}, {len(kpis)} KPIs, {'published' if changed else 'unchanged'}",
            "plan_hash": plan.plan_hash,
            "kpis": markdown_table(("KPI", "Formula", "Unit", "Owner"), kpis),
        }
    )
