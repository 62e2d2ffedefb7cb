"""Whatever is wrong with a record costs that record; whatever is wrong with a file costs that file, once mended it loads."""

import functools
import gzip
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_pipeline.commands.doctor import BOOKS
from analytics_pipeline.commands.quarantine import masked
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file

AT = "2026-02-01T10:00:00Z"


def good(number: int, **values: Any) -> dict[str, Any]:
    return {"event_id": str(uuid.UUID(int=number)), "event_name": "view", "occurred_at": AT, **values}


gzipped = functools.partial(gzip.compress, mtime=0)  # parts of test ids, which must not change by the second


def line(number: int, **values: Any) -> bytes:
    return json.dumps(good(number, **values)).encode()


def load(connection: psycopg.Connection, path: Path, content: bytes) -> Batch:
    path.write_bytes(content)
    return load_file(connection, path, load_mapping("envelope"), "envelope")


def quarantine(connection: psycopg.Connection) -> list[tuple[int, str, bytes]]:
    return connection.execute("select line_number, reason_code, payload from raw.quarantine order by 1").fetchall()


def stored(connection: psycopg.Connection) -> list[int]:
    return sorted(row[0].int for row in connection.execute("select event_id from raw.events").fetchall())


RECORDS: dict[str, tuple[bytes, str]] = {
    "half a line": (line(2)[:40], "invalid_json"),
    "trailing comma": (line(2)[:-1] + b",}", "invalid_json"),
    "a comment": (b"/* x */" + line(2), "invalid_json"),
    "two objects": (line(2) + line(3), "invalid_json"),
    "a list": (b"[" + line(2) + b"]", "invalid_json"),
    "NaN": (line(2)[:-1] + b', "value": NaN}', "invalid_json"),
    "Infinity in a property": (line(2)[:-1] + b', "x": {"y": -Infinity}}', "invalid_json"),
    "bytes that are no text": (line(2)[:-1] + b', "x": "\xff\xfe"}', "invalid_utf8"),
    "the NUL character": (line(2, user_id="a\0b"), "nul_in_text"),
    "the NUL character deep inside": (line(2, x=[{"y": "\0"}]), "nul_in_text"),
    "a raw NUL byte": (line(2)[:-1] + b', "x": "\0"}', "invalid_json"),
    "half a surrogate pair": (line(2)[:-1] + b', "x": "\\ud800"}', "invalid_json"),
    "the same key twice": (line(2)[:-1] + b', "event_name": "other"}', "duplicate_key"),
    "an unknown key twice": (line(2)[:-1] + b', "x": 1, "x": 2}', "duplicate_key"),
    "nested 10,000 deep": (line(2)[:-1] + b', "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep"),
    "a line of 17 MB": (line(2, x="y" * (17 << 20)), "too_large"),
    "a name of a megabyte": (line(2, event_name="y" * (1 << 20)), "text_too_long"),
    "seconds read as ISO": (line(2, occurred_at=1769940000), "invalid_time"),
    "no zone": (line(2, occurred_at="2026-02-01 10:00:00"), "time_without_zone"),
    "a day that does not exist": (line(2, occurred_at="2026-02-30T10:00:00Z"), "invalid_time"),
    "the year 1": (line(2, occurred_at="0001-01-01T00:00:00Z"), "before_start"),
    "the year 9999": (line(2, occurred_at="9999-12-31T23:59:59Z"), "in_future"),
    "beyond numeric(18, 4)": (line(2, value=1e15), "invalid_value"),
    "a number that is text": (line(2, value="a lot"), "invalid_value"),
    "a number that PostgreSQL can't hold": (line(2)[:-1] + b', "x": 1e200000}', "not_storable"),
    "properties that are a list": (line(2, properties=[1]), "invalid_properties"),
    "properties that are no JSON": (line(2, properties="{x"), "invalid_properties"),
    "nothing": (b"{}", "missing_event_name"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_bad_record_is_quarantined_with_its_bytes_and_the_others_load(
    planned: psycopg.Connection, tmp_path: Path, name: str
) -> None:
    record, code = RECORDS[name]
    batch = load(planned, tmp_path / "a.ndjson", b"\n".join([line(1), record, line(4)]) + b"\n")
    assert quarantine(planned) == [(2, code, record)]
    assert stored(planned) == [1, 4]
    assert (batch.read, batch.accepted, batch.duplicate, batch.quarantined) == (3, 2, 0, 1)


@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        ({"properties": {"text": "z" * (1 << 20)}}, "length(properties ->> 'text')", 1 << 20),
        pytest.param(
            {"x": json.loads("[" * 900 + "]" * 900)}, "jsonb_typeof(properties -> 'x')", "array",
            marks=pytest.mark.own_server("a WebAssembly stack is too small for it"),
        ),
        ({"value": "1e3"}, "value::text", "1000.0000"),
        ({"occurred_at": "2026-02-01T09:59:60Z"}, "extract(minute from occurred_at)::int", 0),
        ({"unknown": {"a": [1, None, "\\ \t \n \" é 🙂"]}}, "properties -> 'unknown' -> 'a' ->> 2", "\\ \t \n \" é 🙂"),
        ({"user_id": "tab\tback\\slash\nline\r"}, "user_id", "tab\tback\\slash\nline\r"),
        ({"user_id": "\\N"}, "user_id", "\\N"),
        ({"user_id": ""}, "user_id", None),
        ({"user_id": 17}, "user_id", "17"),
        ({"user_id": "NA"}, "user_id", "NA"),
    ],
)  # fmt: skip
def test_an_unusual_record_arrives_as_it_is(
    planned: psycopg.Connection, tmp_path: Path, values: dict[str, Any], column: str, expected: object
) -> None:
    assert load(planned, tmp_path / "a.ndjson", line(1, **values)).accepted == 1
    assert planned.execute(f"select {column} from raw.events").fetchone() == (expected,)


@pytest.mark.only_on("embedded", "500 refusals take long; one is among the records above")
def test_500_unstorable_records_among_good_ones_are_found_one_by_one(planned: psycopg.Connection, tmp_path: Path) -> None:
    bad = [line(n)[:-1] + b', "x": 1e200000}' if n % 4 == 0 else line(n) for n in range(1, 2001)]
    batch = load(planned, tmp_path / "a.ndjson", b"\n".join(bad))
    assert (batch.accepted, batch.quarantined) == (1500, 500)
    assert {row[1] for row in quarantine(planned)} == {"not_storable"}


@pytest.mark.only_on("embedded", "files are read before any server sees them")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.ndjson", b"\xef\xbb\xbf" + line(1) + b"\n" + line(2)),
        ("crlf.ndjson", line(1) + b"\r\n\r\n" + line(2) + b"\r\n"),
        ("array.json", b" [" + line(1) + b",\n" + line(2) + b"]\n"),
        ("array.ndjson", b"[" + line(1) + b"," + line(2) + b"]"),
        ("pretty.json", json.dumps([good(1), good(2)], indent=2).encode()),
        ("objects.json", (json.dumps(good(1), indent=2) + "\n" + json.dumps(good(2), indent=2)).encode()),
        ("lines.json", line(1) + b"\n" + line(2)),
        ("packed.ndjson.gz", gzipped(line(1) + b"\n") + gzipped(line(2))),
        ("packed.ndjson.zst", zstandard.compress(line(1) + b"\n" + line(2))),
        ("array.json.zst", zstandard.compress(b"[" + line(1) + b"," + line(2) + b"]")),
        ("gzip-without-the-suffix.ndjson", gzipped(line(1) + b"\n" + line(2))),
        ("suffix-without-gzip.ndjson.gz", line(1) + b"\n" + line(2)),
        ("UPPER.NDJSON", line(1) + b"\n" + line(2)),
        ("bom.csv", f"\ufeffevent_id,event_name,occurred_at\r\n{uuid.UUID(int=1)},view,{AT}\r\n\r\n{uuid.UUID(int=2)},view,{AT}".encode()),
        ("tabs.tsv", f"event_id\tevent_name\toccurred_at\n{uuid.UUID(int=1)}\tview\t{AT}\n{uuid.UUID(int=2)}\tview\t{AT}\n".encode()),
        ("packed.csv.zst", zstandard.compress(f"event_id,event_name,occurred_at\n{uuid.UUID(int=1)},view,{AT}\n{uuid.UUID(int=2)},view,{AT}".encode())),
    ],
)  # fmt: skip
def test_two_events_in_any_packing_are_two_events(
    planned: psycopg.Connection, tmp_path: Path, name: str, content: bytes
) -> None:
    batch = load(planned, tmp_path / name, content)
    assert (batch.outcome, batch.read, batch.quarantined) == ("loaded", 2, 0), batch.error
    assert stored(planned) == [1, 2]


