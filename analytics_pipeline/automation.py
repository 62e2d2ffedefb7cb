"""What runs by itself, and when: jobs, schedules, sensors."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg

from analytics_pipeline.delivery.deliver import deliver_due
from analytics_pipeline.delivery.runs import TELLS_ITSELF, FinishedRun, note_runs
from analytics_pipeline.ingest.assets import RAW_KEYS
from analytics_pipeline.ingest.lineage import asset_key
from analytics_pipeline.ingest.sources.configuration import LANDING, Source, load_sources
from analytics_pipeline.ingest.sources.deadlines import source_deadlines
from analytics_pipeline.ingest.sources.waiting import waiting
from analytics_pipeline.lineage.sensors import lineage_sensors
from analytics_pipeline.quality.freshness import judge_marts, judge_sources
from analytics_pipeline.settings import Settings, load_settings
from analytics_pipeline.warehouse.connection import open_warehouse

_BACKFILL = dg.AssetSelection.assets(["ops", "touched_days"])
_WATCHED = {"ingest", "marts", "kpi"}

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
    """One for each source of the home, one for what is late, one for alerts, and those that tell a data catalogue."""
    sources = (_sensor(source) for source in load_sources(settings) if source.name != LANDING)
    return [_alerts, _freshness, _landing_folder, *sources, *lineage_sensors(settings)]


def with_deadline(settings: Settings) -> Callable[[dg.AssetSpec], dg.AssetSpec]:
    """Gives sources and what readers see Dagster's freshness policy: late after the deadline, warned of a quarter before."""
    own = {asset_key(source): source.deadline_hours for source in load_sources(settings) if source.deadline_hours}

    def applied(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key.path[0] not in _WATCHED:
            return spec
        limit = timedelta(hours=own.get(spec.key, settings.deadline_hours))
        policy = dg.FreshnessPolicy.time_window(fail_window=limit, warn_window=limit * 0.75)
        limited: dg.AssetSpec = dg.apply_freshness_policy(spec, policy)
        return limited

    return applied


@dg.sensor(
    name="freshness",
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sources and published numbers that are behind their deadline become incidents, before anybody reads them.",
)
def _freshness(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    settings, now = load_settings(), datetime.now(UTC)
    deadline = timedelta(hours=settings.deadline_hours)
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        results = judge_sources(connection, now, deadline, source_deadlines(settings))
        marts = judge_marts(connection, now, deadline)
    late = [line for r in [*results, *([marts] if marts else [])] for line in r.details["found"]]
    return dg.SkipReason("; ".join(late) or "nothing is late")


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Failed runs become incidents; messages about incidents go out, and again where they did not arrive.",
)
def _alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    settings, instance = load_settings(), context.instance
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        for job in jobs:
            note_runs(connection, job.name, _finished(instance, job.name), lambda run_id: _failure(instance, run_id))
        done = deliver_due(connection, settings)
    reasons = "".join(f"; {reason}" for reason in done.reasons)
    counts = f"{done.delivered} messages delivered, {done.failed} to be tried again, {done.given_up} given up"
    return dg.SkipReason(counts + reasons)


def _finished(instance: dg.DagsterInstance, job: str) -> list[FinishedRun]:
    """The last ones, the newest first; those of the command line tell of themselves."""
    ended = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
    return [
        FinishedRun(
            run_id=record.dagster_run.run_id,
            succeeded=record.dagster_run.is_success,
            started_at=datetime.fromtimestamp(record.start_time or record.end_time, UTC),
            ended_at=datetime.fromtimestamp(record.end_time, UTC),
            assets=frozenset(key.to_user_string() for key in record.dagster_run.asset_selection)
            if record.dagster_run.asset_selection is not None
            else None,
        )
        for record in instance.get_run_records(ended, limit=25)
        if record.end_time is not None and TELLS_ITSELF not in record.dagster_run.tags
    ]


def _failure(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the steps that failed said, or whoever ended the run."""
    entries = instance.all_logs(run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE})
    said = []
    for event in (entry.dagster_event for entry in entries if entry.dagster_event is not None):
        if event.step_key is None:
            said.append(event.message or "")
            continue
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        said.append(f"Step {event.step_key}: {error.message.strip() if error is not None else event.message}")
    return "\n".join(said)[:2000]


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
