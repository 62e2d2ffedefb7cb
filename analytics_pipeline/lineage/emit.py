"""Tells a data catalogue what a run read and made: OpenLineage events of one run of Dagster, and those that still wait."""

from typing import Any

import dagster as dg

from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse

_TAG = "analytics/openlineage"


def emit_run(instance: dg.DagsterInstance, run_id: str, graph: Any, settings: Settings, warehouse: Warehouse) -> str | None:
    """Send the events of a run that has ended, once; and first those that an earlier run could not send.

    A target that takes nothing fails nobody's run: events stay in $ANALYTICS_HOME/openlineage until the next one.

    Args:
        instance: that keeps the run's log.
        run_id: of Dagster.
        graph: Dagster's asset graph.
        settings: which say where events go.
        warehouse: running; knows what the gates found.

    Returns:
        One line for a person where something was not delivered; else nothing.
    """
    from analytics_pipeline.lineage.outbox import deliver, keep
    from analytics_pipeline.lineage.targets import target_of

    folder = settings.home / "openlineage"
    run = instance.get_run_by_id(run_id)
    if run is not None and _TAG not in run.tags:
        try:
            if events := _events(instance, run_id, graph, warehouse):
                keep(folder, run_id, events)
                instance.add_run_tags(run_id, {_TAG: "written"})
        except Exception as error:  # whatever it is: the run itself is done, and this line is the answer
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return f"OpenLineage: the events of run {run_id} could not be made ({reason})"
    name, send = target_of(settings)
    try:
        done = deliver(folder, send)
    except OSError as error:
        return f"OpenLineage: events can't be kept in {folder} ({error.strerror})"
    if done.refused:
        return f"OpenLineage: {name} refused {done.refused} events ({done.error}): they are in {folder / 'refused.ndjson'}"
    if done.waiting:
        return f"OpenLineage: {name} takes no events ({done.error}): {done.waiting} wait in {folder} for the next run"
    return None


def _events(instance: dg.DagsterInstance, run_id: str, graph: Any, warehouse: Warehouse) -> list[str]:
    from analytics_pipeline.lineage.checks import read_checks
    from analytics_pipeline.lineage.datasets import Datasets
    from analytics_pipeline.lineage.events import events_of
    from analytics_pipeline.lineage.runs import read_run, uris

    run = read_run(instance, run_id, graph)
    if run is None:
        return []
    with warehouse.connect(autocommit=True) as connection:
        plan = connection.execute("select name from config.plan").fetchone()
        checks = read_checks(connection, run_id)
    own = {asset.key: asset.uri for asset in run.assets if asset.uri}
    tables = Datasets(warehouse.place, {})
    others = {key for asset in run.assets for key in asset.parents if tables.of(key) is None} - own.keys()
    places = {**uris(instance, sorted(others)), **own}
    return events_of(run, checks, Datasets(warehouse.place, places), f"analytics_pipeline.{plan[0] if plan else 'unplanned'}")
