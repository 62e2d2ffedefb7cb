"""Every analysis that `ask` answers, against the oracle: random questions about random histories under random plans."""

import os
import random
from pathlib import Path

import pytest
import yaml

from analytics_pipeline.insights.ask import ask
from tests.property.asking import ANALYSES, Asker, difference, got
from tests.property.compiled import CompiledProject
from tests.property.conftest import PLAN, NewDatabase
from tests.property.worlds import random_world

HISTORIES = int(os.environ.get("ANALYTICS_TEST_QUESTION_HISTORIES", "64"))
FIRST_HISTORY = int(os.environ.get("ANALYTICS_TEST_FIRST_HISTORY", "0"))
QUESTIONS = int(os.environ.get("ANALYTICS_TEST_QUESTIONS", "40"))
AT_ONCE = 8
ORDER = (*ANALYSES, "funnel", "funnel", "retention", "funnel", "conversion", "measure", "paths")


@pytest.mark.parametrize("first_seed", range(FIRST_HISTORY, FIRST_HISTORY + HISTORIES, AT_ONCE))
def test_every_answer_is_the_oracles(
    planned_database: NewDatabase, projects: dict[str, CompiledProject], tmp_path: Path, first_seed: int
) -> None:
    base = yaml.safe_load(PLAN)
    wrong = []
    for seed in range(first_seed, first_seed + AT_ONCE):
        rng = random.Random(seed)
        world = random_world(rng, base)
        asker = Asker(world, rng)
        with planned_database() as warehouse:
            with warehouse.connect(autocommit=True) as connection:
                world.publish(connection, projects[world.plan.identity], tmp_path)
            for number in range(QUESTIONS):
                document, expected = asker.ask(ORDER[number % len(ORDER)])
                with warehouse.connect() as connection:
                    text = difference(expected, got(ask(connection, document)))
                if text:
                    wrong.append(
                        f"seed {seed} ({world.plan.timezone}, {world.plan.identity}, as_of {world.as_of}): {document}: {text}"
                    )
    assert not wrong, f"{len(wrong)} wrong\n" + "\n\n".join(wrong)
