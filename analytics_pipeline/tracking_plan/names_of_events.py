"""Names of events that a plan uses."""

from collections.abc import Iterator

from pydantic import BaseModel

from analytics_pipeline.tracking_plan.schema import TrackingPlan
from analytics_pipeline.tracking_plan.schema.parts import Selector


def undeclared_events(plan: TrackingPlan) -> list[str]:
    """Names that selectors and revenue use, and that the plan does not describe under events; each once, in order."""
    money = [*plan.revenue.events, *plan.revenue.refunds] if plan.revenue else []
    used = [*money, *(s.event for s in _selectors(plan) if s.event not in {None, "any"})]
    return [str(name) for name in dict.fromkeys(used) if name not in plan.events]


def _selectors(part: object) -> Iterator[Selector]:
    if isinstance(part, Selector):
        yield part
    elif isinstance(part, BaseModel):
        for _, value in part:
            yield from _selectors(value)
    elif isinstance(part, dict | list):
        for value in part.values() if isinstance(part, dict) else part:
            yield from _selectors(value)
