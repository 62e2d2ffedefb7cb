"""The cases of other projects, through `ask` and through the marts: the numbers are theirs."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from analytics_pipeline.insights.ask import ask
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.settings import Settings
from tests.conftest import Builder, publish_text
from tests.oracle.events import Event, Plan
from tests.property.compiled import CompiledProject, compiled_texts, read_models
from tests.property.conftest import NewDatabase, once
from tests.property.worlds import World
from tests.unit.test_oracle import CASES, Case, at, case_events, days

BY_ID = {case["id"]: case for case in CASES}
CAN_BE_A_MART = [c for c in CASES if c["analysis"] not in {"stickiness", "paths"}]
Rows = list[tuple[Any, ...]]


def of_kind(kind: str) -> list[Case]:
    return [case for case in CASES if case["analysis"] == kind]


def window_of(case: Case) -> str:
    return f"{case['options']['window_seconds']}s"


def funnel_of(case: Case) -> dict[str, Any]:
    options = case["options"]
    kept = {key: options[key] for key in ("steps", "order", "exclude") if key in options}
    return {**kept, "window": window_of(case)}


def retention_of(case: Case) -> dict[str, Any]:
    options = case["options"]
    return {**{key: options[key] for key in ("mode", "grain", "periods", "start")}, "return": options["returns"]}


DOCUMENT: dict[str, Any] = {
    "version": 1,
    "name": "cases",
    "title": "Cases",
    "timezone": "UTC",
    "start": "2000-01-01",
    "currency": "EUR",
    "events": {"pageview": {"page": True}, "purchase": {}},
    "revenue": {"events": ["purchase"]},
    "measures": {"events": {"count": "events"}},
    "kpis": {"all_events": {"title": "Events", "formula": "events"}},
    "funnels": {case["id"]: funnel_of(case) for case in of_kind("funnel")},
    "retentions": {case["id"]: retention_of(case) for case in of_kind("retention")},
    "flows": {case["id"]: {"by": case["options"]["by"]} for case in of_kind("transitions")},
}


@pytest.fixture(scope="module")
def cases_project(planned_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    """What dbt makes of one plan with the analyses of all cases."""

    def compiled() -> CompiledProject:
        home = tmp_path_factory.mktemp("cases")
        with planned_database("analytics") as warehouse, warehouse.connect(autocommit=True) as connection:
            settings = Settings(home=home)
            publish_text(connection, home, yaml.safe_dump(DOCUMENT))
            release_pending(connection)
            begin_build(connection, at("2030-01-01"))
            Builder(settings, warehouse, connection).dbt("--full-refresh")
            database = connection.info.dbname
            return CompiledProject(read_models(settings.dbt_target, database, compiled_texts(settings.dbt_target, database)))

    found: CompiledProject = once(tmp_path_factory, "cases", compiled)
    return found


def row_of(event: Event) -> dict[str, Any]:
    names = (
        "user_id",
        "anonymous_id",
        "session_id",
        "entity_type",
        "entity_id",
        "currency",
        "country",
        "device_type",
        "properties",
    )
    return {
        **{name: getattr(event, name) for name in names},
        "event_id": str(event.event_id),
        "event_name": event.event_name,
        "occurred_at": event.occurred_at.isoformat(),
        "received_at": (event.occurred_at + timedelta(hours=1)).isoformat(),
        "value": None if event.value is None else float(event.value),
    }


@pytest.fixture
def connection(
    planned_database: NewDatabase, cases_project: CompiledProject, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[psycopg.Connection]:
    """To a database in which the case has happened."""
    case = BY_ID[request.getfixturevalue("case_id")]
    document = {**DOCUMENT, "session_timeout": f"{case['options'].get('timeout_seconds', 1800)}s"}
    as_of = at(case["options"]["as_of"])
    rows = [row_of(event) for event in case_events(case)]
    first = last = as_of.date()
    world = World(random.Random(0), document, Plan(), rows, as_of, first, last)
    with planned_database() as warehouse:
        with warehouse.connect(autocommit=True) as loading:
            world.publish(loading, cases_project, tmp_path)
        with warehouse.connect() as connection:
            yield connection


def question(case: Case) -> dict[str, Any]:
    """The case as it is asked."""
    options = case["options"]
    document: dict[str, Any] = {"analysis": case["analysis"], "to": options["to"]}
    if "from" in options:
        document["from"] = options["from"]
    for key in ("grain", "window_days", "by"):
        if key in options:
            document[key] = options[key]
    special: dict[str, Callable[[], dict[str, Any]]] = {
        "funnel": lambda: {**funnel_of(case), "persons": True},
        "retention": lambda: retention_of(case),
        "paths": lambda: {"steps": options["steps"]},
        "sessions": lambda: {"list": True},
        "rfm": lambda: {"events": options["event"]},
    }
    return {**document, **special.get(case["analysis"], dict)()}


@pytest.mark.parametrize("case_id", BY_ID)
def test_ask_gives_the_numbers_of_the_case(connection: psycopg.Connection, case_id: str) -> None:
    case = BY_ID[case_id]
    answer: Any = ask(connection, question(case))
    ASKED[case["analysis"]](case, answer)


def asked_funnel(case: Case, answer: Any) -> None:
    for name, numbers in case["expected"].items():
        if name == "reached":
            assert answer.reached == [[f"u:{user}" for user in users] for users in numbers]
        else:
            assert [getattr(row, name) for row in answer.steps] == numbers, name


def asked_retention(case: Case, answer: Any) -> None:
    table: dict[Any, list[Any]] = {}
    for row in answer.cells:
        table.setdefault(row.cohort_start, []).append(row.persons)
    assert list(table.values()) == case["expected"]["cells"]


def asked_lifecycle(case: Case, answer: Any) -> None:
    for state, counts in case["expected"].items():
        assert [getattr(row, state) for row in answer.rows] == counts, state


def asked_persons(case: Case, answer: Any) -> None:
    assert [row.persons for row in answer.rows] == case["expected"]["persons"]


def asked_paths(case: Case, answer: Any) -> None:
    found = sorted([r.source, r.target, r.persons, r.mean_seconds] for r in answer.rows)
    assert found == case["expected"]["links"]


def asked_transitions(case: Case, answer: Any) -> None:
    assert sorted([r.source, r.target, r.transitions] for r in answer.rows) == case["expected"]["transitions"]


def asked_sessions(case: Case, answer: Any) -> None:
    check_sessions(case, [(r.duration_seconds, r.page_views, r.is_bounce) for r in answer.rows])


def check_sessions(case: Case, rows: Rows) -> None:
    expected = dict(case["expected"])
    assert len(rows) == expected.pop("sessions")
    if expected:
        assert rows == [(expected["duration_seconds"], expected["page_views"], expected["is_bounce"])]


def asked_rfm(case: Case, answer: Any) -> None:
    check_rfm(case, [(r.person_key, r.frequency, r.recency_days, r.age_days, r.monetary) for r in answer.rows])


def check_rfm(case: Case, rows: Rows) -> None:
    names = ("frequency", "recency", "t", "monetary")
    expected = {f"u:{user}": tuple(numbers[n] for n in names) for user, numbers in case["expected"]["rows"].items()}
    assert {person: numbers for person, *numbers in ((r[0], *r[1:]) for r in rows)} == {k: list(v) for k, v in expected.items()}


ASKED = {
    "funnel": asked_funnel,
    "retention": asked_retention,
    "lifecycle": asked_lifecycle,
    "stickiness": asked_persons,
    "active_users": asked_persons,
    "paths": asked_paths,
    "transitions": asked_transitions,
    "sessions": asked_sessions,
    "rfm": asked_rfm,
}


@pytest.mark.parametrize("case_id", [case["id"] for case in CAN_BE_A_MART])
def test_the_marts_give_the_numbers_of_the_case(connection: psycopg.Connection, case_id: str) -> None:
    case = BY_ID[case_id]
    MARTS[case["analysis"]](case, connection)


def select(connection: psycopg.Connection, query: str, *parameters: Any) -> Rows:
    return connection.execute(query.encode(), parameters).fetchall()


def mart_funnel(case: Case, connection: psycopg.Connection) -> None:
    """Each person's deepest attempt of the range, from the attempts; and single days from the counts."""
    attempts = select(
        connection,
        """
        select distinct on (person_key) person_key, depth, step_times from marts.fct_funnel_attempts
        where funnel = %s and entry_day between %s and %s order by person_key, depth desc, entered_at
        """,
        case["id"],
        *days(case),
    )
    expected = case["expected"]
    numbers = range(1, len(case["options"]["steps"]) + 1)
    assert [sum(depth >= k for _, depth, _ in attempts) for k in numbers] == expected["persons"]
    for k, users in enumerate(expected.get("reached", []), start=1):
        assert [person for person, depth, _ in attempts if depth >= k] == [f"u:{user}" for user in users]
    for k, seconds in enumerate(expected.get("average_seconds", [])):
        waits = [(times[k] - times[k - 1]).total_seconds() for _, depth, times in attempts if k and depth > k]
        assert (sum(waits) / len(waits) if waits else None) == seconds
    counts = select(
        connection,
        "select entry_day, persons from marts.fct_funnel where funnel = %s and dimension = 'all' order by entry_day, step",
        case["id"],
    )
    if len({day for day, _ in counts}) == 1:
        assert [persons for _, persons in counts] == expected["persons"]


