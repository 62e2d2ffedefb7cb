"""What runs by itself, and when: jobs, schedules, sensors."""

import dagster as dg

from analytics_pipeline.ingest.assets import RAW_KEYS, asset_key
from analytics_pipeline.ingest.sources.configuration import LANDING, Source, load_sources
from analytics_pipeline.ingest.sources.waiting import waiting
from analytics_pipeline.settings import Settings, load_settings
from analytics_pipeline.warehouse.connection import open_warehouse

_BACKFILL = dg.AssetSelection.assets(["ops", "touched_days"])

everything = dg.define_asset_job(
    "everything",
    selection=dg.AssetSelection.all() - _BACKFILL,
    description="From new event files to the report.",
    tags={"dagster/max_runtime": 6 * 3600},
)

full_refresh = dg.define_asset_job(
    "full_refresh",
    selection=dg.AssetSelection.all() - _BACKFILL,
    description="All of history again, once a week: the proof that incremental builds have not drifted.",
    config={"ops": {"ops__builds": {"config": {"full_refresh": True}}}},
)

jobs = [everything, full_refresh]

schedules = [
    dg.ScheduleDefinition(
        name="daily",
        job=everything,
        cron_schedule="15 5 * * *",
        description="Each morning, when the day before has ended.",
    ),
    dg.ScheduleDefinition(name="weekly", job=full_refresh, cron_schedule="30 6 * * 0", description="Sunday mornings."),
]


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One for each source of the home."""
    return [_landing_folder, *(_sensor(source) for source in load_sources(settings) if source.name != LANDING)]


@dg.sensor(
    name="landing_folder",
    job=everything,
    minimum_interval_seconds=60,
    description="New event files in the landing folder start a run.",
)
def _landing_folder(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    folder = load_settings().landing_dir
    files = sorted(f"{p.name}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in folder.glob("[!.]*") if p.is_file())
    newest = max((name.rsplit(":", 1)[1] for name in files), default="")
    if not files or newest == context.cursor:
        return dg.SkipReason(f"nothing new in {folder}")
    context.update_cursor(newest)
    return dg.RunRequest(run_key=newest)


def _sensor(source: Source) -> dg.SensorDefinition:
    """Files and objects start a whole run, messages and rows only their load: the daily run computes with them."""
    is_stored = source.kind in ("folder", "s3")
    loads = None if is_stored else [asset_key(source), *RAW_KEYS]

    @dg.sensor(
        name=f"source_{source.name}",
        job=everything,
        minimum_interval_seconds=300 if is_stored else 60,
        description=f"What waits in the {source.kind} source {source.name} starts a run.",
    )
    def waits(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        active = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
        tags = {"source": source.name}
        if context.instance.get_runs_count(dg.RunsFilter(statuses=active, tags=tags)):
            return dg.SkipReason("a run is loading it")
        with open_warehouse(load_settings()) as warehouse, warehouse.connect(autocommit=True) as connection:
            found = waiting(connection, source)
        return dg.RunRequest(asset_selection=loads, tags=tags) if found else dg.SkipReason("nothing new")

    return waits
