"""Databases with the clean history of a product, and what becomes of a delivery in one of them. What is delivered is in `defects`
and `clean`.

A template is made once a product; each delivery gets a copy of it, which takes a second.
"""

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import psycopg

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import publish_build, touched_query
from analytics_pipeline.quality.results import CheckResult
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import Builder, publish_text
from tests.property.compiled import CompiledProject, compiled_texts, read_models
from tests.quality.clean import Delivered, Product

Outcome = Literal["blocked", "flagged", "silent"]
Numbers = dict[tuple[Any, ...], Decimal | None]
"""Published values by KPI, grain, start of the period, dimension and value."""


@dataclass(frozen=True)
class Verdict:
    """What the raw gate said of a delivery.

    Attributes:
        outcome: blocked, flagged (let through with a warning) or silent.
        failed: the checks that failed.
        milliseconds: of the pass.
        checks: how many were made.
        held: batches that are held.
        batches: what became of the files.
    """

    outcome: Outcome
    failed: tuple[CheckResult, ...]
    milliseconds: float
    checks: int
    held: int
    batches: tuple[Batch, ...] = ()

    @property
    def names(self) -> list[str]:
        """Checks that failed, those that block first."""
        found = sorted(self.failed, key=lambda r: not r.blocks)
        return list(dict.fromkeys(f"{r.relation}.{r.check_name}" for r in found))

    def explained(self) -> str:
        """For a person who wants to know why."""
        lines = [
            f"{r.severity} {r.relation}.{r.check_name} rows {r.rows_failed} of {r.rows_checked}: {r.details}"
            for r in self.failed
        ]
        return "\n".join([f"{self.outcome}, {self.held} batches held, {self.milliseconds:.0f} ms", *lines])


@dataclass
class World:
    """A database of its own, and its product.

    Attributes:
        warehouse: of the database.
        connection: autocommit.
        product: whose history it has.
        folder: for files.
        with_suites: Great Expectations takes part; its import takes seconds.
    """

    warehouse: Warehouse
    connection: psycopg.Connection
    product: Product
    folder: Path
    with_suites: bool = False
    batches: list[Batch] = field(default_factory=list)

    def publish_plan(self, occasions: list[dict[str, Any]] | None = None) -> None:
        """The product's plan, with more entries in its calendar."""
        publish_text(self.connection, self.folder, self.product.plan(occasions))

    def load(self, files: list[Delivered]) -> list[Batch]:
        """As `analytics-pipeline ingest` would, a batch a file."""
        place = self.folder / uuid.uuid4().hex
        place.mkdir(parents=True)
        loaded = []
        for file in files:
            path = place / file.name
            path.write_bytes(file.content)
            loaded.append(load_file(self.connection, path, load_mapping("envelope"), "envelope"))
        shutil.rmtree(place)
        self.batches = loaded
        return loaded

    def judge(self, as_of: datetime) -> Verdict:
        """A pass of the raw gate."""
        from analytics_pipeline.quality.raw_gate import judge_raw

        begun = time.perf_counter()
        outcome = judge_raw(self.warehouse, as_of, with_suites=self.with_suites)
        took = (time.perf_counter() - begun) * 1000
        failed = tuple(r for r in outcome.results if not r.passed)
        row = self.connection.execute(
            "select count(*) from raw.ingest_batches where gate_status = 'held' and status = 'loaded'"
        ).fetchone()
        is_noted = "flagged" if failed else "silent"
        return Verdict(
            "blocked" if outcome.blocked else is_noted,  # type: ignore[arg-type]
            failed,
            took,
            len(outcome.results),
            row[0] if row else 0,
            tuple(self.batches),
        )

    def day(self, index: int, files: list[Delivered] | None = None) -> Verdict:
        """Load what is delivered on a day, or other files in its place, and judge it on the next morning."""
        self.load([self.product.file(index)] if files is None else files)
        return self.judge(self.product.as_of(index))

    def publish_behind_gate(self, project: CompiledProject, as_of: datetime) -> tuple[list[str], bool]:
        """Build, let the build gate judge, publish if it lets it. Returns the checks that failed, and whether it was published."""
        from analytics_pipeline.quality.build_gate import judge_build

        build = begin_build(self.connection, as_of)
        project.build(self.connection, build)
        outcome = judge_build(self.warehouse, lambda relation: touched_query(build, relation))
        if not outcome.blocked:
            publish_build(self.connection, build)
        return [f"{r.relation}.{r.check_name}" for r in outcome.results if not r.passed], not outcome.blocked

    def accept(self, reason: str) -> None:
        """As an owner who has looked at what blocks."""
        from analytics_pipeline.quality.acceptance import accept

        accept(self.connection, reason)

    def pretend_published(self, as_of: datetime) -> None:
        """As a publication leaves the books, without its tables: for gates that ask whether there was one."""
        build = begin_build(self.connection, as_of)
        self.connection.execute(
            "update ops.builds set status = 'published', finished_at = clock_timestamp() where build_id = %s", (build.build_id,)
        )
        self.connection.execute(
            """
            update ops.changes set consumed_by = %(build)s
            where change_id in (select change_id from ops.build_changes where build_id = %(build)s)
            """,
            {"build": build.build_id},
        )

    def numbers(self) -> Numbers:
        """All that is published of the KPIs."""
        rows = self.connection.execute(
            "select kpi_name, grain, period_start, dimension, dimension_value, value from kpi.kpi_values"
        ).fetchall()
        return {tuple(row[:5]): row[5] for row in rows}

    def headline(self) -> set[str]:
        """KPIs that the plan puts first."""
        return {name for (name,) in self.connection.execute("select kpi_name from config.kpis where headline").fetchall()}


