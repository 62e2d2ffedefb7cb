"""Files that DuckDB reads as a whole: Parquet, JSON arrays, JSON objects over several lines. Line numbers are ordinals."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import duckdb
import pyarrow as pa

from analytics_pipeline.errors import UnreadableFile
from analytics_pipeline.events.envelope import LARGEST_RECORD
from analytics_pipeline.events.json_lines import texts_of
from analytics_pipeline.events.records import RECORDS_PER_CHUNK, Records, records

_OBJECTS = "select json::varchar from read_json_objects($path, format = $format, maximum_object_size = $largest)"
_LARGEST_OBJECT = 256 << 20


def read_parquet(path: Path) -> Iterator[Records]:
    """One record a row, its columns as a JSON object.

    Raises:
        UnreadableFile: not a whole Parquet file.
    """
    with duckdb.connect() as database:
        try:
            rows = database.read_parquet(str(path))
            columns = [duckdb.ColumnExpression(name).alias(name) for name in rows.columns]
            document = duckdb.FunctionExpression("to_json", duckdb.FunctionExpression("struct_pack", *columns)).cast("varchar")
            yield from _ordinals(rows.select(document.alias("document")))
        except duckdb.Error as error:
            raise UnreadableFile(f"{path}: not a whole Parquet file ({_first_line(error)}): write it again") from error


def read_json(stream: IO[bytes], path: Path, form: Literal["array", "unstructured"]) -> Iterator[Records]:
    """One record an object. The stream is unpacked to a temporary file first, where it is cut off loudly if it is not whole.

    Raises:
        UnreadableFile: the JSON is broken somewhere.
    """
    with tempfile.TemporaryDirectory(prefix="analytics-json-") as folder, duckdb.connect() as database:
        unpacked = Path(folder) / "events.json"
        with unpacked.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        parameters = {"path": str(unpacked), "format": form, "largest": _LARGEST_OBJECT}
        try:
            yield from _ordinals(database.sql(_OBJECTS, params=parameters))
        except duckdb.Error as error:
            reason = _first_line(error).replace(str(unpacked), "the file")
            raise UnreadableFile(f"{path}: its JSON is broken ({reason}): nothing of it was loaded; mend it") from error


def _ordinals(documents: duckdb.DuckDBPyRelation) -> Iterator[Records]:
    number = 1
    for batch in documents.to_arrow_reader(RECORDS_PER_CHUNK):
        for chunk in _bounded(batch.column(0).cast(pa.binary())):
            texts, problems = texts_of(chunk)
            yield records(pa.array(range(number, number + len(chunk))), chunk, texts, problems, chunk.nbytes)
            number += len(chunk)


def _bounded(documents: pa.Array) -> Iterator[pa.Array]:
    if len(documents) > 1 and documents.nbytes > 2 * LARGEST_RECORD:
        middle = len(documents) // 2
        yield from _bounded(documents[:middle])
        yield from _bounded(documents[middle:])
    elif len(documents):
        yield documents


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
