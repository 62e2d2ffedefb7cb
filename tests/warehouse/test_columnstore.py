"""Raw events in compressed chunks: found, joined, copied out and taken back like any others. Policies are in test_storage."""

import json
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.lifecycle.tiers import days_due, export_days
from analytics_pipeline.object_store import FolderStore
from analytics_pipeline.warehouse.connection import Warehouse
from tests.warehouse.test_ingest import counts, event, load, stored

pytestmark = pytest.mark.only_on("timescaledb", "the columnstore is its own")

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)
MOST_THAT_ONE_STATEMENT_MAY_DECOMPRESS = 100_000


def compress(connection: psycopg.Connection) -> int:
    """How many chunks there are, all of them compressed now."""
    connection.execute(
        "alter table raw.events set (timescaledb.compress, timescaledb.compress_segmentby = 'event_name', "
        "timescaledb.compress_orderby = 'occurred_at, event_id')"
    )
    connection.execute("select compress_chunk(c, if_not_compressed => true) from show_chunks('raw.events') as c")
    chunks = "select count(*), count(*) filter (where is_compressed) from timescaledb_information.chunks where hypertable_name = 'events'"
    found, compressed = connection.execute(chunks).fetchone() or (0, 0)
    assert found == compressed
    return int(found)


def test_each_week_has_a_chunk(planned: psycopg.Connection, tmp_path: Path) -> None:
    load(planned, tmp_path / "a.ndjson", *(event(n, AT + timedelta(days=7 * n)) for n in range(1, 4)))
    assert compress(planned) == 3
    assert [number for number, _ in stored(planned)] == [1, 2, 3]


def test_duplicates_of_compressed_events_are_found_within_a_chunk_and_across(
    planned: psycopg.Connection, tmp_path: Path
) -> None:
    load(planned, tmp_path / "a.ndjson", *(event(n, AT + timedelta(days=n)) for n in range(1, 20)))
    compress(planned)
    again = [event(3, AT + timedelta(days=3)), event(4, AT + timedelta(days=4, hours=1)), event(5, AT + timedelta(days=12))]
    beyond = [event(6, AT + timedelta(days=13, seconds=1)), event(50, AT + timedelta(days=2))]
    batch = load(planned, tmp_path / "b.ndjson", *again, *beyond)
    assert counts(batch) == ("loaded", 5, 2, 3, 0)
    assert sorted(number for number, _ in stored(planned)) == sorted([*range(1, 20), 6, 50])


def test_a_load_larger_than_what_a_statement_may_decompress_is_taken_back(planned: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    with path.open("w") as lines:
        for number in range(MOST_THAT_ONE_STATEMENT_MAY_DECOMPRESS + 5_000):
            at = (AT + timedelta(seconds=number)).isoformat()
            lines.write(json.dumps({"event_id": str(uuid.UUID(int=number)), "event_name": "view", "occurred_at": at}) + "\n")
    large = load(planned, path)
    load(planned, tmp_path / "b.ndjson", event(1_000_000, AT + timedelta(hours=1)))
    compress(planned)
    assert revoke(planned, str(large.batch_id)).events == large.accepted == MOST_THAT_ONE_STATEMENT_MAY_DECOMPRESS + 5_000
    assert [number for number, _ in stored(planned)] == [1_000_000]


def test_compressed_days_are_copied_out_and_a_late_event_makes_its_day_new(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "lake")
    as_of = AT + timedelta(days=60)

    def export() -> list[date]:
        return export_days(planned, warehouse.url, store, days_due(planned, as_of, 30, store.url)).exported

    load(planned, tmp_path / "a.ndjson", *(event(n, AT + timedelta(days=n), value=n, properties={"ä": n}) for n in range(10)))
    compress(planned)
    assert len(export()) == 10
    assert export() == []
    load(planned, tmp_path / "b.ndjson", event(99, AT + timedelta(days=4, hours=2)))
    assert export() == [(AT + timedelta(days=4)).date()]
