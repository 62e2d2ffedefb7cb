"""The plan that the settings name, compiled."""

from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.compile import CompiledPlan, compile_plan
from analytics_pipeline.tracking_plan.names import sample_of
from analytics_pipeline.tracking_plan.read import plan_path, read_plan


def compiled_plan(settings: Settings) -> CompiledPlan:
    """Read and compile. Raises PlanError."""
    path = plan_path(settings.tracking_plan or sample_of(settings.sample_marker))
    return compile_plan(read_plan(path), path)
