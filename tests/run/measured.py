"""Stores of known truth: hourly windows whose drift spikes, and outcomes of which one follows two windows later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from tidegauge import Reference
from tidegauge.gate import admit
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, Alarm, Batch, Drift, Measured, PaneKey, Window
from tidegauge.run import Recorder
from tidegauge.spec import StreamSpec
from tidegauge.store import SqlStore, open_store

MONDAY, HOUR, ROWS, LAG = 1_704_067_200, 3600, 400, 2
SPIKES = (33, 71, 96, 143, 170, 216)
LONG = 5
COUNT = 240
AFFECTED, UNAFFECTED = "success", "answered"
HARM = -0.006
"""Of the affected outcome, for one more per cent of drift."""


def hour(place: float) -> int:
    return int(MONDAY + place * HOUR)


def batch(rows: int, *, seed: int, new: float = 0.0) -> Batch:
    """Rows of two clusters, and of a third far away that nothing answers."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 4))
    x[: rows // 2, 0] += 4
    strange = rng.random(rows) < new
    x[strange] = x[strange] * 0.1 + 9
    success = rng.random(rows) < np.where(strange, 0.1, 0.9)
    texts = [f"{'gift card' if new else 'where is my parcel'} {i}" for i, new in enumerate(strange)]
    ones = np.ones(rows)
    return replace(
        admit(x, ids=[f"{seed}-{i}" for i in range(rows)], texts=texts),
        outcomes={
            AFFECTED: np.stack([success, ones], axis=1).astype(float),
            UNAFFECTED: np.stack([rng.random(rows) < 0.95, ones], axis=1).astype(float),
        },
    )


@cache
def reference() -> Reference:
    return Reference.fit(batch(2000, seed=0), exchangeable=True, profile="small")


def settings(**more: object) -> dict[str, object]:
    return {
        "name": "queries",
        "pane": "1h",
        "windows": [],
        "lateness": 0,
        "columns": {"id": "id", "text": "text", "time": "time", "segment": "locale"},
        "outcomes": {AFFECTED: {}, UNAFFECTED: {"unit": "share"}},
        **more,
    }


def opened(folder: Path, **more: object) -> tuple[SqlStore, Monitor]:
    """A store with the reference in force, and the chain of its stream."""
    path = folder / "normal.tg"
    reference().save(path)
    spec = StreamSpec(**settings(reference=str(path), **more))  # type: ignore[arg-type]
    store = open_store(f"sqlite:///{folder / 'tidegauge.db'}")
    return store, Recorder(store, spec).monitor()


def drifts(count: int, spikes: Sequence[int], seed: int) -> np.ndarray:
    """Drift by window, in per cent: noise, and spikes of some windows."""
    out = np.random.default_rng([seed, 0]).normal(0, 1.2, count)
    for spike in spikes:
        out[spike : spike + LONG] += np.array([8, 14, 12, 10, 6])[: max(count - spike, 0)]
    return out


def rates(drift: np.ndarray, seed: int, harm: float = HARM) -> dict[str, np.ndarray]:
    """What each outcome is likely to be: one goes with the drift two windows before, the other with nothing."""
    hours = np.arange(len(drift))
    day = 0.02 * np.sin(2 * np.pi * hours / 24)
    behind = np.concatenate([np.zeros(LAG), drift[:-LAG]])
    return {AFFECTED: np.clip(0.86 + day + harm * behind, 0.02, 0.98), UNAFFECTED: 0.9 - day}


def fill(
    store: SqlStore,
    monitor: Monitor,
    count: int = COUNT,
    *,
    spikes: Sequence[int] = SPIKES,
    harm: float = HARM,
    segments: Sequence[str] = (),
    alarms: bool = True,
    lasting: bool = False,
    new: float = 0.0,
    sketched: int = 24,
    seed: int = 0,
) -> np.ndarray:
    """Keep windows of ``count`` hours from MONDAY on, and what outcomes were; return the drift of all rows.

    The newest ``sketched`` have sketches, a share ``new`` of whose rows is new from the last spike on.
    """
    name, drift = monitor.spec.name, drifts(count, spikes, seed)
    with store.leading(name) as desk:
        assert desk is not None
        for place, segment in enumerate((ALL, *segments)):
            mine = drift if segment == ALL else drifts(count, spikes, seed + place)
            likely, rng = rates(mine, seed, harm), np.random.default_rng([seed, place])
            for at in range(count):
                key = PaneKey(name, monitor.reference.hash, HOUR, hour(at), segment)
                value = Drift(float(mine[at]), float(mine[at]) - 2, float(mine[at]) + 2, 3.0)
                sketch = None
                if segment == ALL and at >= count - sketched:
                    some = batch(ROWS, seed=1000 + at, new=new if at >= spikes[-1] else 0.0)
                    sketch = monitor.reference.sketch(replace(some, times=np.full(ROWS, float(hour(at))))).to_bytes()
                state = "measured" if segment else "drift" if mine[at] > 5 else "no drift"
                desk.keep(Window(key, ROWS, state, drift=value, p=0.5), sketch)
                desk.measure(
                    [
                        Measured(key, outcome, float(rng.binomial(ROWS, rate[at])), float(ROWS))
                        for outcome, rate in likely.items()
                    ]
                )
        for number, spike in enumerate(spikes if alarms else ()):
            desk.raise_alarm(alarm(monitor, number, spike, lasting=lasting and spike == spikes[-1], count=count))
        desk.update(
            replace(
                desk.state,
                watermark=float(hour(count)),
                settled=hour(count),
                segments=tuple(segments),
                version=desk.state.version + 1,
            )
        )
    return drift


def alarm(monitor: Monitor, number: int, spike: int, *, lasting: bool, count: int) -> Alarm:
    end = hour(count) if lasting else hour(spike + LONG)
    return Alarm(
        f"{number:012x}",
        monitor.spec.name,
        ALL,
        monitor.reference.hash,
        "drift",
        "open" if lasting else "resolved",
        "warning",
        opened=hour(spike + 1),
        onset=hour(spike),
        updated=end,
        at=float(hour(spike + 1)),
        title="Rows far from everything known changed.",
        resolved=None if lasting else end,
        score="novelty",
        panes=1,
        value=9.0,
        threshold=5.0,
        drift=14.0,
    )
