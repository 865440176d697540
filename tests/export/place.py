"""Settings of three streams and a store that holds a short history of two of them."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.run import measured
from tidegauge.export.collector import Collector
from tidegauge.records import Batch
from tidegauge.run import Recorder
from tidegauge.spec import Spec
from tidegauge.store import SqlStore, open_store

hour = measured.hour
ROWS = 200
HOURS = 7
"""Of rows that come one after the other; of which the last one stays open."""
SEGMENTS = ("de", "en")

QUERIES: Mapping[str, Any] = {
    "pane": "1h",
    "windows": ["3h"],
    "lateness": 0,
    "columns": {"id": "id", "time": "time", "segment": "locale"},
    "outcomes": {measured.AFFECTED: {}, measured.UNAFFECTED: {}},
    "samples": {"uniform": 256, "novel": 64},
    "quality": {"silence": "2h"},
    "documents": "documents",
}
Labels = frozenset[tuple[str, str]]
Samples = dict[str, dict[Labels, float]]


def settings(folder: Path, **queries: object) -> Spec:
    reference = str(folder / "normal.tg")
    return Spec(
        streams={
            "queries": {**QUERIES, "reference": reference, **queries},
            "documents": {"kind": "snapshot", "reference": reference, "columns": {"id": "id"}},
            "later": {"pane": "100 rows", "model_id": "encoder-1"},
        },
        alarms={"endpoints": {"pager": {"url": "http://127.0.0.1:9/drift"}}},
    )


def batch(at: int, *, segments: Iterable[str] = SEGMENTS, rows: int = ROWS, new: float = 0.0, **more: int) -> Batch:
    """An hour of rows, in turn of each segment."""
    some = list(segments)
    return replace(
        measured.batch(rows, seed=at + 1, new=new),
        times=np.linspace(hour(at), hour(at + 1) - 1, rows),
        segments=np.array([some[i % len(some)] for i in range(rows)]),
        rejected=more,
    )


@dataclass
class Place:
    """A folder with a store, settings for it, and what reads them."""

    folder: Path
    spec: Spec
    now: float = float(hour(HOURS))

    def __post_init__(self) -> None:
        self.store: SqlStore = open_store(f"sqlite:///{self.folder / 'gauge.db'}")
        self.collector = self.another()

    def another(self) -> Collector:
        """A collector of another process."""
        return Collector(self.store, self.spec, clock=lambda: self.now)

    def recorder(self, name: str = "queries") -> Recorder:
        return Recorder(self.store, self.spec.streams[name], alarms=self.spec.alarms, clock=lambda: self.now)

    def land(self, *batches: Batch) -> None:
        recorder = self.recorder()
        for each in batches:
            assert each.times is not None
            self.now = max(self.now, float(each.times[-1]) + 1)
            recorder.observe(each, name=f"{each.times[0]}")
            recorder.settle()

    def read(self, collector: Collector | None = None) -> Samples:
        """Every sample, by name and labels; no two are of the same labels."""
        found: Samples = defaultdict(dict)
        for metric in (collector or self.collector).collect():
            for sample in metric.samples:
                labels = frozenset(sample.labels.items())
                assert labels not in found[sample.name], sample
                found[sample.name][labels] = sample.value
        return found


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


@cache
def made(folder: Path) -> Path:
    """Fill a store once: hours of rows, of which the sixth has many that are new, and an index."""
    measured.reference().save(folder / "normal.tg")
    place = Place(folder, settings(folder))
    documents = place.recorder("documents")
    documents.observe(measured.batch(200, seed=99), name="index")
    documents.settle(whole=True)
    place.land(*(batch(at, new=0.5 if at == HOURS - 2 else 0.0, nan=3 * (at == 1)) for at in range(HOURS)))
    place.store.close()
    return folder


def copied(template: Path, folder: Path, **queries: object) -> Place:
    for name in ("gauge.db", "normal.tg"):
        shutil.copy(made(template) / name, folder / name)
    return Place(folder, settings(folder, **queries))


def linked(folder: Path, **more: object) -> Place:
    """A store of ten days in which one outcome goes with drift."""
    store, monitor = measured.opened(folder, **more)
    measured.fill(store, monitor)
    store.close()
    (folder / "tidegauge.db").rename(folder / "gauge.db")
    (folder / "tidegauge.db-wal").unlink(missing_ok=True)
    return Place(folder, settings(folder, **{**measured.settings(), **more, "documents": ""}))
