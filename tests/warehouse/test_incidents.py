"""Incidents are opened and closed once, whoever calls, and however often."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.incidents import close_incident, close_incidents_except, open_incident
from tests.conftest import PLAN, publish_text


def start(connection: psycopg.Connection, incident: str = "gate:raw", **changes: Any) -> None:
    open_incident(connection, incident, **{"severity": "warning", "title": "Title", "body": "Body", **changes})


def alerts(connection: psycopg.Connection, columns: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"select {columns} from ops.alerts order by alert_id".encode()).fetchall()


def test_an_incident_that_is_open_is_counted_and_brought_up_to_date_but_not_opened_again(
    connection: psycopg.Connection,
) -> None:
    start(connection, body="3 rows", details={"rows": 3}, owner="finance")
    start(connection, body="5 rows", details={"rows": 5}, title="New")
    assert alerts(connection, "title, body, details, owner, occurrences, closed_at") == [
        ("New", "5 rows", {"rows": 5}, "finance", 2, None)
    ]
    assert alerts(connection, "last_seen_at > opened_at") == [(True,)]


def test_severity_only_rises_while_an_incident_is_open(connection: psycopg.Connection) -> None:
    for severity, then in (("warning", "warning"), ("critical", "critical"), ("warning", "critical")):
        start(connection, severity=severity)
        assert alerts(connection, "severity") == [(then,)]


def test_an_incident_that_comes_back_is_a_new_one(connection: psycopg.Connection) -> None:
    start(connection, severity="critical")
    close_incident(connection, "gate:raw", "mended")
    close_incident(connection, "gate:raw", "again")
    close_incident(connection, "gate:never")
    start(connection)
    assert alerts(connection, "severity, closing, occurrences, closed_at is null") == [
        ("critical", "mended", 1, False),
        ("warning", None, 1, True),
    ]


@pytest.mark.parametrize("prefix", ["freshness:", "fresh_ess:%"])
def test_all_open_ones_under_a_prefix_are_closed_but_those_that_are_named(connection: psycopg.Connection, prefix: str) -> None:
    for name in ("freshness:a", "freshness:b", "fresh_ess:%a", "gate:a"):
        start(connection, name)
    close_incidents_except(connection, prefix, [f"{prefix}b"])
    closed = {"freshness:a"} if prefix == "freshness:" else {"fresh_ess:%a"}
    assert {n for n, at in alerts(connection, "incident, closed_at") if at} == closed
    close_incidents_except(connection, prefix, [])
    assert all(at for n, at in alerts(connection, "incident, closed_at") if n.startswith(prefix))


def test_what_has_no_owner_belongs_to_the_one_of_the_plan(connection: psycopg.Connection, tmp_path: Path) -> None:
    start(connection, "a:1")
    publish_text(connection, tmp_path, PLAN + "alerts: {owner: data_team}\n")
    start(connection, "a:2")
    start(connection, "a:3", owner="finance")
    start(connection, "a:3")
    start(connection, "a:1")
    assert alerts(connection, "owner") == [("data_team",), ("data_team",), ("finance",)]


def test_readers_see_alerts(connection: psycopg.Connection) -> None:
    start(connection)
    connection.execute("set role analytics_reader")
    for table in ("ops.alerts", "ops.alert_deliveries", "config.alerting", "config.owners"):
        assert connection.execute(f"select count(*) >= 0 from {table}".encode()).fetchone() == (True,)


@pytest.mark.own_server("with one backend the callers would take turns")
def test_whoever_calls_at_once_makes_one_incident(warehouse: Warehouse, connection: psycopg.Connection) -> None:
    names, calls = ["a:1", "a:2", "a:3"], 150

    def work(seed: int) -> int:
        chance, opened = random.Random(seed), 0
        with warehouse.connect(autocommit=True) as own:
            for _ in range(calls):
                at = chance.random()
                if at < 0.7:
                    start(own, chance.choice(names))
                    opened += 1
                elif at < 0.9:
                    close_incident(own, chance.choice(names))
                else:
                    close_incidents_except(own, "a:", [chance.choice(names)])
        return opened

    with ThreadPoolExecutor(6) as pool:
        opened = sum(pool.map(work, range(6)))
    seen = alerts(connection, "incident, occurrences, opened_at, closed_at")
    assert sum(row[1] for row in seen) == opened
    for name in names:
        spans = sorted((at, end) for incident, _, at, end in seen if incident == name)
        assert sum(end is None for _, end in spans) <= 1
        assert all(end is None or end >= at for at, end in spans)
