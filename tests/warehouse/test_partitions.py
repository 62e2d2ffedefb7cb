"""raw.events in weekly partitions, and the way there from the first version with its rows in place."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.warehouse import migrate as migration
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.partitions import WEEK, Partitions, week_of
from tests.conftest import publish_text
from tests.warehouse.test_ingest import counts, event, load

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)


def make_chunk(connection: psycopg.Connection, folder: Path) -> None:
    """On TimescaleDB a load that makes a chunk keeps others that need a new one waiting until it is committed."""
    revoke(connection, str(load(connection, folder / "chunk.ndjson", event(0)).batch_id))


def partitions(connection: psycopg.Connection) -> list[str]:
    query = "select inhrelid::regclass::text from pg_inherits where inhparent = 'raw.events'::regclass order by 1"
    return [row[0] for row in connection.execute(query).fetchall()]


@pytest.mark.parametrize("moment", [datetime(2026, 2, 2, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, tzinfo=UTC), AT])
def test_a_week_begins_on_monday_and_holds_its_moment(moment: datetime) -> None:
    week = week_of(moment)
    assert (week.weekday(), week.hour) == (0, 0)
    assert week <= moment < week + WEEK


@pytest.mark.only_on("embedded", "TimescaleDB makes its chunks itself: see test_storage")
def test_a_load_makes_the_partitions_that_it_needs_and_no_others(planned: psycopg.Connection, tmp_path: Path) -> None:
    load(planned, tmp_path / "a.ndjson", event(1), event(2, AT + timedelta(days=60)))
    assert partitions(planned) == ["raw.events_2026_01_26", "raw.events_2026_03_30"]
    load(
        planned,
        tmp_path / "b.ndjson",
        event(3, datetime(2026, 2, 1, 23, 59, 59, 999999, tzinfo=UTC)),
        event(4, datetime(2026, 2, 2, tzinfo=UTC)),
    )
    assert partitions(planned) == ["raw.events_2026_01_26", "raw.events_2026_02_02", "raw.events_2026_03_30"]


@pytest.mark.only_on("embedded", "TimescaleDB makes its chunks itself")
def test_a_partition_can_be_made_while_another_load_writes(planned: psycopg.Connection, warehouse: Warehouse) -> None:
    week = week_of(AT)
    Partitions(planned).ensure({week})
    with warehouse.connect() as writer, warehouse.connect() as other:
        writer.execute(
            "insert into raw.events (event_id, event_name, occurred_at, received_at, source, batch_id) values (%s, 'x', %s, %s, 's', %s)",
            (uuid.uuid4(), AT, AT, uuid.uuid4()),
        )
        other.execute("set statement_timeout = '5s'")
        Partitions(other).ensure({week, week + WEEK})
    assert len(partitions(planned)) == 2


def test_duplicates_are_found_across_partitions(planned: psycopg.Connection, tmp_path: Path) -> None:
    sunday = datetime(2026, 2, 1, 23, 59, tzinfo=UTC)
    load(planned, tmp_path / "a.ndjson", event(1, sunday))
    batch = load(planned, tmp_path / "b.ndjson", event(1, sunday + timedelta(minutes=2)), event(1, sunday - timedelta(days=7)))
    assert counts(batch)[1:4] == (2, 0, 2)


def test_the_first_versions_table_becomes_a_partition_with_its_rows(server: str, tmp_path: Path) -> None:
    name = f"old_{uuid.uuid4().hex}"
    admin = server.replace("/analytics?", "/postgres?")
    url = server.replace("/analytics?", f"/{name}?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name}")  # type: ignore[arg-type]
    config = Config()
    config.set_main_option("script_location", str(migration._SCRIPTS))
    config.attributes["url"] = url
    command.upgrade(config, "0001")
    with psycopg.connect(url, autocommit=True) as connection:
        batch = uuid.uuid4()
        connection.execute(
            """
            insert into raw.ingest_batches (batch_id, source, uri, content_sha256, mapping_sha256, status, rows_read, rows_accepted,
                min_occurred_at, max_occurred_at, started_at, finished_at)
            values (%s, 'envelope', 'old', 'x', 'x', 'loaded', 2, 2, %s, %s, now(), now())
            """,
            (batch, AT - timedelta(days=30), AT),
        )
        for number, at in ((1, AT), (2, AT - timedelta(days=30))):
            connection.execute(
                "insert into raw.events (event_id, event_name, occurred_at, received_at, source, batch_id) values (%s, 'x', %s, %s, 's', %s)",
                (uuid.UUID(int=number), at, at, batch),
            )
        old = connection.execute("select relfilenode from pg_class where oid = 'raw.events'::regclass").fetchone()
        migration.migrate(url)
        assert connection.execute("select count(*) from raw.events").fetchone() == (2,)
        kept = connection.execute(
            "select relfilenode from pg_class where oid = 'raw.events_before_partitions'::regclass"
        ).fetchone()
        assert kept == old, "the rows were written again"
        publish_text(connection, tmp_path)
        later = AT + timedelta(days=30)
        assert counts(load(connection, tmp_path / "a.ndjson", event(1), event(3), event(4, later)))[1:4] == (3, 2, 1)
        assert len(partitions(connection)) == 2
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


@pytest.mark.own_server("two loads are under way at once")
def test_two_loads_of_one_id_at_two_times_keep_the_one_that_was_committed_first(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path
) -> None:
    make_chunk(planned, tmp_path)
    slow = tmp_path / "slow.ndjson"
    slow.write_text(json.dumps(event(1)) + "\n" + json.dumps(event(2)) + "\n")
    with warehouse.connect(autocommit=True) as other:

        def meanwhile(*_: object) -> None:
            """Another load with the same id at another time commits after this one has asked for duplicates."""
            load(other, tmp_path / "fast.ndjson", event(1, AT + timedelta(hours=1)))

        batch = load_file(planned, slow, load_mapping("envelope"), "envelope", meanwhile)
    assert (batch.accepted, batch.duplicate) == (1, 1)
    found = planned.execute("select event_id, occurred_at from raw.events order by 1").fetchall()
    assert [(i.int, at) for i, at in found] == [(1, AT + timedelta(hours=1)), (2, AT)]
