"""What all tests share: an embedded server per worker, an empty migrated database per test, loud skips."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.dbt import dbt_environment, dbt_executable
from analytics_pipeline.modelling.publish import TABLES, publish_build
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.settings import Settings
from analytics_pipeline.shipped import shipped
from analytics_pipeline.tracking_plan.compile import compile_plan
from analytics_pipeline.tracking_plan.publish import publish_plan
from analytics_pipeline.tracking_plan.read import read_plan
from analytics_pipeline.warehouse import embedded
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.migrate import migrate

PLAN = """
version: 1
name: small
title: Small
timezone: Europe/Berlin
start: 2020-01-01
currency: EUR
conversion: buy
events:
  view: {page: true}
  buy: {}
  ping: {activity: false}
dimensions: {country: country}
measures:
  revenue: {sum: value, where: event_name = 'buy'}
  orders: {count: events, where: event_name = 'buy'}
  buyers: {count: persons, where: event_name = 'buy'}
  sessions: {count: sessions}
  bounces: {count: sessions, where: is_bounce}
  dau: {active_users: dau}
  wau: {active_users: wau}
  mau: {active_users: mau}
kpis:
  revenue: {title: Revenue, formula: revenue, unit: EUR, dimensions: [country], forecast: true, watch: true}
  orders: {title: Orders, formula: orders, dimensions: [country]}
  order_value: {title: Order value, formula: revenue / orders, unit: EUR, dimensions: [country]}
  sessions: {title: Sessions, formula: sessions, dimensions: [country]}
  bounce_rate: {title: Bounce rate, formula: bounces / sessions, unit: ratio, direction: down}
  mau: {title: MAU, formula: mau, dimensions: [country]}
funnels:
  purchase:
    title: Purchase
    window: 2d
    steps: [{title: View, where: event_name = 'view'}, {title: Cart, where: event_name = 'cart'}, {title: Buy, where: event_name = 'buy'}]
retentions:
  weekly: {title: Weekly, mode: first_time, grain: week, periods: 6}
  daily: {title: Daily, mode: recurring, grain: day, periods: 10, start: view}
"""


@pytest.fixture(scope="session")
def worker_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def server(worker_home: Path) -> Iterator[str]:
    """URL of a migrated database that tests copy."""
    with embedded.acquire(worker_home):
        url = embedded.server_url(worker_home)
        migrate(url)
        yield url


@pytest.fixture
def embedded_warehouse(server: str) -> Iterator[Warehouse]:
    """A migrated, empty database of its own on the embedded server."""
    name = f"test_{uuid.uuid4().hex}"
    admin = server.replace("/analytics?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name} template analytics")  # type: ignore[arg-type]
    yield Warehouse(server.replace("/analytics?", f"/{name}?"), is_embedded=True)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


@pytest.fixture
def warehouse(embedded_warehouse: Warehouse) -> Warehouse:
    """A migrated, empty one. Tests in `tests/warehouse` get it from TimescaleDB, too."""
    return embedded_warehouse


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection]:
    with warehouse.connect(autocommit=True) as connection:
        yield connection


def publish_text(connection: psycopg.Connection, folder: Path, text: str = PLAN) -> None:
    """Publish a plan that is given as YAML."""
    path = folder / "plan.yml"
    path.write_text(text)
    publish_plan(connection, compile_plan(read_plan(path), path))


@pytest.fixture
def planned(connection: psycopg.Connection, tmp_path: Path) -> psycopg.Connection:
    """A connection to a warehouse with the small plan."""
    publish_text(connection, tmp_path)
    return connection


@dataclass
class Builder:
    """Builds and publishes by dbt itself, without Dagster."""

    settings: Settings
    warehouse: Warehouse
    connection: psycopg.Connection

    def dbt(self, *arguments: str, command: str = "run") -> None:
        environment = {**os.environ, **self.warehouse.environment(), **dbt_environment(self.settings)}
        line = [dbt_executable(), command, "--project-dir", str(shipped("dbt_project")), "--quiet", *arguments]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def build(self, as_of: datetime, *, full_refresh: bool = False, publish: bool = True) -> dict[str, int]:
        release_pending(self.connection)
        build = begin_build(self.connection, as_of, full_refresh=full_refresh)
        self.dbt(*(["--full-refresh"] if build.is_full else []))
        return publish_build(self.connection, build) if publish else {}

    def published(self) -> dict[str, list[tuple[object, ...]]]:
        """All published rows, in an order that does not depend on the build."""
        return {
            f"{t.schema}.{t.name}": self.connection.execute(
                f"select * from {t.schema}.{t.name} as x order by x::text"  # type: ignore[arg-type]
            ).fetchall()
            for t in TABLES
        }


@pytest.fixture
def builder(warehouse: Warehouse, planned: psycopg.Connection, worker_home: Path) -> Builder:
    return Builder(Settings(home=worker_home), warehouse, planned)


@pytest.fixture
def run_cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the installed command in a home."""

    def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("analytics-pipeline")), *arguments]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANALYTICS_", "DBT_", "DAGSTER_"))}
        environment = {**kept, "ANALYTICS_HOME": str(home), **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)

    return run


def require(program: str, what: str) -> str:
    """The program's path; without it the test is skipped, and in CI that is a failure."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(program, path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    if found is None:
        missing(f"{program} is missing, so nobody checked that {what}: install it (see CONTRIBUTING.md)")
    return found


def missing(message: str) -> NoReturn:
    """Skip with the reason; in CI, fail with it."""
    if os.environ.get("ANALYTICS_TEST_REQUIRE_ALL"):
        pytest.fail(message)
    pytest.skip(message)
