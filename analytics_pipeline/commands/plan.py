"""`plan check` and `plan publish`."""

from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.compile import CompiledPlan, compile_plan
from analytics_pipeline.tracking_plan.publish import publish_plan
from analytics_pipeline.tracking_plan.read import plan_path, read_plan
from analytics_pipeline.warehouse.connection import open_warehouse


def _compiled(file: str) -> CompiledPlan:
    path = plan_path(file)
    return compile_plan(read_plan(path), path)


def check(file: str) -> str:
    """What the plan holds, in a line. Raises PlanError."""
    plan = _compiled(file)
    counts = ", ".join(
        f"{len(plan.tables[t])} {t}" for t in ("events", "dimensions", "measures", "kpis", "funnels", "retentions")
    )
    return f"{plan.name}: {counts}; hash {plan.plan_hash}"


def publish(settings: Settings, file: str) -> str:
    """Publish the plan. Raises PlanError."""
    plan = _compiled(file)
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        changed = publish_plan(connection, plan)
    return f"{plan.name} is published; the next run computes with it" if changed else f"{plan.name} was published already"
