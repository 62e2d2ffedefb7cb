"""A chunk of records as columns, and the strict judgement of one JSON document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from analytics_pipeline.events.envelope import LARGEST_RECORD

BYTES_PER_CHUNK = 12 << 20
RECORDS_PER_CHUNK = 50_000

Row = tuple[int, bytes, str | None, str | None]
"""Line number, original bytes, JSON document, problem; exactly one of the last two is set."""


@dataclass(frozen=True)
class Records:
    """A chunk.

    Attributes:
        table: line_number int64 (ascending), payload binary, document string (JSON), problem string (a reason code);
            exactly one of document and problem is set in each row.
        bytes_read: of the decompressed file; 0 where that is not known.
        payload_format: how `replay` reads a payload: kind json, or delimited with delimiter and columns.
    """

    table: pa.Table
    bytes_read: int = 0
    payload_format: dict[str, object] = field(default_factory=lambda: {"kind": "json"})

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def payloads_of(self, line_numbers: list[int]) -> list[bytes]:
        """The original bytes of some records, without their line ends."""
        rows = np.searchsorted(self.table["line_number"].to_numpy(), line_numbers)
        return [bytes(self.table["payload"][int(row)].as_py()).rstrip(b"\r\n") for row in rows]

    def halves(self) -> tuple["Records", "Records"]:
        """The first and the second half of the rows."""
        middle = len(self) // 2
        return Records(self.table.slice(0, middle)), Records(self.table.slice(middle))


def records(line_numbers: Any, payloads: Any, documents: Any, problems: Any, bytes_read: int = 0) -> Records:
    """A chunk from its columns."""
    table = pa.table(
        {
            "line_number": pa.array(line_numbers, pa.int64()),
            "payload": pa.array(payloads, pa.binary()) if isinstance(payloads, Sequence) else payloads,
            "document": pa.array(documents, pa.string()) if isinstance(documents, Sequence) else documents,
            "problem": pa.array(problems, pa.string()) if isinstance(problems, Sequence) else problems,
        }
    )
    return Records(table, bytes_read)


def chunked(rows: Iterator[Row]) -> Iterator[Records]:
    """Rows gathered to chunks of bounded number and size."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row[1])
        if size >= BYTES_PER_CHUNK or len(chunk) >= RECORDS_PER_CHUNK:
            yield _gathered(chunk, size)
            chunk, size = [], 0
    if chunk:
        yield _gathered(chunk, size)


def _gathered(chunk: list[Row], size: int) -> Records:
    numbers, payloads, documents, problems = (list(column) for column in zip(*chunk, strict=True))
    return records(numbers, payloads, documents, problems, size)


def json_problem(document: str) -> str | None:
    """Why a text is not one JSON object that PostgreSQL can store; None if it is."""
    encoded = document.encode()
    if len(encoded) > LARGEST_RECORD:
        return "too_large"
    try:
        value = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        return "too_deep" if "depth" in str(error) else "invalid_json"
    if not isinstance(value, dict):
        return "invalid_json"
    return "nul_in_text" if "\\u0000" in document and _has_nul(value) else None


def _has_nul(document: Any) -> bool:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "\x00" in value:
            return True
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False
