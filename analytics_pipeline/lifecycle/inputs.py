"""What the Parquet tier depends on, so that a rerun knows whether it is up to date."""

from datetime import datetime

from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.step_state import inputs_hash

TIER_STEP = "ops/tier_catalogue"


def tier_inputs(settings: Settings, build_id: object, as_of: datetime) -> str:
    """The build, the window and the store."""
    return inputs_hash(str(build_id), as_of.date(), settings.hot_days, settings.object_store_url)
