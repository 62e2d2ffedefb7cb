"""Loads one event file as one batch. Which files there are is in `known_files`."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg

from analytics_pipeline.errors import UnreadableFile
from analytics_pipeline.events.files import read_records
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.ingest.batch import Batch, Counts, Kind, Origin, note_failure
from analytics_pipeline.ingest.known_files import content_sha256, is_being_written
from analytics_pipeline.ingest.load import Progress, load, no_progress


class _Changed(Exception):
    """The file changed while it was read."""


def load_file(
    connection: psycopg.Connection,
    path: Path,
    mapping: Mapping,
    source: str,
    on_chunk: Progress = no_progress,
    *,
    kind: Kind = "file",
    uri: str = "",
    before_commit: Callable[[Counts], None] = lambda _: None,
) -> Batch:
    """Load a file in one transaction.

    Args:
        connection: outside of a transaction.
        path: a file of one of the known formats.
        mapping: how its records become events.
        source: the name that the events carry; with the content it identifies the file.
        on_chunk: told after each chunk.
        kind: of the source.
        uri: where the file comes from, if not from the path.
        before_commit: runs last in the transaction.

    Raises:
        UsageError: no tracking plan is published yet.
    """
    uri = uri or os.fsencode(path).decode("utf-8", "backslashreplace")
    try:
        if is_being_written(path):
            return Batch(uri, "growing")
        before = _state(path)
        origin = Origin(source, uri, content_sha256(path), kind)
    except OSError as error:
        return Batch(uri, "failed", error=f"{uri} can't be read ({error.strerror}): mend that and load it again")

    def unchanged(counts: Counts) -> None:
        if _state(path) != before:
            raise _Changed
        before_commit(counts)

    try:
        return load(
            connection,
            origin,
            mapping,
            lambda: read_records(path, mapping.delimited),
            on_chunk=on_chunk,
            before_commit=unchanged,
        )
    except _Changed:
        return Batch(uri, "growing")
    except UnreadableFile as error:
        reason = str(error).replace(str(path), uri) if str(path) in str(error) else f"{uri}: {error}"
        return Batch(uri, "failed", note_failure(connection, origin, mapping, reason), error=reason)
    except OSError as error:
        return Batch(uri, "failed", error=f"{uri} can't be read to its end ({error.strerror or error}): load it again")


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
