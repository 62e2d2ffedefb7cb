"""Applies a mapping to records: typed events, and refusals with their reasons. The work is done by columns, in DuckDB."""

import atexit
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from analytics_pipeline.events import contract_columns
from analytics_pipeline.events.contracts import Breach, Contracts, breach_of
from analytics_pipeline.events.engine import new_engine
from analytics_pipeline.events.envelope import LONGEST_TEXT, REASONS
from analytics_pipeline.events.extraction import cast_properties, constants_of, extract
from analytics_pipeline.events.mapping import Mapping
from analytics_pipeline.events.records import Records, json_problem

_FOLDER = Path(__file__).parent
_READABLE, _NORMALISE, _COPY_LINES, _SUSPECTS = (
    (_FOLDER / f"{name}.sql").read_text() for name in ("readable", "normalise", "copy_lines", "suspects")
)
_JUDGEMENT = ("line_number", "reason_code", "offending")
_STORED = ["line_number", "event_id", "occurred_at", "copy_line", "user_id", "anonymous_id"]
_SUSPECTED = """
select line_number, event_name, app_version, occurred_at, properties::varchar as properties from judged
where line_number in (select unnest($line_numbers))
"""
_NO_CONTRACTS = Contracts()


@dataclass(frozen=True)
class Refusal:
    """A record that is no event."""

    line_number: int
    reason_code: str
    payload: bytes
    offending: str = ""
    breach: Breach | None = None

    @property
    def reason(self) -> str:
        """The reason for a person, with the value that caused it."""
        if self.breach is not None:
            return f"{REASONS[self.reason_code]}: {self.breach.text}"
        return f"{REASONS[self.reason_code]}: {self.offending!r}" if self.offending else REASONS[self.reason_code]


@dataclass(frozen=True)
class Normalised:
    """One chunk.

    Attributes:
        events: one row per accepted record in order of line_number: line_number, event_id (16 bytes), occurred_at (UTC),
            user_id, anonymous_id and copy_line, the row of raw.events in the text format of COPY.
        refused: one per refused record.
    """

    events: pa.Table
    refused: list[Refusal]


_idle: defaultdict[str, list[duckdb.DuckDBPyConnection]] = defaultdict(list)
"""Connections whose views are those of a mapping and contracts: making them takes as long as loading a small file."""


@atexit.register
def _close_idle() -> None:
    for connections in _idle.values():
        while connections:
            connections.pop().close()


def _prepared(mapping: Mapping, contracts: Contracts) -> duckdb.DuckDBPyConnection:
    """Chain the views from `records` to `judged` and `watched`; they are bound anew for each chunk."""
    database = new_engine()
    database.register("records", _EMPTY)
    database.register("constants", _CONSTANTS.empty_table())
    fields = extract(database.sql(_READABLE), mapping)
    fields.create_view("fields")
    judged = cast_properties(database.sql(_NORMALISE), mapping).create_view("judged")
    contract_columns.watched(judged, contracts).create_view("watched")
    return database


