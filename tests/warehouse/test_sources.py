"""S3 prefixes and SQL tables as sources, sources.yml, and the assets made from it."""

import gzip
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import psycopg
import pytest
from psycopg import sql

from analytics_pipeline.errors import AnalyticsError, ObjectStoreError, UsageError
from analytics_pipeline.events.mapping import Mapping, load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.sources.configuration import S3Source, SqlSource, load_sources
from analytics_pipeline.ingest.sources.reading import read_source
from analytics_pipeline.ingest.sources.s3 import load_s3
from analytics_pipeline.ingest.sources.sql_table import has_new, load_sql
from analytics_pipeline.ingest.sources.waiting import waiting
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)
ENVELOPE = load_mapping("envelope")


def lines(*numbers: int) -> bytes:
    return b"".join(
        json.dumps(
            {"event_id": str(uuid.UUID(int=n)), "event_name": "view", "occurred_at": (AT + timedelta(seconds=n)).isoformat(), "user_id": "u"}
        ).encode() + b"\n"
        for n in numbers
    )  # fmt: skip


def stored(connection: psycopg.Connection) -> list[int]:
    return sorted(row[0].int for row in connection.execute("select event_id from raw.events").fetchall())


# S3 ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def prefix(s3_endpoint: str) -> S3Source:
    return S3Source(kind="s3", name="bucket", url=f"s3://lake/{uuid.uuid4().hex}/", endpoint_url=s3_endpoint)


def put(source: S3Source, name: str, body: bytes) -> None:
    key = source.url.removeprefix("s3://lake/") + name
    boto3.client("s3", endpoint_url=source.endpoint_url).put_object(Bucket="lake", Key=key, Body=body)


@pytest.mark.xdist_group("s3")
def test_objects_are_loaded_once_a_version(planned: psycopg.Connection, prefix: S3Source) -> None:
    put(prefix, "2026/a.ndjson", lines(1, 2))
    put(prefix, "2026/b.ndjson.gz", gzip.compress(lines(3) + b"broken\n"))
    put(prefix, "notes.txt", b"not events")
    put(prefix, "2026/.c.ndjson", lines(9))
    assert waiting(planned, prefix) == "2 new objects"
    assert [(b.accepted, b.quarantined) for b in load_s3(planned, prefix, ENVELOPE)] == [(2, 0), (1, 1)]
    assert waiting(planned, prefix) is None
    assert list(load_s3(planned, prefix, ENVELOPE)) == []
    put(prefix, "2026/copy.ndjson", lines(1, 2))
    put(prefix, "2026/a.ndjson", lines(1, 2, 4))
    assert sorted((b.outcome, b.accepted) for b in load_s3(planned, prefix, ENVELOPE)) == [("known", 0), ("loaded", 1)]
    assert stored(planned) == [1, 2, 3, 4]
    assert waiting(planned, prefix) is None


@pytest.mark.xdist_group("s3")
def test_a_broken_object_is_tried_again_when_it_was_written_again(planned: psycopg.Connection, prefix: S3Source) -> None:
    whole = gzip.compress(lines(*range(1, 300)))
    put(prefix, "a.ndjson.gz", whole[:-30])
    (batch,) = load_s3(planned, prefix, ENVELOPE)
    assert batch.outcome == "failed"
    assert f"{prefix.url}a.ndjson.gz" in batch.error
    assert "/tmp" not in batch.error
    assert list(load_s3(planned, prefix, ENVELOPE)) == []
    put(prefix, "a.ndjson.gz", whole)
    assert [b.accepted for b in load_s3(planned, prefix, ENVELOPE)] == [299]


@pytest.mark.xdist_group("s3")
def test_a_bucket_that_is_not_there_is_named(planned: psycopg.Connection, s3_endpoint: str) -> None:
    source = S3Source(kind="s3", name="bucket", url="s3://nowhere/x", endpoint_url=s3_endpoint)
    with pytest.raises(ObjectStoreError, match="s3://nowhere/x can't be listed"):
        list(load_s3(planned, source, ENVELOPE))


# SQL -----------------------------------------------------------------------------------------------------------------

ORDERS = Mapping.model_validate(
    {
        "name": "orders",
        "fields": {
            "event_id": "id",
            "event_name": {"constant": "order"},
            "occurred_at": {"path": "made_at"},
            "user_id": "customer",
            "value": {"path": "cents", "unit": 0.01},
        },
    }
)
CREATE = """
create table {} (id bigint generated always as identity primary key, customer text, cents integer, made_at timestamptz
not null default '2026-02-01 10:00:00+00')
"""


