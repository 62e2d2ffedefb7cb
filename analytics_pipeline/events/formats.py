"""Reads event files as records: line number, original bytes, and the record as a JSON object.

A record that can't be read is handed on with its reason instead of a document; a file that is broken as a whole raises.
What the fields mean is not known here.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from analytics_pipeline.errors import UnreadableFile

RECORDS_PER_CHUNK = 50_000
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
    except (EOFError, gzip.BadGzipFile, OSError) as error:
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


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(k) or _has_nul(v) for k, v in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


def _csv(stream: IO[bytes], delimiter: str) -> Iterator[Records]:
    return _chunks(_csv_rows(stream, delimiter))


def _csv_rows(stream: IO[bytes], delimiter: str) -> Iterator[tuple[int, bytes, str | None, str | None]]:
    consumed: list[bytes] = []

    def text() -> Iterator[str]:
        for number, line in enumerate(stream):
            consumed.append(line)
            yield (line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line).decode("utf-8", "surrogateescape")

    reader = csv.reader(text(), delimiter=delimiter, strict=False)
    header = next(reader, None)
    consumed.clear()
    while True:
        first = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = None
        payload = b"".join(consumed).rstrip(b"\r\n")
        consumed.clear()
        if row == []:
            continue
        yield (first, payload, *_csv_object(header or [], row))


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
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise UnreadableFile(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}): write it again") from error


def _parquet_chunk(numbers: list[int], documents: list[str]) -> Records:
    payloads = [document.encode() for document in documents]
    return Records([n + 1 for n in numbers], payloads, list(documents), [None] * len(documents))
