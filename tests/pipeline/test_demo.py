"""The demo, run once as a newcomer runs it, and what happens in its home afterwards, in this order."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import psycopg
import pytest
import yaml

from analytics_pipeline.definitions import build_definitions
from analytics_pipeline.lineage.emit import emit_run
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.read import plan_path
from analytics_pipeline.warehouse.connection import open_warehouse
from tests.conftest import require
from tests.openlineage import assert_valid

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]
AS_OF = datetime(2026, 6, 1, 8, tzinfo=UTC)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("demo") / "home"
    command = [str(Path(sys.executable).with_name("analytics-pipeline")), "demo", "--as-of", AS_OF.isoformat()]
    done = subprocess.run(command, env=clean_environment(home), capture_output=True, text=True, check=False, cwd=home.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    (home / "output.txt").write_text(done.stdout)
    return home


def clean_environment(home: Path) -> dict[str, str]:
    import os

    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANALYTICS_", "DBT_", "DAGSTER_", "PG"))}
    return {**kept, "ANALYTICS_HOME": str(home)}


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    return Settings(home=home)


@pytest.fixture
def db(settings: Settings) -> Iterator[psycopg.Connection]:
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def planted(home: Path) -> dict[str, str]:
    return json.loads((home / "sample.json").read_text())["planted"]


@pytest.fixture(scope="module")
def lake(home: Path) -> duckdb.DuckDBPyConnection:
    """The sample files, read by another engine: broken lines out, the first of each id kept, testers marked, francs in euros."""
    database = duckdb.connect()
    database.execute("set timezone = 'Europe/Berlin'")
    files = home / "landing"
    columns = """event_id, event_name, occurred_at::timestamptz as occurred_at, user_id, anonymous_id, country, device_type,
        value::double as value, currency, properties::json as properties"""
    database.execute(
        f"""
        create table events as
        select distinct on (event_id) *, occurred_at::date as day, properties ->> 'internal' = 'true' as is_internal from (
            select {columns} from read_csv('{files}/*.csv', all_varchar = true, ignore_errors = true)
            where try_cast(occurred_at as timestamptz) is not null
            union all by name
            select {columns} from read_json('{files}/*.ndjson.gz', ignore_errors = true, format = 'newline_delimited', columns = {{
                event_id: 'varchar', event_name: 'varchar', occurred_at: 'varchar', user_id: 'varchar', anonymous_id: 'varchar',
                country: 'varchar', device_type: 'varchar', value: 'double', currency: 'varchar', properties: 'json'}})
            where event_id is not null and occurred_at is not null
            union all by name
            select {columns} from read_parquet('{files}/*.parquet')
        )
        """
    )
    database.execute("create table rates (currency varchar, valid_from date, rate double)")
    plan = yaml.safe_load(plan_path("ecommerce").read_text())
    rates = [(currency, day, rate) for currency, dated in plan["rates"].items() for day, rate in dated.items()]
    database.executemany("insert into rates values (?, ?, ?)", rates)
    database.execute(
        """
        create table persons as
        select e.* exclude (value), coalesce('u:' || e.user_id, 'u:' || l.user_id, 'a:' || e.anonymous_id) as person,
            e.value * case when e.currency = 'EUR' then 1 else r.rate end as value
        from events as e left join (
            select anonymous_id, arg_max(user_id, occurred_at) as user_id from events
            where user_id is not null and anonymous_id is not null and is_internal is distinct from true group by 1
        ) as l on e.user_id is null and e.anonymous_id = l.anonymous_id
        asof left join rates as r on e.currency = r.currency and e.day >= r.valid_from
        where e.is_internal is distinct from true
        """
    )
    return database


def kpi(db: psycopg.Connection, name: str) -> dict[date, float]:
    query = """
    select period_date, value::float8 from kpi.kpi_values
    where kpi_name = %s and grain = 'day' and dimension = 'all' and not is_partial
    """
    return dict(db.execute(query, (name,)).fetchall())


def test_it_says_what_it_did_and_what_to_try_next(home: Path) -> None:
    output = (home / "output.txt").read_text()
    for words in (
        "read =",
        "checks passed",
        "22 tables",
        "better than repeating last week",
        "written and read back",
        "analytics-pipeline up",
    ):
        assert words in output, words


def test_the_books_are_even_and_hold_the_planted_flaws(db: psycopg.Connection) -> None:
    row = db.execute(
        "select sum(rows_read), sum(rows_accepted), sum(rows_duplicate), sum(rows_quarantined) from raw.ingest_batches"
    ).fetchone()
    assert row is not None
    read, accepted, duplicate, quarantined = map(int, row)
    assert read == accepted + duplicate + quarantined
    assert duplicate > 300
    assert quarantined == 90
    reasons = dict(db.execute("select reason_code, count(*) from raw.quarantine group by 1").fetchall())
    assert reasons == {"invalid_json": 30, "missing_time": 30, "invalid_time": 30}


def test_revenue_orders_and_users_equal_what_another_engine_counts_in_the_files(
    db: psycopg.Connection, lake: duckdb.DuckDBPyConnection
) -> None:
    assert db.execute("select count(*) from raw.events").fetchone() == lake.sql("select count(*) from events").fetchall()[0]
    expected = lake.sql(
        """
        select day, sum(case event_name when 'purchase' then value when 'refund' then -value else 0 end),
            count(*) filter (event_name = 'purchase'), count(distinct person) filter (event_name not in ('refund', 'heartbeat'))
        from persons where day < date '2026-06-01' group by day
        """
    ).fetchall()
    for name, column in (("net_revenue", 1), ("orders", 2), ("daily_active_users", 3)):
        found = kpi(db, name)
        assert {row[0]: pytest.approx(row[column]) for row in expected} == {
            d: v for d, v in found.items() if d in {r[0] for r in expected}
        }, name
    weekly = lake.sql(
        """
        select d.day, count(distinct p.person) from (select distinct day from events where day < date '2026-06-01') as d
        join persons as p on p.day between d.day - 6 and d.day and p.event_name not in ('refund', 'heartbeat') group by 1
        """
    ).fetchall()
    assert dict(weekly) == {d: v for d, v in kpi(db, "weekly_active_users").items() if d in dict(weekly)}


def test_testers_are_left_out_and_counted(db: psycopg.Connection, lake: duckdb.DuckDBPyConnection) -> None:
    query = "select day, sum(events)::int from marts.fct_excluded_traffic where rule = 'testers' group by day"
    expected = lake.sql("select day, count(*) from events where is_internal group by day").fetchall()
    assert len(expected) > 80
    assert sorted(db.execute(query).fetchall()) == sorted(expected)


def test_orders_by_hour_week_month_and_country_are_counted_each_for_itself(
    db: psycopg.Connection, lake: duckdb.DuckDBPyConnection
) -> None:
    bought = "from persons where event_name = 'purchase' and day < date '2026-06-01' group by all"
    for grain in ("hour", "week", "month"):
        query = """
        select period_start, value::int from kpi.kpi_values
        where kpi_name = 'orders' and grain = %s and dimension = 'all' and value > 0 and period_start < '2026-06-01 00:00+02'
        """
        expected = lake.sql(f"select date_trunc('{grain}', occurred_at)::timestamptz, count(*) {bought}").fetchall()
        assert dict(db.execute(query, (grain,)).fetchall()) == dict(expected), grain
    parts = db.execute(
        """
        select period_date, dimension_value, value::int from kpi.kpi_values
        where kpi_name = 'orders' and grain = 'day' and dimension = 'country' and value > 0 and period_date < '2026-06-01'
        """
    ).fetchall()
    assert sorted(parts) == sorted(lake.sql(f"select day, country, count(*) {bought}").fetchall())


def test_entries_of_the_funnel_and_the_weekly_triangle_equal_what_another_engine_counts(
    db: psycopg.Connection, lake: duckdb.DuckDBPyConnection
) -> None:
    entered = db.execute(
        """
        select entry_day, persons, step_conversion from marts.fct_funnel
        where funnel = 'purchase' and dimension = 'all' and step = 1 and entry_day < '2026-06-01'
        """
    ).fetchall()
    viewers = "select day, count(distinct person) from persons where event_name = 'product_view' and day < date '2026-06-01' group by 1"
    assert {row[0]: row[1] for row in entered} == dict(lake.sql(viewers).fetchall())
    assert {row[2] for row in entered} == {None}
    triangle = db.execute(
        """
        select cohort_start, period, persons from marts.fct_retention
        where retention = 'weekly' and dimension = 'all' and persons > 0 and cohort_start < '2026-06-01'
        """
    ).fetchall()
    expected = lake.sql(
        """
        with active as (
            select distinct person, date_trunc('week', day)::date as week from persons
            where event_name not in ('refund', 'heartbeat') and day < date '2026-06-01'
        ), first as (select person, min(week) as cohort from active group by 1)
        select cohort, (week - cohort) // 7, count(*) from active join first using (person) group by all having (week - cohort) // 7 <= 12
        """
    ).fetchall()
    assert sorted(triangle) == sorted(expected)


def test_the_outage_is_found_on_its_day_with_its_causes(db: psycopg.Connection, planted: dict[str, str]) -> None:
    rows = db.execute(
        "select period_date::text, drivers from ml.anomalies where kpi_name = 'checkout_conversion' and dimension = 'all' order by score desc"
    ).fetchall()
    assert rows[0][0] == planted["outage_day"]
    causes = {(d["dimension"], d["dimension_value"]) for d in rows[0][1]}
    assert causes == {("country", planted["outage_country"]), ("device", planted["outage_device"])}


def test_the_release_lifted_activation_and_the_shop_grew(db: psycopg.Connection, planted: dict[str, str]) -> None:
    query = """
    select sum(numerator) filter (where period_date >= %(day)s) / sum(denominator) filter (where period_date >= %(day)s)
        - sum(numerator) filter (where period_date < %(day)s) / sum(denominator) filter (where period_date < %(day)s)
    from kpi.kpi_values where kpi_name = 'activation' and grain = 'day' and dimension = 'all'
    """
    (lift,) = db.execute(query, {"day": planted["release_day"]}).fetchone() or (0,)
    assert lift > 0.1
    users = list(kpi(db, "daily_active_users").values())
    assert sum(users[-14:]) > 1.1 * sum(users[:14])


def test_visitors_who_signed_in_are_one_person_and_some_people_drift_away(db: psycopg.Connection) -> None:
    (joined,) = db.execute(
        "select count(*) from marts.dim_identities as i where not exists (select from marts.dim_persons where person_key = 'a:' || i.anonymous_id)"
    ).fetchone() or (0,)
    assert joined == (db.execute("select count(*) from marts.dim_identities").fetchone() or (0,))[0] > 500
    rates = [
        float(r[0])
        for r in db.execute(
            """
            select rate from marts.fct_retention
            where retention = 'weekly' and dimension = 'all' and cohort_start = '2026-03-09' and rate is not null order by period
            """
        ).fetchall()
    ]
    assert rates[0] == 1
    assert rates[-1] < 0.5 * rates[1] + 0.2


def test_at_least_three_kpis_are_forecast_thirty_days_with_honest_errors(db: psycopg.Connection) -> None:
    rows = db.execute("select kpi_name, count(*), min(period_date) from ml.forecasts group by 1").fetchall()
    assert len(rows) >= 3
    assert all(row[1:] == (30, date(2026, 6, 1)) for row in rows)
    assert db.execute("select count(*) from ml.forecast_accuracy where mae > 0 and naive_mae > 0").fetchone() == (len(rows),)


def test_old_days_are_in_the_lake_as_the_catalogue_says(db: psycopg.Connection, home: Path) -> None:
    rows = db.execute("select sum(rows), count(*), max(day) from ops.tier_catalogue where status = 'current'").fetchone()
    found = duckdb.sql(
        f"select count(*), count(distinct day), max(day) from read_parquet('{home}/lake/raw/events/*/*.parquet')"
    ).fetchall()[0]
    assert rows == found
    assert rows is not None
    assert rows[2] == date(2026, 5, 1)


def test_again_with_nothing_new_it_is_up_to_date_and_imports_nothing_heavy(home: Path) -> None:
    code = f"""
