"""Which names event files have. Opening one is in `files`."""

from pathlib import Path
from typing import Final

JSON: Final = (".ndjson", ".jsonl", ".json")
DELIMITED: Final = (".csv", ".tsv")
SUFFIXES: Final = (*(kind + packed for kind in (*JSON, *DELIMITED) for packed in ("", ".gz", ".zst", ".zstd")), ".parquet")


def is_event_file(path: Path) -> bool:
    """Has one of the known suffixes. Names that start with a dot or end in .part are still being written."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")
