"""The suites of expectations/ hold on every build of random histories: a check that fires on sound data is no check."""

import os
import random
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
from tests.property.histories import History

HISTORIES = int(os.environ.get("ANALYTICS_TEST_SUITE_HISTORIES", "40"))
FIRST_HISTORY = int(os.environ.get("ANALYTICS_TEST_FIRST_HISTORY", "0"))
AT_ONCE = 5
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