@pytest.fixture
def table(warehouse: Warehouse) -> Iterator[SqlSource]:
    """A table of an application, in the same database for want of another."""
    name = f"orders_{uuid.uuid4().hex[:8]}"
    with warehouse.connect(autocommit=True) as connection:
        connection.execute(sql.SQL(CREATE).format(sql.Identifier(name)))
    yield SqlSource(kind="sql", name="orders", url=warehouse.url, table=f"public.{name}", cursor="id")


def insert(connection: psycopg.Connection, source: SqlSource, customer: str) -> int:
    table = sql.Identifier(*source.table.split("."))
    row = connection.execute(
        sql.SQL("insert into {} (customer, cents) values (%s, 1999) returning id").format(table), (customer,)
    )
    return int((row.fetchone() or (0,))[0])


def read(connection: psycopg.Connection, source: SqlSource) -> list[Batch]:
    return list(load_sql(connection, source, ORDERS))


def customers(connection: psycopg.Connection) -> list[str]:
    return sorted(row[0] for row in connection.execute("select user_id from raw.events").fetchall())


@pytest.mark.own_server("the application's snapshot stays open while the load writes")
def test_rows_are_read_from_where_the_last_run_ended(planned: psycopg.Connection, table: SqlSource) -> None:
    assert has_new(planned, table) is False
    assert read(planned, table) == []
    for name in "abc":
        insert(planned, table, name)
    assert has_new(planned, table)
    assert [(b.read, b.accepted) for b in read(planned, table)] == [(3, 3)]
    assert planned.execute("select distinct event_name, value::text from raw.events").fetchall() == [("order", "19.9900")]
    assert has_new(planned, table) is False
    assert read(planned, table) == []
    insert(planned, table, "d")
    assert [(b.read, b.accepted) for b in read(planned, table)] == [(1, 1)]
    assert customers(planned) == ["a", "b", "c", "d"]


@pytest.mark.own_server("the application's snapshot stays open while the load writes")
@pytest.mark.parametrize("savepoint", [False, True])
def test_a_row_that_is_committed_after_a_later_one_was_read_is_not_lost(
    planned: psycopg.Connection, warehouse: Warehouse, table: SqlSource, savepoint: bool
) -> None:
    with warehouse.connect() as slow:
        slow.execute("select txid_current()")
        if savepoint:
            slow.execute("savepoint s")
        first = insert(slow, table, "slow")
        second = insert(planned, table, "fast")
        assert first < second
        read(planned, table)
        assert customers(planned) == ["fast"]
        insert(planned, table, "third")
        read(planned, table)
        slow.commit()
    read(planned, table)
    assert customers(planned) == ["fast", "slow", "third"]
    assert read(planned, table) == []
    assert planned.execute("select count(*), count(distinct event_id) from raw.events").fetchone() == (3, 3)


@pytest.mark.own_server("the application's snapshot stays open while the load writes")
def test_a_transaction_that_took_its_id_before_it_wrote_is_not_lost(
    planned: psycopg.Connection, warehouse: Warehouse, table: SqlSource
) -> None:
    with warehouse.connect() as slow:
        name = table.table
        (taken,) = slow.execute("select nextval(pg_get_serial_sequence(%s, 'id'))", (name,)).fetchone() or (0,)
        insert(planned, table, "fast")
        read(planned, table)
        identifier = sql.Identifier(*name.split("."))
        slow.execute(
            sql.SQL("insert into {} (id, customer, cents) overriding system value values (%s, 'early', 1)").format(identifier),
            (taken,),
        )
        slow.commit()
    read(planned, table)
    assert customers(planned) == ["early", "fast"]


@pytest.mark.own_server("the application's snapshot stays open while the load writes")
def test_a_reader_that_dies_before_the_commit_moves_nothing(planned: psycopg.Connection, table: SqlSource) -> None:
    class Killed(Exception):
        pass

    def die(*_: object) -> None:
        raise Killed

    insert(planned, table, "a")
    with pytest.raises(Killed):
        list(load_sql(planned, table, ORDERS, die))
    assert customers(planned) == []
    assert planned.execute("select count(*) from raw.ingest_positions").fetchone() == (0,)
    read(planned, table)
    assert customers(planned) == ["a"]


@pytest.mark.parametrize(("change", "fault"), [({"table": "public.nothing"}, "nothing"), ({"cursor": "nocolumn"}, "nocolumn")])
def test_a_table_that_is_not_there_is_named(
    planned: psycopg.Connection, table: SqlSource, change: dict[str, str], fault: str
) -> None:
    with pytest.raises(AnalyticsError, match=f"orders: postgresql://.*{fault}.*sources.yml"):
        read(planned, table.model_copy(update=change))


