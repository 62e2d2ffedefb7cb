"""A suite is proposed from what a table holds, holds on that very data, and gives nobody's data away."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from analytics_pipeline.errors import UsageError
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import TABLES
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.quality.suggest import suggest
from analytics_pipeline.quality.suites import Expectation, Suite, parse_suite
from analytics_pipeline.quality.validation import run_suites
from analytics_pipeline.warehouse.connection import Warehouse
from tests.property.compiled import CompiledProject
from tests.property.conftest import planned_database, project  # noqa: F401
from tests.property.histories import DAYS, FIRST, History, random_event

NewDatabase = Callable[..., AbstractContextManager[Warehouse]]
EMAIL = "ada.lovelace@planted.example"


@pytest.fixture(scope="module")
def built(
    planned_database: NewDatabase,  # noqa: F811
    project: CompiledProject,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Warehouse]:
    """A full build, not published, in which one of three users is an address."""
    with planned_database() as warehouse:
        with warehouse.connect(autocommit=True) as connection:
            history = History(connection, project, tmp_path_factory.mktemp("events"), random.Random(5))
            events = [random_event(history.rng) for _ in range(120)]
            for event in events:
                event["user_id"] = EMAIL if event["user_id"] == "u1" else event["user_id"]
            history.load(events)
            release_pending(connection)
            project.build(connection, begin_build(connection, FIRST + timedelta(days=DAYS)))
        yield warehouse


def proposed(warehouse: Warehouse, table: str) -> Suite:
    with warehouse.connect(autocommit=True) as connection:
        return parse_suite(suggest(connection, table), table)


def of(suite: Suite, name: str) -> Expectation:
    return next(e for e in suite.expectations if e.name == name)


def test_what_is_proposed_for_each_table_holds_on_it(built: Warehouse) -> None:
    tables = ["raw.events", "raw.ingest_batches", *(f"{t.schema}.{t.name}" for t in TABLES)]
    empty = {"marts.fct_unconverted_revenue"}
    for gate in ("raw", "build"):
        suites = [proposed(built, t) for t in tables if t not in empty and (t.startswith("raw.")) == (gate == "raw")]
        assert all(len(suite.expectations) >= 5 for suite in suites)
        results = run_suites(built, gate, suites=suites)  # type: ignore[arg-type]
        assert [(r.relation, r.check_name, r.details) for r in results if not r.passed] == []


def test_keys_ranges_values_and_formats_are_found(built: Warehouse) -> None:
    sessions, values, revenue = (proposed(built, t) for t in ("marts.fct_sessions", "kpi.kpi_values", "marts.fct_revenue"))
    assert sessions.relation == "build_marts.fct_sessions"
    assert set(sessions.keys) <= {"person_key", "session_key", "started_at", "ended_at"}
    assert len(values.keys) > 1
    assert "kpi_name" in values.keys
    assert of(values, "grain_is_known_value").kwargs["value_set"] == ["day", "hour", "month", "week"]
    assert of(revenue, "currency_is_well_formed").kwargs["regex"] == "^[A-Z]{3}$"
    bounds = of(sessions, "events_is_in_range").kwargs
    assert bounds["min_value"] == 0
    with built.connect() as connection:
        row = connection.execute("select min(events), max(events) from build_marts.fct_sessions").fetchone()
    assert row
    assert bounds["max_value"] >= row[1] + (row[1] - row[0]) / 2
    assert of(sessions, "started_at_is_known").severity == "blocking"
    assert not [e for e in sessions.expectations if e.kwargs.get("column") == "value" and e.dimension == "completeness"]


def test_the_evidence_stands_beside_what_is_proposed(built: Warehouse) -> None:
    with built.connect(autocommit=True) as connection:
        text = suggest(connection, "build_marts.fct_sessions")
        row = connection.execute("select count(*) from build_marts.fct_sessions").fetchone()
    assert row
    assert f"# Proposed from the {row[0]:,} rows of build_marts.fct_sessions" in text
    assert f"# none of {row[0]:,} rows is null" in text


def test_nobodys_values_are_printed(built: Warehouse) -> None:
    with built.connect(autocommit=True) as connection:
        connection.execute("update build_marts.fct_geography set city = %s", (EMAIL,))
        texts = [
            suggest(connection, t) for t in ("raw.events", "marts.dim_persons", "marts.dim_identities", "marts.fct_geography")
        ]
    assert all("lovelace" not in text for text in texts)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("ops.builds", "judged by no gate"),
        ("marts.nothing", "build_marts.nothing does not exist"),
        ("marts.fct_unconverted_revenue", "has no rows"),
        ("marts.fct_events; drop table raw.events", "judged by no gate"),
    ],
)
def test_a_table_that_can_have_no_suite_is_named_with_the_reason(built: Warehouse, table: str, fault: str) -> None:
    with built.connect(autocommit=True) as connection:
        connection.execute("truncate build_marts.fct_unconverted_revenue")
        with pytest.raises(UsageError, match=fault):
            suggest(connection, table)
