"""Files of the landing folder to raw.*, as assets."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.landing import event_files, unseen
from analytics_pipeline.ingest.load import Batch, load_file
from analytics_pipeline.warehouse.resource import WarehouseResource
from analytics_pipeline.warehouse.table_metadata import markdown_table, table_metadata

_RAW = {
    "events": "One row per accepted event.",
    "quarantine": "One row per refused record, with its reason and its original bytes.",
    "ingest_batches": "One row per load of a file: read = accepted + duplicate + quarantined.",
}


@dg.multi_asset(
    name="ingest",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            deps=[["landing", "files"], ["config", "tracking_plan"]],
            group_name="raw",
            kinds={"postgres"},
            owners=["team:analytics"],
            description=text,
            code_version="1",
        )
        for table, text in _RAW.items()
    ],
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def ingest(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    settings = warehouse.settings
    with warehouse.connect() as connection:
        batches = ingest_files(connection, [settings.landing_dir], settings.mapping, settings.mapping)
        for batch in batches:
            if batch.outcome == "failed":
                context.log.warning(batch.error)
        days = connection.execute(
            """
            select c.day, count(*) from ops.changes as c
            where c.batch_id = any(%s) and c.day is not null group by 1 order by 1 desc limit 14
            """,
            ([b.batch_id for b in batches if b.batch_id],),
        ).fetchall()
        reasons = connection.execute("select reason_code, count(*) from raw.quarantine group by 1 order by 2 desc").fetchall()
        for table in _RAW:
            metadata = {"summary": summary(batches), **table_metadata(connection, "raw", table)}
            metadata["reasons of quarantine"] = markdown_table(("Reason", "Records"), reasons)
            metadata["days touched by this load"] = markdown_table(("Day", "Files"), [(str(d), n) for d, n in days])
            yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)


def ingest_files(connection: psycopg.Connection, paths: list[Path], mapping: str, source: str) -> list[Batch]:
    """Load what is new among the files at and below the paths. A folder that does not exist holds nothing."""
    files = unseen(connection, event_files([p for p in paths if p.exists()]), source)
    compiled = load_mapping(mapping)
    return [load_file(connection, file, compiled, source) for file in files]


def summary(batches: list[Batch]) -> str:
    """One line: files, and records read, accepted, duplicate and quarantined."""
    if not batches:
        return "no new files"
    read, accepted, duplicate, quarantined = (
        sum(getattr(b, n) for b in batches) for n in ("read", "accepted", "duplicate", "quarantined")
    )
    outcomes = Counter(b.outcome for b in batches)
    failed = f", {outcomes['failed']} broken" if outcomes["failed"] else ""
    return (
        f"{outcomes['loaded']:,} files{failed}: {read:,} read = {accepted:,} accepted + {duplicate:,} duplicate "
        f"+ {quarantined:,} quarantined"
    )
