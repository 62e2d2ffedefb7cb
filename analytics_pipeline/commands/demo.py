"""`demo`: sample events, the whole graph, a report."""

import time
from datetime import UTC, datetime, timedelta

from analytics_pipeline.commands.run import run_due
from analytics_pipeline.commands.terminal import Steps, live, say
from analytics_pipeline.samples.marker import write_marker
from analytics_pipeline.samples.webshop import ZONE
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse


def demo(settings: Settings, as_of: datetime | None = None) -> None:
    """Bring the demo home up to yesterday and say where to look next.

    Args:
        settings: of the home.
        as_of: stands for now; with its zone.

    Raises:
        AnalyticsError: a step failed.
    """
    began = time.monotonic()
    steps = Steps()
    say(f"Demo in {settings.home}")
    from analytics_pipeline.modelling.dbt import start_manifest

    parsing = start_manifest(settings)
    write_marker(settings, ((as_of or datetime.now(UTC)).astimezone(ZONE) - timedelta(days=1)).date())
    with live("starting PostgreSQL"), open_warehouse(settings, lambda text: say(f"    {text}")) as warehouse:
        steps.finished("PostgreSQL", time.monotonic() - began, warehouse.place)
        worked = run_due(settings, warehouse, steps, as_of=as_of, parsing=parsing)
    report = settings.report_dir / "executive.html"
    say(f"\n{'Done' if worked else 'Nothing new'} in {time.monotonic() - began:.1f} s.\n")
    say(f"  Report        {report}")
    say(f"  dbt docs      {settings.dbt_target / 'static_index.html'}")
    say("\nWhat to try next")
    say("  analytics-pipeline up                     the Dagster UI with lineage and runs, dbt docs, the report site")
    say("  analytics-pipeline status                 what is there, how fresh, what failed")
    say('  analytics-pipeline sql "select period_date, value from kpi.kpi_values')
    say("      where kpi_name = 'orders' and dimension = 'all' order by 1 desc limit 7\"")
    say("  docs/bring-your-own-events.md             your own events instead of these")
