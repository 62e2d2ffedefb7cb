import gzip
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_pipeline.errors import MappingError, UnreadableFile
from analytics_pipeline.events import files
from analytics_pipeline.events.files import read_records
from analytics_pipeline.events.mapping import Mapping, load_mapping
from analytics_pipeline.events.normalise import Normaliser

RECEIVED = datetime(2026, 3, 1, tzinfo=UTC)
STARTS = datetime(2020, 1, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {"event_name": "view", "occurred_at": "2026-02-01T10:00:00Z", "user_id": "u"}


def read(path: Path, mapping: Mapping | None = None) -> tuple[list[dict[str, Any]], list[tuple[int, str]], int]:
    events: list[dict[str, Any]] = []
    refused: list[tuple[int, str]] = []
    count = 0
    mapping = mapping or load_mapping("envelope")
    with Normaliser(mapping, "test", uuid.UUID(int=0), STARTS, RECEIVED) as normaliser:
        for records in read_records(path, mapping.delimited):
            rows, refusals = normaliser.events(records)
            chunk = normaliser.apply(records)
            assert chunk.events["line_number"].to_pylist() == [row["line_number"] for row in rows]
            assert chunk.refused == refusals
            count += len(records)
            events += [{**row, "event_id": str(row["event_id"])} for row in rows]
            refused += [(r.line_number, r.reason_code) for r in refusals]
    return events, refused, count


def ndjson(tmp_path: Path, *lines: bytes | dict[str, Any]) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines) + b"\n")
    return path


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"event_name": "view", "occ', "invalid_json"),
        (b"[1, 2]", "invalid_json"),
        (b'{"event_name": "view", "value": NaN}', "invalid_json"),
        (b"[" * 10_000, "too_deep"),
        (b'{"event_name": "\xff\xfe"}', "invalid_utf8"),
        (json.dumps({**GOOD, "user_id": "a\0b"}).encode(), "nul_in_text"),
        ({**GOOD, "event_name": ""}, "missing_event_name"),
        ({"event_name": "view"}, "missing_time"),
        ({**GOOD, "occurred_at": "yesterday"}, "invalid_time"),
        ({**GOOD, "occurred_at": "2026-02-01 10:00:00"}, "time_without_zone"),
        ({**GOOD, "occurred_at": "0001-01-01T00:00:00Z"}, "before_start"),
        ({**GOOD, "occurred_at": "9999-12-31T00:00:00Z"}, "in_future"),
        ({**GOOD, "occurred_at": "2026-03-02T00:00:01Z"}, "in_future"),
        ({**GOOD, "received_at": "soon"}, "invalid_received_time"),
        ({**GOOD, "value": "1,50"}, "invalid_value"),
        ({**GOOD, "value": 1e20}, "invalid_value"),
        ({**GOOD, "properties": "text"}, "invalid_properties"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason_and_its_number_while_the_others_pass(
    tmp_path: Path, line: bytes | dict[str, Any], code: str
) -> None:
    events, refused, count = read(ndjson(tmp_path, GOOD, line, {**GOOD, "user_id": "v"}))
    assert refused == [(2, code)]
    assert [event["user_id"] for event in events] == ["u", "v"]
    assert count == 3


def test_times_are_read_with_their_zone(tmp_path: Path) -> None:
    texts = ["2026-02-01T10:00:00Z", "2026-02-01T12:00:00+02:00", "2026-02-01 05:00:00.000000-05:00"]
    events, refused, _ = read(ndjson(tmp_path, *({**GOOD, "occurred_at": t} for t in texts)))
    assert refused == []
    assert {event["occurred_at"].astimezone(UTC) for event in events} == {datetime(2026, 2, 1, 10, tzinfo=UTC)}


def test_a_zone_stated_by_the_mapping_holds_for_times_without_one_over_dst(tmp_path: Path) -> None:
    mapping = Mapping.model_validate(
        {"name": "m", "fields": {"event_name": "event_name", "occurred_at": {"path": "t", "zone": "Europe/Berlin"}}}
    )
    lines = [{"event_name": "x", "t": t} for t in ("2026-01-15 12:00:00", "2025-07-15 12:00:00")]
    events, _, _ = read(ndjson(tmp_path, *lines), mapping)
    assert [e["occurred_at"].astimezone(UTC).hour for e in events] == [11, 10]


@pytest.mark.parametrize(
    ("form", "number"), [("epoch_s", 1769940000), ("epoch_ms", 1769940000000), ("epoch_us", 1769940000000000)]
)
def test_epochs_are_read_in_their_unit(tmp_path: Path, form: str, number: int) -> None:
    mapping = Mapping.model_validate(
        {"name": "m", "fields": {"event_name": "event_name", "occurred_at": {"path": "t", "format": form}}}
    )
    events, refused, _ = read(ndjson(tmp_path, {"event_name": "x", "t": number}), mapping)
    assert refused == []
    assert events[0]["occurred_at"].astimezone(UTC) == datetime(2026, 2, 1, 10, tzinfo=UTC)


def test_an_id_that_is_no_uuid_becomes_the_version_five_uuid_of_source_and_id(tmp_path: Path) -> None:
    events, _, _ = read(ndjson(tmp_path, {**GOOD, "event_id": "order-7"}))
    assert events[0]["event_id"] == str(uuid.uuid5(uuid.NAMESPACE_URL, "test:order-7"))


def test_an_event_without_an_id_gets_the_same_one_from_the_same_content(tmp_path: Path) -> None:
    events, _, _ = read(ndjson(tmp_path, GOOD, {**GOOD, "user_id": "v"}, GOOD))
    first, second, third = (event["event_id"] for event in events)
    assert first == third != second


def test_keys_that_are_no_column_are_kept_in_the_properties(tmp_path: Path) -> None:
    events, _, _ = read(ndjson(tmp_path, {**GOOD, "colour": "red", "properties": {"size": [1, 2]}}))
    assert json.loads(events[0]["properties"]) == {"colour": "red", "size": [1, 2]}


def test_csv_keeps_line_numbers_over_quoted_line_breaks_bom_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    text = '\ufeffevent_name,occurred_at,note\r\nview,2026-02-01T10:00:00Z,"two\r\nlines"\r\nshort\r\nbuy,2026-02-01T11:00:00Z,x\r\n'
    path.write_bytes(text.encode())
    events, refused, count = read(path)
    assert refused == [(4, "invalid_csv")]
    assert [(e["line_number"], e["event_name"]) for e in events] == [(2, "view"), (5, "buy")]
    assert json.loads(events[0]["properties"]) == {"note": "two\r\nlines"}
    assert count == 3


def test_parquet_without_zones_and_with_nested_columns_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    rows = [{"event_name": "x", "occurred_at": datetime(2026, 2, 1, 10), "deep": {"a": [1]}, "value": 1.5}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    _, refused, _ = read(path)
    assert refused == [(1, "time_without_zone")]
    mapping = Mapping.model_validate(
        {
            "name": "m",
            "fields": {"event_name": "event_name", "occurred_at": {"path": "occurred_at", "zone": "UTC"}, "value": "value"},
        }
    )
    events, _, _ = read(path, mapping)
    assert (events[0]["occurred_at"].hour, str(events[0]["value"]), json.loads(events[0]["properties"])) == (
        10,
        "1.5000",
        {"deep": {"a": [1]}},
    )


@pytest.mark.parametrize("name", ["cut.ndjson.gz", "not.parquet", "unknown.txt"])
def test_a_file_that_is_broken_as_a_whole_says_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode() * 50)[:-20] if name.endswith("gz") else b"PAR1 no")
    with pytest.raises(UnreadableFile, match=name):
        read(path)


