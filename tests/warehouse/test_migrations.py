"""From every earlier version to this one, with data in place, on every kind of server."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from analytics_pipeline.errors import WarehouseUnavailable
from analytics_pipeline.warehouse import migrate as migration
from analytics_pipeline.warehouse.connection import Warehouse, capabilities, check_timescaledb
from analytics_pipeline.warehouse.migrate import migrate, newest_revision
from tests.conftest import publish_text
from tests.warehouse.test_ingest import counts, event, load

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)
SCHEMAS = "raw, config, ops, ml, live, marts, kpi, dagster"
EARLIER = [f"{n:04}" for n in range(1, int(newest_revision()))]


def upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migration._SCRIPTS))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def fill(connection: psycopg.Connection) -> None:
    """Two loaded events a month apart, one refused record, and what nobody has computed yet."""
    batch = uuid.uuid4()
    connection.execute(
        """
        insert into raw.ingest_batches (batch_id, source, uri, content_sha256, mapping_sha256, status, rows_read, rows_accepted,
            rows_quarantined, min_occurred_at, max_occurred_at, started_at, finished_at)
        values (%s, 'envelope', 'old', 'x', 'x', 'loaded', 3, 2, 1, %s, %s, now(), now())
        """,
        (batch, AT - timedelta(days=30), AT),
    )
    if connection.execute("select relkind from pg_class where oid = 'raw.events'::regclass").fetchone() == ("p",):
        connection.execute(
            "create table raw.events_old partition of raw.events for values from ('2025-12-01') to ('2026-03-01')"
        )
    for number, at in ((1, AT), (2, AT - timedelta(days=30))):
        connection.execute(
            "insert into raw.events (event_id, event_name, occurred_at, received_at, source, batch_id) "
            "values (%s, 'x', %s, %s, 's', %s)",
            (uuid.UUID(int=number), at, at, batch),
        )
    connection.execute(
        "insert into raw.quarantine values (%s, 'envelope', 'old', 3, 'invalid_json', 'r', 'x', now(), null)", (batch,)
    )
    connection.execute("insert into ops.changes (cause, batch_id, day) values ('ingest', %s, %s)", (batch, AT.date()))


@pytest.mark.parametrize("revision", EARLIER)
def test_an_earlier_version_is_brought_here_with_its_data(warehouse: Warehouse, tmp_path: Path, revision: str) -> None:
    with warehouse.connect(autocommit=True) as connection:
        connection.execute(f"drop schema {SCHEMAS} cascade".encode())
        upgrade(warehouse.url, revision)
        fill(connection)
        migrate(warehouse.url)
        assert connection.execute("select version_num from ops.alembic_version").fetchone() == (newest_revision(),)
        assert connection.execute("select count(*) from raw.events").fetchone() == (2,)
        assert connection.execute("select payload from raw.quarantine").fetchall() == [(b"x",)]
        assert connection.execute("select day from ops.changes where consumed_by is null").fetchall() == [(AT.date(),)]
        can = capabilities(connection)
        assert can.raw_events == ("partitions" if can.timescaledb == "none" else "hypertable")
        publish_text(connection, tmp_path)
        batch = load(connection, tmp_path / "a.ndjson", event(1), event(3), event(4, AT + timedelta(days=30)))
        assert counts(batch)[1:4] == (3, 2, 1)
        assert connection.execute("select sum(events) from live.quarter_hours").fetchone() == (4,)
        migrate(warehouse.url)


def test_off_makes_partitions_and_require_names_what_is_missing(warehouse: Warehouse) -> None:

    with warehouse.connect(autocommit=True) as connection:
        can = capabilities(connection)
        if can.columnstore:
            check_timescaledb(can, "require", "here")
            with pytest.raises(WarehouseUnavailable, match="off, but raw events at here are a hypertable"):
                check_timescaledb(can, "off", "here")
        else:
            check_timescaledb(can, "off", "here")
            with pytest.raises(WarehouseUnavailable, match="raw events as partitions"):
                check_timescaledb(can, "require", "here")
        connection.execute(f"drop schema {SCHEMAS} cascade".encode())
        migrate(warehouse.url, "off")
        assert capabilities(connection).raw_events == "partitions"
        assert connection.execute("select relkind from pg_class where oid = 'raw.events'::regclass").fetchone() == ("p",)
