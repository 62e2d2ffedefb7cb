"""The shape of a tracking plan, as typed models. Reading files and compiling to SQL are next door."""

from analytics_pipeline.tracking_plan.schema.plan import TrackingPlan

__all__ = ["TrackingPlan"]
