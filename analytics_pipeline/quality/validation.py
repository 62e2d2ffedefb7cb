"""Runs suites by Great Expectations where the data is, on the rows under judgement. What those are is in `judged`.

Great Expectations is imported here and in what this module imports inside of its functions, and nowhere before.
"""

import os
import warnings
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from analytics_pipeline.quality.judged import RowsOf, discard, judged_table, prepare
from analytics_pipeline.quality.masking import MOST_EXAMPLES, Mask, mask_of, masked_error
from analytics_pipeline.quality.results import CheckResult
from analytics_pipeline.quality.suites import Expectation, Gate, Suite, read_suites
from analytics_pipeline.warehouse.connection import Warehouse

_WITH_EXAMPLES = {"result_format": "BASIC", "include_unexpected_rows": True, "partial_unexpected_count": MOST_EXAMPLES}
_SEVERITIES = {"blocking": "critical", "warning": "warning"}


def run_suites(
    warehouse: Warehouse, gate: Gate, rows_of: RowsOf | None = None, suites: list[Suite] | None = None
) -> list[CheckResult]:
    """What became of each expectation of a gate, in the order of the suites.

    Args:
        warehouse: where the tables are.
        gate: raw or build.
        rows_of: query for the rows of a table that are under judgement; without it all are.
        suites: others than the shipped ones.
    """
    shipped = read_suites(gate)
    relations = dict.fromkeys(suite.relation for suite in [*shipped, *(suites or [])])
    with warehouse.connect(autocommit=True) as connection:
        try:
            prepare(connection, relations, rows_of, with_days=gate == "build")
            return validate(connection, shipped if suites is None else suites)
        finally:
            discard(connection)


