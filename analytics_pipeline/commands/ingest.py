"""`ingest`: loads files or a source now, and takes loads back."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from analytics_pipeline.commands.terminal import live, rows_progress, say
from analytics_pipeline.errors import UnreadableFile, UsageError
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.batch import Batch, Outcome, totals
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.known_files import event_files
from analytics_pipeline.ingest.revoke import revoke as take_back
from analytics_pipeline.ingest.sources.configuration import require_source
from analytics_pipeline.ingest.sources.reading import read_source
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.compiled import compiled_plan
from analytics_pipeline.tracking_plan.publish import publish_plan, published_hash
from analytics_pipeline.warehouse.connection import open_warehouse

_NOTES: dict[Outcome, str] = {
    "known": "loaded before",
    "elsewhere": "being loaded by another process",
    "failed": "broken",
    "growing": "still being written",
    "nothing": "all refused again",
}


def ingest(settings: Settings, paths: list[Path], mapping: str, source: str | None) -> None:
    """Load each file and print what became of its records.

    Raises:
        UsageError: no files, or no such mapping.
        UnreadableFile: a file is broken; the others are loaded.
    """
    compiled = load_mapping(mapping)
    files = event_files(paths)
    if not files:
        raise UsageError(
            f"no event files at {', '.join(map(str, paths))}: names must end in .ndjson, .jsonl, .json, .csv, .tsv "
            "(also with .gz or .zst) or .parquet"
        )
    with _planned(settings) as connection:

        def batches() -> Iterator[Batch]:
            for file in files:
                with rows_progress(file.name, file.stat().st_size) as progress:
                    batch = load_file(connection, file, compiled, source or compiled.name, progress)
                yield batch

        _report(batches())


def ingest_source(settings: Settings, name: str) -> None:
    """Load what waits in a source of sources.yml, or in the landing folder.

    Raises:
        UsageError: there is no such source.
        UnreadableFile: a file is broken; the others are loaded.
    """
    source = require_source(settings, name)
    with _planned(settings) as connection, rows_progress(name, 0) as progress:
        batches = list(read_source(connection, source, progress))
    _report(batches)


def revoke(settings: Settings, batch: str) -> str:
    """Take a load back.

    Raises:
        UsageError: there is no such load.
    """
    with open_warehouse(settings, say) as warehouse, warehouse.connect(autocommit=True) as connection, live("revoking"):
        gone = take_back(connection, batch)
    lines = [
        f"Revoked {gone.uri}: {gone.events:,} events and {gone.quarantined:,} quarantined records are gone.",
        "The next run computes their days and persons again. The file can be loaded again.",
    ]
    if gone.overlapping:
        lines += ["These later loads had duplicates. Where they were duplicates of what is gone, revoke and load them again:"]
        lines += [f"  {batch_id}  {uri}" for batch_id, uri in gone.overlapping]
    return "\n".join(lines)


@contextmanager
def _planned(settings: Settings) -> Iterator[psycopg.Connection]:
    """A connection to a warehouse that has a plan."""
    with open_warehouse(settings, say) as warehouse, warehouse.connect(autocommit=True) as connection:
        if published_hash(connection) is None:
            publish_plan(connection, compiled_plan(settings))
        yield connection


def _report(batches: Iterable[Batch]) -> None:
    """A line for each batch, the totals, the speed.

    Raises:
        UnreadableFile: some were broken.
    """
    say(f"{'read':>12} {'accepted':>12} {'duplicate':>12} {'quarantined':>12}  file")
    began = time.monotonic()
    done = []
    for batch in batches:
        done.append(batch)
        note = _NOTES.get(batch.outcome, "")
        say(f"{_numbers([batch])}  {batch.uri}{f'  ({note})' if note else ''}")
    seconds = time.monotonic() - began
    read = sum(batch.read for batch in done)
    speed = f", {read / seconds:,.0f} records/s" if read > 1000 and seconds > 0.1 else ""
    say(f"{_numbers(done)}  in all{speed}")
    outcomes = Counter(batch.outcome for batch in done)
    if any(batch.quarantined for batch in done):
        say("What was refused and why: analytics-pipeline quarantine list")
    if outcomes["failed"]:
        raise UnreadableFile("\n".join(batch.error for batch in done if batch.outcome == "failed"))


def _numbers(batches: list[Batch]) -> str:
    return " ".join(f"{total:>12,}" for total in totals(batches))
