"""Each source as an asset that loads what waits in it, and the tables that all of them fill."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import psycopg

from analytics_pipeline.ingest.batch import Batch, Outcome, totals
from analytics_pipeline.ingest.lineage import asset_key, field_lineage, source_metadata
from analytics_pipeline.ingest.sources.configuration import LANDING, Source, load_sources
from analytics_pipeline.ingest.sources.reading import read_source
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.resource import WarehouseResource
from analytics_pipeline.warehouse.table_metadata import markdown_table, table_metadata

_RAW = {
    "events": "One row per accepted event.",
    "quarantine": "One row per refused record, with its reason and its original bytes.",
    "ingest_batches": "One row per load: read = accepted + duplicate + quarantined.",
}
_OWNERS, _CODE_VERSION = ["team:analytics"], "2"


def ingest_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """One asset for each source of the home, then the raw tables.

    Raises:
        UsageError: sources.yml can't be read.
    """
    sources = load_sources(settings)
    return [*map(_source_asset, sources), _raw_tables(sources)]


RAW_KEYS = [dg.AssetKey(["raw", table]) for table in _RAW]


def _source_asset(source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key(source),
        deps=[*([["landing", "files"]] if source.name == LANDING else []), ["config", "tracking_plan"]],
        group_name="ingest",
        kinds={"postgres", {"folder": "file", "sql": "postgres"}.get(source.kind, source.kind)},
        description=f"Loads what waits in the {source.kind} source {source.name}, with mapping {source.mapping}; exactly once.",
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
        owners=_OWNERS,
        code_version=_CODE_VERSION,
    )
    def load(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with warehouse.connect() as connection:
            batches = list(read_source(connection, source))
            for batch in batches:
                if batch.outcome == "failed":
                    context.log.warning(batch.error)
            metadata = {"summary": summary(batches), **_tables(connection, batches), **source_metadata(source)}
            return dg.MaterializeResult(metadata=metadata)

    return load


def _raw_tables(sources: Sequence[Source]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="raw",
        specs=[
            dg.AssetSpec(
                ["raw", table],
                deps=[asset_key(source) for source in sources],
                group_name="raw",
                kinds={"postgres"},
                description=text,
                owners=_OWNERS,
                code_version=_CODE_VERSION,
            )
            for table, text in _RAW.items()
        ],
    )
    def raw(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        with warehouse.connect() as connection:
            reasons = connection.execute(
                "select reason_code, count(*) from raw.quarantine where resolved_at is null group by 1 order by 2 desc"
            ).fetchall()
            for table in _RAW:
                metadata = table_metadata(connection, "raw", table)
                if table == "events":
                    metadata["dagster/column_lineage"] = field_lineage(sources)
                if table == "quarantine":
                    metadata["unresolved records by reason"] = markdown_table(("Reason", "Records"), reasons)
                yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)

    return raw


def _tables(connection: psycopg.Connection, batches: list[Batch]) -> dict[str, Any]:
    """Rows by day and by reason of these loads."""
    ids = [batch.batch_id for batch in batches if batch.accepted]
    span = [time for b in batches for time in (b.counts.earliest, b.counts.latest) if time]
    days = connection.execute(
        """
        select (e.occurred_at at time zone p.timezone)::date, count(*) from raw.events as e cross join config.plan as p
        where e.batch_id = any(%s) and e.occurred_at between %s and %s group by 1 order by 1 desc limit 31
        """,
        (ids, min(span, default=None), max(span, default=None)),
    ).fetchall()
    reasons = connection.execute(
        "select reason_code, count(*) from raw.quarantine where batch_id = any(%s) group by 1 order by 2 desc",
        ([batch.batch_id for batch in batches if batch.quarantined],),
    ).fetchall()
    return {
        "rows by day": markdown_table(("Day", "Events"), [(str(day), count) for day, count in days]),
        "rows by reason": markdown_table(("Reason", "Records"), reasons),
    }


def summary(batches: Sequence[Batch]) -> str:
    """One line: loads, and records read, accepted, duplicate and quarantined."""
    if not batches:
        return "nothing new"
    read, accepted, duplicate, quarantined = totals(batches)
    outcomes = Counter(b.outcome for b in batches)
    notes: dict[Outcome, str] = {"failed": "broken", "growing": "still being written", "elsewhere": "loaded by another process"}
    others = "".join(f", {outcomes[outcome]} {text}" for outcome, text in notes.items() if outcomes[outcome])
    loads = f"{outcomes['loaded']:,} load{'' if outcomes['loaded'] == 1 else 's'}"
    return f"{loads}{others}: {read:,} read = {accepted:,} accepted + {duplicate:,} duplicate + {quarantined:,} quarantined"
