"""Reads from Dagster's event log what became of a run. What OpenLineage makes of it is in `events`."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import DagsterEventType as Type

from analytics_pipeline.lineage.facts import AssetRun, Column, Key, Outcome, RunFacts

_STEP_ENDS = {Type.STEP_SUCCESS, Type.STEP_FAILURE}
_TYPES = {Type.STEP_START, *_STEP_ENDS, Type.ASSET_MATERIALIZATION, Type.ASSET_MATERIALIZATION_PLANNED}
_OUTCOMES: dict[dg.DagsterRunStatus, Outcome] = {
    dg.DagsterRunStatus.SUCCESS: "COMPLETE",
    dg.DagsterRunStatus.CANCELED: "ABORT",
    dg.DagsterRunStatus.FAILURE: "FAIL",
}
_LONGEST = 500
_CLASS = re.compile(r"^(\w+\.)+\w+: ")


def read_run(instance: dg.DagsterInstance, run_id: str, graph: Any) -> RunFacts | None:
    """What a run that has ended made; None for one that is unknown or goes on.

    Args:
        instance: that keeps its log.
        run_id: of Dagster.
        graph: Dagster's asset graph, for dependencies and descriptions.
    """
    record = instance.get_run_record_by_id(run_id)
    if record is None or record.dagster_run.status not in _OUTCOMES:
        return None
    log = [(entry.timestamp, entry.dagster_event) for entry in instance.all_logs(run_id, of_type=_TYPES) if entry.dagster_event]
    run, assets = record.dagster_run, tuple(_assets(log, _OUTCOMES[record.dagster_run.status], graph))
    ends = [asset.ended for asset in assets]
    started = _time(record.start_time) if record.start_time else min((asset.started for asset in assets), default=_now())
    ended = _time(record.end_time) if record.end_time else max(ends, default=started)
    error = next((asset.error for asset in assets if asset.error), "")
    return RunFacts(run_id, run.job_name, started, ended, _OUTCOMES[run.status], error, assets)


def _assets(log: list[tuple[float, Any]], outcome: Outcome, graph: Any) -> Iterator[AssetRun]:
    """Each asset of a step that began, in the order in which they ended."""
    started: dict[str, float] = {}
    ended: dict[str, tuple[float, str]] = {}
    made: dict[Key, tuple[float, str, Any]] = {}
    planned: dict[Key, None] = {}
    for at, event in log:
        if event.event_type == Type.STEP_START:
            started.setdefault(event.step_key, at)
        elif event.event_type in _STEP_ENDS:
            error = _cause(event.step_failure_data.error) if event.event_type == Type.STEP_FAILURE else ""
            ended[event.step_key] = (at, error)
        elif event.event_type == Type.ASSET_MATERIALIZATION:
            made[tuple(event.asset_key.path)] = (at, event.step_key, event.materialization.metadata)
        else:
            planned[tuple(event.asset_key.path)] = None
    last = max((at for at, _ in log), default=0.0)
    for key in [*made, *(key for key in planned if key not in made)]:
        node = graph.get(dg.AssetKey(key)) if graph.has(dg.AssetKey(key)) else None
        about = (node.description or "" if node else "", tuple(tuple(k.path) for k in sorted(node.parent_keys)) if node else ())
        if key in made:
            at, step, metadata = made[key]
            times = (_time(started.get(step, at)), _time(at))
            yield AssetRun(key, *about, *times, "COMPLETE", "", _columns(metadata), _lineage(metadata), _uri(metadata))
        elif (begun := _step_of(key, node, started)) is not None:
            at, error = ended.get(begun, (last, ""))
            failed: Outcome = "ABORT" if outcome == "ABORT" and not error else "FAIL"
            yield AssetRun(key, *about, _time(started[begun]), _time(at), failed, error or "its step ended without it")


def _step_of(key: Key, node: Any, started: dict[str, float]) -> str | None:
    """The step that was to make an asset, if it began. Dagster names it after the asset, or after what makes several."""
    names = ["__".join(key), *([node.assets_def.op.name] if node is not None and hasattr(node, "assets_def") else [])]
    return next((name for name in names if name in started), None)


def _columns(metadata: Any) -> tuple[Column, ...]:
    schema = getattr(metadata.get("dagster/column_schema"), "value", None)
    columns = schema.columns if isinstance(schema, dg.TableSchema) else ()
    return tuple(Column(column.name, column.type, column.description or "") for column in columns)


def _lineage(metadata: Any) -> dict[str, list[tuple[Key, str]]]:
    found = getattr(metadata.get("dagster/column_lineage"), "value", None)
    by_column = found.deps_by_column if isinstance(found, dg.TableColumnLineage) else {}
    return {name: [(tuple(d.asset_key.path), d.column_name) for d in deps] for name, deps in by_column.items()}


def _uri(metadata: Any) -> str | None:
    value = getattr(metadata.get("dagster/uri"), "value", None)
    return str(value) if value else None


def uris(instance: dg.DagsterInstance, keys: list[Key]) -> dict[Key, str]:
    """Where assets were when they were last made, those that say it."""
    found = {}
    for key in keys:
        event = instance.get_latest_materialization_event(dg.AssetKey(key))
        materialization = event.asset_materialization if event else None
        if materialization and (uri := _uri(materialization.metadata)):
            found[key] = uri
    return found


def _cause(error: Any) -> str:
    """The first line of the innermost message: PostgreSQL shows values of rows in the lines below it."""
    while error is not None and error.cause is not None:
        error = error.cause
    lines = _CLASS.sub("", str(error.message).strip()).splitlines() if error is not None else []
    return lines[0][:_LONGEST] if lines else "no reason is known"


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _now() -> datetime:
    return datetime.now(UTC)
