"""Both object stores behind one interface, and the proof that what is recorded in the catalogue can be read."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest

from analytics_pipeline.errors import ObjectStoreError, UsageError
from analytics_pipeline.lifecycle.tiers import days_due, export_days
from analytics_pipeline.object_store import FolderStore, ObjectStore, S3Store, StoredObject, open_object_store
from analytics_pipeline.warehouse.connection import Warehouse
from tests.warehouse.test_ingest import event, load

AS_OF = datetime(2026, 3, 20, tzinfo=UTC)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_object_store((tmp_path / "a lake").as_uri())
    endpoint = request.getfixturevalue("s3_endpoint")
    return open_object_store(f"s3://lake/{tmp_path.name}", endpoint)


@pytest.mark.xdist_group("s3")
def test_a_store_gives_back_what_it_was_given(store: ObjectStore, tmp_path: Path) -> None:
    given, back = tmp_path / "given", tmp_path / "back"
    given.write_bytes(os.urandom(300_000))
    for key in ("b/2", "a/1", "b/1"):
        assert store.put(key, given).size == 300_000
    store.get("b/1", back)
    assert back.read_bytes() == given.read_bytes()
    assert [o.key for o in store.list("b/")] == ["b/1", "b/2"]
    store.delete("b/1")
    store.delete("b/1")
    assert [o.key for o in store.list()] == ["a/1", "b/2"]


@pytest.mark.xdist_group("s3")
def test_a_key_is_never_overwritten_and_a_missing_one_is_named(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    store.put("k", tmp_path / "x")
    with pytest.raises(ObjectStoreError, match="/k"):
        store.put("k", tmp_path / "x")
    with pytest.raises(ObjectStoreError, match="/missing"):
        store.get("missing", tmp_path / "y")


@pytest.mark.xdist_group("s3")
def test_wrong_credentials_are_named_without_the_secret(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(ObjectStoreError, match="AWS_") as caught:
        list(S3Store("lake", "", s3_endpoint).list())
    assert "not-the-secret" not in str(caught.value)


def test_another_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="ftp://x"):
        open_object_store("ftp://x")


def three_days(connection: psycopg.Connection, tmp_path: Path) -> None:
    start = datetime(2026, 2, 1, 22, tzinfo=UTC)
    events = [event(n, start + timedelta(hours=2 * n), value=n + 0.5, properties={"n": n, "ä": "\n|~"}) for n in range(15)]
    load(connection, tmp_path / "a.ndjson", *events)


def catalogue(connection: psycopg.Connection) -> list[tuple[date, int, str]]:
    query = "select day, rows, object_key from ops.tier_catalogue where status = 'current' order by day"
    return connection.execute(query).fetchall()


@pytest.mark.xdist_group("s3")
def test_days_older_than_the_hot_window_are_exported_verified_and_readable_by_another_engine(
    planned: psycopg.Connection, warehouse: Warehouse, store: ObjectStore, tmp_path: Path
) -> None:
    three_days(planned, tmp_path)
    days = days_due(planned, AS_OF, 30, store.url)
    run = export_days(planned, warehouse.url, store, days)
    assert (len(run.exported), run.rows) == (3, 15)
    rows = []
    for _, count, key in catalogue(planned):
        store.get(key, tmp_path / "o.parquet")
        found = duckdb.sql(f"select event_id, occurred_at, value, properties from '{tmp_path}/o.parquet'").fetchall()
        assert len(found) == count
        rows += found
    expected = planned.execute("select event_id::text, occurred_at, value, properties from raw.events order by 2").fetchall()
    assert [(r[0], r[1].astimezone(UTC), r[2], json.loads(r[3])) for r in rows] == expected
    assert len(list(store.list())) == 3


def test_a_late_event_gives_its_day_a_new_object_and_the_others_keep_theirs(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "lake")
    three_days(planned, tmp_path)
    export_days(planned, warehouse.url, store, days_due(planned, AS_OF, 30, store.url))
    before = catalogue(planned)
    load(planned, tmp_path / "late.ndjson", event(99, datetime(2026, 2, 2, 5, tzinfo=UTC)))
    run = export_days(planned, warehouse.url, store, days_due(planned, AS_OF, 30, store.url))
    after = catalogue(planned)
    assert (run.exported, run.unchanged) == ([date(2026, 2, 2)], 2)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    assert {o.key for o in store.list()} == {key for _, _, key in after}


class LyingStore(FolderStore):
    """A disk that gives back other bytes than it was given."""

    def put(self, key: str, path: Path) -> StoredObject:
        stored = super().put(key, path)
        target = self._path(key)
        data = bytearray(target.read_bytes())
        data[40] ^= 0xFF
        target.write_bytes(data)
        return stored


def test_an_object_that_comes_back_different_is_not_recorded_and_does_not_stay(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path
) -> None:
    three_days(planned, tmp_path)
    store = LyingStore(tmp_path / "lake")
    with pytest.raises(ObjectStoreError, match="came back different"):
        export_days(planned, warehouse.url, store, days_due(planned, AS_OF, 30, store.url))
    assert catalogue(planned) == []
    assert list(store.list()) == []


def test_days_inside_of_the_hot_window_stay_out(planned: psycopg.Connection, tmp_path: Path) -> None:
    three_days(planned, tmp_path)
    assert days_due(planned, datetime(2026, 2, 4, tzinfo=UTC), 2, "file:///x") == [date(2026, 2, 1)]


def test_another_store_or_a_lost_object_is_noticed(planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path) -> None:
    first, second = FolderStore(tmp_path / "first"), FolderStore(tmp_path / "second")
    three_days(planned, tmp_path)
    export_days(planned, warehouse.url, first, days_due(planned, AS_OF, 30, first.url))
    assert len(export_days(planned, warehouse.url, second, days_due(planned, AS_OF, 30, second.url)).exported) == 3
    assert len(list(first.list())) == len(list(second.list())) == 3
    second.delete(catalogue(planned)[0][2])
    assert export_days(planned, warehouse.url, second, days_due(planned, AS_OF, 30, second.url)).exported == [date(2026, 2, 1)]
