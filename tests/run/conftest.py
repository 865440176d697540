"""A reference, its rows, and a store in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tidegauge import Reference
from tidegauge.run import Recorder
from tidegauge.spec import StreamSpec
from tidegauge.store import open_store

WIDTH = 6
ROWS = np.random.default_rng(5).standard_normal((4000, WIDTH)).astype(np.float32)
REFERENCE = Reference.fit(ROWS[:500])


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1e6) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Place:
    """Where a store stands, and recorders that write to it."""

    folder: Path
    clock: Clock

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'gauge.db'}"

    def recorder(self, **settings) -> Recorder:
        reference = self.folder / "normal.tg"
        if not reference.exists():
            REFERENCE.save(reference)
        spec = {"name": "queries", "pane": "1m", "lateness": 30, "reference": str(reference), **settings}
        return Recorder(open_store(self.url), StreamSpec(**spec), clock=self.clock)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, Clock())
