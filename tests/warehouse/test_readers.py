"""Who reads while a build is published: sees the old numbers or the new ones, whole, and waits for nobody."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import publish_build
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import Builder

FIRST = datetime(2026, 3, 2, 9, tzinfo=UTC)
State = tuple[object, ...]
TABLES = """
select
    (select count(*) from marts.fct_events),
    (select count(*) from marts.dim_persons),
    (select sum(numerator) from kpi.kpi_values where kpi_name = 'orders' and grain = 'day' and dimension = 'all'),
    (select count(*) from marts.dim_segments),
    (select max(persons) from marts.fct_retention)
"""
ONE_BY_ONE = [line.strip().rstrip(",").strip("()") for line in TABLES.strip().splitlines()[1:]]


class Readers:
    """Two that read all the time as analytics_reader: one by single statements, one by long transactions over many tables."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse, self.seen, self.errors, self.longest = warehouse, list[State](), list[str](), 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(how,)) for how in (self._at_once, self._in_parts)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _read(self, how: Callable[[psycopg.Connection], State]) -> None:
        with self.warehouse.connect(autocommit=True) as connection:
            connection.execute("set role analytics_reader")
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    self.seen.append(how(connection))
                except psycopg.Error as error:
                    self.errors.append(str(error))
                self.longest = max(self.longest, time.monotonic() - began)

    def _at_once(self, connection: psycopg.Connection) -> State:
        return state(connection)

    def _in_parts(self, connection: psycopg.Connection) -> State:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            parts = []
            for statement in ONE_BY_ONE:
                parts.append((connection.execute(statement.encode()).fetchone() or (None,))[0])
                time.sleep(0.01)
            return tuple(parts)


def state(connection: psycopg.Connection) -> State:
    return tuple(connection.execute(TABLES).fetchone() or ())


def load(builder: Builder, folder: Path, day: int) -> None:
    rows = []
    for person in range(300):
        at = FIRST + timedelta(days=day, seconds=person)
        for step, name in enumerate(["view", "buy"] if person % 3 == 0 else ["view"]):
            rows.append({
                "event_id": f"{day:08d}-0000-4000-8000-{person:06d}{step:06d}", "event_name": name, "user_id": f"u{day}-{person}",
                "occurred_at": (at + timedelta(seconds=step)).isoformat(), "value": 10 if name == "buy" else None,
                "currency": "EUR" if name == "buy" else None,
            })  # fmt: skip
    path = folder / f"day-{day}.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load_file(builder.connection, path, load_mapping("envelope"), "shop").outcome == "loaded"


@pytest.mark.only_on("embedded", "several sessions at a time")
def test_readers_see_the_old_or_the_new_whole_while_builds_are_published(builder: Builder, tmp_path: Path) -> None:
    load(builder, tmp_path, 0)
    builder.build(FIRST + timedelta(days=1))
    for day, full_refresh in ((1, False), (2, True)):
        load(builder, tmp_path, day)
        release_pending(builder.connection)
        build = begin_build(builder.connection, FIRST + timedelta(days=day + 1), full_refresh=full_refresh)
        builder.dbt(*(["--full-refresh"] if build.is_full else []))
        before = state(builder.connection)
        with Readers(builder.warehouse) as readers:
            time.sleep(0.3)
            publish_build(builder.connection, build)
            time.sleep(0.3)
        after = state(builder.connection)
        assert readers.errors == []
        assert set(readers.seen) <= {before, after}
        assert {before, after} <= set(readers.seen)
        assert readers.longest < 5
