"""The gates as assets of their own: each check is an asset check, and a failed blocking one stops what is downstream."""

import uuid
from collections.abc import Iterator
from typing import Any

import dagster as dg

from analytics_pipeline.errors import GateBlocked
from analytics_pipeline.quality.gates import run_gate
from analytics_pipeline.quality.results import CheckResult
from analytics_pipeline.quality.suites import Gate, read_suites
from analytics_pipeline.warehouse.resource import WarehouseResource


def _check_name(relation: str, name: str) -> str:
    return f"{relation.replace('.', '__')}__{name}"


def _gate_asset(gate: Gate, deps: list[dg.AssetKey], description: str) -> dg.AssetsDefinition:
    key = dg.AssetKey(["quality", f"{gate}_gate"])
    suites = read_suites(gate)
    specs = [
        dg.AssetCheckSpec(
            _check_name(suite.relation, e.check_name),
            asset=key,
            blocking=e.severity == "blocking",
            description=e.description or e.type,
        )
        for suite in suites
        for e in suite.expectations
    ]

    @dg.asset(
        key=key,
        deps=deps,
        check_specs=specs,
        group_name="quality",
        kinds={"greatexpectations", "postgres"},
        owners=["team:analytics"],
        description=description,
        code_version="1",
    )
    def run(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
        with warehouse.connect() as connection:
            row = connection.execute("select build_id from ops.current_build").fetchone()
        build_id: uuid.UUID | None = row[0] if row and gate == "build" else None
        results = run_gate(warehouse.warehouse, gate, build_id)
        for result in results:
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=_check_name(result.relation, result.check_name),
                passed=result.passed,
                severity=dg.AssetCheckSeverity.ERROR if result.severity == "blocking" else dg.AssetCheckSeverity.WARN,
                metadata={"rows failed": result.rows_failed or 0, "details": dg.MetadataValue.json(result.details)},
            )
        blocking = [r for r in results if r.blocks]
        if blocking:
            reason = describe(blocking)
            with warehouse.connect() as connection:
                connection.execute(
                    """
                    update ops.builds set status = 'blocked', finished_at = clock_timestamp(), reason = %s
                    where build_id = %s and status = 'building'
                    """,
                    (reason, build_id),
                )
            raise dg.Failure(f"{GateBlocked.__name__}: {reason}", allow_retries=False)
        warned = sum(not r.passed for r in results)
        summary = f"{sum(r.passed for r in results)} of {len(results)} checks passed" + (
            f", {warned} warnings" if warned else ""
        )
        yield dg.MaterializeResult(asset_key=key, metadata={"summary": summary})

    return run


def describe(failed: list[CheckResult]) -> str:
    """What a reader is told when a gate blocks."""
    parts = [
        f"{r.relation}: {r.details.get('description') or r.check_name}"
        + (f" ({r.rows_failed} rows do not)" if r.rows_failed else "")
        for r in failed
    ]
    return f"{len(failed)} blocking check{'s' if len(failed) > 1 else ''} failed: " + "; ".join(parts)


def gate_assets(build_tables: list[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The raw gate, before a build, and the build gate, before it is published."""
    raw = [dg.AssetKey(["raw", t]) for t in ("events", "quarantine", "ingest_batches")]
    return [
        _gate_asset("raw", raw, "Raw events are fit to be built from."),
        _gate_asset("build", build_tables, "The built tables are fit to be published."),
    ]
