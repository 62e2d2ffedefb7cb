"""`report`: one report now."""

from datetime import date
from pathlib import Path

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.reports.executive import write_executive
from analytics_pipeline.reports.site import write_site
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse


def report(settings: Settings, day: date | None) -> Path:
    """Write the executive report.

    Raises:
        AnalyticsError: nothing is published yet.
    """
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        if connection.execute("select to_regclass('kpi.kpi_values')").fetchone() == (None,):
            raise AnalyticsError("nothing is published yet: run `analytics-pipeline run` first")
        path = write_executive(connection, settings.report_dir, day)
    if path is None:
        raise AnalyticsError("nothing is published yet: run `analytics-pipeline run` first")
    write_site(settings.report_dir)
    return path