@pytest.mark.parametrize("name", ["empty.ndjson", "empty.csv", "header.csv"])
def test_a_file_without_records_is_fine(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("event_name,occurred_at\n" if name == "header.csv" else "")
    assert read(path) == ([], [], 0)


def test_a_mapping_that_names_no_column_is_refused_with_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "m.yml"
    path.write_text("name: m\nfields: {event_nam: e, occurred_at: t}\n")
    with pytest.raises(MappingError, match=r"event_nam.*event_name"):
        load_mapping(str(path))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(
        st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))
        | st.dictionaries(
            st.sampled_from(["event_id", "event_name", "occurred_at", "value", "properties", "user_id", "x"]), json_values
        ).map(lambda d: json.dumps(d).encode()),
        max_size=8,
    )
)
def test_no_bytes_crash_the_reader_and_no_line_is_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "events.ndjson"
    path.write_bytes(b"\n".join(lines))
    try:
        events, refused, count = read(path)
    except UnreadableFile:
        head = path.read_bytes()
        is_packed = head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"))
        is_whole = files._ARRAY.match(head) or files._PRETTY.match(head)
        assert is_packed or is_whole, "only what looks packed is unpacked, and what looks like one document is read as one"
        return
    assert count == len(events) + len(refused)
    assert count == sum(
        bool(line.removeprefix(b"\xef\xbb\xbf").strip()) if i == 0 else bool(line.strip()) for i, line in enumerate(lines)
    )
