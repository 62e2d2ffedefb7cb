"""What the properties share: databases with the rich plan, and the texts that dbt compiles for it, once a test run."""

import fcntl
import pickle
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import Builder, publish_text
from tests.property.compiled import CompiledProject, compiled_texts, read_models
from tests.property.histories import DAYS, FIRST, History, random_event

PLAN = (Path(__file__).parent / "rich_plan.yml").read_text()
NewDatabase = Callable[..., AbstractContextManager[Warehouse]]


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """What `make` returns, made by one worker of the run and read by the others."""
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):
        shared = shared.parent
    path = shared / f"{name}.pickle"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
    return pickle.loads(path.read_bytes())


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def project(planned_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    """The texts of dbt: one full build, one incremental build."""

    def compiled() -> CompiledProject:
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

    found: CompiledProject = once(tmp_path_factory, "project", compiled)
    return found


@pytest.fixture(scope="session")
def projects(
    planned_database: NewDatabase, project: CompiledProject, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CompiledProject]:
    """The project for each mode of identity: two models say it, the others are the same."""

    def compiled() -> dict[str, dict[str, str]]:
        texts = {}
        for mode in ("first_known", "none"):
            home = tmp_path_factory.mktemp(mode)
            with planned_database() as warehouse, warehouse.connect(autocommit=True) as connection:
                publish_text(connection, home, PLAN.replace("currency: EUR", f"identity: {mode}\ncurrency: EUR", 1))
                settings = Settings(home=home)
                begin_build(connection, FIRST)
                Builder(settings, warehouse, connection).dbt("--select", "+int_identity")
                texts[mode] = compiled_texts(settings.dbt_target, connection.info.dbname, {"int_links", "int_identity"})
        return texts

    found: dict[str, dict[str, str]] = once(tmp_path_factory, "identities", compiled)
    return {
        "last_known": project,
        **{mode: project.with_texts({f'"{k.split(".")[-1]}"': v for k, v in texts.items()}) for mode, texts in found.items()},
    }