def validate(connection: psycopg.Connection, suites: list[Suite]) -> list[CheckResult]:
    """Validate what `judged.prepare` has prepared on this connection, which must be autocommit."""
    mask = mask_of(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = _batches(connection, [judged_table(suite.relation) for suite in suites])
        return [
            result
            for suite in suites
            for result in _run_suite(connection, suite, batches.get(judged_table(suite.relation)), mask)
        ]


def _batches(connection: psycopg.Connection, tables: list[str]) -> dict[str, Any]:
    """A batch of Great Expectations for each temporary table that is there: one context, and the one connection, for all."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    from analytics_pipeline.quality.gx_parts import LentConnection

    schema = connection.execute("select nspname from pg_namespace where oid = pg_my_temp_schema()").fetchone()
    there = connection.execute("select t from unnest(%s::text[]) as t where to_regclass(t) is not null", (tables,)).fetchall()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_postgres(
        "warehouse",
        connection_string="postgresql+psycopg://nobody@localhost/given",  # the connection is given; no secret stands here
        kwargs={"creator": lambda: connection, "poolclass": LentConnection},
        assets=[{"type": "table", "name": t, "table_name": t, "schema_name": schema[0]} for (t,) in there if schema],
    )
    return {asset.name: asset.get_batch(asset.build_batch_request()) for asset in source.assets}


def _run_suite(connection: psycopg.Connection, suite: Suite, batch: Any, mask: Mask) -> list[CheckResult]:
    """All expectations at once, without rows; then those that failed again, with a few. No batch: there is no such table."""
    if batch is None:
        return [_result(e, suite, False, details={"error": f"{suite.relation} does not exist"}) for e in suite.expectations]
    rows = _number(connection, sql.SQL("select count(*) from {}").format(sql.Identifier(judged_table(suite.relation))))
    outcomes = _validated(batch, suite, dict(enumerate(suite.expectations)), "BOOLEAN_ONLY")
    failed = {i: e for i, e in enumerate(suite.expectations) if not outcomes[i].success}
    details = _validated(batch, suite, {i: e for i, e in failed.items() if not e.sql}, _WITH_EXAMPLES) if failed else {}
    return [
        _result(e, suite, True, rows_checked=rows, rows_failed=0)
        if i not in failed
        else _failure(connection, suite, e, rows, details.get(i, outcomes[i]), mask)
        for i, e in enumerate(suite.expectations)
    ]


def _validated(batch: Any, suite: Suite, expectations: dict[int, Expectation], result_format: Any) -> dict[int, Any]:
    """By position in the suite: Great Expectations gives them in an order of its own."""
    import great_expectations as gx

    found = [to_gx(suite, e, i) for i, e in expectations.items()]
    outcome = batch.validate(gx.ExpectationSuite(suite.relation, expectations=found), result_format=result_format)
    return {result.expectation_config.meta["position"]: result for result in outcome.results}


def to_gx(suite: Suite, expectation: Expectation, position: int) -> Any:
    """The expectation as one of Great Expectations, on the table with the rows under judgement."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from analytics_pipeline.quality.gx_parts import UnexpectedRows

    kwargs = {"unexpected_rows_query": _bound(suite, expectation, escaped=True)} if expectation.sql else expectation.kwargs
    return ExpectationConfiguration(
        type=UnexpectedRows.expectation_type if expectation.sql else expectation.type,
        kwargs=kwargs,
        meta={"position": position, "dimension": expectation.dimension},
        description=expectation.description,
        severity=_SEVERITIES[expectation.severity],
    ).to_domain_obj()


def _bound(suite: Suite, expectation: Expectation, *, escaped: bool = False) -> str:
    """The query on the rows under judgement. escaped: as Great Expectations formats it once more."""
    text = expectation.sql.strip().replace("{batch}", judged_table(suite.relation))
    return text.replace("{", "{{").replace("}", "}}") if escaped else text


def _failure(
    connection: psycopg.Connection, suite: Suite, expectation: Expectation, rows: int, outcome: Any, mask: Mask
) -> CheckResult:
    found: dict[str, Any] = outcome.result or {}
    failed: int | None
    if outcome.exception_info and (error := _error(outcome.exception_info)):
        return _result(expectation, suite, False, rows_checked=rows, details={"error": masked_error(error)})
    if expectation.sql:
        examples, failed = _found_rows(connection, _bound(suite, expectation))
        places = _places(connection, _bound(suite, expectation), examples[0] if examples else {})
    else:
        examples, failed = list(found.get("unexpected_rows") or []), found.get("unexpected_count")
        examples = [{c: row[c] for c in _shown(suite, expectation) if c in row} for row in examples]
        places = {"observed": found["observed_value"]} if "observed_value" in found else {}
    return _result(
        expectation, suite, False, rows_checked=rows, rows_failed=failed, details=places, examples=mask.rows(examples)
    )


def _shown(suite: Suite, expectation: Expectation) -> list[str]:
    """Columns that a person needs: the keys, and those that the expectation is about."""
    named = [expectation.kwargs.get(k) for k in ("column", "column_A", "column_B")]
    return list(dict.fromkeys([*suite.keys, *filter(None, named), *expectation.kwargs.get("column_list", [])]))


def _found_rows(connection: psycopg.Connection, query: str) -> tuple[list[dict[str, Any]], int]:
    """A few of the rows that a query finds, and how many there are."""
    found = sql.SQL("({}) as found").format(sql.SQL(query))
    number = _number(connection, sql.SQL("select count(*) from {}").format(found))
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.SQL("select * from {} limit {}").format(found, MOST_EXAMPLES)).fetchall(), number


def _places(connection: psycopg.Connection, query: str, row: dict[str, Any]) -> dict[str, Any]:
    """Which batches and which local days the rows that a query finds are of, where they say so."""
    found = {}
    for name, column in (("batches", "batch_id"), ("blocking_days", "day")):
        if column in row:
            statement = sql.SQL("select distinct {0}::text from ({1}) as found where {0} is not null order by 1")
            rows = connection.execute(statement.format(sql.Identifier(column), sql.SQL(query))).fetchall()
            found[name] = [value for (value,) in rows]
    return found


def _error(exception_info: dict[str, Any]) -> str:
    """The message of the first fault: Great Expectations keeps one, or one for each metric."""
    infos = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    return next((str(i["exception_message"]) for i in infos if i.get("raised_exception")), "")


def _number(connection: psycopg.Connection, query: sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _result(expectation: Expectation, suite: Suite, passed: bool, **found: Any) -> CheckResult:
    details = {"description": expectation.description, "expected": expectation.kwargs} | found.pop("details", {})
    return CheckResult(
        relation=suite.relation,
        check_name=expectation.name,
        severity=expectation.severity,
        passed=passed,
        dimension=expectation.dimension,
        details=details,
        **found,
    )
