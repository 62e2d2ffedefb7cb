"""A run that failed is told until it is made good, whoever made it: Dagster's daemon, or the command line."""

import itertools
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from analytics_pipeline import automation
from analytics_pipeline.commands.alerts import telling
from analytics_pipeline.delivery.runs import TELLS_ITSELF, FinishedRun, note_runs, unmended
from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.incidents import open_incident

START = datetime(2026, 6, 1, tzinfo=UTC)


def finished(number: int, succeeded: bool, assets: str | None = None, at: datetime = START) -> FinishedRun:
    ended = at + timedelta(minutes=number)
    made = None if assets is None else frozenset(assets)
    return FinishedRun(f"r{number}", succeeded, ended - timedelta(seconds=30), ended, made)


def open_runs(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "select incident, body from ops.alerts where closed_at is null and incident like 'run:%' order by 1"
    ).fetchall()


def test_a_failure_is_made_good_by_a_later_run_that_did_at_least_as_much() -> None:
    for outcome in itertools.product([True, False], repeat=3):
        for made in itertools.product([None, "a", "ab"], repeat=3):
            runs = [finished(n, ok, assets) for n, (ok, assets) in enumerate(zip(outcome, made, strict=True))]
            bad = None
            for run in runs:  # as they happen: the last failure stands until it is made good
                if not run.succeeded:
                    bad = [*(bad or []), run]
                elif bad:
                    covered = {None: {None, "a", "ab"}, "a": {"a"}, "ab": {"a", "ab"}}[made[runs.index(run)]]
                    bad = [b for b in bad if made[runs.index(b)] not in covered] or None
            assert unmended(runs[::-1]) == (bad[-1] if bad else None)


def test_runs_are_noted_once_however_often_they_are_looked_at(planned: psycopg.Connection) -> None:
    now, runs, opened = datetime.now(UTC) + timedelta(hours=1), [], 0
    chance = random.Random(5)
    for number in range(25):
        succeeded = chance.random() < 0.6
        was_bad = bool(runs) and not runs[0].succeeded
        runs.insert(0, finished(number, succeeded, at=now))
        opened += not succeeded and not was_bad
        for _ in range(chance.randint(1, 3)):
            note_runs(planned, "everything", runs, lambda run_id: f"why {run_id}")
        assert bool(open_runs(planned)) == (not succeeded)
    assert planned.execute("select count(*) from ops.alerts").fetchone() == (opened,)


def test_a_run_that_a_gate_stopped_is_not_told_twice(planned: psycopg.Connection) -> None:
    open_incident(planned, "gate:raw", severity="critical", title="Blocked", body="")
    seen = datetime.now(UTC)
    note_runs(planned, "everything", [finished(0, False, at=seen)], str)
    assert open_runs(planned) == []
    note_runs(planned, "everything", [finished(9, False, at=seen)], str)
    assert open_runs(planned) == [("run:everything", "r9")]


def test_a_command_that_fails_opens_an_incident_and_the_next_that_works_closes_it(
    warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    for error in (AnalyticsError("the disk is full"), ValueError("a bug")):
        with pytest.raises(type(error)), telling(settings, warehouse):
            raise error
        assert open_runs(planned) == [("run:everything", str(error))]
    with pytest.raises(KeyboardInterrupt), telling(settings, warehouse):
        raise KeyboardInterrupt
    with telling(settings, warehouse, is_whole=False):
        pass
    assert len(open_runs(planned)) == 1
    with telling(settings, warehouse):
        pass
    assert open_runs(planned) == []
    with pytest.raises(AnalyticsError), telling(settings, warehouse, is_whole=False):
        raise AnalyticsError("somebody's own choice")
    with pytest.raises(AnalyticsError), telling(settings, warehouse):
        open_incident(planned, "gate:build", severity="critical", title="Blocked", body="")
        raise AnalyticsError("blocked")
    assert open_runs(planned) == []
    assert len((tmp_path / "alerts.ndjson").read_text().splitlines()) == 3


def test_values_of_rows_stay_in_the_house(warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path) -> None:
    planned.execute("create table public.kept (email text primary key)")
    planned.execute("insert into public.kept values ('ann@example.com')")
    with pytest.raises(psycopg.errors.UniqueViolation), telling(Settings(home=tmp_path), warehouse):
        planned.execute("insert into public.kept values ('ann@example.com')")
    ((_, body),) = open_runs(planned)
    assert "duplicate key value" in body
    assert "ann@" not in body + (tmp_path / "alerts.ndjson").read_text()


def test_trouble_with_alerts_hides_no_error_of_the_run(
    warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path
) -> None:
    with pytest.raises(AnalyticsError, match="the disk is full"), telling(Settings(home=tmp_path), warehouse):
        planned.execute("alter table ops.alerts rename to gone")
        raise AnalyticsError("the disk is full")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield instance


@pytest.mark.only_on("embedded", "the sensor is about Dagster's runs, and opens connections of its own")
def test_the_sensor_tells_of_failed_runs_and_of_their_end(
    warehouse: Warehouse,
    planned: psycopg.Connection,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [n for n in os.environ if n.startswith("ANALYTICS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANALYTICS_HOME", str(tmp_path))
    monkeypatch.setenv("ANALYTICS_DATABASE_URL", warehouse.url)
    broken = {"is": True}

    @dg.op
    def step() -> None:
        if broken["is"]:
            raise RuntimeError("no space left")

    @dg.job(name="everything")
    def everything() -> None:
        step()

    def tick() -> str:
        skipped = automation._alerts(dg.build_sensor_context(instance=instance))
        assert isinstance(skipped, dg.SkipReason)
        return str(skipped.skip_message)

    assert tick() == "0 messages delivered, 0 to be tried again, 0 given up"
    everything.execute_in_process(instance=instance, raise_on_error=False, tags={TELLS_ITSELF: "true"})
    assert tick().startswith("0 messages")
    everything.execute_in_process(instance=instance, raise_on_error=False)
    assert [tick()[0], tick()[0]] == ["1", "0"]
    ((incident, body),) = open_runs(planned)
    assert incident == "run:everything"
    assert "no space left" in body and "Step step" in body
    broken["is"] = False
    everything.execute_in_process(instance=instance)
    assert [tick()[0], tick()[0]] == ["1", "0"]
    assert open_runs(planned) == []
