"""`quality suggest`: a suite for a table, from what it holds now."""

from analytics_pipeline.quality.suggest import suggest as propose
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse


def suggest(settings: Settings, table: str) -> str:
    """YAML for expectations/, for a person to edit. Raises UsageError."""
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        return propose(connection, table)
