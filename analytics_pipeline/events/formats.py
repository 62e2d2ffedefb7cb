"""Reads event files as records: line number, original bytes, and the record as a JSON object.

A record that can't be read is handed on with its reason instead of a document; a file that is broken as a whole raises.
What the fields mean is not known here.
"""

import csv
import gzip
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from analytics_pipeline.errors import UnreadableFile

RECORDS_PER_CHUNK = 50_000
_LONGEST_CELL = 1 << 27
SUFFIXES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


@dataclass
class Records:
    """A chunk of records, as columns of equal length. Exactly one of document and problem is set in each row."""

    line_number: list[int]
    payload: list[bytes]
    document: list[str | None]
    problem: list[str | None]

    def add(self, line_number: int, payload: bytes, document: str | None, problem: str | None) -> None:
        """Append a row."""
        self.line_number.append(line_number)
        self.payload.append(payload)
        self.document.append(document)
        self.problem.append(problem)

    def halves(self) -> tuple["Records", "Records"]:
        """The first and the second half of the rows."""
        middle = len(self) // 2
        parts = (slice(None, middle), slice(middle, None))
        first, second = (Records(self.line_number[p], self.payload[p], self.document[p], self.problem[p]) for p in parts)
        return first, second

    def __len__(self) -> int:
        return len(self.line_number)


def is_event_file(path: Path) -> bool:
    """Has one of the known suffixes. Names that start with a dot or end in .part are still being written."""
    return path.name.endswith(SUFFIXES) and not path.name.startswith(".")


def read_records(path: Path) -> Iterator[Records]:
    """The records of a file, in chunks.

    Raises:
        UnreadableFile: unknown suffix, truncated gzip, not Parquet.
    """
    name = path.name.removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            yield from _parquet(path)
            return
        with _opened(path) as stream:
            if name.endswith((".ndjson", ".jsonl")):
                yield from _ndjson(stream)
            elif name.endswith((".csv", ".tsv")):
                yield from _csv(stream, "\t" if name.endswith(".tsv") else ",")
            else:
                raise UnreadableFile(f"{path}: unknown kind of file: use one of {', '.join(SUFFIXES)}")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(f"{path}: can't be read ({error}): nothing of it was loaded; write the file again") from error


def _opened(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return gzip.GzipFile(path)  # type: ignore[return-value]
    return path.open("rb")


def _chunks(rows: Iterator[tuple[int, bytes, str | None, str | None]]) -> Iterator[Records]:
    chunk = Records([], [], [], [])
    for row in rows:
        chunk.add(*row)
        if len(chunk) >= RECORDS_PER_CHUNK:
            yield chunk
            chunk = Records([], [], [], [])
    if len(chunk):
        yield chunk


def _ndjson(stream: IO[bytes]) -> Iterator[Records]:
    return _chunks((number, line, *_json_object(line)) for number, line in enumerate(_lines(stream), 1) if line.strip())


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(stream):
        yield (line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line).rstrip(b"\r\n")


def _json_object(line: bytes) -> tuple[str | None, str | None]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            line.decode()
        except UnicodeDecodeError:
            return None, "invalid_utf8"
        return None, "invalid_json"
    if not isinstance(value, dict):
        return None, "invalid_json"
    if b"\\u0000" in line and _has_nul(value):
        return None, "nul_in_text"
    return line.decode(), None


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


def _csv(stream: IO[bytes], delimiter: str) -> Iterator[Records]:
    csv.field_size_limit(_LONGEST_CELL)
    lines = _CsvLines(stream)
    try:
        header = next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise UnreadableFile(f"the header can't be read ({error}): write the file with LF or CRLF line ends") from None
    if any("\x00" in name for name in header):
        raise UnreadableFile("the header holds the NUL character: write the file again")
    return _chunks(_csv_rows(lines, header, delimiter))


class _CsvLines:
    """Physical lines with their numbers; those of a record that turned out to be broken can be read again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._fresh = enumerate(stream, 1)
        self._again: deque[tuple[int, bytes]] = deque()
        self.taken: list[tuple[int, bytes]] = []

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        number, line = self._again.popleft() if self._again else next(self._fresh)
        self.taken.append((number, line))
        return (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).decode("utf-8", "surrogateescape")

    def give_back(self) -> None:
        """All taken lines but the first are read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.taken = self.taken[:1]


def _csv_rows(lines: _CsvLines, header: list[str], delimiter: str) -> Iterator[tuple[int, bytes, str | None, str | None]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken = []
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines.give_back()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            row = None
        if row == []:
            continue
        payload = b"".join(line for _, line in lines.taken).rstrip(b"\r\n")
        yield (lines.taken[0][0], payload, *_csv_object(header, row))


def _csv_object(header: list[str], row: list[str] | None) -> tuple[str | None, str | None]:
    if row is None or len(row) != len(header):
        return None, "invalid_csv"
    values = {key: cell for key, cell in zip(header, row, strict=True) if cell != ""}
    if any("\x00" in cell for cell in values.values()):
        return None, "nul_in_text"
    try:
        return orjson.dumps(values).decode(), None
    except (TypeError, UnicodeEncodeError):
        return None, "invalid_utf8"


def _parquet(path: Path) -> Iterator[Records]:
    import duckdb

    with duckdb.connect() as database:
        try:
            names = database.read_parquet(str(path)).columns
            rows = database.read_parquet(str(path), file_row_number=True)
            document = duckdb.FunctionExpression(
                "to_json",
                duckdb.FunctionExpression("struct_pack", *[duckdb.ColumnExpression(n).alias(n) for n in names]),
            )
            number = duckdb.ColumnExpression("file_row_number")
            for batch in rows.select(number, document).to_arrow_reader(RECORDS_PER_CHUNK):
                yield _parquet_chunk(*(column.to_pylist() for column in batch.columns))
        except duckdb.Error as error:
            raise UnreadableFile(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}): write it again") from error


def _parquet_chunk(numbers: list[int], documents: list[str]) -> Records:
    payloads = [document.encode() for document in documents]
    judged = [_json_object(payload) for payload in payloads]
    return Records([n + 1 for n in numbers], payloads, [d for d, _ in judged], [problem for _, problem in judged])
