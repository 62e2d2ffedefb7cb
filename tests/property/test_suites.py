"""The suites of expectations/ hold on every build of random histories: a check that fires on sound data is no check."""

import os
import random
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.modelling.builds import Build, begin_build
from analytics_pipeline.modelling.publish import publish_build, touched_query
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.quality.judged import discard, judged_table, prepare
from analytics_pipeline.quality.suites import Suite, read_suites
from tests.property.compiled import CompiledProject
from tests.property.conftest import NewDatabase
from tests.property.histories import DAYS, FIRST, History, random_event

HISTORIES = int(os.environ.get("ANALYTICS_TEST_SUITE_HISTORIES", "30"))
FIRST_HISTORY = int(os.environ.get("ANALYTICS_TEST_FIRST_HISTORY", "0"))
AT_ONCE = 5
AS_OF = FIRST + timedelta(days=DAYS)
SUITES = read_suites("build")


def found_by_queries(connection: psycopg.Connection, build: Build, suites: list[Suite] = SUITES) -> list[str]:
    """What the queries of the suites find in a build that is not published yet."""
    prepare(connection, [s.relation for s in suites], lambda r: touched_query(build, r), with_days=True)
    found: list[str] = []
    is_empty = connection.execute("select not exists (select from build_marts.fct_events)").fetchone() == (True,)
    for suite in suites:
        for e in suite.expectations:
            # Nothing was loaded, or all was taken back: a gate blocks that, and rightly.
            if e.sql and not (e.name == "there_are_values" and is_empty):
                query = e.sql.replace("{batch}", judged_table(suite.relation))
                rows = connection.execute(query.encode()).fetchall()
                found += [f"{suite.relation} {e.name}: {rows[:3]}"] if rows else []
    discard(connection)
    return found


class JudgedHistory(History):
    """A history whose every build is judged before it is published."""

    found: list[str]

    def build(self, as_of, *, full=False, dies=False):  # type: ignore[no-untyped-def]
        release_pending(self.connection)
        build = begin_build(self.connection, as_of, full_refresh=full)
        if dies:
            self.project.build(self.connection, build, stop_after=self.rng.randrange(len(self.project.models)))
            return
        self.project.build(self.connection, build)
        kind = "full" if build.is_full else "incremental"
        self.found += [f"{kind} build as of {as_of}: {text}" for text in found_by_queries(self.connection, build)]
        publish_build(self.connection, build)


@pytest.mark.parametrize("first_seed", range(FIRST_HISTORY, FIRST_HISTORY + HISTORIES, AT_ONCE))
def test_no_query_of_a_suite_finds_a_row_in_a_sound_build(
    planned_database: NewDatabase, project: CompiledProject, tmp_path: Path, first_seed: int
) -> None:
    for seed in range(first_seed, first_seed + AT_ONCE):
        with planned_database() as warehouse, warehouse.connect(autocommit=True) as connection:
            # The rich plan leaves a currency without a rate, and that is for a gate to block.
            connection.execute("insert into config.rates (currency, valid_from, rate) values ('GBP', '2020-01-01', 1.2)")
            history = JudgedHistory(connection, project, tmp_path, random.Random(seed))
            history.found = []
            as_of = history.play()
            history.build(as_of, full=True)
        assert not history.found, f"seed {seed}: " + "\n".join(history.found)


@pytest.mark.parametrize("name", ["", "view"])
def test_events_that_have_left_raw_are_not_missed(
    planned_database: NewDatabase, project: CompiledProject, tmp_path: Path, name: str
) -> None:
    for seed in range(3):
        with planned_database() as warehouse, warehouse.connect(autocommit=True) as connection:
            connection.execute("insert into config.rates (currency, valid_from, rate) values ('GBP', '2020-01-01', 1.2)")
            history = JudgedHistory(connection, project, tmp_path, random.Random(f"{name} {seed}"))
            history.found = []
            history.load([random_event(history.rng) for _ in range(80)])
            history.build(AS_OF)
            gone = "occurred_at < ops.day_start('2026-03-27', 'Europe/Berlin') and %(name)s in ('', event_name)"
            connection.execute(
                "insert into ops.horizons (event_name, before) values (%s, ops.day_start('2026-03-27', 'Europe/Berlin'))",
                (name,),
            )
            deleted = connection.execute(f"delete from raw.events where {gone}".encode(), {"name": name}).rowcount
            assert deleted > 0
            history.load([random_event(history.rng) for _ in range(40)])
            history.build(AS_OF)
            history.build(AS_OF, full=True)
        assert not history.found, f"seed {seed}: " + "\n".join(history.found)


def test_only_what_a_build_touches_is_judged(planned_database: NewDatabase, project: CompiledProject, tmp_path: Path) -> None:
    with planned_database() as warehouse, warehouse.connect(autocommit=True) as connection:
        history = History(connection, project, tmp_path, random.Random(1))
        events = [random_event(history.rng) | {"user_id": None, "anonymous_id": f"v{i}", "currency": "EUR"} for i in range(60)]
        days = sorted(e["occurred_at"][:10] for e in events)
        history.load([e for e in events if e["occurred_at"][:10] != days[-1]])
        history.build(AS_OF)
        history.load([e for e in events if e["occurred_at"][:10] == days[-1]])
        release_pending(connection)
        build = begin_build(connection, AS_OF)
        project.build(connection, build)
        assert found_by_queries(connection, build) == []

        corrupt = "update build_marts.fct_sessions set duration_seconds = -1 where day = %s"
        assert connection.execute(corrupt, (days[0],)).rowcount > 0
        assert found_by_queries(connection, build) == [], "a day that the build has not touched"
        assert connection.execute(corrupt, (days[-1],)).rowcount > 0
        found = found_by_queries(connection, build)
        assert [text.split(":")[0] for text in found] == ["build_marts.fct_sessions duration_is_end_less_start"]
