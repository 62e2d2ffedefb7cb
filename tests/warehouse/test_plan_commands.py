"""plan diff, explain and ask, as a user meets them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

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
