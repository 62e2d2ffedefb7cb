"""Whatever the order of arrival, what is published equals one full refresh: row for row, on random histories."""

import os
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import Builder, publish_text
from tests.property.compiled import CompiledProject, compiled_texts, read_models
from tests.property.histories import DAYS, FIRST, History, random_event

PLAN = (Path(__file__).parent / "rich_plan.yml").read_text()
HISTORIES = int(os.environ.get("ANALYTICS_TEST_HISTORIES", "100"))
FIRST_HISTORY = int(os.environ.get("ANALYTICS_TEST_FIRST_HISTORY", "0"))
AT_ONCE = 10

NewDatabase = Callable[[], AbstractContextManager[Warehouse]]


@pytest.fixture(scope="module")
def planned_database(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewDatabase]:
    """Databases with the rich plan, copied from a template."""
    admin = server.replace("/analytics?", "/postgres?")
    template = f"rich_{uuid.uuid4().hex}"

    def execute(statement: str) -> None:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def new_database(source: str = template) -> Iterator[Warehouse]:
        name = f"history_{uuid.uuid4().hex}"
        execute(f"create database {name} template {source} strategy file_copy")
        try:
            yield Warehouse(server.replace("/analytics?", f"/{name}?"), is_embedded=True)
        finally:
            execute(f"drop database {name} with (force)")

    with new_database("analytics") as warehouse:
        with warehouse.connect(autocommit=True) as connection:
            publish_text(connection, tmp_path_factory.mktemp("plan"), PLAN)
            for schema in ("staging", "intermediate", "marts", "kpi"):
                connection.execute(f"create schema build_{schema}".encode())
        execute(f"create database {template} template {psycopg.conninfo.conninfo_to_dict(warehouse.url)['dbname']}")
    yield new_database
    execute(f"drop database {template} with (force)")


@pytest.fixture(scope="module")
def project(planned_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    """The texts of dbt: one full build, one incremental build."""
    home = tmp_path_factory.mktemp("compiled")
    with planned_database() as warehouse, warehouse.connect(autocommit=True) as connection:
        settings = Settings(home=home)
        builder = Builder(settings, warehouse, connection)
        history = History(connection, CompiledProject([]), home, random.Random(0))
        database = connection.info.dbname
        history.load([random_event(history.rng) for _ in range(30)])
        builder.build(FIRST + timedelta(days=5))
        full = compiled_texts(settings.dbt_target, database)
        history.load([random_event(history.rng) for _ in range(30)])
        builder.build(FIRST + timedelta(days=DAYS))
        return CompiledProject(read_models(settings.dbt_target, database, full))


@pytest.mark.parametrize("first_seed", range(FIRST_HISTORY, FIRST_HISTORY + HISTORIES, AT_ONCE))
def test_whatever_happens_the_published_tables_equal_a_full_refresh(
    planned_database: NewDatabase, project: CompiledProject, tmp_path: Path, first_seed: int
) -> None:
    for seed in range(first_seed, first_seed + AT_ONCE):
        with planned_database() as warehouse, warehouse.connect(autocommit=True) as connection:
            history = History(connection, project, tmp_path, random.Random(seed))
            as_of = history.play()
            stepwise = history.published()
            history.build(as_of, full=True)
            refreshed = history.published()
        for table, rows in refreshed.items():
            missing, extra = set(rows) - set(stepwise[table]), set(stepwise[table]) - set(rows)
            assert stepwise[table] == rows, f"seed {seed}: {table} lacks {sorted(missing)[:5]}, has {sorted(extra)[:5]}"
