"""What a second look at the loader found: each of these lost, doubled or mistook something once."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics_pipeline.commands.doctor import BOOKS
from analytics_pipeline.commands.mapping import check
from analytics_pipeline.errors import AnalyticsError, MappingError, UsageError
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.ingest.sources.configuration import RedisSource, load_sources
from analytics_pipeline.ingest.sources.redis_streams import lag
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse
from tests.warehouse.test_partitions import make_chunk

AT = "2026-02-01T10:00:00Z"
ENVELOPE = load_mapping("envelope")


def good(number: int, **values: Any) -> dict[str, Any]:
    return {"event_id": str(uuid.UUID(int=number)), "event_name": "view", "occurred_at": AT, **values}


def load(connection: psycopg.Connection, path: Path, content: bytes | list[dict[str, Any]]) -> Batch:
    path.write_bytes(content if isinstance(content, bytes) else "\n".join(map(json.dumps, content)).encode())
    return load_file(connection, path, ENVELOPE, "envelope")


def stored(connection: psycopg.Connection) -> list[int]:
    return sorted(row[0].int for row in connection.execute("select event_id from raw.events").fetchall())


@pytest.mark.parametrize("end", [b",", b",\n", b",\n  ", b"", b'] [{"a": 1}'])
def test_an_array_that_does_not_end_is_broken(planned: psycopg.Connection, tmp_path: Path, end: bytes) -> None:
    batch = load(planned, tmp_path / "a.json", b"[" + json.dumps(good(1)).encode() + end)
    assert batch.outcome == "failed"
    assert "compression" not in batch.error
    assert stored(planned) == []


def test_a_good_record_is_no_duplicate_of_one_that_was_refused(planned: psycopg.Connection, tmp_path: Path) -> None:
    bad = json.dumps(good(1))[:-1] + ', "x": 1e200000}'
    batch = load(planned, tmp_path / "a.ndjson", "\n".join([bad, json.dumps(good(1)), json.dumps(good(1))]).encode())
    assert (batch.accepted, batch.duplicate, batch.quarantined) == (1, 1, 1)


@pytest.mark.own_server("two loads are under way at once")
def test_a_load_that_met_duplicates_of_a_shorter_one_is_named_when_that_is_revoked(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path
) -> None:
    """The long one began first, the short one was committed first."""
    make_chunk(planned, tmp_path)
    short: list[Batch] = []
    path = tmp_path / "long.ndjson"
    path.write_text("\n".join(json.dumps(good(n)) for n in (1, 2)))
    with warehouse.connect(autocommit=True) as other:

        def meanwhile(*_: object) -> None:
            short.append(load(other, tmp_path / "short.ndjson", [good(1, occurred_at="2026-02-01T11:00:00Z")]))

        long = load_file(planned, path, ENVELOPE, "envelope", meanwhile)
    assert (long.accepted, long.duplicate) == (1, 1)
    assert [i for i, _ in revoke(planned, str(short[0].batch_id)).overlapping] == [long.batch_id]


@pytest.mark.own_server("a revocation waits while a load is under way")
def test_a_revocation_waits_for_loads_that_are_under_way(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path
) -> None:
    first = load(planned, tmp_path / "a.ndjson", [good(1)])
    path = tmp_path / "b.ndjson"
    path.write_text(json.dumps(good(1)) + "\n" + json.dumps(good(2)))
    with warehouse.connect(autocommit=True) as other:
        other.execute("set lock_timeout = '200ms'")

        def meanwhile(*_: object) -> None:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                revoke(other, str(first.batch_id))

        assert load_file(planned, path, ENVELOPE, "envelope", meanwhile).duplicate == 1


@pytest.mark.only_on("embedded", "files are read before any server sees them")
def test_lines_of_quoted_csv_are_numbered_by_line_feeds_over_all_blocks(planned: psycopg.Connection, tmp_path: Path) -> None:
    rows = ['"1\r2\r3"'] * 5 + ["x" * 1000] * 14_000
    text = "event_name,occurred_at,note\n" + "".join(f"view,{'' if n > 4 else AT},{note}\n" for n, note in enumerate(rows))
    assert load(planned, tmp_path / "a.csv", text.encode()).quarantined == 14_000
    assert planned.execute(
        "select count(distinct line_number), min(line_number), max(line_number) from raw.quarantine"
    ).fetchone() == (
        14_000,
        7,
        14_006,
    )


@pytest.mark.only_on("embedded", "files are read before any server sees them")
def test_an_unclosed_quote_does_not_swallow_the_file(planned: psycopg.Connection, tmp_path: Path) -> None:
    rows = ['"a",' + AT + ',"open'] + [f"b,{AT},{'y' * 900}"] * 20_000
    batch = load(planned, tmp_path / "a.csv", ("event_name,occurred_at,note\n" + "\n".join(rows)).encode())
    assert (batch.read, batch.quarantined) == (20_001, 1)


@pytest.mark.parametrize("name", ["q[1].parquet", "q*.parquet"])
def test_a_name_is_no_pattern(planned: psycopg.Connection, tmp_path: Path, name: str) -> None:
    for number, other in enumerate(("q1.parquet", "q2.parquet", name), 1):
        pq.write_table(pa.Table.from_pylist([good(number)]), tmp_path / other)
    assert load_file(planned, tmp_path / name, ENVELOPE, "envelope").accepted == 1
    assert stored(planned) == [3]


def test_nan_in_a_table_is_nothing_and_long_decimals_keep_their_digits(planned: psycopg.Connection, tmp_path: Path) -> None:
    from decimal import Decimal

    rows = [{**good(1), "score": float("nan"), "exact": Decimal("12345678901234567890.123456789")}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert load_file(planned, tmp_path / "a.parquet", ENVELOPE, "envelope").accepted == 1
    query = "select properties ->> 'score', properties ->> 'exact' from raw.events"
    assert planned.execute(query).fetchone() == (None, "12345678901234567890.123456789")


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_header_that_names_a_column_twice_is_refused(planned: psycopg.Connection, tmp_path: Path, quote: str) -> None:
    batch = load(planned, tmp_path / "a.csv", f"event_name,occurred_at,user_id,{quote}user_id{quote}\na,{AT},u,v\n".encode())
    assert batch.outcome == "failed"
    assert "'user_id' twice" in batch.error


def test_blank_lines_before_a_header_are_no_header(planned: psycopg.Connection, tmp_path: Path) -> None:
    assert load(planned, tmp_path / "a.csv", f"\n\r\nevent_name,occurred_at\na,{AT}\n".encode()).accepted == 1


@pytest.mark.parametrize("tail", [', "user_id": nan}', ', "x": [1, ]}', ", }", ', "x": {"y": -Inf}}', ', "x": infinity}'])
def test_what_only_lenient_readers_take_is_refused(planned: psycopg.Connection, tmp_path: Path, tail: str) -> None:
    batch = load(planned, tmp_path / "a.ndjson", (json.dumps(good(1))[:-1] + tail).encode())
    assert batch.quarantined == 1
    assert planned.execute("select reason_code from raw.quarantine").fetchone() == ("invalid_json",)


def test_nulls_and_keys_beside_the_properties_are_kept(planned: psycopg.Connection, tmp_path: Path) -> None:
    load(
        planned,
        tmp_path / "a.ndjson",
        [good(1, x=1, properties={"y": None, "z": {"a": 1}}), good(2, x=1, properties={}), good(3, properties={"n": None})],
    )
    rows = planned.execute("select properties from raw.events order by event_id").fetchall()
    assert [row[0] for row in rows] == [{"x": 1, "y": None, "z": {"a": 1}}, {"x": 1}, {"n": None}]


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-01-05T10:00:60", "America/New_York", "2026-01-05 15:01:00"),
        ("2026-01-05T10:00:60+01:00", None, "2026-01-05 09:01:00"),
    ],
)
def test_a_leap_second_has_the_zone_of_the_others(tmp_path: Path, text: str, zone: str | None, expected: str) -> None:
    (tmp_path / "m.yml").write_text(
        f"name: m\nfields:\n  event_name: n\n  occurred_at: {{path: t{f', zone: {zone}' if zone else ''}}}\n"
    )
    (tmp_path / "e.ndjson").write_text(json.dumps({"n": "x", "t": text}))
    assert expected.replace(" ", "T") in check(str(tmp_path / "m.yml"), tmp_path / "e.ndjson", 1)


def test_a_leap_second_without_a_zone_is_refused(planned: psycopg.Connection, tmp_path: Path) -> None:
    load(planned, tmp_path / "a.ndjson", [good(1, occurred_at="2026-01-05T10:00:60")])
    assert planned.execute("select reason_code from raw.quarantine").fetchone() == ("time_without_zone",)


def test_parts_of_an_id_do_not_run_into_each_other(tmp_path: Path) -> None:
    rows = [{"source": "/a", "id": "b/c"}, {"source": "/a/b", "id": "c"}]
    (tmp_path / "e.ndjson").write_text("\n".join(json.dumps({**row, "type": "t", "time": AT}) for row in rows))
    ids = [line.split()[1] for line in check("cloudevents", tmp_path / "e.ndjson", 2).splitlines() if "event_id" in line]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    "text", ["294247-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-05T10:00:00:60Z", "2026-01-05T10:61:00Z"]
)
def test_times_beyond_the_calendar_are_shown_as_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.ndjson").write_text(json.dumps({"event_name": "x", "occurred_at": text}))
    assert "refused" in check("envelope", tmp_path / "e.ndjson", 1)


@pytest.mark.parametrize(
    "fields",
    [
        "user_id: {path: u, when: {t: {}}}",
        "user_id: {path: u, when: {t: []}}",
        "user_id: ''",
        "user_id: a..b",
        "user_id: a.",
        "user_id: '*'",
        "user_id: x[99999999999999999999]",
    ],
)
def test_a_mapping_that_can_mean_nothing_is_refused(tmp_path: Path, fields: str) -> None:
    (tmp_path / "m.yml").write_text(f"name: m\nfields:\n  event_name: n\n  occurred_at: t\n  {fields}\n")
    with pytest.raises(MappingError, match="user_id"):
        load_mapping(str(tmp_path / "m.yml"))


def test_paths_are_no_keys_of_json_in_text(tmp_path: Path) -> None:
    (tmp_path / "m.yml").write_text("name: m\nfields: {event_name: n, occurred_at: t}\njson_in_text: [a.b]\n")
    with pytest.raises(MappingError, match="top-level key"):
        load_mapping(str(tmp_path / "m.yml"))


def test_no_url_tells_its_password(tmp_path: Path) -> None:
    (tmp_path / "sources.yml").write_text(
        "sources:\n  a: {kind: sql, url: 'postgresql+psycopg://u:s3cret@h/db', table: t, cursor: c}\n"
    )
    with pytest.raises(UsageError, match="PostgreSQL URL") as error:
        load_sources(Settings(home=tmp_path))
    assert "s3cret" not in str(error.value)
    for url in ("redis://127.0.0.1:1/0?password=s3cret", "redis://:s3/cret@127.0.0.1:1/0"):
        with pytest.raises(AnalyticsError) as other:
            lag(RedisSource(kind="redis", name="r", url=url, stream="s"))
        assert "s3" not in str(other.value)


def test_the_books_are_even_after_all_of_this(planned: psycopg.Connection, tmp_path: Path) -> None:
    base = datetime(2026, 2, 1, tzinfo=UTC)
    rows = [good(n % 50, occurred_at=(base + timedelta(days=n % 20)).isoformat()) for n in range(400)]
    load(planned, tmp_path / "a.ndjson", rows)
    assert (planned.execute(BOOKS).fetchone() or (1,))[-1] == 0
