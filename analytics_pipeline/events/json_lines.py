"""NDJSON by columns: lines are cut by vectors, their bytes are not copied."""

from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analytics_pipeline.errors import UnreadableFile
from analytics_pipeline.events.envelope import LARGEST_RECORD
from analytics_pipeline.events.records import BYTES_PER_CHUNK, Records, records

_LONGEST_LINE = 256 << 20
_BOM = b"\xef\xbb\xbf"


def read_json_lines(stream: IO[bytes]) -> Iterator[Records]:
    """Chunks of lines that hold something.

    Raises:
        UnreadableFile: a line is longer than 256 MB.
    """
    for first_line, block in blocks_of_lines(stream):
        yield _records(first_line, block)


def blocks_of_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Whole lines in blocks, each with the number of its first line; the byte order mark is left out."""
    line_number, pending = 1, [_without_bom(stream.read(BYTES_PER_CHUNK))]
    while pending:
        block = stream.read(BYTES_PER_CHUNK)
        last = pending.pop()
        end = last.rfind(b"\n") + 1 if block else len(last)
        if end or not block:
            pending.append(last[:end])
            whole, pending = b"".join(pending), [last[end:]] if block else []
            if whole:
                lines = whole.count(b"\n")
                yield line_number, whole
                line_number += lines
            del whole
        else:
            pending.append(last)
        if block:
            pending.append(block)
        if sum(map(len, pending)) > _LONGEST_LINE + BYTES_PER_CHUNK:
            raise UnreadableFile(f"line {line_number:,} is longer than {_LONGEST_LINE >> 20} MB: write the file in lines")


def lines_of(block: bytes) -> pa.Array:
    """The lines of a block, each with its line end, as binary values on the block's own memory."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    if not len(ends) or ends[-1] != len(block):
        ends = np.append(ends, len(block))
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(block)])


def _without_bom(block: bytes) -> bytes:
    return block.removeprefix(_BOM)


def _records(first_line: int, block: bytes) -> Records:
    lines = lines_of(block)
    numbers = pa.array(np.arange(first_line, first_line + len(lines)))
    filled = _is_filled(lines)
    if not filled.all():
        lines, numbers = lines.filter(pa.array(filled)), numbers.filter(pa.array(filled))
    documents, problems = texts_of(lines)
    return records(numbers, lines, documents, problems, len(block))


def json_records(line_numbers: list[int], payloads: list[bytes]) -> Records:
    """Records of JSON documents that were cut already."""
    array = pa.array(payloads, pa.binary())
    return records(line_numbers, array, *texts_of(array), sum(map(len, payloads)))


def texts_of(lines: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The lines as text, and why some are none."""
    largest = pc.max(pc.binary_length(lines)).as_py() or 0
    if largest <= LARGEST_RECORD:
        try:
            return lines.cast(pa.string()), pa.nulls(len(lines), pa.string())
        except pa.ArrowInvalid:
            pass
    judged = [_text_or_problem(line.as_py()) for line in lines]
    return pa.array([text for text, _ in judged], pa.string()), pa.array([problem for _, problem in judged], pa.string())


def _text_or_problem(line: bytes) -> tuple[str | None, str | None]:
    if len(line) > LARGEST_RECORD:
        return None, "too_large"
    try:
        return line.decode(), None
    except UnicodeDecodeError:
        return None, "invalid_utf8"


def _is_filled(lines: pa.Array) -> np.ndarray:
    """Lines of more than their end; the few short ones are looked at."""
    lengths = pc.binary_length(lines).to_numpy()
    filled = np.ones(len(lengths), bool)
    for index in np.flatnonzero(lengths <= 8):
        filled[index] = bool(lines[int(index)].as_py().strip())
    return filled
