"""The build gate: what a build has touched, judged before it is published."""

from analytics_pipeline.quality.judged import RowsOf
from analytics_pipeline.quality.passes import GateOutcome, begin_pass, end_pass
from analytics_pipeline.quality.validation import run_suites
from analytics_pipeline.warehouse.connection import Warehouse


def judge_build(warehouse: Warehouse, rows_of: RowsOf | None = None, *, run_id: str | None = None) -> GateOutcome:
    """One pass over the current build.

    Args:
        warehouse: running, with a build under way.
        rows_of: query for the rows of a table that the build has touched; without it all are judged.
        run_id: of Dagster, for the record.
    """
    with warehouse.connect(autocommit=True) as connection:
        row = connection.execute("select build_id, as_of from ops.current_build").fetchone()
        build_id, as_of = row if row else (None, None)
        if as_of is None:
            raise LookupError("no build is running")
        begun = begin_pass(connection, "build", as_of, run_id, build_id)
        results = run_suites(warehouse, "build", rows_of)
        with connection.transaction():
            return end_pass(connection, begun, results)