@pytest.mark.only_on("embedded", "files are read before any server sees them")
def test_parquet_under_any_name_with_nested_columns_and_large_groups(planned: psycopg.Connection, tmp_path: Path) -> None:
    rows = [{**good(n), "deep": {"a": [n]}, "occurred_at": datetime(2026, 2, 1, 10, tzinfo=UTC)} for n in (1, 2)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "events.ndjson")
    batch = load_file(planned, tmp_path / "events.ndjson", load_mapping("envelope"), "envelope")
    assert (batch.accepted, batch.quarantined) == (2, 0)
    assert planned.execute("select properties -> 'deep' -> 'a' -> 0 from raw.events order by 1").fetchall() == [(1,), (2,)]


@pytest.mark.only_on("embedded", "files are read before any server sees them")
@pytest.mark.parametrize("name", ["empty.ndjson", "empty.csv", "empty.json", "header.csv", "blank.ndjson", "empty-array.json"])
def test_a_file_without_records_is_a_load_of_nothing(planned: psycopg.Connection, tmp_path: Path, name: str) -> None:
    content = {"header.csv": b"event_name,occurred_at\n", "blank.ndjson": b"\n \r\n\n", "empty-array.json": b"[]\n"}.get(
        name, b""
    )
    batch = load(planned, tmp_path / name, content)
    assert (batch.outcome, batch.read) == ("loaded", 0)


