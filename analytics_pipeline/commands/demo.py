"""`demo`: sample events, the whole graph, a report."""

import os
import shlex
import time
from datetime import UTC, datetime, timedelta

from analytics_pipeline.commands.alerts import telling
from analytics_pipeline.commands.run import run_due
from analytics_pipeline.commands.terminal import Steps, live, say
from analytics_pipeline.samples.generators import generator_of
from analytics_pipeline.samples.marker import write_marker
from analytics_pipeline.settings import Settings, load_settings
from analytics_pipeline.tracking_plan.read import plan_path, read_plan
from analytics_pipeline.warehouse.connection import open_warehouse


def demo(settings: Settings, as_of: datetime | None = None) -> None:
    """Bring the demo home up to yesterday and say where to look next.

    Args:
        settings: of the home, with the sample's plan.
        as_of: stands for now; with its zone.

    Raises:
        AnalyticsError: a step failed.
        UsageError: there is no such sample, or the home holds another one.
    """
    began, plan = time.monotonic(), settings.tracking_plan
    steps = Steps()
    say(f"Demo in {settings.home}")
    zone, is_usual_home = generator_of(plan).ZONE, load_settings().home == settings.home
    write_marker(settings, plan, ((as_of or datetime.now(UTC)).astimezone(zone) - timedelta(days=1)).date())
    os.environ["ANALYTICS_TRACKING_PLAN"] = plan  # the graph reads its settings itself
    from analytics_pipeline.modelling.dbt import start_manifest

    parsing = start_manifest(settings)
    with live("starting PostgreSQL"), open_warehouse(settings, lambda text: say(f"    {text}")) as warehouse:
        steps.finished("PostgreSQL", time.monotonic() - began, warehouse.place)
        with telling(settings, warehouse):
            worked = run_due(settings, warehouse, steps, as_of=as_of, parsing=parsing)
    report = settings.report_dir / "executive.html"
    say(f"\n{'Done' if worked else 'Nothing new'} in {time.monotonic() - began:.1f} s.\n")
    say(f"  Report        {report}")
    say(f"  dbt docs      {settings.dbt_target / 'static_index.html'}")
    _say_what_next(settings, is_usual_home)


def _say_what_next(settings: Settings, is_usual_home: bool) -> None:
    kpis = read_plan(plan_path(settings.tracking_plan)).kpis
    name = next((name for name, kpi in kpis.items() if kpi.headline), next(iter(kpis)))
    say("\nWhat to try next")
    if not is_usual_home:
        say(f"  export ANALYTICS_HOME={shlex.quote(str(settings.home))} ANALYTICS_TRACKING_PLAN={settings.tracking_plan}")
    say("  analytics-pipeline up                     the Dagster UI with lineage and runs, dbt docs, the report site")
    say("  analytics-pipeline status                 what is there, how fresh, what failed")
    say('  analytics-pipeline sql "select period_date, value from kpi.kpi_values')
    say(f"      where kpi_name = '{name}' and dimension = 'all' order by 1 desc limit 7\"")
    say("  docs/bring-your-own-events.md             your own events instead of these")
