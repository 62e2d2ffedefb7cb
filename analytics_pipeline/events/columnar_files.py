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
_SAFE_DIGITS = 15


def read_parquet(path: Path) -> Iterator[Records]:
    """One record a row, its columns as a JSON object.

    Raises:
        UnreadableFile: not a whole Parquet file.
    """
    with tempfile.TemporaryDirectory(prefix="analytics-parquet-") as folder, _database() as database:
        plain = Path(folder) / "events.parquet"  # a name with * ? or [ would be taken for a pattern
        plain.symlink_to(path.absolute())
        try:
            rows = database.read_parquet(str(plain))
            columns = [_column(name, str(kind)) for name, kind in zip(rows.columns, rows.types, strict=True)]
            document = duckdb.FunctionExpression("to_json", duckdb.FunctionExpression("struct_pack", *columns)).cast("varchar")
            yield from _ordinals(rows.select(document.alias("document")))
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            reason = _first_line(error).replace(str(plain), "the file")
            raise UnreadableFile(f"{path}: not a whole Parquet file ({reason}): write it again") from error


def read_json(stream: IO[bytes], path: Path, form: Literal["array", "unstructured"]) -> Iterator[Records]:
    """One record an object. The stream is unpacked to a temporary file first, where it is cut off loudly if it is not whole.

    Raises:
        UnreadableFile: the JSON is broken somewhere.
    """
    with tempfile.TemporaryDirectory(prefix="analytics-json-") as folder, _database() as database:
        unpacked = Path(folder) / "events.json"
        with unpacked.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        if form == "array" and not _ends_with_bracket(unpacked):
            raise UnreadableFile(f"{path}: its JSON array is cut off: nothing of it was loaded; write the file again")
        parameters = {"path": str(unpacked), "format": form, "largest": _LARGEST_OBJECT}
        try:
            yield from _ordinals(database.sql(_OBJECTS, params=parameters))
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            reason = _first_line(error).replace(str(unpacked), "the file")
            raise UnreadableFile(f"{path}: its JSON is broken ({reason}): nothing of it was loaded; mend it") from error


def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(config={"temp_directory": tempfile.gettempdir()})
    database.execute("set timezone = 'UTC'")
    return database


def _column(name: str, kind: str) -> duckdb.Expression:
    """A column as JSON holds it: NaN, which tables use for nothing, is null, and long decimals keep their digits as text."""
    column = duckdb.ColumnExpression(name)
    if kind in ("DOUBLE", "FLOAT"):
        number = duckdb.FunctionExpression("isnan", column)
        return duckdb.CaseExpression(~number, column).alias(name)
    if kind.startswith("DECIMAL") and int(kind.removeprefix("DECIMAL(").split(",")[0]) > _SAFE_DIGITS:
        return column.cast("varchar").alias(name)
    return column.alias(name)


def _ends_with_bracket(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4096))
        return stream.read().rstrip().endswith(b"]")


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
