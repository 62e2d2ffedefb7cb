"""The Apache edition of TimescaleDB: hypertables whose old chunks leave, without a columnstore and continuous aggregates.

The server is Debian's (tests/timescaledb/apache_server.py). What is asked of raw events on every server is asked of it, too;
what is its own stands below.
"""

import inspect
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from analytics_pipeline.commands.doctor import BOOKS
from analytics_pipeline.errors import WarehouseUnavailable
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import publish_build
from analytics_pipeline.object_store import ObjectStore
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.warehouse.chunks import chunks
from analytics_pipeline.warehouse.connection import Capabilities, Warehouse, capabilities, check_timescaledb
from analytics_pipeline.warehouse.migrate import migrate
from tests.conftest import PLAN, Builder, missing, publish_text
from tests.property.compiled import CompiledProject, compiled_texts, read_models
from tests.property.conftest import PLAN as RICH_PLAN
from tests.property.histories import DAYS, FIRST, random_event
from tests.timescaledb.apache_server import ApacheServer, PackagesMissing
from tests.warehouse import test_ingest, test_partitions, test_revoke_and_replay, test_storage
from tests.warehouse.test_ingest import counts, event, load
from tests.warehouse.test_storage import TIERS, everything, export, keep_storage, store

# One worker, so one server. The marker only_on keeps the servers of the other modules out; which one it is, `warehouse` says.
pytestmark = [
    pytest.mark.only_on("timescaledb", "the server is this module's own"),
    pytest.mark.xdist_group("apache"),
]
__all__ = ["store"]

SAME_ON_EVERY_SERVER = [
    test_ingest.test_the_same_id_within_seven_days_is_a_duplicate_and_beyond_it_is_not,
    test_ingest.test_within_a_file_each_occurrence_is_held_against_what_stays_of_those_before,
    test_partitions.test_duplicates_are_found_across_partitions,
    test_revoke_and_replay.test_a_revoked_load_is_gone_noted_and_can_be_loaded_again,
    test_storage.test_a_busier_plan_gets_narrower_chunks_between_those_that_are_there,
    test_storage.test_late_and_double_events_and_revocations_reach_the_columnstore,
    test_storage.test_chunks_leave_when_they_are_in_the_store_and_the_books_stay_even,
    test_storage.test_a_kind_of_event_leaves_earlier_than_the_others,
    test_storage.test_live_tables_are_fresh_to_the_last_commit_and_take_up_what_is_late,
    test_storage.test_live_hours_and_days_are_cut_in_the_plans_zone_when_the_clock_changes,
    test_storage.test_a_changed_policy_really_changes_and_a_dropped_one_goes,
]


@pytest.fixture(scope="module")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheServer]:
    try:
        server = ApacheServer(tmp_path_factory.mktemp("apache"))
    except PackagesMissing as error:
        missing(f"nobody checked that the warehouse works on the Apache edition of TimescaleDB: {error}")
    yield server
    server.stop()


@pytest.fixture
def warehouse(apache: ApacheServer) -> Iterator[Warehouse]:
    """A migrated, empty one on this module's server."""
    with apache.warehouse() as warehouse:
        yield warehouse


@pytest.mark.parametrize("scenario", SAME_ON_EVERY_SERVER, ids=lambda scenario: scenario.__name__.removeprefix("test_"))
def test_what_holds_on_every_server_holds_here(scenario: Callable[..., None], request: pytest.FixtureRequest) -> None:
    scenario(**{name: request.getfixturevalue(name) for name in inspect.signature(scenario).parameters})