BROKEN: dict[str, tuple[bytes, bytes]] = {
    "cut.ndjson.gz": (gzipped(line(1) + b"\n" + line(2))[:-12], gzipped(line(1) + b"\n" + line(2))),
    "cut.ndjson.zst": (
        zstandard.compress(b"\n".join(line(n) for n in range(1, 900)))[:-9],
        zstandard.compress(line(1) + b"\n" + line(2)),
    ),
    "cut.json": (b"[" + line(1) + b"," + line(2)[:50], b"[" + line(1) + b"," + line(2) + b"]"),
    "cut.parquet": (b"PAR1 and then nothing", b""),
    "json.csv": (line(1) + b"\n" + line(2), b""),
    "latin.csv": ("größe,event_name\n1,view".encode("latin-1"), b""),
}


@pytest.mark.only_on("embedded", "files are read before any server sees them")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_failed_batch_with_one_line_and_loads_once_mended(
    planned: psycopg.Connection, tmp_path: Path, name: str
) -> None:
    broken, whole = BROKEN[name]
    batch = load(planned, tmp_path / name, broken)
    assert batch.outcome == "failed"
    assert "\n" not in batch.error.strip()
    assert str(tmp_path / name) in batch.error
    assert planned.execute("select status, error from raw.ingest_batches").fetchall() == [("failed", batch.error)]
    assert stored(planned) == []
    if whole:
        assert load(planned, tmp_path / name, whole).accepted == 2


def test_a_column_that_changes_its_type_half_way_is_kept_as_it_comes(planned: psycopg.Connection, tmp_path: Path) -> None:
    rows = [line(n, amount=n if n < 3 else {"cents": n}, value=n if n < 3 else str(n)) for n in range(1, 5)]
    assert load(planned, tmp_path / "a.ndjson", b"\n".join(rows)).accepted == 4
    kinds = planned.execute(
        "select jsonb_typeof(properties -> 'amount'), value::int from raw.events order by event_id"
    ).fetchall()
    assert kinds == [("number", 1), ("number", 2), ("object", 3), ("object", 4)]


@pytest.mark.only_on("embedded", "files are read before any server sees them")
def test_bad_lines_of_csv_cost_themselves_only(planned: psycopg.Connection, tmp_path: Path) -> None:
    ids = [str(uuid.UUID(int=n)) for n in range(1, 8)]
    rows = [
        f"{ids[0]},view,{AT},x",
        f"{ids[1]},view,{AT}",
        f"{ids[2]},view,{AT},x,more",
        f'{ids[3]},view,{AT},"two\nlines"',
        f'{ids[4]},view,{AT},"open',
        f"{ids[5]},view,{AT},\0",
        f"{ids[6]},view,{AT},x",
    ]
    content = ("event_id,event_name,occurred_at,city\n" + "\n".join(rows) + "\n").encode()
    batch = load(planned, tmp_path / "a.csv", content)
    assert [(n, code) for n, code, _ in quarantine(planned)] == [
        (3, "invalid_csv"),
        (4, "invalid_csv"),
        (7, "invalid_csv"),
        (8, "nul_in_text"),
    ]
    assert stored(planned) == [1, 4, 7]
    assert batch.read == 7


def test_listings_hide_what_is_personal_and_keep_the_form() -> None:
    text = masked(
        b'{"event_name": "x", "user_id": "u1", "a": {"Email": "e@x.y", "plan": "pro"}, "note": "write to ada@x.org"}', {"plan"}
    )
    assert json.loads(text) == {
        "event_name": "x",
        "user_id": "***",
        "a": {"Email": "***", "plan": "***"},
        "note": "write to ***",
    }
    assert masked(b'{"user_id": "Ada 17', set()) == '{"xxxx_xx": "xxx 99'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    ["event_id", "event_name", "occurred_at", "received_at", "value", "properties", "user_id", "currency", "x"]
)
lines = st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")) | st.dictionaries(
    keys, json_values
).map(lambda d: json.dumps({"event_name": "v", "occurred_at": AT, **d}).encode())


@pytest.mark.only_on("embedded", "files are read before any server sees them")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(lines, max_size=12).map(b"\n".join), suffix=st.sampled_from(["ndjson", "csv", "json", "tsv"]))
def test_no_bytes_crash_the_loader_and_no_record_is_lost(
    planned: psycopg.Connection, tmp_path: Path, content: bytes, suffix: str
) -> None:
    batch = load(planned, tmp_path / f"{uuid.uuid4()}.{suffix}", content)
    assert batch.outcome in ("loaded", "failed", "known")
    assert batch.read == batch.accepted + batch.duplicate + batch.quarantined
    if suffix == "ndjson" and batch.outcome == "loaded" and not content.lstrip(b"\xef\xbb\xbf \t").startswith((b"[{", b"[]")):
        text = content.removeprefix(b"\xef\xbb\xbf")
        assert batch.read == sum(bool(part.strip()) for part in text.split(b"\n"))
    *_, uneven = planned.execute(BOOKS).fetchone() or (1,)
    assert uneven == 0
