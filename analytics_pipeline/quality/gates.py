"""Runs the suites of a gate on whole tables, and writes the outcome to ops.quality_results."""

import uuid

from analytics_pipeline.quality.results import CheckResult, write_results
from analytics_pipeline.quality.suites import Gate, Suite
from analytics_pipeline.quality.validation import run_suites
from analytics_pipeline.warehouse.connection import Warehouse


def run_gate(
    warehouse: Warehouse, gate: Gate, build_id: uuid.UUID | None, suites: list[Suite] | None = None
) -> list[CheckResult]:
    """Run all suites of a gate and keep the results."""
    results = run_suites(warehouse, gate, suites=suites)
    with warehouse.connect(autocommit=True) as connection:
        write_results(connection, gate, build_id, None, results)
    return results
