"""Templates of the sample products, made once a worker: tests of one product run on one worker."""

from collections.abc import Iterator

import pytest

from tests.quality.world import Worlds


@pytest.fixture(scope="session")
def worlds(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(server, tmp_path_factory.mktemp("worlds"))
    yield made
    made.close()
