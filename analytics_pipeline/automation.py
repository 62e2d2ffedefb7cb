"""What runs by itself, and when: jobs, schedules, sensors."""

import dagster as dg

from analytics_pipeline.settings import load_settings

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


@dg.sensor(job=everything, minimum_interval_seconds=60, description="New event files in the landing folder start a run.")
def landing_folder(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    folder = load_settings().landing_dir
    files = sorted(f"{p.name}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in folder.glob("[!.]*") if p.is_file())
    newest = max((name.rsplit(":", 1)[1] for name in files), default="")
    if not files or newest == context.cursor:
        return dg.SkipReason(f"nothing new in {folder}")
    context.update_cursor(newest)
    return dg.RunRequest(run_key=newest)


sensors = [landing_folder]
