"""A folder with settings, a reference and rows of known times, for the tests of the monitoring commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tidegauge import Reference
from tidegauge.gate import admit
from tidegauge.store import SqlStore, open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Done, Tidegauge

MONDAY = 1_704_067_200
"""2024-01-01 00:00 UTC."""
HOUR, WIDTH = 3600, 6
SETTINGS = """
poll = "1h"
[streams.queries]
source = "in/*.parquet"
reference = "normal.tg"
pane = "1h"
windows = ["2h"]
lateness = 0
columns = { id = "id", text = "text", time = "time", segment = "locale" }
samples = { uniform = 64, novel = 16 }
quality = { silence = "0s" }
alarm = { enabled = false }

[streams.counted]
reference = "normal.tg"
pane = "100 rows"
windows = ["200 rows"]

[streams.documents]
kind = "snapshot"
reference = "normal.tg"
columns = { id = "id" }
"""

ALARMING = """
[alarms.endpoints.pager]
url = "URL"
[streams.queries]
source = "in/*.parquet"
reference = "normal.tg"
pane = "1h"
windows = []
lateness = 0
columns = { id = "id", text = "text", time = "time" }
samples = { uniform = 64, novel = 16 }
quality = { silence = "0s" }
"""
"""Settings of a stream that raises alarms, and of whom to tell."""


def reference(seed: int = 0, model_id: str = "") -> Reference:
    x = np.random.default_rng(seed).standard_normal((400, WIDTH))
    ids = [f"normal-{seed}-{i}" for i in range(400)]
    return Reference.fit(admit(x, ids=ids), exchangeable=True, profile="small", model_id=model_id)


def rows(
    n: int,
    start: float,
    hours: float,
    *,
    name: str,
    moved: float = 0.0,
    spread: float = 1.0,
    locales: Iterable[str] = ("de", "en"),
) -> pa.Table:
    """Rows at equal distances from ``start``, in turn of each locale."""
    rng = np.random.default_rng(sum(map(ord, name)))
    x = (rng.standard_normal((n, WIDTH)) * spread + moved).astype(np.float32)
    some = tuple(locales)
    columns = {
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), WIDTH),
        "id": pa.array([f"{name}-{i}" for i in range(n)]),
        "text": pa.array([f"text {i} of {name}" for i in range(n)]),
        "time": pa.array(start + np.arange(n) * hours * HOUR / n),
        "locale": pa.array([some[i % len(some)] for i in range(n)]),
    }
    return pa.table(columns)


@dataclass
class Place:
    """The folder, which is the current one, and the command line."""

    folder: Path
    tidegauge: Tidegauge

    def __call__(self, *arguments: str | Path) -> Done:
        return self.tidegauge(*arguments)

    def fine(self, *arguments: str | Path) -> str:
        """The output of a command that is to succeed."""
        done = self.tidegauge(*arguments)
        assert done.status == 0, done.err
        return done.out

    def refused(self, *arguments: str | Path) -> str:
        """The one line of a command that is to be refused."""
        done = self.tidegauge(*arguments)
        assert done.status == 2, done
        assert done.err.count("\n") == 1, done.err
        return done.err.removeprefix("tidegauge: ").rstrip("\n")

    def settings(self, text: str) -> None:
        (self.folder / "tidegauge.toml").write_text(text)

    def put(self, name: str, table: pa.Table) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path)
        return path

    def fill(self) -> None:
        """Four hours of rows: two as normal, two that moved."""
        self.put("in/a.parquet", rows(240, MONDAY, 2, name="a"))
        self.put("in/b.parquet", rows(240, MONDAY + 2 * HOUR, 2, name="b", moved=1.5))
        self.put("in/c.parquet", rows(10, MONDAY + 4 * HOUR, 0.1, name="c"))

    def drift(self, url: str = "http://127.0.0.1:9/drift") -> None:
        """Settings of alarms; ten hours of rows as normal, three that moved, and the first row of the next."""
        self.settings(ALARMING.replace("URL", url))
        self.put("in/a.parquet", rows(600, MONDAY, 10, name="a"))
        self.put("in/b.parquet", rows(180, MONDAY + 10 * HOUR, 3, name="b", moved=1.5))
        self.put("in/c.parquet", rows(1, MONDAY + 13 * HOUR, 0.1, name="c"))

    def store(self) -> SqlStore:
        return open_store(str(self.folder / "tidegauge.db"))
