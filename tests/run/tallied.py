"""Stores whose tallies are drawn as those of rows that come one by one, without any row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from tidegauge import Reference
from tidegauge.alarm.tally import Tallier
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, PaneKey, Tally
from tidegauge.run import Recorder
from tidegauge.spec import StreamSpec
from tidegauge.store import SqlStore, open_store

MONDAY, HOUR, ROWS = 1_704_067_200, 3600, 100


@cache
def reference() -> Reference:
    x = np.random.default_rng(0).standard_normal((1500, 4))
    return Reference.fit(x, exchangeable=True, profile="small")


@cache
def tallier() -> Tallier:
    return Tallier(reference())


@dataclass(frozen=True)
class Incident:
    """From pane to pane, so many sd of a pane more rows are far from all that is known."""

    first: int
    end: int
    size: float = 12.0


def values(count: int, *incidents: Incident, seed: int = 0) -> np.ndarray:
    layout = tallier().layout
    sd = np.sqrt(layout.noise / ROWS)
    out = np.random.default_rng(seed).standard_normal((count, layout.size)) * sd
    for each in incidents:
        place = layout.blocks["tails"].start
        out[each.first : each.end, place] += each.size * sd[place]
    return out.astype(np.float32)


def opened(folder: Path, **settings: object) -> tuple[SqlStore, Monitor]:
    """A store with the reference in force, and the chain of its stream."""
    path = folder / "normal.tg"
    reference().save(path)
    spec = StreamSpec(**{"name": "queries", "reference": str(path), "pane": "1h", "lateness": 0, **settings})  # type: ignore[arg-type]
    store = open_store(f"sqlite:///{folder / 'gauge.db'}")
    return store, Recorder(store, spec).monitor()


def fill(
    store: SqlStore,
    monitor: Monitor,
    count: int,
    *incidents: Incident,
    without: Collection[int] = (),
    segment: str = ALL,
    seed: int = 0,
    times: bool = True,
) -> list[Tally]:
    """Keep tallies of ``count`` panes from MONDAY, or the first row, on; the newest row came as the last pane ended."""
    spec = monitor.spec
    seconds, length = spec.pane.unit == "seconds", spec.pane.length
    first = MONDAY if seconds else 0
    drawn = values(count, *incidents, seed=seed)
    tallies = [
        Tally(
            PaneKey(spec.name, monitor.reference.hash, length, first + place * length, segment),
            ROWS,
            MONDAY + (place + 0.5) * HOUR if seconds or times else None,
            drawn[place],
        )
        for place in range(count)
        if place not in without
    ]
    with store.leading(spec.name) as desk:
        assert desk is not None
        desk.tally(tallies)
        if seconds and tallies:
            desk.update(replace(desk.state, watermark=float(tallies[-1].key.end), version=desk.state.version + 1))
    return tallies
