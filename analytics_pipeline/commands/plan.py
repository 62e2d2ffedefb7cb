"""`plan check`, `plan diff`, `plan publish` and `plan schema`."""

import json

from analytics_pipeline.errors import UsageError
from analytics_pipeline.modelling.models import rebuilt_models
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.compile import CompiledPlan, compile_plan
from analytics_pipeline.tracking_plan.diff import changed_parts, differences, published_tables
from analytics_pipeline.tracking_plan.names_of_events import undeclared_events
from analytics_pipeline.tracking_plan.publish import publish_plan
from analytics_pipeline.tracking_plan.read import plan_path, read_plan
from analytics_pipeline.tracking_plan.schema import TrackingPlan
from analytics_pipeline.warehouse.connection import open_warehouse


def _compiled(file: str) -> CompiledPlan:
    path = plan_path(file)
    return compile_plan(read_plan(path), path)


def check(file: str) -> str:
    """What the plan holds, in a line; in a second what it may have misspelt. Raises PlanError."""
    path = plan_path(file)
    document = read_plan(path)
    plan = compile_plan(document, path)
    tables = ("events", "dimensions", "measures", "kpis", "funnels", "retentions", "flows", "conversions", "segments")
    counts = ", ".join(f"{len(plan.tables[t])} {t}" for t in tables)
    unknown = undeclared_events(document)
    hint = f"\nnot described under events, so perhaps misspelt: {', '.join(unknown)}" if unknown else ""
    return f"{plan.name}: {counts}; hash {plan.plan_hash}{hint}"


def diff(settings: Settings, file: str) -> str:
    """What a publication would change, and what the next run would compute again. Raises PlanError, UsageError."""
    after = _compiled(file)
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        before = published_tables(connection)
    if not before["plan"]:
        raise UsageError("no tracking plan is published yet: the first one computes everything")
    if before["plan"][0]["plan_hash"] == after.plan_hash:
        return f"{after.name}: nothing would change"
    lines = [f"{d.kind:<18} {d.name:<28} {d.change}" for d in differences(before, after.tables)]
    models = rebuilt_models(changed_parts(before, after.tables))
    computed = ", ".join(models) if models else "nothing: no number changes"
    return "\n".join([*(lines or ["texts only"]), "", f"The next run computes again, for all of history: {computed}"])


def publish(settings: Settings, file: str) -> str:
    """Publish the plan. Raises PlanError."""
    plan = _compiled(file)
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        changed = publish_plan(connection, plan)
    return f"{plan.name} is published; the next run computes with it" if changed else f"{plan.name} was published already"


def schema() -> str:
    """The JSON Schema of a tracking plan."""
    return json.dumps(TrackingPlan.model_json_schema(by_alias=True), indent=1)
