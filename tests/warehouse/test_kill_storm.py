from pathlib import Path

import pytest

from benchmarks.kill_storm import compare


@pytest.mark.slow
def test_loads_killed_at_random_moments_end_with_the_table_of_an_undisturbed_load(tmp_path: Path) -> None:
    calm, stormy, seen = compare(rounds=4, files=6, events=2000, seed=3, work=tmp_path)
    assert seen["loads killed"] > 0
    assert seen["servers killed"] == 1
    assert stormy == calm
