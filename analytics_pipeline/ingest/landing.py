"""Which files lie in the landing folder and are not loaded yet. Loading one is in `load`."""

import hashlib
from pathlib import Path

import psycopg

from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.formats import is_event_file


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def event_files(paths: list[Path]) -> list[Path]:
    """All event files at and below the paths, in order of name.

    Raises:
        UsageError: a path does not exist.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(sorted(p for p in path.rglob("*") if p.is_file() and is_event_file(p)))
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path} does not exist: give the path of a file or a folder")
    return found


def unseen(connection: psycopg.Connection, files: list[Path], source: str) -> list[Path]:
    """Those whose content has neither been loaded from this source nor been found to be broken."""
    query = "select content_sha256 from raw.ingest_batches where source = %s and status in ('loaded', 'failed')"
    seen = {row[0] for row in connection.execute(query, (source,))}
    return [path for path in files if _is_unseen(path, seen)]


def _is_unseen(path: Path, seen: set[str]) -> bool:
    """A file that can't be read is unseen: loading it will say why."""
    try:
        return content_sha256(path) not in seen
    except OSError:
        return True