# sources.yml ---------------------------------------------------------------------------------------------------------


def test_sources_come_from_a_file_and_secrets_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_URL", "postgresql://app:pw@db/app")
    (tmp_path / "sources.yml").write_text(
        "sources:\n  orders: {kind: sql, url: '${APP_URL}', table: orders, cursor: id, mapping: cloudevents}\n"
        "  drop: {kind: folder, path: /data}\n"
    )
    landing, orders, drop = load_sources(Settings(home=tmp_path))
    assert (landing.name, drop.name) == ("landing", "drop")
    assert isinstance(orders, SqlSource)
    assert orders.url == "postgresql://app:pw@db/app"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sources: [a]", "by name"),
        ("sources:\n  a: {kind: ftp}", "ftp"),
        ("sources:\n  a: {kind: kafka, brokers: b}", "topic"),
        ("sources:\n  A-1: {kind: folder, path: x}", "A-1"),
        ("sources:\n  landing: {kind: folder, path: x}", "landing"),
        ("sources:\n  a: {kind: sql, url: '${NOT_SET}', table: t, cursor: c}", "NOT_SET"),
        ("a: [", "YAML"),
    ],
)
def test_a_sources_file_that_is_wrong_names_the_place(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "sources.yml").write_text(text)
    with pytest.raises(UsageError, match=fault) as error:
        load_sources(Settings(home=tmp_path))
    assert "sources.yml" in str(error.value)


def test_a_folder_is_a_source_and_files_open_for_writing_wait(planned: psycopg.Connection, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.landing_dir.mkdir()
    (source,) = load_sources(settings)
    path = settings.landing_dir / "a.ndjson"
    with path.open("wb") as writer:
        writer.write(lines(1))
        writer.flush()
        assert [b.outcome for b in read_source(planned, source)] == ["growing"]
        assert stored(planned) == []
    assert [(b.outcome, b.accepted) for b in read_source(planned, source)] == [("loaded", 1)]
    assert waiting(planned, source) is None


def test_a_file_that_grows_while_it_is_read_is_left_alone(planned: psycopg.Connection, tmp_path: Path) -> None:
    from analytics_pipeline.ingest.files import load_file

    path = tmp_path / "a.ndjson"
    path.write_bytes(lines(1))

    def grow(*_: Any) -> None:
        with path.open("ab") as more:
            more.write(lines(2))

    assert load_file(planned, path, ENVELOPE, "envelope", grow).outcome == "growing"
    assert stored(planned) == []
    assert load_file(planned, path, ENVELOPE, "envelope").accepted == 2


def test_every_source_is_an_asset_with_a_sensor(tmp_path: Path) -> None:
    from analytics_pipeline import automation
    from analytics_pipeline.ingest.assets import ingest_assets

    (tmp_path / "sources.yml").write_text(
        "sources:\n"
        "  lake: {kind: s3, url: s3://lake/in}\n"
        "  clicks: {kind: kafka, brokers: b, topic: t}\n"
        "  app: {kind: redis, url: redis://h, stream: s}\n"
        "  orders: {kind: sql, url: postgresql://h/d, table: t, cursor: id}\n"
    )
    settings = Settings(home=tmp_path)
    keys = {key.to_user_string() for asset in ingest_assets(settings) for key in asset.keys}
    names = ("landing", "lake", "clicks", "app", "orders")
    assert keys == {*(f"ingest/{name}" for name in names), "raw/events", "raw/quarantine", "raw/ingest_batches"}
    assert {s.name for s in automation.sensors(settings)} == {
        "landing_folder",
        "freshness",
        "alerts",
        *(f"source_{name}" for name in names[1:]),
    }


def test_a_sensor_asks_for_a_run_when_something_waits(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analytics_pipeline import automation

    (tmp_path / "sources.yml").write_text(f"sources:\n  drop: {{kind: folder, path: {tmp_path / 'drop'}}}\n")
    monkeypatch.setenv("ANALYTICS_HOME", str(tmp_path))
    monkeypatch.setenv("ANALYTICS_DATABASE_URL", warehouse.url)
    (sensor,) = (one for one in automation.sensors(Settings()) if one.name == "source_drop")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        assert isinstance(sensor(context), dg.SkipReason)
        (tmp_path / "drop").mkdir()
        (tmp_path / "drop" / "a.ndjson").write_bytes(lines(1))
        assert isinstance(sensor(context), dg.RunRequest)
