"""Event files in folders: which there are, which are known, which are still being written. Loading one is in `files`."""

import hashlib
import sys
from pathlib import Path

import psycopg

from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.file_kinds import is_event_file


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


def is_being_written(path: Path) -> bool:
    """A process on this machine has the file open for writing. The kernel knows: it refuses a read lease on such a file."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        with path.open("rb") as stream:
            fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # file systems without leases, files of other users: nobody knows
        return False
    return False
