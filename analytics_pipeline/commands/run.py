"""Runs what is due of the graph in this process, with progress on the terminal."""

import importlib
import logging
import os
import threading
import time
import uuid
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics_pipeline.commands.alerts import telling
from analytics_pipeline.commands.pending import pending_steps
from analytics_pipeline.commands.terminal import Steps, live, say
from analytics_pipeline.delivery.runs import TELLS_ITSELF
from analytics_pipeline.errors import AnalyticsError, UsageError
from analytics_pipeline.settings import Settings
from analytics_pipeline.shipped import shipped
from analytics_pipeline.warehouse.connection import Warehouse, configured_warehouse, open_warehouse

if TYPE_CHECKING:
    import subprocess

    import dagster as dg

_STEP_TITLES = {
    "landing__files": "Sample events",
    "config__tracking_plan": "Tracking plan",
    "raw": "Raw tables",
    "quality__raw_gate": "Raw gate",
    "ops__builds": "Changes",
    "dbt_models": "dbt models",
    "quality__build_gate": "Build gate",
    "publish": "Publish",
    "forecast": "Forecast",
    "ml__anomalies": "Anomalies",
    "tier": "Parquet tier",
    "ops__policies": "Storage",
    "reports__executive": "Report",
    "reports__contract": "Plan and reality",
    "docs__dbt": "dbt docs",
}
_BACKFILL_ONLY = "ops/touched_days"


def run(settings: Settings, select: str | None, as_of: datetime | None, full_refresh: bool) -> None:
    """The command `run`. Raises AnalyticsError."""
    began = time.monotonic()
    with open_warehouse(settings, say) as warehouse, telling(settings, warehouse, is_whole=select is None):
        worked = run_due(settings, warehouse, Steps(), select=select, as_of=as_of, full_refresh=full_refresh)
    say(f"{'Done' if worked else 'Nothing new'} in {time.monotonic() - began:.1f} s.")


def run_due(
    settings: Settings,
    warehouse: Warehouse,
    steps: Steps,
    *,
    select: str | None = None,
    as_of: datetime | None = None,
    full_refresh: bool = False,
    parsing: "subprocess.Popen[str] | None" = None,
) -> bool:
    """Materialise what is due, or what is selected, and say what was done.

    Args:
        settings: of the home.
        warehouse: running.
        steps: where progress goes.
        select: an asset selection in Dagster's syntax; default: whatever is due.
        as_of: of the build; default: its start.
        full_refresh: build all of history again.
        parsing: dbt reading its project, if that was begun already.

    Returns:
        True if there was something to do.

    Raises:
        AnalyticsError: a step failed or a gate blocked.
        UsageError: the selection can't be read or is empty.
    """
    with warehouse.connect(autocommit=True) as connection:
        todo = pending_steps(connection, settings, as_of)
    if select is None and not full_refresh:
        for step in todo:
            if not step.due and step.assets:
                steps.up_to_date(step.title, step.state)
        if not any(step.due for step in todo):
            return False
    began = time.monotonic()
    with live("starting Dagster"):
        from analytics_pipeline.modelling.dbt import finish_manifest, start_manifest

        finish_manifest(settings, parsing or start_manifest(settings))
        graph = _load(settings, warehouse)
    steps.finished("Dagster", time.monotonic() - began, "code location loaded")
    patterns = [a for s in todo if s.due or full_refresh for a in s.assets]
    _execute(graph, settings, patterns, select, as_of, full_refresh, steps)
    return True


@dataclass
class _Graph:
    definitions: "dg.Definitions"
    instance: "dg.DagsterInstance"


def _load(settings: Settings, warehouse: Warehouse) -> _Graph:
    os.environ["ANALYTICS_HOME"] = str(settings.home)
    home = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["ANALYTICS_DAGSTER_DATABASE_URL"] = warehouse.dagster_url
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    import dagster as dg

    from analytics_pipeline.definitions import build_definitions

    return _Graph(build_definitions(settings), dg.DagsterInstance.get())


def prepare_dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME with this version's dagster.yaml."""
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    text = shipped("dagster.yaml").read_bytes()
    target = home / "dagster.yaml"
    if not target.exists() or target.read_bytes() != text:
        partial = home / "dagster.yaml.part"
        partial.write_bytes(text)
        partial.replace(target)
    return home