import sys
from analytics_pipeline.cli import cli
cli.main(["demo", "--as-of", "{AS_OF.isoformat()}"], standalone_mode=False)
heavy = {{"dagster", "dbt", "pandas", "great_expectations", "statsmodels", "pyod", "altair", "pyarrow", "sklearn"}}
print("HEAVY", sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout, done.stdout
    assert "Nothing new" in done.stdout
    assert done.stdout.count("up to date") == 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_in_a_browser_without_errors_and_without_the_network(home: Path, tmp_path: Path, scheme: str) -> None:
    chromium = require("chromium", "the report opens in a real browser")
    from playwright.sync_api import sync_playwright

    problems: list[str] = []
    requests: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": 1200, "height": 900})  # type: ignore[arg-type]
        page.on("console", lambda m: problems.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on("request", lambda r: requests.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto((home / "reports" / "executive.html").as_uri())
        assert page.locator("h2").all_inner_texts()[0] == "Headlines"
        assert page.locator("svg[role=img]").count() >= 10
        assert "country DE" in page.inner_text("body")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        browser.close()
    assert problems == []
    assert requests == []
    assert background == {"light": "rgb(251, 251, 249)", "dark": "rgb(20, 23, 26)"}[scheme]


def test_a_blocking_failure_stops_what_is_downstream_and_the_published_version_stays(
    home: Path, db: psycopg.Connection, run_cli: Run
) -> None:
    before = db.execute("select md5(string_agg(v::text, '' order by v::text)) from kpi.kpi_values as v").fetchone()
    bad = {
        "event_id": "bad-1",
        "event_name": "purchase",
        "occurred_at": "2026-05-31T10:00:00Z",
        "user_id": "x",
        "value": -5,
        "currency": "EUR",
    }
    (home / "landing" / "bad.ndjson").write_text(json.dumps(bad) + "\n")
    done = run_cli(home, "run", "--as-of", AS_OF.isoformat())
    assert done.returncode == 1, done.stdout
    assert "never negative" in done.stderr
    assert "Traceback" not in done.stderr
    assert db.execute("select md5(string_agg(v::text, '' order by v::text)) from kpi.kpi_values as v").fetchone() == before
    assert db.execute(
        "select passed from ops.quality_results where check_name like 'an_amount%' order by checked_at desc limit 1"
    ).fetchone() == (False,)
    (home / "landing" / "bad.ndjson").unlink()
    db.execute("delete from raw.events where value < 0")
    db.execute("update raw.ingest_batches set rows_accepted = 0, rows_read = 0 where uri like '%bad.ndjson'")


def test_a_new_day_is_built_on_top(home: Path, db: psycopg.Connection, run_cli: Run) -> None:
    done = run_cli(home, "demo", "--as-of", (AS_OF + timedelta(days=1)).isoformat())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 new files" in done.stdout
    assert max(kpi(db, "orders")) == date(2026, 6, 1)
    assert (home / "reports" / "executive-2026-06-01.html").exists()
    assert db.execute("select is_full from ops.builds order by started_at desc limit 1").fetchone() == (False,)


def test_dagster_keeps_rows_columns_and_column_lineage_of_every_published_model(db: psycopg.Connection) -> None:
    query = """
    select asset_key::jsonb ->> 1, bool_or(event like '%%column_lineage%%'), bool_or(event like '%%column_schema%%'),
        bool_or(event like '%%row_count%%')
    from dagster.event_logs
    where dagster_event_type = 'ASSET_MATERIALIZATION' and asset_key::jsonb ->> 0 = any(%s) group by 1
    """
    published = db.execute(query, (["marts", "kpi"],)).fetchall()
    assert len(published) == 22
    assert [row for row in published if not all(row[1:])] == []
    built = db.execute(query, (["build_marts", "build_kpi"],)).fetchall()
    assert len(built) == 22
    assert [row for row in built if not all(row[1:3])] == []


def followed(deps: Callable[[str, str], list[tuple[str, str]]], place: tuple[str, str]) -> set[tuple[str, str]]:
    """All places that a column of a table rests on, at any distance."""
    found: set[tuple[str, str]] = set()
    waiting = [place]
    while waiting:
        for source in deps(*waiting.pop()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def test_the_value_of_a_kpi_is_followed_down_to_the_fields_of_its_source_in_dagster_and_in_openlineage(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with open_warehouse(settings) as warehouse:
        monkeypatch.setenv("DAGSTER_HOME", str(settings.home / "dagster"))
        monkeypatch.setenv("ANALYTICS_DAGSTER_DATABASE_URL", warehouse.dagster_url)
        graph = build_definitions(settings).resolve_asset_graph()
        with dg.DagsterInstance.get() as instance:
            lineage: dict[str, dict[str, list[tuple[str, str]]]] = {}
            for key in graph.materializable_asset_keys:
                event = instance.get_latest_materialization_event(key)
                made = event.asset_materialization if event else None
                columns = made.metadata.get("dagster/column_lineage") if made else None
                by_column = columns.value.deps_by_column if isinstance(columns, dg.TableColumnLineageMetadataValue) else {}
                lineage[key.to_user_string()] = {
                    c: [(d.asset_key.to_user_string(), d.column_name) for d in deps] for c, deps in by_column.items()
                }
            run = next(r for r in instance.get_runs() if r.job_name == "everything" and r.status == dg.DagsterRunStatus.SUCCESS)
            target = tmp_path / "events.ndjson"
            told = settings.model_copy(update={"openlineage": str(target)})
            assert emit_run(instance, run.run_id, graph, told, warehouse) is None
    found = followed(lambda key, column: lineage.get(key, {}).get(column, []), ("kpi/kpi_values", "value"))
    fields = {column for key, column in found if key == "ingest/landing"}
    assert {"value", "currency", "event_name", "occurred_at", "user_id", "anonymous_id", "country", "properties"} <= fields
    assert {"build_kpi/kpi_values", "build_intermediate/int_events", "build_staging/stg_raw__events", "raw/events"} <= {
        k for k, _ in found
    }
    events = [json.loads(line) for line in target.read_text().splitlines()]
    assert_valid(events)
    outputs = {o["name"]: o["facets"].get("columnLineage", {}).get("fields", {}) for e in events for o in e["outputs"]}
    database = next(name for name in outputs if name.endswith(".kpi.kpi_values")).removesuffix(".kpi.kpi_values")
    found = followed(
        lambda name, column: [(i["name"], i["field"]) for i in outputs.get(name, {}).get(column, {}).get("inputFields", [])],
        (f"{database}.kpi.kpi_values", "value"),
    )
    assert {column for name, column in found if name == str(settings.landing_dir)} == fields
    checks = [
        assertion
        for e in events
        for i in e["inputs"]
        for assertion in i["inputFacets"].get("dataQualityAssertions", {"assertions": []})["assertions"]
    ]
    assert len(checks) > 50


def test_status_and_sql_answer(home: Path, run_cli: Run) -> None:
    status = run_cli(home, "status", "--json")
    assert json.loads(status.stdout)["published"]["as_of"].startswith("2026-06-0")
    rows = run_cli(home, "sql", "select count(*) as n from marts.fct_retention", "--format", "json")
    assert json.loads(rows.stdout)[0]["n"] > 50
