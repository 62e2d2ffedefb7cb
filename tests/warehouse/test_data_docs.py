"""Data Docs and examples: they show what is wrong, and nobody's personal data."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.quality.assets import Surroundings, gate_assets
from analytics_pipeline.quality.data_docs import build_data_docs
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.quality.masking import Mask, mask_of, masked_error
from analytics_pipeline.quality.results import CheckResult, write_results
from analytics_pipeline.quality.suites import parse_suite, read_suites
from analytics_pipeline.quality.validation import run_suites
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.resource import WarehouseResource
from tests.property.compiled import CompiledProject
from tests.property.conftest import planned_database, project  # noqa: F401
from tests.property.histories import DAYS, FIRST, History, random_event

NewDatabase = Callable[..., AbstractContextManager[Warehouse]]
AT = datetime(2026, 4, 5, 6, 7, 8, tzinfo=UTC)
EMAIL = "ada.lovelace@planted.example"
PHONE = "+49 170 5550199"

SUITE = """
relation: raw.events
gate: raw
keys: [event_id, user_id]
expectations:
  - name: nobody_is_there
    description: Nobody has a user id.
    dimension: completeness
    severity: blocking
    type: expect_column_values_to_be_null
    kwargs: {column: user_id}
  - name: properties_are_empty
    description: Nothing is said besides.
    dimension: validity
    severity: warning
    sql: "select event_id, user_id, anonymous_id, properties, country, source || ' of ' || user_id as note from {batch}"
  - name: user_id_is_a_number
    description: A user id is a number.
    dimension: validity
    severity: warning
    sql: "select 1 from {batch} where user_id::integer > 0"
  - name: column_is_there
    description: There is a column that there is not.
    dimension: schema
    severity: warning
    sql: "select shoe_size from {batch}"
"""


@pytest.fixture
def planted(
    planned_database: NewDatabase,  # noqa: F811
    project: CompiledProject,  # noqa: F811
    tmp_path: Path,
) -> Iterator[Warehouse]:
    """A full build, not published, of events in which somebody's address stands in every field that holds text."""
    with planned_database() as warehouse:
        with warehouse.connect(autocommit=True) as connection:
            history = History(connection, project, tmp_path, random.Random(3))
            events = [random_event(history.rng) for _ in range(40)]
            for event in events[:12]:
                event |= {"user_id": EMAIL, "anonymous_id": f"a-{EMAIL}", "session_id": f"s-{EMAIL}", "city": EMAIL}
                event["properties"] = {"plan": EMAIL, "mail": EMAIL, "calls": [PHONE], "note": {"who": f"write to {EMAIL}"}}
            history.load(events)
            release_pending(connection)
            project.build(connection, begin_build(connection, FIRST + timedelta(days=DAYS)))
        yield warehouse