def mart_retention(case: Case, connection: psycopg.Connection) -> None:
    first, last = days(case)
    rows = select(connection, "select cohort_start, period, persons from marts.fct_retention where retention = %s", case["id"])
    found = {(cohort, period): persons for cohort, period, persons in rows}
    for i, cells in enumerate(case["expected"]["cells"]):
        cohort = first + timedelta(days=i)
        assert cohort <= last
        assert [found.get((cohort, k)) for k in range(len(cells))] == cells


def mart_lifecycle(case: Case, connection: psycopg.Connection) -> None:
    for state, counts in case["expected"].items():
        query = """
            select persons from marts.fct_lifecycle
            where grain = 'day' and status = %s and period_start between %s and %s order by period_start
        """
        assert [row[0] for row in select(connection, query, state, *days(case))] == counts, state


def mart_active_users(case: Case, connection: psycopg.Connection) -> None:
    assert case["options"]["window_days"] == 7
    query = "select wau from marts.fct_active_users where dimension = 'all' and day between %s and %s order by day"
    assert [row[0] for row in select(connection, query, *days(case))] == case["expected"]["persons"]


def mart_transitions(case: Case, connection: psycopg.Connection) -> None:
    query = "select source, target, transitions from marts.fct_transitions where flow = %s and day between %s and %s"
    found = [list(row) for row in select(connection, query, case["id"], *days(case))]
    assert sorted(found) == case["expected"]["transitions"]


def mart_sessions(case: Case, connection: psycopg.Connection) -> None:
    query = "select duration_seconds, page_views, is_bounce from marts.fct_sessions where day between %s and %s"
    check_sessions(case, select(connection, query, *days(case)))


def mart_rfm(case: Case, connection: psycopg.Connection) -> None:
    check_rfm(
        case, select(connection, "select person_key, frequency, recency_days, age_days, monetary from marts.dim_segments")
    )


MARTS = {
    "funnel": mart_funnel,
    "retention": mart_retention,
    "lifecycle": mart_lifecycle,
    "active_users": mart_active_users,
    "transitions": mart_transitions,
    "sessions": mart_sessions,
    "rfm": mart_rfm,
}
