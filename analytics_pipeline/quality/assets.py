"""The gates as assets of their own: each check is an asset check, and a failed blocking one stops what is downstream."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from analytics_pipeline.errors import GateBlocked
from analytics_pipeline.quality.build_gate import judge_build
from analytics_pipeline.quality.data_docs import build_data_docs
from analytics_pipeline.quality.judged import RowsOf
from analytics_pipeline.quality.passes import WHAT_TO_DO, Gate, GateOutcome
from analytics_pipeline.quality.raw_gate import RELATION, judge_raw
from analytics_pipeline.quality.results import CheckResult
from analytics_pipeline.quality.static_checks import SUITE, own_checks, static_name
from analytics_pipeline.quality.suites import read_suites
from analytics_pipeline.warehouse.resource import WarehouseResource

_MOST_LINES = 20
_KINDS, _OWNERS = {"greatexpectations", "postgres"}, ["team:analytics"]


@dataclass(frozen=True)
class Surroundings:
    """What the gates take from other rooms, handed in by the roof.

    Attributes:
        touched_rows: query for the rows of a build table that the current build touched; None for all.
        tell_readers: called when a gate has blocked, so that pages which are already written say so.
        deadlines: of sources that have one of their own, by the name that their events carry.
    """

    touched_rows: Callable[[Any, str], str | None]
    tell_readers: Callable[[WarehouseResource], None]
    deadlines: Mapping[str, timedelta] = field(default_factory=dict)


class GateConfig(dg.Config):
    """As of when to judge: ISO 8601 with zone. Default: now."""

    as_of: str | None = None


def gate_assets(build_tables: list[dg.AssetKey], around: Surroundings) -> list[dg.AssetsDefinition]:
    """The raw gate, before a build, and the build gate, before it is published."""
    return [_raw_gate(around), _build_gate(build_tables, around)]


def _raw_gate(around: Surroundings) -> dg.AssetsDefinition:
    key = dg.AssetKey(["quality", "raw_gate"])

    @dg.asset(
        key=key,
        deps=[["raw", t] for t in ("events", "quarantine", "ingest_batches")],
        check_specs=_specs(key, "raw"),
        description="Batches of raw events are fit to be built from: those that are not are held.",
        group_name="quality",
        kinds=_KINDS,
        owners=_OWNERS,
        code_version="2",
    )
    def raw_gate(context: dg.AssetExecutionContext, config: GateConfig, warehouse: WarehouseResource) -> Iterator[Any]:
        as_of = datetime.fromisoformat(config.as_of) if config.as_of else datetime.now(UTC)
        outcome = judge_raw(
            warehouse.warehouse,
            as_of,
            run_id=context.run_id,
            with_suites=True,
            deadline=timedelta(hours=warehouse.settings.deadline_hours),
            deadlines=around.deadlines,
        )
        yield from _told(context, warehouse, key, "raw", outcome, around)

    return raw_gate


def _build_gate(build_tables: list[dg.AssetKey], around: Surroundings) -> dg.AssetsDefinition:
    key = dg.AssetKey(["quality", "build_gate"])

    @dg.asset(
        key=key,
        deps=build_tables,
        check_specs=_specs(key, "build"),
        description="What the build has touched is fit to be published.",
        group_name="quality",
        kinds=_KINDS,
        owners=_OWNERS,
        code_version="2",
    )
    def build_gate(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
        with warehouse.connect() as connection:
            rows_of = _rows_of(connection, around)
            outcome = judge_build(warehouse.warehouse, rows_of, dbt_target=warehouse.settings.dbt_target, run_id=context.run_id)
        yield from _told(context, warehouse, key, "build", outcome, around)

    return build_gate


def _rows_of(connection: Any, around: Surroundings) -> RowsOf:
    return lambda relation: around.touched_rows(connection, relation)


def _specs(key: dg.AssetKey, gate: Gate) -> list[dg.AssetCheckSpec]:
    """One for each suite, and one for each kind of check of our own; rules and sources are known at run time only.

    Dagster writes three events for a check, at about ten milliseconds each: for each expectation that would be seconds a run.
    """
    checks = [
        (suite.relation, SUITE, "blocking", f"All {len(suite.expectations)} expectations of {suite.relation} hold.")
        for suite in read_suites(gate)
    ]
    checks += [(RELATION, *check) for check in own_checks(gate)]
    return [
        dg.AssetCheckSpec(_asset_check(relation, name), asset=key, blocking=severity == "blocking", description=description)
        for relation, name, severity, description in checks
    ]


def _asset_check(relation: str, name: str) -> str:
    return f"{relation.replace('.', '__')}__{name}"


def _told(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    key: dg.AssetKey,
    gate: Gate,
    outcome: GateOutcome,
    around: Surroundings,
) -> Iterator[Any]:
    """The results for Dagster, then the end of the step: a materialization, or a failure."""
    by_name: dict[str, list[CheckResult]] = {spec.name: [] for spec in _specs(key, gate)}
    for result in outcome.results:
        by_name.get(_asset_check(result.relation, static_name(result)), []).append(result)
    for name, results in by_name.items():
        yield _check_result(key, name, results)
    docs = build_data_docs(warehouse.settings.report_dir / "quality", gate, outcome.results, datetime.now(UTC))
    metadata: dict[str, Any] = {"Data Docs": dg.MetadataValue.url(docs.as_uri())}
    if outcome.blocked:
        try:
            around.tell_readers(warehouse)
        except Exception:
            # The gate's reason must reach people, whatever hinders the page that was to repeat it.
            context.log.exception("pages that are already written could not be marked as stale")
        held = f"{len(outcome.held)} batch{'es are' if len(outcome.held) > 1 else ' is'} held. " if outcome.held else ""
        said = (
            f"{GateBlocked.__name__}: the {gate} gate blocks, and readers keep the last good version. {outcome.reason}\n{held}"
        )
        raise dg.Failure(f"{said}{WHAT_TO_DO}", metadata=metadata, allow_retries=False)
    passed, found = sum(r.passed for r in outcome.results), sum(not r.passed for r in outcome.results)
    notes = f", {found} found something that is published flagged" if found else ""
    metadata["summary"] = f"{passed} of {len(outcome.results)} checks passed{notes}"
    if outcome.reason:
        metadata["accepted or flagged"] = outcome.reason
    yield dg.MaterializeResult(asset_key=key, metadata=metadata)


def _check_result(key: dg.AssetKey, name: str, results: list[CheckResult]) -> dg.AssetCheckResult:
    failed = [r for r in results if not r.passed]
    lines = [line for r in failed for line in r.details.get("found") or [r.details.get("description", r.check_name)]]
    metadata: dict[str, Any] = {
        "rows failed": sum(r.rows_failed or 0 for r in results),
        "details": dg.MetadataValue.json({r.check_name: {"passed": r.passed, **r.details} for r in results}),
    }
    if lines:
        metadata["found"] = dg.MetadataValue.md("\n".join(f"- {line}" for line in lines[:_MOST_LINES]))
    examples = [{"check": r.check_name, **example} for r in failed for example in r.examples]
    if examples:
        metadata["failing examples"] = dg.MetadataValue.md(_table(examples))
    blocks = any(r.severity == "blocking" for r in failed)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _table(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[str(row.get(column, "")).replace("|", "\\|") for column in columns] for row in rows[:_MOST_LINES]]
    return "\n".join("| " + " | ".join(line) + " |" for line in [columns, ["---"] * len(columns), *cells])