def _execute(
    graph: _Graph,
    settings: Settings,
    patterns: list[str],
    select: str | None,
    as_of: datetime | None,
    full: bool,
    steps: Steps,
) -> None:
    import dagster as dg

    job = graph.definitions.resolve_job_def("everything")
    keys = _selected(graph.definitions, patterns, select)
    config: dict[str, Any] = {}
    moment = (as_of or datetime.now(UTC)).isoformat()
    if dg.AssetKey(["ops", "builds"]) in keys:
        config = {"ops__builds": {"config": {"as_of": moment, "full_refresh": full}}}
    if dg.AssetKey(["quality", "raw_gate"]) in keys:
        config["quality__raw_gate"] = {"config": {"as_of": moment}}
    progress = _Progress(steps)
    if dg.AssetKey(["quality", "build_gate"]) in keys:
        _preload("great_expectations")
    run_id = str(uuid.uuid4())
    log = Path(str(graph.instance.root_directory)) / "run.log"
    with log.open("w") as out, ExitStack() as stack, redirect_stdout(out), redirect_stderr(out):
        progress.stack = stack
        graph.instance.add_event_listener(run_id, progress)
        result = job.execute_in_process(
            instance=graph.instance,
            run_id=run_id,
            asset_selection=sorted(keys),
            run_config={"ops": config},
            raise_on_error=False,
            tags={TELLS_ITSELF: "true"},
        )
    if settings.openlineage:
        _tell_catalogue(graph, settings, run_id)
    if not result.success:
        raise AnalyticsError(progress.error or f"run {result.run_id} failed: {log} has its whole log")


def _tell_catalogue(graph: _Graph, settings: Settings, run_id: str) -> None:
    """OpenLineage events of the run; where they can't be delivered, one line says so and the run is as good as before."""
    from analytics_pipeline.lineage.emit import emit_run

    warehouse = configured_warehouse(settings)
    if line := emit_run(graph.instance, run_id, graph.definitions.resolve_asset_graph(), settings, warehouse):
        say(line)


def _selected(definitions: "dg.Definitions", patterns: list[str], select: str | None) -> "set[dg.AssetKey]":
    import fnmatch

    import dagster as dg

    graph = definitions.resolve_asset_graph()
    keys = {key for key in graph.materializable_asset_keys if key.to_user_string() != _BACKFILL_ONLY}
    if select is None:
        return {key for key in keys if any(fnmatch.fnmatchcase(key.to_user_string(), p) for p in patterns)}
    try:
        selection = dg.AssetSelection.from_string(select).required_multi_asset_neighbors()
        found = set(selection.resolve(graph)) & keys
    except Exception as error:
        raise UsageError(
            f"--select {select!r} can't be read ({error}): try kpi/kpi_values, group:marts or +reports/executive"
        ) from None
    if not found:
        raise UsageError(f"--select {select!r} matches no asset: `analytics-pipeline up` shows them all")
    return found


def _preload(module: str) -> None:
    """Import in the background what a later step needs, while others work.

    What the steps before it import too comes first, and here: two threads that import one package at once can see half of it.
    """
    for shared in ("numpy", "pandas", "pyarrow", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql"):
        importlib.import_module(shared)
    threading.Thread(target=__import__, args=(module,), daemon=True).start()


@dataclass
class _Progress:
    """Hears Dagster's events of the run."""

    steps: Steps
    stack: ExitStack | None = None
    error: str = ""
    began: dict[str, float] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)

    def __call__(self, entry: Any) -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        title = _STEP_TITLES.get(event.step_key) or event.step_key.replace("__", " ").capitalize()
        if event.event_type_value == "STEP_START":
            self.began[event.step_key] = time.monotonic()
            if self.stack is not None:
                self.stack.close()
                self.stack.enter_context(live(title))
        elif event.event_type_value == "ASSET_MATERIALIZATION":
            self._materialized(event)
        elif event.event_type_value in {"STEP_SUCCESS", "STEP_FAILURE"}:
            seconds = time.monotonic() - self.began.get(event.step_key, time.monotonic())
            if self.stack is not None:
                self.stack.close()
            if event.event_type_value == "STEP_SUCCESS":
                self.steps.finished(title, seconds, self.summaries.get(event.step_key, ""))
            else:
                self.error = self.error or _cause(event.step_failure_data.error)
                self.steps.failed(title, seconds, "failed")

    def _materialized(self, event: Any) -> None:
        metadata = event.materialization.metadata
        if "summary" in metadata:
            self.summaries[event.step_key] = str(metadata["summary"].value)
        elif event.step_key == "dbt_models":
            count = int(self.summaries.get("dbt_models", "0 ").split()[0]) + 1
            self.summaries["dbt_models"] = f"{count} models built and tested"


def _cause(error: Any) -> str:
    """The innermost message: what the step itself said."""
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return ""
    return str(error.message).strip().split(": ", 1)[-1] if ": " in str(error.message) else str(error.message).strip()
