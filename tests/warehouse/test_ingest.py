import gzip
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_pipeline.commands.doctor import BOOKS
from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.known_files import event_files, unseen
from analytics_pipeline.warehouse.connection import Warehouse

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)


def event(number: int, at: datetime = AT, **values: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.UUID(int=number)),
        "event_name": "view",
        "occurred_at": at.isoformat(),
        "received_at": (at + timedelta(seconds=1)).isoformat(),
        "user_id": f"u{number}",
        **values,
    }


def load(connection: psycopg.Connection, path: Path, *events: dict[str, Any], source: str = "envelope") -> Batch:
    if events:
        path.write_text("\n".join(json.dumps(e) for e in events) + "\n")
    return load_file(connection, path, load_mapping("envelope"), source)


def counts(batch: Batch) -> tuple[str, int, int, int, int]:
    return (batch.outcome, batch.read, batch.accepted, batch.duplicate, batch.quarantined)


def stored(connection: psycopg.Connection) -> list[tuple[int, datetime]]:
    rows = connection.execute("select event_id, occurred_at from raw.events order by occurred_at").fetchall()
    return [(row[0].int, row[1]) for row in rows]


def test_read_is_accepted_plus_duplicate_plus_quarantined(planned: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("\n".join([json.dumps(event(1)), json.dumps(event(2)), json.dumps(event(1)), "{broken", "[]"]))
    batch = load(planned, path)
    assert counts(batch) == ("loaded", 5, 2, 1, 2)
    kept = planned.execute("select line_number, reason_code, payload from raw.quarantine order by 1").fetchall()
    assert kept == [(4, "invalid_json", b"{broken"), (5, "invalid_json", b"[]")]
    assert planned.execute(BOOKS).fetchone() == (5, 2, 1, 2, 2, 2, 0)


def test_a_file_is_known_by_its_content_and_not_by_its_name(planned: psycopg.Connection, tmp_path: Path) -> None:
    assert load(planned, tmp_path / "a.ndjson", event(1)).outcome == "loaded"
    (tmp_path / "b.ndjson").write_bytes((tmp_path / "a.ndjson").read_bytes())
    assert load(planned, tmp_path / "b.ndjson").outcome == "known"
    assert unseen(planned, event_files([tmp_path]), "envelope") == []


def test_the_same_id_within_seven_days_is_a_duplicate_and_beyond_it_is_not(planned: psycopg.Connection, tmp_path: Path) -> None:
    week = timedelta(days=7)
    load(planned, tmp_path / "a.ndjson", event(1))
    batch = load(
        planned, tmp_path / "b.ndjson", event(1, AT + week), event(1, AT - week), event(1, AT + week + timedelta(seconds=1))
    )
    assert counts(batch)[1:4] == (3, 1, 2)
    assert stored(planned) == [(1, AT), (1, AT + week + timedelta(seconds=1))]


def test_within_a_file_each_occurrence_is_held_against_what_stays_of_those_before(
    planned: psycopg.Connection, tmp_path: Path
) -> None:
    days = [0, 5, 10, 12, 20]
    batch = load(planned, tmp_path / "a.ndjson", *(event(1, AT + timedelta(days=d)) for d in days))
    assert [at for _, at in stored(planned)] == [AT + timedelta(days=d) for d in (0, 10, 20)]
    assert batch.duplicate == 2


def test_the_ledger_names_the_local_days_and_the_persons_of_what_was_accepted(
    planned: psycopg.Connection, tmp_path: Path
) -> None:
    late = datetime(2026, 2, 1, 23, 30, tzinfo=UTC)
    load(planned, tmp_path / "a.ndjson", event(1), event(2, late, user_id=None, anonymous_id="x"), event(1))
    rows = planned.execute("select day::text, person_key from ops.changes order by 1, 2").fetchall()
    assert rows == [("2026-02-01", None), ("2026-02-02", None), (None, "a:x"), (None, "u:u1")]


def test_a_broken_file_is_a_failed_batch_and_loads_once_mended(planned: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    whole = gzip.compress("\n".join(json.dumps(event(n)) for n in range(200)).encode())
    path.write_bytes(whole[:-40])
    batch = load(planned, path)
    assert batch.outcome == "failed"
    assert str(path) in batch.error
    assert stored(planned) == []
    path.write_bytes(whole)
    assert counts(load(planned, path)) == ("loaded", 200, 200, 0, 0)


def test_without_a_plan_the_remedy_is_named(connection: psycopg.Connection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="plan publish"):
        load(connection, tmp_path / "a.ndjson", event(1))


LOADER = """
import sys
from pathlib import Path
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.known_files import event_files
from analytics_pipeline.warehouse.connection import Warehouse
with Warehouse(sys.argv[1], True).connect(autocommit=True) as connection:
    print("connected", flush=True)
    for path in event_files([Path(sys.argv[2])]):
        load_file(connection, path, load_mapping("envelope"), "envelope")
"""


def loader(warehouse: Warehouse, folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", LOADER, warehouse.url, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "connected"
    return process


def write_folder(folder: Path, files: int, each: int) -> None:
    folder.mkdir()
    for f in range(files):
        lines = [json.dumps(event(f * each + n, AT + timedelta(seconds=n))) for n in range(each)]
        (folder / f"{f}.ndjson").write_text("\n".join([*lines, lines[0], "broken"]) + "\n")


@pytest.mark.own_server("with one backend the loaders would take turns")
def test_two_loaders_on_one_folder_load_each_event_once(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path
) -> None:
    write_folder(tmp_path / "in", files=12, each=300)
    both = [loader(warehouse, tmp_path / "in") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert planned.execute("select count(*), count(distinct event_id) from raw.events").fetchone() == (3600, 3600)
    assert planned.execute("select count(*) from raw.ingest_batches where status = 'loaded'").fetchone() == (12,)


def test_an_unclosed_quote_costs_its_own_line_only(planned: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{uuid.UUID(int=n)},view,{AT.isoformat()},x" for n in range(1, 7)]
    rows[2] = rows[2].removesuffix("x") + '"Ber'
    path.write_text("\n".join(["event_id,event_name,occurred_at,city", *rows]) + "\n")
    assert counts(load(planned, path)) == ("loaded", 6, 5, 0, 1)
    assert planned.execute("select line_number, reason_code from raw.quarantine").fetchall() == [(4, "invalid_csv")]


@pytest.mark.own_server("a WebAssembly stack is too small for a record that is nested so deep")
def test_a_record_that_postgresql_cannot_store_is_refused_alone(planned: psycopg.Connection, tmp_path: Path) -> None:
    huge = event(2)
    huge["properties"] = '{"n": 1e200000}'
    deep = {**event(3), "properties": "[" * 0 + '{"a":' * 40_000 + "1" + "}" * 40_000}
    batch = load(planned, tmp_path / "a.ndjson", event(1), huge, deep, {**event(4), "properties": '{"a": "\\u0000"}'}, event(5))
    assert counts(batch) == ("loaded", 5, 2, 0, 3)


def test_many_lines_without_an_id_and_with_one_content_load_as_one_event_and_fast_enough(
    planned: psycopg.Connection, tmp_path: Path
) -> None:
    same = {"event_name": "ping", "occurred_at": AT.isoformat()}
    assert counts(load(planned, tmp_path / "a.ndjson", *[same] * 20_000)) == ("loaded", 20_000, 1, 19_999, 0)


def test_a_time_beyond_the_calendar_is_refused(planned: psycopg.Connection, tmp_path: Path) -> None:
    far = {**event(1), "occurred_at": "20000-01-01T00:00:00Z", "received_at": "20000-01-01T00:00:00Z"}
    assert counts(load(planned, tmp_path / "a.ndjson", far, event(2))) == ("loaded", 2, 1, 0, 1)


def test_a_corrupt_gzip_is_a_failed_batch(planned: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    data = bytearray(gzip.compress("\n".join(json.dumps(event(n)) for n in range(500)).encode()))
    data[60:90] = bytes(30)
    path.write_bytes(data)
    assert load(planned, path).outcome == "failed"
