from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.export.place import Place, copied


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("filled")


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """A copy of the filled store, under settings of one's own."""
    made: list[Place] = []

    def call(**queries: object) -> Place:
        made.append(copied(template, tmp_path, **queries))
        return made[-1]

    yield call
    for place in made:
        place.store.close()


@pytest.fixture
def place(filled: Callable[..., Place]) -> Place:
    return filled()