def test_no_output_of_a_validation_holds_a_planted_address(
    planted: Warehouse, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    suite = parse_suite(SUITE, "here")
    everything_fails = [
        s.model_copy(update={"expectations": [_turned(e) for e in s.expectations]}) for s in read_suites("build")
    ]
    results = run_suites(planted, "raw", suites=[suite]) + run_suites(planted, "build", suites=everything_fails)
    failed = [r for r in results if not r.passed]
    assert len(failed) > 100
    assert sum(len(r.examples) for r in failed) > 300
    with planted.connect(autocommit=True) as connection:
        write_results(connection, "raw", None, None, results)
        stored = str(connection.execute("select details, examples from ops.quality_results").fetchall())
    build_data_docs(tmp_path / "docs", "raw", results, AT, [suite])
    build_data_docs(tmp_path / "docs", "build", results, AT, everything_fails)
    pages = "".join(p.read_text() for p in (tmp_path / "docs").iterdir())
    written = capfd.readouterr()
    outputs = {
        "results": json.dumps([asdict(r) for r in results]),
        "ops.quality_results": stored,
        "Data Docs": pages,
        "log": caplog.text + written.out + written.err,
    }
    for name, text in outputs.items():
        assert "planted.example" not in text, name
        assert "lovelace" not in text, name
        assert "5550199" not in text, name
    assert "~" in pages


def test_dagster_shows_a_failed_suite_with_masked_rows_and_links_its_page(
    planted: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANALYTICS_DATABASE_URL", planted.url)
    with planted.connect(autocommit=True) as connection:
        connection.execute("update build_marts.fct_sessions set duration_seconds = -1")
    stale: list[bool] = []
    around = Surroundings(lambda _, __: None, lambda _: stale.append(True))
    build_gate = gate_assets([], around)[1]
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize(
            [build_gate], resources={"warehouse": WarehouseResource()}, instance=instance, raise_on_error=False
        )
        events = "".join(str(entry) for entry in instance.all_logs(run.run_id))
    checks = {c.check_name: c for c in run.get_asset_check_evaluations()}
    assert not run.success
    assert stale
    assert len(checks) == len(read_suites("build"))
    failed = checks["build_marts__fct_sessions__suite"]
    assert not failed.passed
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert "duration_is_end_less_start" in str(failed.metadata["failing examples"].value)
    assert "u:~" in str(failed.metadata["failing examples"].value)
    page = tmp_path / "home" / "reports" / "quality" / "build_marts.fct_sessions.html"
    assert "✗ The duration of a session is its end less its start." in page.read_text()
    assert (page.parent / "index.html").as_uri() in events
    for text in (events, page.read_text()):
        assert "planted.example" not in text
        assert "lovelace" not in text


def _turned(e):  # type: ignore[no-untyped-def]
    """The expectation so that it fails and shows rows: a query for whatever rows there are, or nothing allowed in a column."""
    if e.sql or "column" not in e.kwargs:
        return e.model_copy(update={"type": "unexpected_rows_expectation", "kwargs": {}, "sql": "select * from {batch}"})
    return e.model_copy(update={"type": "expect_column_values_to_be_null", "kwargs": {"column": e.kwargs["column"]}})


def test_two_rows_of_one_person_can_be_recognised(planted: Warehouse) -> None:
    (of_table, _, *errors) = run_suites(planted, "raw", suites=[parse_suite(SUITE, "here")])
    assert of_table.rows_failed == of_query_count(planted, "user_id is not null")
    names = {e["user_id"] for e in of_table.examples}
    assert all(name.startswith("~") and len(name) == 11 for name in names)
    with planted.connect() as connection:
        mask = mask_of(connection)
    assert mask.rows([{"user_id": EMAIL, "person_key": f"u:{EMAIL}"}]) == [
        {"user_id": mask.hidden(EMAIL), "person_key": "u:" + mask.hidden(EMAIL)}
    ]
    assert [e.details["error"] for e in errors][1].endswith('column "shoe_size" does not exist')
    assert "***" in errors[0].details["error"]


def of_query_count(warehouse: Warehouse, condition: str) -> int:
    with warehouse.connect() as connection:
        row = connection.execute(f"select count(*) from raw.events where {condition}".encode()).fetchone()
    return row[0] if row else 0


def test_what_is_no_text_and_what_names_no_person_is_shown() -> None:
    row = {
        "event_name": "buy",
        "day": datetime(2026, 1, 2).date(),
        "value": Decimal("2.5"),
        "country": "DE",
        "city": "write to x@y.example",
        "something_new": "who knows",
        "properties": {"plan": "a", "mail": "b", "number": 7, "flag": True},
        "payload": b"secret",
    }
    mask = Mask(b"key", frozenset({"plan"}))
    assert (
        mask.rows([row] * 9)
        == [
            {
                "event_name": "buy",
                "day": "2026-01-02",
                "value": 2.5,
                "country": "DE",
                "city": "write to ***",
                "something_new": mask.hidden("who knows"),
                "properties": {"plan": "a", "mail": mask.hidden("b"), "number": mask.hidden("7"), "flag": True},
                "payload": "***",
            }
        ]
        * 5
    )


def test_the_same_text_has_another_name_in_another_warehouse() -> None:
    assert Mask(b"one").hidden("ada") != Mask(b"two").hidden("ada")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ('invalid input syntax for type integer: "ada"', 'invalid input syntax for type integer: "***"'),
        ('(psycopg.errors.UndefinedColumn) column "size" does not exist\nLINE 1', None),
        ("could not reach ada@b.example", "could not reach ***"),
    ],
)
def test_an_error_says_what_is_wrong_without_the_value(message: str, shown: str | None) -> None:
    assert masked_error(message) == (shown or message.splitlines()[0])


def result(relation: str, name: str, passed: bool, **more: object) -> CheckResult:
    details = {"description": f"{name} holds.", "expected": {}}
    return CheckResult(relation, name, "blocking", passed, rows_checked=10, details=details, **more)  # type: ignore[arg-type]


def test_a_page_of_each_suite_shows_its_last_validation_and_old_ones_go(tmp_path: Path) -> None:
    raw, build = read_suites("raw")[:1], read_suites("build")[:2]
    first = [result(s.relation, e.name, True) for s in [*raw, *build] for e in s.expectations]
    assert build_data_docs(tmp_path, "raw", first, AT, raw) == build_data_docs(tmp_path, "build", first, AT, build)
    (tmp_path / "of_a_table_that_is_gone.html").write_text("old")

    worse = [result(r.relation, r.check_name, False, rows_failed=3, examples=[{"day": "2026-01-01"}]) for r in first]
    index = build_data_docs(tmp_path, "build", worse, AT + timedelta(hours=1), build[:1])
    assert {p.name for p in tmp_path.glob("*.html")} == {"index.html", f"{raw[0].relation}.html", f"{build[0].relation}.html"}
    page = (tmp_path / f"{build[0].relation}.html").read_text()
    for e in build[0].expectations:
        assert f"✗ {e.name} holds." in page
    assert "2026-04-05 07:07:08" in page
    assert "2026-01-01" in page
    text = index.read_text()
    assert text.index(build[0].relation) < text.index(raw[0].relation), "what failed comes first"
    assert f"0 of {len(build[0].expectations)}" in text


def test_no_page_fetches_anything(tmp_path: Path) -> None:
    suite = read_suites("build")[:1]
    build_data_docs(tmp_path, "build", [result(s.relation, e.name, True) for s in suite for e in s.expectations], AT, suite)
    for page in tmp_path.glob("*.html"):
        assert "http" not in page.read_text().replace("http-equiv", ""), page.name
        assert "<script" not in page.read_text()
