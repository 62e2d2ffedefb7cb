"""The suites of expectations/: they hold on a sound build, and each expectation fails on what it is there for."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from analytics_pipeline.events.envelope import REASONS
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import TABLES
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.quality.suites import Expectation, Gate, Suite, read_suites
from analytics_pipeline.quality.validation import run_suites
from analytics_pipeline.warehouse.connection import Warehouse
from tests.property.compiled import CompiledProject
from tests.property.conftest import planned_database, project  # noqa: F401
from tests.property.histories import DAYS, FIRST, History, random_event
from tests.warehouse.corruptions import BEFORE, CORRUPTIONS

NewDatabase = Callable[..., AbstractContextManager[Warehouse]]
Gates: list[Gate] = ["raw", "build"]
SUITES = [suite for gate in Gates for suite in read_suites(gate)]


@pytest.fixture(scope="module")
def built(
    planned_database: NewDatabase,  # noqa: F811
    project: CompiledProject,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Name of a database with a sound full build, not published yet, and some records in quarantine."""
    with planned_database() as warehouse:
        with warehouse.connect(autocommit=True) as connection:
            connection.execute("insert into config.rates (currency, valid_from, rate) values ('GBP', '2020-01-01', 1.2)")
            history = History(connection, project, tmp_path_factory.mktemp("events"), random.Random(7))
            history.load([random_event(history.rng) for _ in range(150)] + [{"event_name": "view"}])
            release_pending(connection)
            project.build(connection, begin_build(connection, FIRST + timedelta(days=DAYS)))
            name = connection.info.dbname
        yield name


@pytest.fixture
def copy(built: str, planned_database: NewDatabase) -> Iterator[Warehouse]:  # noqa: F811
    with planned_database(built) as warehouse:
        yield warehouse


def one(suite: Suite, name: str) -> Suite:
    return suite.model_copy(update={"expectations": [e for e in suite.expectations if e.name == name]})


def corrupt(connection: psycopg.Connection, suite: Suite, e: Expectation) -> None:
    """Make the table fail an expectation, by its type or by the SQL that is written for it."""
    statement = CORRUPTIONS[suite.relation].get(e.name)
    if before := BEFORE.get(suite.relation):
        connection.execute(before.encode())
    table, column = sql.Identifier(*suite.relation.split(".")), sql.Identifier(e.kwargs.get("column", ""))
    match e.type.removeprefix("expect_").removeprefix("column_values_").removeprefix("to_"):
        case "unexpected_rows_expectation" if statement is not None:
            connection.execute(statement.encode())
        case "unexpected_rows_expectation" | "be_unique" | "compound_columns_to_be_unique":
            connection.execute(sql.SQL("insert into {0} select * from {0}").format(table))
        case "not_be_null":
            connection.execute(sql.SQL("update {} set {} = null").format(table, column))
        case "be_between":
            wrong = e.kwargs["min_value"] - 1
            connection.execute(sql.SQL("update {} set {} = {}").format(table, column, wrong))
        case "be_in_set" | "match_regex":
            connection.execute(sql.SQL("update {} set {} = {}").format(table, column, " "))
        case "column_pair_values_a_to_be_greater_than_b":
            a, b = sql.Identifier(e.kwargs["column_A"]), sql.Identifier(e.kwargs["column_B"])
            connection.execute(sql.SQL("update {} set {} = {} - interval '1 day'").format(table, a, b))
        case unknown:
            raise AssertionError(f"nobody knows how to make {unknown} fail")


def test_every_table_from_raw_to_kpi_has_a_suite() -> None:
    tables = {f"build_{t.schema}.{t.name}" for t in TABLES} | {"raw.events", "raw.ingest_batches", "raw.quarantine"}
    assert {suite.relation for suite in SUITES} == tables


def test_every_suite_looks_at_more_than_one_side_of_quality() -> None:
    for suite in SUITES:
        assert len({e.dimension for e in suite.expectations}) >= 3, suite.relation


