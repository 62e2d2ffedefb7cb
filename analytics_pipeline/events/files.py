"""Opens event files: which kind one is, its decompressed bytes, its records.

Content decides over the name for compression, Parquet and JSON arrays. What the fields mean is not known here.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa

from analytics_pipeline.errors import UnreadableFile
from analytics_pipeline.events import columnar_files, delimited, json_lines
from analytics_pipeline.events.file_kinds import DELIMITED, JSON, SUFFIXES
from analytics_pipeline.events.mapping import COMMA_OR_TAB, Delimited
from analytics_pipeline.events.records import Records

_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_HEAD = 1 << 16
_ARRAY = re.compile(rb"(\xef\xbb\xbf)?\s*\[\s*(\{|\]\s*$)")
_PRETTY = re.compile(rb"(\xef\xbb\xbf)?\s*\{[ \t\r]*\n")


def read_records(path: Path, form: Delimited = COMMA_OR_TAB) -> Iterator[Records]:
    """The records of a file, in chunks.

    Args:
        path: of a file.
        form: how delimited text is written.

    Raises:
        UnreadableFile: unknown suffix, truncated or corrupt compression, not Parquet, a broken JSON array.
    """
    try:
        yield from _read(path, form)
    except (EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        raise UnreadableFile(
            f"{path}: its compression is cut or corrupt ({error}): nothing of it was loaded; write the file again"
        ) from error


def _read(path: Path, form: Delimited) -> Iterator[Records]:
    with path.open("rb") as plain:
        magic = plain.read(4)
    name = path.name.lower()
    kind = "." + re.sub(r"\.(gz|zstd?)$", "", name).rpartition(".")[2]
    if magic == _PARQUET or kind == ".parquet":
        yield from columnar_files.read_parquet(path)
        return
    if kind not in (*JSON, *DELIMITED):
        raise UnreadableFile(f"{path}: unknown kind of file: its name must end in one of {', '.join(SUFFIXES)}")
    with _opened(path, magic) as stream:
        head = stream.read(_HEAD)
    with _opened(path, magic) as stream:
        if kind in DELIMITED:
            if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b'{"', b"[{")):
                raise UnreadableFile(f"{path}: named as delimited text, but holds JSON: name it .ndjson or .json")
            yield from delimited.read_delimited(stream, "\t" if kind == ".tsv" else ",", form)
        elif _ARRAY.match(head):
            yield from columnar_files.read_json(stream, path, "array")
        elif _PRETTY.match(head):
            yield from columnar_files.read_json(stream, path, "unstructured")
        else:
            yield from json_lines.read_json_lines(stream)


def _opened(path: Path, magic: bytes) -> IO[bytes]:
    if magic.startswith(_GZIP):
        return gzip.GzipFile(path)  # type: ignore[return-value]
    if magic == _ZSTD:
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")  # type: ignore[no-any-return]
    return path.open("rb")
