"""plan diff, infer and drift, explain and ask, as a user meets them."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.quality.contracts import count_violations
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import PLAN

pytestmark = pytest.mark.only_on(
    "embedded", "plans are in plain tables; each test of the warehouse publishes one on its server"
)
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(
    planned: psycopg.Connection, warehouse: Warehouse, run_cli: Cli, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda *arguments: run_cli(tmp_path / "home", *arguments, ANALYTICS_DATABASE_URL=warehouse.url)


@pytest.mark.parametrize(
    ("old", "new", "says", "computes", "leaves"),
    [
        ("window: 2d", "window: 3d", ["funnels", "purchase", "redefined"], ["fct_funnel"], ["int_events", "kpi_values"]),
        ("title: Revenue", "title: Turnover", ["kpis", "revenue", "described anew"], ["nothing"], ["kpi_values"]),
        ("timezone: Europe/Berlin", "timezone: UTC", ["setting", "timezone", '"UTC"'], ["int_events", "kpi_values"], []),
        ("values_per_dimension", "values_per_dimension", ["nothing would change"], [], []),
    ],
)
def test_plan_diff_names_what_changes_and_what_is_computed_again(
    cli: Cli, tmp_path: Path, old: str, new: str, says: list[str], computes: list[str], leaves: list[str]
) -> None:
    file = tmp_path / "changed.yml"
    file.write_text(PLAN.replace(old, new, 1))
    done = cli("plan", "diff", str(file))
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in says), done.stdout
    computed = done.stdout.partition("computes again")[2]
    assert all(model in computed for model in computes), done.stdout
    assert not any(model in computed for model in leaves), done.stdout


def test_a_plan_in_another_order_is_the_same_plan(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "changed.yml"
    file.write_text(PLAN.replace("  view: {page: true}\n  buy: {}\n", "  buy: {}\n  view: {page: true}\n"))
    assert "nothing: no number changes" in cli("plan", "diff", str(file)).stdout


def test_explain_says_what_a_kpi_is_made_of_and_that_it_is_not_computed_yet(cli: Cli) -> None:
    done = cli("explain", "order_value")
    assert done.returncode == 0, done.stderr
    assert all(w in done.stdout for w in ["revenue / orders", "int_measures", "not computed yet"]), done.stdout
    unknown = cli("explain", "profit")
    assert unknown.returncode == 2
    assert "profit" in unknown.stderr
    assert "order_value" in unknown.stderr


def test_a_question_before_anything_is_published_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "q.yml"
    file.write_text("analysis: lifecycle\n")
    done = cli("ask", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert "analytics-pipeline run" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("analysis: funel\n", ["funel", "funnel"]),
        ("- a\n", ["no keys", "analysis: funnel"]),
        ("a: [\n", ["not YAML"]),
    ],
)
def test_a_wrong_question_is_named(cli: Cli, tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "q.yml"
    file.write_text(text)
    done = cli("ask", str(file))
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    if "analysis: funel" not in text:
        assert done.returncode == 2
        assert all(word in done.stderr for word in words), done.stderr


def events_file(path: Path) -> Path:
    """Thirty visitors, of whom twenty buy."""
    at = datetime(2026, 2, 1, 10, tzinfo=UTC)
    rows = [
        {"event_name": name, "occurred_at": (at + timedelta(hours=n, minutes=step)).isoformat(), "user_id": f"u{n}", "country": "IN"}
        | ({"value": 5, "currency": "INR", "properties": {"items": 2, "note": 'a "b",\nc'}} if name == "buy" else {"app_version": "1.1"})
        for n in range(30)
        for step, name in enumerate(["view", "buy"] if n < 20 else ["view"])
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def test_a_first_plan_from_the_warehouse_can_be_published(cli: Cli, connection: psycopg.Connection, tmp_path: Path) -> None:
    empty = cli("plan", "infer")
    assert empty.returncode == 2
    assert "raw.events is empty" in empty.stderr
    load_file(connection, events_file(tmp_path / "a.ndjson"), load_mapping("envelope"), "envelope")
    guessed = cli("plan", "infer", "--output", "guess.yml", "--name", "Shop")
    assert guessed.returncode == 0, guessed.stderr
    assert "50 events of the warehouse" in guessed.stdout
    checked = cli("plan", "check", "guess.yml")
    assert checked.returncode == 0, checked.stderr
    assert "misspelt" not in checked.stdout
    assert cli("plan", "publish", "guess.yml").returncode == 0
    row = connection.execute("select name, timezone, currency, conversion_sql from config.plan").fetchone()
    assert row is not None
    assert row[:3] == ("shop", "Asia/Kolkata", "INR")
    assert "'buy'" in row[3]
    assert count_violations(connection, [date(2026, 2, 1), date(2026, 2, 2)]) == []


def test_drift_is_printed_for_people_and_for_programs(cli: Cli, connection: psycopg.Connection, tmp_path: Path) -> None:
    load_file(connection, events_file(tmp_path / "a.ndjson"), load_mapping("envelope"), "envelope")
    count_violations(connection, [date(2026, 2, 1), date(2026, 2, 2)])
    table = cli("plan", "drift").stdout
    assert "not in the plan  buy    items     unknown_property  (none)   20" in table
    assert "never came" in table
    rows = json.loads(cli("plan", "drift", "--format", "json").stdout)
    assert [(r["event"], r["property"], r["state"], r["flagged"]) for r in rows] == [
        ("buy", "items", "not in the plan", 20),
        ("buy", "note", "not in the plan", 20),
        ("ping", "", "never came", 0),
    ]
    assert rows[1]["example"] == 'text "x "x",�x"'
    everything = cli("plan", "drift", "--all", "--format", "csv").stdout
    assert "as planned,view,,,,0,0,30" in everything
