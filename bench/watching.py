"""Watching a stream against sketching the same rows; its memory; what it stores; one row at a time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from bench.memory import MEASURE
from bench.timing import ratio
from quality.harness import Mode, Row
from tidegauge import Reference
from tidegauge.contracts import Delivery
from tidegauge.gate import admit
from tidegauge.records import Position
from tidegauge.run import Recorder
from tidegauge.run.watch import watch
from tidegauge.spec import ColumnNames, StreamSpec
from tidegauge.store import open_store

WIDTH = 384
BATCH = 16_384
DAY = 86_400

STREAM = "import sys; from bench.watching import stream; stream(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))"


def rows(mode: Mode) -> list[Row]:
    quick = mode == "quick"
    return [
        *_rate(rows=2 * BATCH if quick else 16 * BATCH, turns=1 if quick else 5),
        *_memory(100_000 if quick else 1_000_000, 1_000_000 if quick else 10_000_000),
        *_bytes(),
        *_one_at_a_time(20_000 if quick else 100_000),
    ]


class Made:
    """A feed of rows that are made as they are read, ``n`` of them over ``seconds``."""

    source = "made"

    def __init__(self, n: int, width: int, seconds: float, x: np.ndarray | None = None) -> None:
        self.n, self.width, self.seconds, self.x = n, width, seconds, x

    def deliveries(self, kept: object, size: int) -> Iterator[Delivery]:
        rng = np.random.default_rng(0)
        for low in range(0, self.n, size):
            high = min(low + size, self.n)
            x = self.x[low:high] if self.x is not None else rng.standard_normal((high - low, self.width), np.float32)
            times = np.linspace(low, high, high - low, endpoint=False) * self.seconds / self.n
            yield Delivery(f"{low}", admit(x, times=times), Position(self.source, high))

    def faults(self) -> tuple[str, ...]:
        return ()


def _recorder(folder: str, name: str, reference: Reference, **settings: object) -> Recorder:
    file = Path(folder, "normal.tg")
    if not file.exists():
        reference.save(file)
    spec = StreamSpec(name="queries", reference=file, lateness=0, batch_rows=BATCH, **settings)  # type: ignore[arg-type]
    return Recorder(open_store(f"sqlite:///{Path(folder, name)}"), spec, clock=lambda: 1e10)


def _rate(rows: int, turns: int) -> list[Row]:
    """A stream of 16,384 rows a pane, which are sketched, stored with fsync, closed and judged."""
    x = np.random.default_rng(1).standard_normal((rows, WIDTH)).astype(np.float32)
    reference = Reference.fit(x[:3000], exchangeable=True)
    found, count = [], iter(range(1000))
    for panes, label in ((1, "a pane of 16,384 rows"), (10, "a pane of 163,840 rows")):
        with tempfile.TemporaryDirectory() as folder:

            def watched(folder: str = folder, seconds: float = 300.0 * rows / BATCH / panes) -> None:
                with _recorder(folder, f"{next(count)}.db", reference, pane="5m") as recorder:
                    feed = Made(rows, WIDTH, seconds, x)
                    watch(recorder, feed, threading.Event(), lambda _: None, poll=0, once=True)

            def bare() -> None:
                sketch = reference.empty()
                for low in range(0, rows, BATCH):
                    sketch.update(reference.basis, admit(x[low : low + BATCH]))

            slower, seconds, alone = ratio(watched, bare, turns)
        what = f"d = {WIDTH}, {label}: rate of watching over that of sketching"
        per_row = {"us a row, watching": 1e6 * seconds / rows, "us a row, sketching": 1e6 * alone / rows}
        found.append(Row(what, 1 / slower, 0.8, ">=", beside=per_row))
    return found


def stream(folder: str, n: int, width: int) -> None:
    """Watch n rows a day of which is a million."""
    reference = Reference.fit(np.random.default_rng(1).standard_normal((1000, width)), exchangeable=True)
    with _recorder(folder, f"{n}.db", reference, pane="1h") as recorder:
        feed = Made(n, width, DAY * n / 1e6)
        watch(recorder, feed, threading.Event(), lambda _: None, poll=0, once=True)


def _memory(few: int, many: int) -> list[Row]:
    width, peaks = 64, []
    for n in (few, many):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-c", MEASURE, sys.executable, "-c", STREAM, folder, str(n), str(width)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            peaks.append(int(done.stdout.split()[-1]) / 1024)
    what = f"peak memory of watching {many:,} rows over that of {few:,}"
    return [Row(what, peaks[1] / peaks[0], 1.1, "<=", beside={"MB": peaks[1], "MB of the few": peaks[0]})]


def _bytes() -> list[Row]:
    """What one pane takes in the store, and a day of panes of 5 minutes with their hours and day."""
    found = []
    rng = np.random.default_rng(2)
    reference = Reference.fit(rng.standard_normal((1000, 768)), exchangeable=True)
    for segments in (1, 10, 100):
        for keep in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                columns = ColumnNames(segment="s") if segments > 1 else ColumnNames()
                settings = {"columns": columns, "segments": segments, "samples": {"keep": keep}, "windows": ()}
                n = 1000 * segments
                names = [f"s{i % segments}" for i in range(n)] if segments > 1 else None
                with _recorder(folder, "a.db", reference, pane="5m", **settings) as recorder:
                    x = rng.standard_normal((n, 768)).astype(np.float32)
                    recorder.observe(x, times=np.zeros(n), segments=names, ids=[f"r{i}" for i in range(n)], name="a")
                    (part, *_) = parts = recorder.store.parts("queries")
                    size = sum(len(stored.part.data) for stored in parts)
                day = size * (288 + 24 + 1)
                kept = "with samples" if keep else "without samples"
                beside = {
                    "MB a day of panes, hours and the day": day / 1e6,
                    "kB a segment": len(part.part.data) / 1e3,
                }
                limit = (100.0 * segments, "<=") if not keep else (None, "")
                found.append(Row(f"d = 768, {segments} segments, {kept}: kB a pane", size / 1e3, *limit, beside=beside))
    return found


def _one_at_a_time(calls: int) -> list[Row]:
    """The 99th percentile of ``observe_one`` beside that of appending to a list, in the same loop."""
    x = np.random.default_rng(3).standard_normal((calls, WIDTH)).astype(np.float32)
    reference = Reference.fit(x[:1000], exchangeable=True)
    kept: list[object] = []
    with tempfile.TemporaryDirectory() as folder, _recorder(folder, "a.db", reference, pane="1h") as recorder:
        ours, bare = np.empty(calls), np.empty(calls)
        for i in range(calls):
            ours[i] = _nanoseconds(lambda row=x[i]: recorder.observe_one(row))
            bare[i] = _nanoseconds(lambda row=x[i]: kept.append(row))
            if i % 20_000 == 0:  # a service's rows do not come at a million a second
                recorder.flush()
        recorder.flush()
        seen = recorder.store.state("queries").seen
    both = {"p99 us": np.quantile(ours, 0.99) / 1e3, "p99 us of an append": np.quantile(bare, 0.99) / 1e3}
    both |= {"median us": np.median(ours) / 1e3, "median us of an append": np.median(bare) / 1e3, "rows stored": seen}
    excess = float(np.quantile(ours, 0.99) - np.quantile(bare, 0.99)) / 1e3
    return [
        Row("observe_one: p99 of a call less that of a list's append, us", excess, 20.0, "<=", beside=both),
        Row(f"observe_one: rows of {calls:,} stored", seen, float(calls), ">="),
    ]


def _nanoseconds(call: Callable[[], object]) -> int:
    began = perf_counter_ns()
    call()
    return perf_counter_ns() - began