class Normaliser:
    """Applies one mapping to the chunks of one batch."""

    def __init__(
        self,
        mapping: Mapping,
        source: str,
        batch_id: UUID,
        starts_at: datetime,
        now: datetime,
        horizons: dict[str, datetime] | None = None,
        contracts: Contracts = _NO_CONTRACTS,
    ) -> None:
        """
        Args:
            mapping: which path fills which column.
            source: part of the identity of events without a UUID.
            batch_id: that the events carry.
            starts_at: earlier events are refused.
            now: the time of receipt of records that do not say one.
            horizons: earlier events are refused as too late: of an event name, or "" for all.
            contracts: events that break them are refused.
        """
        self._contracts = contracts
        horizons = {name: at.astimezone(UTC) for name, at in (horizons or {}).items()}
        constants: dict[str, Any] = {
            "source": source,
            "batch_id": str(batch_id),
            "starts_at": starts_at.astimezone(UTC),
            "now": now.astimezone(UTC),
            "horizon": horizons.pop("", _NO_HORIZON),
            "horizon_names": list(horizons),
            "horizons": list(horizons.values()),
            "longest": LONGEST_TEXT,
            "constants_have_specials": any(set(text) & set("\\\t\n\r") for text in (source, *constants_of(mapping))),
        }
        self._idle = _idle[mapping.sha256 + contract_columns.identity(contracts)]
        self._database = self._idle.pop() if self._idle else _prepared(mapping, contracts)
        self._database.register("constants", pa.table({name: [value] for name, value in constants.items()}, _CONSTANTS))

    def __enter__(self) -> "Normaliser":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._register(Records(_EMPTY))
            self._idle.append(self._database)
        else:
            self._database.close()

    def _register(self, records: Records) -> None:
        self._database.register("records", records.table)

    def apply(self, records: Records) -> Normalised:
        """Judge and type one chunk; a record that the engine stumbles over is found by halves and refused."""
        try:
            judged = self._query(_COPY_LINES, records)
        except (duckdb.DataError, duckdb.InvalidInputException):
            if not len(records):
                raise
            return self._in_halves(records)
        is_refused = pc.is_valid(judged["reason_code"])
        refused = _refusals(judged.filter(is_refused).select(_JUDGEMENT).to_pylist(), records)
        breaches = self._breaches(judged, records) if self._contracts else []
        events = judged.select(_STORED)
        if refused or breaches:
            lines = pa.array([breach.line_number for breach in breaches], pa.int64())
            events = events.filter(pc.invert(pc.or_(is_refused, pc.is_in(judged["line_number"], lines))))
        return Normalised(events, refused + breaches)

    def _breaches(self, judged: pa.Table, records: Records) -> list[Refusal]:
        """Events that break a contract: found by columns, then judged one by one."""
        suspects = judged["line_number"].filter(pa.array(contract_columns.suspects(judged, self._contracts))).to_pylist()
        if not suspects:
            return []
        rows = self._database.sql(_SUSPECTED, params={"line_numbers": suspects}).to_arrow_table().to_pylist()
        broken = {row["line_number"]: breach for row in rows if (breach := breach_of(row, self._contracts)) is not None}
        lines = sorted(broken)
        return [
            Refusal(line, "contract", payload, breach=broken[line])
            for line, payload in zip(lines, records.payloads_of(lines), strict=True)
        ]

    def table(self, records: Records) -> pa.Table:
        """The events of a chunk with the columns of raw.events; what is refused is left out."""
        try:
            return self._query("select * from judged where reason_code is null", records)
        except (duckdb.DataError, duckdb.InvalidInputException):
            if len(records) <= 1:
                return self.table(Records(_EMPTY))
            return pa.concat_tables([self.table(half) for half in records.halves()])

    def events(self, records: Records) -> tuple[list[dict[str, Any]], list[Refusal]]:
        """A chunk for people: events as rows with the columns of raw.events, and refusals."""
        try:
            rows = self._query("select * from judged", records).to_pylist()
        except (duckdb.DataError, duckdb.InvalidInputException):
            if len(records) == 1:
                return [], self._in_halves(records).refused
            first, second = (self.events(half) for half in records.halves())
            return first[0] + second[0], first[1] + second[1]
        events = [
            {k: v for k, v in row.items() if k not in (*_JUDGEMENT[1:], "has_specials")}
            for row in rows
            if row["reason_code"] is None
        ]
        return events, _refusals([row for row in rows if row["reason_code"] is not None], records)

    def _query(self, query: str, records: Records) -> pa.Table:
        self._register(records)
        suspects = self._database.execute(_SUSPECTS).fetchall()
        if suspects:
            self._register(_judged_strictly(records, {number for (number,) in suspects}))
        return self._database.sql(query).to_arrow_table()

    def _in_halves(self, records: Records) -> Normalised:
        if len(records) == 1:
            line_number = records.table["line_number"][0].as_py()
            (payload,) = records.payloads_of([line_number])
            return Normalised(self.apply(Records(_EMPTY)).events, [Refusal(line_number, "not_storable", payload)])
        first, second = (self.apply(half) for half in records.halves())
        return Normalised(pa.concat_tables([first.events, second.events]), first.refused + second.refused)


_NO_HORIZON = datetime(1, 1, 1, tzinfo=UTC)
_CONSTANTS = pa.schema(
    [
        ("source", pa.string()),
        ("batch_id", pa.string()),
        ("starts_at", pa.timestamp("us", "UTC")),
        ("now", pa.timestamp("us", "UTC")),
        ("horizon", pa.timestamp("us", "UTC")),
        ("horizon_names", pa.list_(pa.string())),
        ("horizons", pa.list_(pa.timestamp("us", "UTC"))),
        ("longest", pa.int64()),
        ("constants_have_specials", pa.bool_()),
    ]
)
_EMPTY = pa.table(
    {
        "line_number": pa.array([], pa.int64()),
        "payload": pa.array([], pa.binary()),
        "document": pa.array([], pa.string()),
        "problem": pa.array([], pa.string()),
    }
)


def _judged_strictly(records: Records, suspects: set[int]) -> Records:
    """Give the suspects among the records the problem that a strict reader finds."""
    rows = zip(*(records.table[name].to_pylist() for name in ("line_number", "document", "problem")), strict=True)
    problems = [json_problem(document) if number in suspects else problem for number, document, problem in rows]
    position = records.table.column_names.index("problem")
    return Records(records.table.set_column(position, "problem", pa.array(problems, pa.string())))


def _refusals(rows: list[dict[str, Any]], records: Records) -> list[Refusal]:
    payloads = records.payloads_of([row["line_number"] for row in rows])
    return [
        Refusal(row["line_number"], row["reason_code"], payload, (row["offending"] or "")[:100])
        for row, payload in zip(rows, payloads, strict=True)
    ]
