"""Kills: watchers of a folder, and services, are killed without warning, again and again; what they acknowledged is
stored, once.

A repetition writes 10,000 rows as files, and starts one watcher, or two on the same folder and store. Each is killed
(SIGKILL) after a random time, started anew, and left to finish after ``kills`` kills. A watcher prints what it landed;
what it printed was acknowledged. Of a service that is what it answered 202 or 200 to. The windows are held against
those of a run that nobody disturbed.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from quality import served
from quality.harness import Cell, Mode, Result, Row

WIDTH, ROWS, FILES, BATCH, SECONDS = 16, 10_000, 20, 100, 7200
STORED = ("rows", "state", "aside")

WATCH = """
import json, sys, threading
from pathlib import Path
from tidegauge.read.feeds import open_feed
from tidegauge.run import Recorder
from tidegauge.run.watch import watch
from tidegauge.spec import load_spec
from tidegauge.store import open_store
spec = load_spec(Path(sys.argv[1]))
stream = spec.streams["queries"]
with Recorder(open_store(spec.store), stream) as recorder:
    feed = open_feed(stream.source, stream.columns.columns)
    print("began", flush=True)
    watch(recorder, feed, threading.Event(), lambda done: print(done.rows, flush=True), poll=0, once=True)
"""

CONFIG = """
[store]
url = "sqlite:///gauge.db"
[streams.queries]
source = "rows"
reference = "normal.tg"
pane = "10m"
windows = ["1h"]
lateness = "5m"
batch_rows = {batch}
columns = {{ vector = "vector", id = "id", time = "time", segment = "segment" }}
"""


def cells(mode: Mode) -> list[Cell]:
    """One watcher, and two that do the same work."""
    loops, kills = (1, 3) if mode == "quick" else (20, 10)
    return [
        Cell("one watcher", loops, {"watchers": 1, "kills": kills}),
        Cell("two watchers of one folder", loops // 2 or 1, {"watchers": 2, "kills": kills}),
        Cell("a service, one caller", loops // 2 or 1, {"senders": 1, "kills": kills}),
        Cell("a service, four callers", loops // 2 or 1, {"senders": 4, "kills": kills}),
    ]


def fingerprint() -> str:
    """The settings: a kill finds another place in every run."""
    return hashlib.sha256(repr((WATCH, served.SERVE, CONFIG, ROWS, BATCH)).encode()).hexdigest()[:10]


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One loop of kills, and what is in the store after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = _write(folder, sourced="watchers" in cell.settings)
        if "watchers" in cell.settings:
            heard, kills = _killed(folder, cell.settings["watchers"], cell.settings["kills"], rng)
        else:
            heard, kills = served.killed(folder, bodies, cell.settings["senders"], cell.settings["kills"], rng)
        found = stored(folder)
        return {
            "kills": kills,
            "acknowledged": heard,
            "stored": found["seen"],
            "in windows": sum(window["rows"] for key, window in found["windows"] if key[0] == 600),
            "differing windows": _differing(found["windows"], undisturbed()["windows"]),
        }


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Nothing lost, nothing twice, over the whole loop."""
    table: list[Row] = []
    for name, found in results.items():
        kills, loops = sum(r["kills"] for r in found), len(found)
        beside = {"kills": kills, "rows acknowledged": sum(r["acknowledged"] for r in found)}
        lost, twice = (sum(max(0, sign * (ROWS - r["stored"])) for r in found) for sign in (1, -1))
        unheard = sum(max(0, r["acknowledged"] - r["stored"]) for r in found)
        differing = sum(r["differing windows"] for r in found)
        table += [
            Row(f"{name}: kills survived", kills, 8.0 * loops if loops > 1 else 2.0, ">=", reps=loops),
            Row(f"{name}: rows of {loops * ROWS:,} lost", lost, 0.0, "<=", reps=loops, beside=beside),
            Row(f"{name}: rows counted twice", twice, 0.0, "<=", reps=loops),
            Row(f"{name}: rows acknowledged and not stored", unheard, 0.0, "<=", reps=loops),
            Row(f"{name}: windows unlike those of an undisturbed run", differing, 0.0, "<=", reps=loops),
        ]
    return table