@dataclass(frozen=True)
class Published:
    """A published history.

    Attributes:
        template: the database.
        project: the texts that dbt wrote for it.
        clean: what is published when the next day is clean, too.
    """

    template: str
    project: CompiledProject
    clean: Numbers


class Worlds:
    """Templates and their copies on one server.

    Attributes:
        server: URL of its migrated database.
        folder: for files.
        with_suites: of the worlds.
    """

    def __init__(self, server: str, folder: Path, *, with_suites: bool = False) -> None:
        self.server, self.folder, self.with_suites = server, folder, with_suites
        self._admin = server.replace("/analytics?", "/postgres?")
        self._templates: dict[tuple[Product, int], str] = {}
        self._published: dict[tuple[Product, int], Published] = {}
        self._kept_databases: list[str] = []

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def new(self, product: Product, source: str = "analytics") -> Iterator[World]:
        """A copy of a database, for a while."""
        name = f"world_{uuid.uuid4().hex}"
        self._execute(f"create database {name} template {source} strategy file_copy")
        try:
            warehouse = Warehouse(self.server.replace("/analytics?", f"/{name}?"), is_embedded=True)
            with warehouse.connect(autocommit=True) as connection:
                yield World(warehouse, connection, product, self.folder, self.with_suites)
        finally:
            self._execute(f"drop database {name} with (force)")

    def template(self, product: Product, days: int) -> str:
        """A database with so many clean days, judged on the morning after the last, and published as far as the books say.

        Raises:
            AssertionError: the history was not let through.
        """
        if (product, days) not in self._templates:
            with self._history(product, days) as world:
                world.pretend_published(product.as_of(days - 1))
                self._templates[product, days] = self._kept(world)
        return self._templates[product, days]

    def published(self, product: Product, days: int) -> Published:
        """The same, built by dbt and published in earnest; with what becomes of one more clean day."""
        if (product, days) not in self._published:
            settings = Settings(home=self.folder / f"dbt_{product.name}_{days}")
            with self._history(product, days) as world:
                Builder(settings, world.warehouse, world.connection).build(product.as_of(days - 1))
                full = compiled_texts(settings.dbt_target, world.connection.info.dbname)
                template = self._kept(world)
            with self.new(product, template) as world:
                verdict = world.day(days)
                assert verdict.outcome != "blocked", verdict.explained()
                Builder(settings, world.warehouse, world.connection).build(product.as_of(days))
                models = read_models(settings.dbt_target, world.connection.info.dbname, full)
                self._published[product, days] = Published(template, CompiledProject(models), world.numbers())
        return self._published[product, days]

    @contextmanager
    def _history(self, product: Product, days: int) -> Iterator[World]:
        with self.new(product) as world:
            world.publish_plan()
            world.load([product.file(index) for index in range(days)])
            verdict = world.judge(product.as_of(days - 1))
            assert verdict.outcome != "blocked", verdict.explained()
            yield world

    def _kept(self, world: World) -> str:
        """A copy that stays. The world's connection is closed: a database that somebody uses is not copied."""
        name, made = f"clean_{uuid.uuid4().hex}", world.connection.info.dbname
        world.connection.close()
        self._execute(f"create database {name} template {made} strategy file_copy")
        self._kept_databases.append(name)
        return name

    def close(self) -> None:
        """Drop the templates."""
        for name in self._kept_databases:
            self._execute(f"drop database {name} with (force)")
        self._kept_databases.clear()


def differing(clean: Numbers, found: Numbers) -> list[tuple[Any, ...]]:
    """Daily and hourly values that are not as they are in the clean world, also those that are there in one of the two only."""
    keys = (k for k in clean.keys() | found.keys() if k[1] in ("day", "hour"))
    return sorted(k for k in keys if clean.get(k) != found.get(k))
