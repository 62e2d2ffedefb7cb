"""Raw events by chunks: the columnstore, what leaves behind its horizon, and the live tables; on every kind of server."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from analytics_pipeline.commands.doctor import BOOKS
from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.lifecycle.storage import apply_policies, policies, read_storage
from analytics_pipeline.lifecycle.tiers import days_due, export_days
from analytics_pipeline.object_store import ObjectStore, open_object_store
from analytics_pipeline.warehouse.chunks import DAY, chunk_interval, chunks
from analytics_pipeline.warehouse.connection import Warehouse, capabilities
from analytics_pipeline.warehouse.partitions import WEEK
from tests.conftest import PLAN, Builder, publish_text
from tests.warehouse.test_ingest import counts, event, load

FIRST = datetime(2026, 2, 2, 10, tzinfo=UTC)
AS_OF = FIRST + timedelta(days=90)
TIERS = "tiers: {hot: 20d, warehouse: 40d}\n"
LIVE = "select starts_at, event_name, currency, platform, events, value from live.quarter_hours order by 1, 2, 3, 4"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_object_store((tmp_path / "lake").as_uri())


def keep_storage(connection: psycopg.Connection, store: ObjectStore, as_of: datetime = AS_OF) -> dict[str, str]:
    can = capabilities(connection)
    return apply_policies(connection, can, policies(connection, can, read_storage(connection, 30), as_of, store.url))


def count_changes_as_published(connection: psycopg.Connection) -> None:
    """What a build leaves behind when it was published."""
    connection.execute(
        """
        with build as (
            insert into ops.builds (build_id, status, as_of, is_full, plan_hash, code_hash)
            values (gen_random_uuid(), 'published', now(), true, '', '') returning build_id
        )
        update ops.changes set consumed_by = build.build_id from build
        """
    )


def export(connection: psycopg.Connection, url: str, store: ObjectStore, as_of: datetime = AS_OF) -> None:
    export_days(connection, url, store, days_due(connection, as_of, 20, store.url))


def everything(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("select event_id, occurred_at from raw.events order by 1, 2").fetchall()


def test_a_chunk_covers_a_week_unless_that_has_more_than_ten_million_events() -> None:
    assert [chunk_interval(n) for n in (None, 1, 1_428_571, 1_428_572, 50_000_000)] == [WEEK, WEEK, WEEK, DAY, DAY]


def test_a_busier_plan_gets_narrower_chunks_between_those_that_are_there(
    planned: psycopg.Connection, tmp_path: Path, store: ObjectStore
) -> None:
    load(planned, tmp_path / "a.ndjson", event(1, FIRST), event(2, FIRST + timedelta(days=15)))
    publish_text(planned, tmp_path, PLAN + "events_per_day: 3000000\n")
    keep_storage(planned, store, FIRST)
    load(planned, tmp_path / "b.ndjson", *(event(10 + n, FIRST + timedelta(days=n)) for n in range(30)))
    found = chunks(planned, capabilities(planned))
    assert all(a.ends_at <= b.starts_at for a, b in itertools.pairwise(found))
    widths = {c.ends_at - c.starts_at for c in found}
    assert {DAY, WEEK} <= widths
    assert len(everything(planned)) == 32


def test_chunks_are_there_before_their_first_event_and_nothing_else_is(planned: psycopg.Connection, store: ObjectStore) -> None:
    keep_storage(planned, store, FIRST)
    found = chunks(planned, capabilities(planned))
    for n in range(5):
        assert any(c.starts_at <= FIRST + n * WEEK < c.ends_at for c in found)
    assert everything(planned) == []
    assert planned.execute(LIVE).fetchall() == []
    keep_storage(planned, store, FIRST)
    assert chunks(planned, capabilities(planned)) == found


def test_late_and_double_events_and_revocations_reach_the_columnstore(
    planned: psycopg.Connection, tmp_path: Path, store: ObjectStore
) -> None:
    first = load(planned, tmp_path / "a.ndjson", *(event(n, FIRST + timedelta(hours=3 * n)) for n in range(200)))
    count_changes_as_published(planned)
    keep_storage(planned, store)
    can = capabilities(planned)
    assert all(c.is_columnar for c in chunks(planned, can) if c.ends_at <= AS_OF - timedelta(days=30)) or not can.columnstore
    late = load(
        planned,
        tmp_path / "b.ndjson",
        event(5, FIRST + timedelta(hours=15)),  # the same event again
        event(6, FIRST + timedelta(hours=18, minutes=1)),  # the same id a minute later
        event(900, FIRST + timedelta(hours=4)),
    )
    assert counts(late) == ("loaded", 3, 1, 2, 0)
    keep_storage(planned, store)
    assert len(everything(planned)) == 201
    assert revoke(planned, str(first.batch_id)).events == 200
    assert [row[0].int for row in everything(planned)] == [900]  # type: ignore[attr-defined]
    keep_storage(planned, store)
    assert [row[0].int for row in everything(planned)] == [900]  # type: ignore[attr-defined]


def test_chunks_leave_when_they_are_in_the_store_and_the_books_stay_even(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path, store: ObjectStore
) -> None:
    publish_text(planned, tmp_path, PLAN + TIERS)
    load(planned, tmp_path / "a.ndjson", *(event(n, FIRST + timedelta(days=n)) for n in range(88)))
    before = planned.execute(LIVE).fetchall()
    assert "are not in file:" in keep_storage(planned, store)["raw.events: retention"]
    export(planned, warehouse.url, store)
    assert "no build has published" in keep_storage(planned, store)["raw.events: retention"]
    assert len(everything(planned)) == 88
    count_changes_as_published(planned)
    assert not keep_storage(planned, store)["raw.events: retention"].startswith("0 ")
    left = [row[1] for row in everything(planned)]
    assert 0 < len(left) < 60
    assert max(d for d in (FIRST + timedelta(days=n) for n in range(88)) if d not in left) < AS_OF - timedelta(days=40)
    assert planned.execute(BOOKS).fetchone() == (88, 88, 0, 0, 88, 0, 0)
    assert planned.execute(LIVE).fetchall() == before
    assert "0 chunks dropped" in keep_storage(planned, store)["raw.events: retention"]
    assert planned.execute(LIVE).fetchall() == before


def test_events_of_days_that_have_left_are_refused_with_the_reason(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path, store: ObjectStore
) -> None:
    publish_text(planned, tmp_path, PLAN + TIERS)
    load(planned, tmp_path / "a.ndjson", *(event(n, FIRST + timedelta(days=n)) for n in range(88)))
    count_changes_as_published(planned)
    export(planned, warehouse.url, store)
    keep_storage(planned, store)
    (horizon,) = planned.execute("select before from ops.horizons").fetchone() or (None,)
    assert horizon is not None
    assert horizon.astimezone(ZoneInfo("Europe/Berlin")).hour == 0
    late = load(
        planned,
        tmp_path / "b.ndjson",
        event(200, horizon - timedelta(microseconds=1)),
        event(201, horizon),
    )
    assert counts(late) == ("loaded", 2, 1, 0, 1)
    assert planned.execute("select reason_code from raw.quarantine").fetchall() == [("too_late",)]
    assert planned.execute(BOOKS).fetchone() == (90, 89, 0, 1, 89, 1, 0)


def test_a_kind_of_event_leaves_earlier_than_the_others(
    planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path, store: ObjectStore
) -> None:
    publish_text(planned, tmp_path, PLAN.replace("ping: {activity: false}", "ping: {activity: false, keep: 30d}"))
    pings = [event(1000 + n, FIRST + timedelta(days=n), event_name="ping") for n in range(88)]
    load(planned, tmp_path / "a.ndjson", *(event(n, FIRST + timedelta(days=n)) for n in range(88)), *pings)
    count_changes_as_published(planned)
    live = planned.execute(LIVE).fetchall()
    keep_storage(planned, store)
    rows = dict(planned.execute("select event_name, count(*) from raw.events group by 1").fetchall())
    # as_of is the 3rd of May: the pings of April 3rd, 00:00 in Berlin, and later stay.
    assert rows == {"view": 88, "ping": 27 + 1}
    assert planned.execute(BOOKS).fetchone() == (176, 176, 0, 0, 176, 0, 0)
    assert planned.execute(LIVE).fetchall() == live
    late = load(
        planned,
        tmp_path / "b.ndjson",
        event(2000, FIRST, event_name="ping"),
        event(2001, FIRST + timedelta(minutes=1)),
    )
    assert counts(late) == ("loaded", 2, 1, 0, 1)
    count_changes_as_published(planned)
    assert keep_storage(planned, store)["raw.events: keep ping"] == "nothing to delete"


def test_live_tables_are_fresh_to_the_last_commit_and_take_up_what_is_late(
    planned: psycopg.Connection, tmp_path: Path, store: ObjectStore
) -> None:
    values = {"value": 2.5, "currency": "EUR", "platform": "web"}
    load(planned, tmp_path / "a.ndjson", *(event(n, FIRST + timedelta(hours=5 * n), **values) for n in range(50)))
    naive = """
    select date_bin('15 minutes', occurred_at, '2001-01-01+00'), event_name, currency, platform, count(*), sum(value)
    from raw.events group by 1, 2, 3, 4 order by 1, 2, 3, 4
    """
    assert planned.execute(LIVE).fetchall() == planned.execute(naive).fetchall()
    keep_storage(planned, store)
    assert planned.execute(LIVE).fetchall() == planned.execute(naive).fetchall()
    batch = load(planned, tmp_path / "b.ndjson", *(event(100 + n, FIRST + timedelta(hours=n), **values) for n in range(20)))
    keep_storage(planned, store)
    assert planned.execute(LIVE).fetchall() == planned.execute(naive).fetchall()
    revoke(planned, str(batch.batch_id))
    keep_storage(planned, store)
    assert planned.execute(LIVE).fetchall() == planned.execute(naive).fetchall()
    assert planned.execute("select sum(events) from live.daily_events").fetchone() == (50,)


def test_live_hours_and_days_are_cut_in_the_plans_zone_when_the_clock_changes(
    planned: psycopg.Connection, tmp_path: Path
) -> None:
    spring = datetime(2026, 3, 28, 23, tzinfo=UTC)  # Berlin's 29th of March begins, and has 23 hours
    load(planned, tmp_path / "a.ndjson", *(event(n, spring + timedelta(minutes=30 * n)) for n in range(2 * 24)))
    days = planned.execute("select day, sum(events) from live.daily_events group by 1 order by 1").fetchall()
    assert [n for _, n in days] == [46, 2]
    hours = planned.execute("select hour from live.hourly_events order by 1").fetchall()
    assert len(hours) == 24


def test_the_overview_counts_visitors_sessions_orders_and_revenue_of_now(planned: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(planned, tmp_path, PLAN + "revenue: {events: [buy], refunds: [refund]}\n")
    now = datetime.now(UTC)
    midnight = now.astimezone(ZoneInfo("Europe/Berlin")).replace(hour=0, minute=0, second=0, microsecond=0)
    is_today = [now - timedelta(minutes=m) >= midnight for m in (1, 20)]
    load(
        planned,
        tmp_path / "a.ndjson",
        event(1, now - timedelta(minutes=1)),
        event(2, now - timedelta(minutes=1), event_name="buy", value=10, user_id="u1"),
        event(3, now - timedelta(minutes=20), event_name="buy", value=4),
        event(4, now - timedelta(minutes=20), event_name="ping"),
        event(5, now - timedelta(minutes=50)),
        event(6, now - timedelta(days=3), event_name="buy", value=99),
        event(7, now + timedelta(hours=3), event_name="buy", value=99),
    )
    query = """
    select active_users, open_sessions, visitors_last_hour, converted_last_hour, orders_today, revenue_today, is_unaudited
    from live.overview
    """
    orders, revenue = sum(is_today), 10 * is_today[0] + 4 * is_today[1]
    assert planned.execute(query).fetchone() == (1, 2, 3, 2, orders, revenue, True)


def test_a_changed_policy_really_changes_and_a_dropped_one_goes(
    planned: psycopg.Connection, tmp_path: Path, store: ObjectStore
) -> None:
    query = "select policy, setting, owner from ops.policies where policy in ('retention', 'columnstore') order by 1"
    publish_text(planned, tmp_path, PLAN + "tiers: {hot: 20d, warehouse: 400d}\n")
    keep_storage(planned, store)
    found = {row[0]: row[1:] for row in planned.execute(query).fetchall()}
    assert found["retention"] == (f"400 days, when they are in {store.url}", "dagster")
    publish_text(planned, tmp_path, PLAN + "tiers: {hot: 25d, warehouse: 300d}\n")
    keep_storage(planned, store)
    found = {row[0]: row[1:] for row in planned.execute(query).fetchall()}
    assert found["retention"][0].startswith("300 days")
    if capabilities(planned).columnstore:
        assert found["columnstore"] == ("after 25 days", "dagster")
    publish_text(planned, tmp_path, PLAN)
    keep_storage(planned, store)
    assert "retention" not in {row[0] for row in planned.execute(query).fetchall()}


@pytest.mark.only_on("timescaledb", "other servers have no scheduler of this kind")
def test_jobs_of_timescaledbs_scheduler_on_our_tables_are_removed(planned: psycopg.Connection, store: ObjectStore) -> None:
    planned.execute("select add_compression_policy('raw.events', interval '3 days')")
    planned.execute("select add_retention_policy('raw.events', interval '3 days')")
    keep_storage(planned, store)
    assert planned.execute(
        "select count(*) from timescaledb_information.jobs where hypertable_schema = 'raw' or proc_name like 'policy_%' "
        "and hypertable_name is not null"
    ).fetchone() == (0,)


def test_all_of_history_can_be_built_again_when_its_raw_events_have_left(
    builder: Builder, tmp_path: Path, store: ObjectStore
) -> None:
    plan = PLAN.replace("ping: {activity: false}", "ping: {activity: false, keep: 10d}") + TIERS
    publish_text(builder.connection, tmp_path, plan + "exclude: {bots: user_id = 'u13'}\n")
    events = [
        event(n, FIRST + timedelta(hours=8 * n), event_name=("view", "ping", "buy")[n % 3], user_id=f"u{n % 14}", value=n)
        for n in range(3 * 85)
    ]
    load(builder.connection, tmp_path / "a.ndjson", *events)
    builder.build(AS_OF)
    before = builder.published()
    export(builder.connection, builder.warehouse.url, store)
    done = keep_storage(builder.connection, store)
    assert not done["raw.events: retention"].startswith("0 ")
    assert "deleted" in done["raw.events: keep ping"]
    builder.build(AS_OF, full_refresh=True)
    assert builder.published() == before
    builder.connection.execute("insert into ops.changes (cause, day) select distinct 'ingest', day from marts.fct_events")
    builder.build(AS_OF)
    assert builder.published() == before
