"""`ingest`: loads files now."""

from pathlib import Path

from analytics_pipeline.commands.terminal import live, say
from analytics_pipeline.errors import UnreadableFile, UsageError
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.landing import event_files
from analytics_pipeline.ingest.load import Batch, load_file
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.compiled import compiled_plan
from analytics_pipeline.tracking_plan.publish import publish_plan, published_hash
from analytics_pipeline.warehouse.connection import open_warehouse


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
            f"no event files at {', '.join(map(str, paths))}: names must end in .ndjson, .jsonl, .csv, .tsv or .parquet"
        )
    with open_warehouse(settings, say) as warehouse, warehouse.connect(autocommit=True) as connection:
        if published_hash(connection) is None:
            publish_plan(connection, compiled_plan(settings))
        say(f"{'read':>10} {'accepted':>10} {'duplicate':>10} {'quarantined':>12}  file")
        batches = []
        for file in files:
            with live(file.name):
                batch = load_file(connection, file, compiled, source or compiled.name)
            batches.append(batch)
            note = {
                "known": "  (loaded before)",
                "elsewhere": "  (being loaded by another process)",
                "failed": "  (broken)",
            }
            say(_line(batch, note.get(batch.outcome, "")))
    total = [sum(getattr(b, name) for b in batches) for name in ("read", "accepted", "duplicate", "quarantined")]
    say(f"{total[0]:>10,} {total[1]:>10,} {total[2]:>10,} {total[3]:>12,}  in all")
    broken = [b for b in batches if b.outcome == "failed"]
    if broken:
        raise UnreadableFile("\n".join(b.error for b in broken))


def _line(batch: Batch, note: str) -> str:
    numbers = f"{batch.read:>10,} {batch.accepted:>10,} {batch.duplicate:>10,} {batch.quarantined:>12,}"
    return f"{numbers}  {batch.uri}{note}"