def test_the_known_reasons_of_quarantine_are_those_of_the_envelope() -> None:
    suite = next(s for s in SUITES if s.relation == "raw.quarantine")
    assert set(suite.expectations[0].kwargs["value_set"]) == set(REASONS)


@pytest.mark.parametrize("gate", Gates)
def test_all_suites_hold_on_a_sound_build(copy: Warehouse, gate: Gate) -> None:
    results = run_suites(copy, gate)
    assert {(r.relation, r.check_name) for r in results if not r.passed} == set()
    assert len(results) == sum(len(s.expectations) for s in SUITES if s.gate == gate)
    assert sum(r.rows_checked or 0 for r in results) > 1000


@pytest.mark.parametrize("suite", SUITES, ids=[s.relation for s in SUITES])
def test_each_expectation_fails_on_what_it_is_there_for(copy: Warehouse, suite: Suite) -> None:
    """One after the other on one copy; what was corrupted is put right again."""
    wrong = []
    for e in suite.expectations:
        with copy.connect(autocommit=True) as connection, kept(connection, suite, e):
            corrupt(connection, suite, e)
            (result,) = run_suites(copy, suite.gate, suites=[one(suite, e.name)])
        is_found = not result.passed and "error" not in result.details and result.rows_failed and 1 <= len(result.examples) <= 5
        is_named = (result.relation, result.severity, result.dimension) == (suite.relation, e.severity, e.dimension)
        wrong += [] if is_found and is_named else [f"{e.name}: {result}"[:600]]
    assert not wrong, "\n".join(wrong)


@contextmanager
def kept(connection: psycopg.Connection, suite: Suite, e: Expectation) -> Iterator[None]:
    """Put the rows of the tables back that a corruption writes to."""
    text = CORRUPTIONS[suite.relation].get(e.name, "")
    names = dict.fromkeys([suite.relation, *re.findall(r"(?:update|delete from|insert into) (\w+\.\w+)", text)])
    tables = {n: (sql.Identifier(*n.split(".")), sql.Identifier("kept_" + n.replace(".", "_"))) for n in names}
    for table, saved in tables.values():
        connection.execute(sql.SQL("create table {} as select * from {}").format(saved, table))
    yield
    connection.execute("set session_replication_role = replica")  # of tables that refer to each other, one is put back first
    for table, saved in tables.values():
        connection.execute(sql.SQL("delete from {}").format(table))
        connection.execute(sql.SQL("insert into {} select * from {}").format(table, saved))
        connection.execute(sql.SQL("drop table {}").format(saved))
    connection.execute("set session_replication_role = origin")


def test_what_fails_before_a_build_names_the_batches_to_hold_or_their_days(copy: Warehouse) -> None:
    with copy.connect(autocommit=True) as connection:
        (batch,) = connection.execute("select batch_id::text from raw.ingest_batches").fetchone() or ("",)
        connection.execute(
            "update raw.events set properties = '[]' where event_id = (select min(event_id::text)::uuid from raw.events)"
        )
        connection.execute(CORRUPTIONS["raw.events"]["events_are_loaded_once"].encode())
        days = connection.execute(
            "select distinct (occurred_at at time zone 'Europe/Berlin')::date::text from raw.events order by 1"
        ).fetchall()
    results = {r.check_name: r for r in run_suites(copy, "raw") if not r.passed}
    assert set(results) == {"properties_are_an_object", "events_are_loaded_once"}
    assert results["properties_are_an_object"].details["batches"] == [batch]
    assert set(results["events_are_loaded_once"].details["blocking_days"]) <= {day for (day,) in days}
    assert len(results["events_are_loaded_once"].details["blocking_days"]) > 5
    for suite in read_suites("raw"):
        for e in suite.expectations:
            if e.severity == "blocking":
                assert "batch_id" in e.sql or "select day" in e.sql, f"{e.name} does not say what to hold"
