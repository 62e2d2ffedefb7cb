"""Applies a mapping to records: typed events, and refusals with their reasons. The work is done by columns, in DuckDB."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from analytics_pipeline.events.envelope import FIELDS
from analytics_pipeline.events.formats import Records
from analytics_pipeline.events.mapping import FieldSource, Mapping

_QUERY = Path(__file__).with_name("normalise.sql").read_text()
_FUNCTIONS = Path(__file__).with_name("normalise_functions.sql").read_text()
_NOTHING = FieldSource()
_NO_PATH = '$."\u0001"'


Refusal = tuple[int, str, str, bytes]
"""Line number, reason code, offending value, original bytes."""


@dataclass(frozen=True)
class Normalised:
    """One chunk.

    Attributes:
        events: one row per accepted event, columns as in raw.events without batch_id; times in UTC.
        refused: one per refused record.
    """

    events: pa.Table
    refused: list[Refusal]


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """One engine for the process: starting it takes longer than a small file."""
    database = duckdb.connect()
    database.execute("set global timezone = 'UTC'")
    database.execute(_FUNCTIONS)
    return database


class Normaliser:
    """Applies one mapping to the chunks of one file."""

    def __init__(self, mapping: Mapping, source: str, starts_at: datetime, received_at: datetime) -> None:
        """
        Args:
            mapping: which path fills which column.
            source: part of the identity of events without a UUID.
            starts_at: earlier events are refused.
            received_at: for records that do not say when they were received.
        """
        self._database = _database().cursor()
        self._parameters = _parameters(mapping, source, starts_at, received_at)

    def __enter__(self) -> "Normaliser":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._database.close()

    def _in_halves(self, records: Records) -> Normalised:
        """Find the record that the engine stumbles over, refuse it, and keep the others."""
        if len(records) == 1:
            refused = (records.line_number[0], "not_storable", "", records.payload[0])
            return Normalised(self.apply(Records([], [], [], [])).events, [refused])
        first, second = (self.apply(half) for half in records.halves())
        return Normalised(pa.concat_tables([first.events, second.events]), first.refused + second.refused)

    def apply(self, records: Records) -> Normalised:
        """Judge and type one chunk."""
        table = pa.table(
            {
                "line_number": pa.array(records.line_number, pa.int64()),
                "payload": pa.array(records.payload, pa.binary()),
                "document": pa.array(records.document, pa.string()),
                "problem": pa.array(records.problem, pa.string()),
            }
        )
        self._database.register("records", table)
        try:
            result = self._database.sql(_QUERY, params=self._parameters).to_arrow_table()
        except duckdb.Error:
            return self._in_halves(records)
        finally:
            self._database.unregister("records")
        is_accepted = pa.compute.is_null(result["reason_code"])
        judgement = ["line_number", "payload", "reason_code", "time_text", "value_text"]
        events = result.filter(is_accepted).drop_columns(judgement[1:])
        refused = result.filter(pa.compute.invert(is_accepted)).select(judgement).to_pylist()
        return Normalised(events, [_refusal(row) for row in refused])


def _refusal(row: dict[str, Any]) -> Refusal:
    code = row["reason_code"]
    offending = row["value_text"] if code == "invalid_value" else row["time_text"]
    shows_value = code in {"invalid_value", "invalid_time", "time_without_zone", "before_start", "in_future"}
    return row["line_number"], code, offending[:100] if shows_value else "", row["payload"]


def _json_path(path: str) -> str:
    return "$" + "".join("." + orjson.dumps(key).decode() for key in path.split("."))


def _parameters(mapping: Mapping, source: str, starts_at: datetime, received_at: datetime) -> dict[str, Any]:
    sources = [mapping.fields.get(name, _NOTHING) for name in FIELDS]
    occurred, received = (mapping.fields.get(n, _NOTHING) for n in ("occurred_at", "received_at"))
    known = {path.split(".")[0]: None for s in sources for path in s.paths if "." not in path}
    return {
        "paths": [_json_path(s.paths[0]) if s.paths else _NO_PATH for s in sources],
        "constants": [s.constant for s in sources],
        "id_paths": [_json_path(p) for p in sources[0].paths] or [_NO_PATH],
        "known": orjson.dumps(known).decode(),
        "source": source,
        "occurred_format": occurred.format,
        "occurred_zone": occurred.zone,
        "received_format": received.format,
        "received_zone": received.zone,
        "starts_at": starts_at,
        "received_at": received_at,
    }