def test_it_is_known_as_a_hypertable_without_a_columnstore(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    can = capabilities(connection)
    assert can == Capabilities(can.server_version, "apache", can.timescaledb_version, "hypertable")
    assert not can.columnstore
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        connection.execute("select add_retention_policy('raw.events', interval '3 days')")
    check_timescaledb(can, "auto", warehouse.place)
    with pytest.raises(
        WarehouseUnavailable, match=r"\(apache\), with raw events as hypertable: use a server with the community"
    ):
        check_timescaledb(can, "require", warehouse.place)
    with pytest.raises(WarehouseUnavailable, match=r"is off, but raw events at .* are a hypertable already"):
        check_timescaledb(can, "off", warehouse.place)


def test_a_warehouse_that_shall_not_use_it_has_partitions(apache: ApacheServer) -> None:
    with apache.database() as url:
        migrate(url, "off")
        with psycopg.connect(url) as connection:
            can = capabilities(connection)
    assert (can.timescaledb, can.raw_events) == ("none", "partitions")


def test_duplicates_within_a_file_are_found_inside_a_chunk_and_across_chunks(
    planned: psycopg.Connection, tmp_path: Path
) -> None:
    boundary = datetime(2026, 2, 5, tzinfo=UTC)  # chunks begin on Thursdays, as 1970 did
    twice = [event(n, boundary + timedelta(hours=h)) for n, h in [(1, -3), (1, -2), (2, -1), (2, 1), (3, 2), (3, 2)]]
    batch = load(planned, tmp_path / "a.ndjson", *twice, event(4, boundary + timedelta(days=30)))
    assert counts(batch) == ("loaded", 7, 4, 3, 0)
    found = chunks(planned, capabilities(planned))
    assert found[0].ends_at == found[1].starts_at == boundary
    again = load(
        planned, tmp_path / "b.ndjson", event(2, boundary + timedelta(hours=3)), event(3, boundary - timedelta(hours=4))
    )
    assert counts(again) == ("loaded", 2, 0, 2, 0)
    assert [row[0].int for row in everything(planned)] == [1, 2, 3, 4]  # type: ignore[attr-defined]
    assert planned.execute(BOOKS).fetchone() == (9, 4, 5, 0, 4, 0, 0)


def test_only_policies_that_it_can_carry_out_are_applied(
    planned: psycopg.Connection, tmp_path: Path, store: ObjectStore
) -> None:
    plan = PLAN.replace("ping: {activity: false}", "ping: {activity: false, keep: 30d}") + TIERS
    publish_text(planned, tmp_path, plan)
    load(planned, tmp_path / "a.ndjson", event(1, FIRST))
    assert set(keep_storage(planned, store)) == {
        "live.quarter_hours: refresh",
        "raw.events: chunk interval",
        "raw.events: chunks ahead",
        "raw.events: keep ping",
        "raw.events: retention",
    }
    assert planned.execute("select relkind from pg_class where oid = 'live.quarter_hours_stored'::regclass").fetchone() == (
        "r",
    )


def test_two_builds_publish_what_they_publish_on_the_embedded_server_though_a_chunk_has_left_between_them(
    builder: Builder, embedded_warehouse: Warehouse, tmp_path: Path, store: ObjectStore
) -> None:
    here, rng = builder.connection, random.Random(17)
    publish_text(here, tmp_path, RICH_PLAN + TIERS)
    events = [random_event(rng) for _ in range(240)]
    (first, first_day), (second, second_day) = arrivals = [
        (events[:160], FIRST + timedelta(days=DAYS - 3)),
        ([e for e in events[130:] if e["occurred_at"] >= "2026-03-27"], FIRST + timedelta(days=DAYS)),
    ]
    load(here, tmp_path / "first.ndjson", *first)
    builder.build(first_day)
    published = [builder.published()]
    full = compiled_texts(builder.settings.dbt_target, here.info.dbname)

    later = FIRST + timedelta(days=45)
    export(here, builder.warehouse.url, store, later)
    assert keep_storage(here, store, later)["raw.events: retention"] == "1 chunks dropped"
    assert here.execute("select min(occurred_at) >= '2026-03-26' from raw.events").fetchone() == (True,)

    load(here, tmp_path / "second.ndjson", *second)
    builder.build(second_day)
    published.append(builder.published())
    assert [table for table, rows in published[1].items() if not rows] == []
    assert published[0] != published[1]
    assert here.execute("select is_full from ops.builds order by started_at").fetchall() == [(True,), (False,)]

    # There dbt need not run: its texts of here do, and that saves half of the time.
    project = CompiledProject(read_models(builder.settings.dbt_target, here.info.dbname, full))
    with embedded_warehouse.connect(autocommit=True) as there:
        publish_text(there, tmp_path, RICH_PLAN)
        for schema in ("staging", "intermediate", "marts", "kpi"):
            there.execute(sql.SQL("create schema {}").format(sql.Identifier(f"build_{schema}")))
        for (arrived, as_of), expected in zip(arrivals, published, strict=True):
            load(there, tmp_path / "arrived.ndjson", *arrived)
            release_pending(there)
            build = begin_build(there, as_of)
            project.build(there, build)
            publish_build(there, build)
            assert Builder(builder.settings, embedded_warehouse, there).published() == expected
