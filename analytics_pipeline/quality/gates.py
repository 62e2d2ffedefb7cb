"""Runs the suites of a gate where the data is, and writes the outcome to ops.quality_results."""

import os
import uuid
import warnings
from typing import Any

from analytics_pipeline.quality.results import CheckResult, write_results
from analytics_pipeline.quality.suites import Expectation, Gate, Suite, read_suites
from analytics_pipeline.warehouse.connection import Warehouse


def run_gate(
    warehouse: Warehouse, gate: Gate, build_id: uuid.UUID | None, suites: list[Suite] | None = None
) -> list[CheckResult]:
    """Run all suites of a gate and keep the results.

    Args:
        warehouse: where the tables are.
        gate: raw or build.
        build_id: of the running build, if there is one.
        suites: others than the shipped ones.
    """
    results = [result for suite in suites or read_suites(gate) for result in _run_suite(warehouse, suite)]
    with warehouse.connect(autocommit=True) as connection:
        write_results(connection, gate, build_id, None, results)
    return results


def _run_suite(warehouse: Warehouse, suite: Suite) -> list[CheckResult]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    schema, table = suite.relation.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        source = context.data_sources.add_postgres("warehouse", connection_string=warehouse.sqlalchemy_url)
        asset = source.add_table_asset(suite.relation, table_name=table, schema_name=schema)
        batch = asset.add_batch_definition_whole_table("whole").get_batch()
        expectations = [_to_gx(*numbered) for numbered in enumerate(suite.expectations)]
        outcome = batch.validate(gx.ExpectationSuite(suite.relation, expectations=expectations), result_format="BASIC")
        source.get_execution_engine().close()
    by_id = {result.expectation_config.meta["position"]: result for result in outcome.results}
    return [_result(suite, e, by_id[i]) for i, e in enumerate(suite.expectations)]


def _to_gx(position: int, expectation: Expectation) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    configuration = ExpectationConfiguration(
        type=expectation.type,
        kwargs=expectation.kwargs,
        meta={"position": position},
        description=expectation.description,
    )
    return configuration.to_domain_obj()


def _result(suite: Suite, expectation: Expectation, outcome: Any) -> CheckResult:
    """Counts only: failing examples can hold personal data."""
    found = outcome.result or {}
    observed = found.get("observed_value")
    details: dict[str, Any] = {"expected": expectation.kwargs, "description": expectation.description}
    if isinstance(observed, int | float | str):
        details["observed"] = observed
    if outcome.exception_info and outcome.exception_info.get("raised_exception"):
        details["error"] = str(outcome.exception_info.get("exception_message"))[:500]
    return CheckResult(
        relation=suite.relation,
        check_name=expectation.check_name,
        severity=expectation.severity,
        passed=bool(outcome.success),
        rows_checked=found.get("element_count"),
        rows_failed=found.get("unexpected_count"),
        details=details,
    )
