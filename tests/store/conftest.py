"""Stores in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.sequences import CLOCK
from tidegauge.store import SqlStore, open_store


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., SqlStore]]:
    """Open a store by its file's name; all are closed in the end."""
    stores: list[SqlStore] = []

    def call(name: str = "drift.db", **options: Any) -> SqlStore:
        stores.append(open_store(str(tmp_path / name), clock=lambda: CLOCK, **options))
        return stores[-1]

    yield call
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., SqlStore]) -> SqlStore:
    return opened()
