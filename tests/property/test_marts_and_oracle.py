"""Every published table of the rich plan, against the oracle, in random worlds."""

import os
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.property.asking import difference
from tests.property.compiled import CompiledProject
from tests.property.conftest import PLAN, NewDatabase
from tests.property.expected_marts import QUERIES, Expected
from tests.property.worlds import random_world

HISTORIES = int(os.environ.get("ANALYTICS_TEST_MART_HISTORIES", "24"))
FIRST_HISTORY = int(os.environ.get("ANALYTICS_TEST_FIRST_HISTORY", "0"))
AT_ONCE = 4


def published(connection: psycopg.Connection, keys: int, query: str) -> dict[tuple[Any, ...], Any]:
    rows = connection.execute(query.encode()).fetchall()
    found = {row[:keys]: row[keys:] for row in rows}
    assert len(found) == len(rows), f"a key twice: {query}"
    return found


def published_sessions(connection: psycopg.Connection) -> dict[tuple[Any, ...], Any]:
    """By person and start: two may begin at one instant."""
    found: dict[tuple[Any, ...], Any] = {}
    query = """
        select person_key, started_at, ended_at, duration_seconds, events, page_views, is_bounce, converted, coalesce(value, 0)
        from marts.fct_sessions order by ended_at
    """
    for person, start, *rest in connection.execute(query).fetchall():
        found.setdefault((person, start), []).append(rest)
    return {key: sorted(rows) for key, rows in found.items()}


@pytest.mark.parametrize("first_seed", range(FIRST_HISTORY, FIRST_HISTORY + HISTORIES, AT_ONCE))
def test_the_marts_are_the_oracles(
    planned_database: NewDatabase, projects: dict[str, CompiledProject], tmp_path: Path, first_seed: int
) -> None:
    base = yaml.safe_load(PLAN)
    wrong = []
    for seed in range(first_seed, first_seed + AT_ONCE):
        world = random_world(random.Random(f"marts {seed}"), base)
        expected = Expected(world)
        with planned_database() as warehouse, warehouse.connect(autocommit=True) as connection:
            world.publish(connection, projects[world.plan.identity], tmp_path)
            found = {name: published(connection, *query) for name, query in QUERIES.items()}
            found["fct_sessions"] = published_sessions(connection)
        for name, table in found.items():
            if text := difference(getattr(expected, name)(), table, name):
                wrong.append(f"seed {seed} ({world.plan.timezone}, {world.plan.identity}, as_of {world.as_of}): {text}")
    assert not wrong, "\n".join(wrong)
