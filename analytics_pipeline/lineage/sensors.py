"""Runs of the daemon tell a data catalogue when they end, well or not."""

import dagster as dg

from analytics_pipeline.lineage.emit import emit_run
from analytics_pipeline.settings import Settings, load_settings
from analytics_pipeline.warehouse.connection import open_warehouse

_ENDS = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def lineage_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One for each way in which a run ends; none where no target for OpenLineage is set."""
    return [_sensor(status) for status in _ENDS] if settings.openlineage else []


def _sensor(status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=status,
        name=f"openlineage_{status.value.lower()}",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="OpenLineage events of a run that has ended; those of the command `run` are there already.",
    )
    def tell(context: dg.RunStatusSensorContext) -> None:
        repository = context.repository_def
        if repository is None:
            return
        settings = load_settings()
        with open_warehouse(settings) as warehouse:
            line = emit_run(context.instance, context.dagster_run.run_id, repository.asset_graph, settings, warehouse)
        if line:
            context.log.warning(line)

    return tell
