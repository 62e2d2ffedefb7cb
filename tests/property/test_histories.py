"""Whatever the order of arrival, what is published equals one full refresh: row for row, on random histories."""

import os
import random
from pathlib import Path

import pytest

from tests.property.compiled import CompiledProject
from tests.property.conftest import NewDatabase
from tests.property.histories import History

HISTORIES = int(os.environ.get("ANALYTICS_TEST_HISTORIES", "100"))
FIRST_HISTORY = int(os.environ.get("ANALYTICS_TEST_FIRST_HISTORY", "0"))
AT_ONCE = 10


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