def _write(folder: Path, *, sourced: bool = True) -> list[dict[str, Any]]:
    """Files of rows in time order, a reference, and the settings; the rows as bodies of requests."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tidegauge import Reference

    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, WIDTH)).astype(np.float32)
    times = np.linspace(0, SECONDS, ROWS)
    (folder / "rows").mkdir()
    for i, part in enumerate(np.array_split(np.arange(ROWS), FILES)):
        table = {
            "id": [f"r{row}" for row in part],
            "time": times[part],
            "segment": [("de", "en")[row % 2] for row in part],
            "vector": list(x[part]),
        }
        pq.write_table(pa.table(table), folder / "rows" / f"part-{i}.parquet")
    Reference.fit(rng.standard_normal((400, WIDTH)).astype(np.float32)).save(folder / "normal.tg")
    settings = CONFIG.format(batch=BATCH)
    (folder / "tidegauge.toml").write_text(settings if sourced else settings.replace('source = "rows"\n', ""))
    return [
        {
            "vectors": x[part].tolist(),
            "ids": [f"r{row}" for row in part],
            "times": times[part].tolist(),
            "segments": [("de", "en")[row % 2] for row in part],
        }
        for part in np.array_split(np.arange(ROWS), ROWS // BATCH)
    ]


def _start(folder: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WATCH, str(folder / "tidegauge.toml")]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def _killed(folder: Path, watchers: int, kills: int, rng: np.random.Generator) -> tuple[int, int]:
    """Rows that were acknowledged, and kills that found their watcher at work."""
    heard = found = 0
    span = 1.0
    running = [_start(folder) for _ in range(watchers)]
    while running:
        one = running.pop(0)
        if found < kills:
            assert one.stdout is not None
            began = time.monotonic()
            first = one.stdout.readline()  # imports are not what is to be interrupted
            heard += int(first) if first.strip().isdigit() else 0
            time.sleep(float(rng.uniform(0, span)))
            if one.poll() is None:
                one.send_signal(signal.SIGKILL)
                found += 1
                running.append(_start(folder))
            span = min(1.5, max(0.2, time.monotonic() - began))
        out, err = one.communicate(timeout=300)
        heard += sum(int(line) for line in out.split() if line.isdigit())
        if one.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"a watcher ended with {one.returncode}: {err[-2000:]}")
    return heard, found


def stored(folder: Path) -> dict[str, Any]:
    """What the store holds: rows, and windows by key."""
    from tidegauge.store import open_store

    store = open_store(f"sqlite:///{folder / 'gauge.db'}")
    try:
        state = store.state("queries")
        windows = sorted(
            ((w.key.length, w.key.start, w.key.segment), {"rows": w.rows, "state": w.state, "p": w.p})
            for w in store.windows("queries")
        )
        return {"seen": state.seen, "windows": windows}
    finally:
        store.close()


@cache
def undisturbed() -> dict[str, Any]:
    """A run that nobody kills."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder)
        _killed(folder, 1, 0, np.random.default_rng(0))
        return stored(folder)


def _differing(found: list[Any], want: list[Any]) -> int:
    one, other = dict(found), dict(want)
    return sum(not _alike(one.get(key), other.get(key)) for key in one.keys() | other.keys())


def _alike(a: dict[str, Any] | None, b: dict[str, Any] | None) -> bool:
    if a is None or b is None:
        return False
    same = json.dumps([a["rows"], a["state"]]) == json.dumps([b["rows"], b["state"]])
    return same and (a["p"] is b["p"] is None or abs(a["p"] - b["p"]) < 1e-9)
