"""The build gate: what a build has touched, judged before it is published."""

from pathlib import Path

from analytics_pipeline.quality.dbt_tests import dbt_test_results
from analytics_pipeline.quality.judged import RowsOf
from analytics_pipeline.quality.passes import GateOutcome, begin_pass, end_pass
from analytics_pipeline.quality.validation import run_suites
from analytics_pipeline.warehouse.connection import Warehouse


def judge_build(
    warehouse: Warehouse, rows_of: RowsOf | None = None, *, dbt_target: Path | None = None, run_id: str | None = None
) -> GateOutcome:
    """One pass over the current build.

    Args:
        warehouse: running, with a build under way.
        rows_of: query for the rows of a table that the build has touched; without it all are judged.
        dbt_target: where dbt has left what became of its tests; None if it was not dbt that built.
        run_id: of Dagster, for the record.
    """
    with warehouse.connect(autocommit=True) as connection:
        row = connection.execute("select build_id, as_of, started_at from ops.current_build").fetchone()
        if row is None:
            raise LookupError("no build is running")
        build_id, as_of, started_at = row
        begun = begin_pass(connection, "build", as_of, run_id, build_id)
        of_dbt = dbt_test_results(connection, dbt_target, started_at) if dbt_target else []
        results = [*of_dbt, *run_suites(warehouse, "build", rows_of)]
        with connection.transaction():
            return end_pass(connection, begun, results)
