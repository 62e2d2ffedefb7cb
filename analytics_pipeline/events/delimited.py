"""CSV and TSV. As long as no quote has been seen, lines are cut by columns; from the first one on, a CSV reader reads."""

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

import duckdb
import orjson
import pyarrow as pa

from analytics_pipeline.errors import UnreadableFile
from analytics_pipeline.events.envelope import LARGEST_RECORD
from analytics_pipeline.events.json_lines import blocks_of_lines, lines_of, texts_of
from analytics_pipeline.events.mapping import Delimited
from analytics_pipeline.events.records import Records, Row, chunked, records

_LONGEST_CELL = 1 << 28
_SPLIT = Path(__file__).with_name("delimited.sql").read_text()
_Line = tuple[int, bytes]


def read_delimited(stream: IO[bytes], delimiter: str, form: Delimited) -> Iterator[Records]:
    """Records whose documents are objects of text, by the names of the header; empty cells are left out.

    Args:
        stream: bytes of the file.
        delimiter: one character.
        form: names of the columns where there is no header, and whether quotes quote.

    Raises:
        UnreadableFile: the header can't be read.
    """
    header = list(form.columns)
    blocks = blocks_of_lines(stream)
    with duckdb.connect() as database:
        for number, block in blocks:
            if form.quoted and b'"' in block:
                lines = chain(_numbered(number, block), chain.from_iterable(_numbered(n, b) for n, b in blocks))
                yield from _quoted(_Lines(lines), header, delimiter)
                return
            while not header and block.strip():
                first, _, block = block.partition(b"\n")
                header, number = _header(first, delimiter) if first.strip() else [], number + 1
            if block:
                yield _split(database, number, block, header, delimiter)


def read_payloads(numbers: list[int], payloads: list[bytes], payload_format: dict[str, Any], form: Delimited) -> Records:
    """Records that were cut already, in the format that `read_delimited` states with its records."""
    header, delimiter = payload_format["columns"], payload_format["delimiter"]
    rows = (_cut(payload.decode("utf-8", "surrogateescape"), delimiter, form) for payload in payloads)
    judged = [_object(header, row) for row in rows]
    return records(numbers, payloads, [document for document, _ in judged], [problem for _, problem in judged])


def _cut(text: str, delimiter: str, form: Delimited) -> list[str] | None:
    if not form.quoted:
        return text.split(delimiter)
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _header(line: bytes, delimiter: str) -> list[str]:
    if b"\r" in line.rstrip(b"\r"):
        raise UnreadableFile("the header holds a lone CR: write the file with LF or CRLF line ends")
    return _distinct(_readable(line.rstrip(b"\r")).split(delimiter))


def _readable(text: bytes) -> str:
    if b"\x00" in text:
        raise UnreadableFile("the header holds the NUL character: write the file again")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"the header is not UTF-8 text ({error.reason}): write the file in UTF-8") from None


def _distinct(header: list[str]) -> list[str]:
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise UnreadableFile(f"the header names {twice[0]!r} twice: give each column a name of its own")
    return header


def _split(database: duckdb.DuckDBPyConnection, number: int, block: bytes, header: list[str], delimiter: str) -> Records:
    lines = lines_of(block)
    texts, problems = texts_of(lines)
    source = pa.table(
        {"line_number": pa.array(range(number, number + len(lines))), "payload": lines, "text": texts, "problem": problems}
    )
    database.register("lines", source)
    keys = [orjson.dumps(name).decode() for name in header]
    table: pa.Table = database.sql(_SPLIT, params={"keys": keys, "delimiter": delimiter}).to_arrow_table()
    database.unregister("lines")
    return Records(table.combine_chunks(), len(block), _format(header, delimiter))


def _numbered(number: int, block: bytes) -> Iterator[_Line]:
    return enumerate(lines_of(block).to_pylist(), number)


class _Lines:
    """Physical lines with their numbers; those of a record that turned out to be broken can be read again."""

    def __init__(self, lines: Iterable[_Line]) -> None:
        self._fresh = iter(lines)
        self._again: deque[_Line] = deque()
        self.taken: list[_Line] = []
        self._size = 0

    def begin_record(self) -> None:
        """What is taken from here on belongs to the next record."""
        self.taken, self._size = [], 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        number, line = self._again.popleft() if self._again else next(self._fresh)
        self.taken.append((number, line))
        self._size += len(line)
        if self._size > LARGEST_RECORD:
            raise csv.Error("a record that does not end")
        return line.decode("utf-8", "surrogateescape")

    def give_back(self) -> None:
        """All taken lines but the first are read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.taken = self.taken[:1]


def _format(header: list[str], delimiter: str) -> dict[str, object]:
    return {"kind": "delimited", "delimiter": delimiter, "columns": header}


def _quoted(lines: _Lines, header: list[str], delimiter: str) -> Iterator[Records]:
    csv.field_size_limit(_LONGEST_CELL)
    if not header:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
        except csv.Error as error:
            raise UnreadableFile(f"the header can't be read ({error}): write the file with LF or CRLF line ends") from None
        for name in header:
            _readable(name.encode("utf-8", "surrogateescape"))
        _distinct(header)
    for chunk in chunked(_rows(lines, header, delimiter)):
        yield Records(chunk.table, chunk.bytes_read, _format(header, delimiter))


def _rows(lines: _Lines, header: list[str], delimiter: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_record()
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
        payload = b"".join(line for _, line in lines.taken)
        yield (lines.taken[0][0], payload, *_object(header, row))


def _object(header: list[str], row: list[str] | None) -> tuple[str | None, str | None]:
    if row is None or len(row) != len(header):
        return None, "invalid_csv"
    try:
        return orjson.dumps({key: cell for key, cell in zip(header, row, strict=True) if cell != ""}).decode(), None
    except (TypeError, UnicodeEncodeError):
        return None, "invalid_utf8"
