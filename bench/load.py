"""The service under load from another process: rows a second against bare sketching, latency, overload, memory."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import numpy as np

from quality.harness import Mode, Row
from tidegauge import Reference
from tidegauge.store import open_store

WIDTH, LARGE, SMALL = 768, 4096, 256
CALLERS = 3
"""Who send at once, each the next batch when the one before is acknowledged."""
SERVE = "import sys; from tidegauge.cli import run; sys.exit(run(sys.argv[1:]))"
SKETCH = "from bench.load import sketched; sketched()"
ARROW = "application/vnd.apache.arrow.stream"
SETTINGS = """
store: sqlite:///gauge.db
streams:
  queries: {reference: normal.tg, pane: 1m, alarm: {enabled: false}}
server: {waiting: 16384}
"""


def rows(mode: Mode) -> list[Row]:
    """All of it; memory is watched for two minutes, or for thirty."""
    quick = mode == "quick"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference().save(folder / "normal.tg")
        (folder / "tidegauge.yaml").write_text(SETTINGS)
        return [
            *_rate(folder, turns=1 if quick else 5, seconds=5 if quick else 15),
            *_latency(folder, 200 if quick else 2000),
            *_overload(folder, 5 if quick else 20),
            *_memory(folder, 120 if quick else 1800),
        ]


def reference() -> Reference:
    """What is normal here."""
    return Reference.fit(np.random.default_rng(0).standard_normal((20_000, WIDTH), np.float32))


def sketched(seconds: float = 10.0) -> None:
    """Print how many rows a second a sketch alone takes in batches of the same size."""
    known, rng = reference(), np.random.default_rng(1)
    batches = [rng.standard_normal((LARGE, WIDTH), np.float32) for _ in range(8)]
    known.sketch(batches[0])
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        known.sketch(batches[count % 8])
        count += 1
    print(count * LARGE / (time.perf_counter() - began))


def _rate(folder: Path, turns: int, seconds: float) -> list[Row]:
    bodies = [_body(LARGE, seed) for seed in range(8)]
    served, bare = list[float](), list[float]()
    with _service(folder) as (url, _):
        _send(url, bodies, 3)
        for _ in range(turns):
            bare.append(float(_run(SKETCH)))
            sent = _send(url, bodies, seconds)
            served.append(sent[202] * LARGE / seconds)
    what = f"rows a second through the service, Arrow batches of {LARGE:,} x {WIDTH}, over bare sketching"
    ratio = median(one / other for one, other in zip(served, bare, strict=True))
    return [Row(what, ratio, 0.5, ">=", beside={"rows a second": median(served), "bare": median(bare)})]


def _latency(folder: Path, count: int) -> list[Row]:
    body, spent = _body(SMALL, 0), list[float]()
    with _service(folder) as (url, _):
        line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        for i in range(count + 20):
            began = time.perf_counter()
            status = _post(line, body)
            if i >= 20 and status == 202:
                spent.append(1000 * (time.perf_counter() - began))
        line.close()
    beside = {"p50 ms": float(np.quantile(spent, 0.5)), "batches": len(spent)}
    return [Row(f"p99 of a batch of {SMALL} x {WIDTH}, ms, one caller", float(np.quantile(spent, 0.99)), beside=beside)]


def _overload(folder: Path, seconds: float) -> list[Row]:
    """Ten times as many callers as it can serve, who do not wait when they are told to."""
    bodies = [_body(LARGE, seed) for seed in range(4)]
    with _service(folder) as (url, process):
        before = _stored(folder)
        told = _send(url, bodies, seconds, callers=10 * CALLERS)
        alive = process.poll() is None
        healthy = _get(url) == 200
    lost = told[202] * LARGE - (_stored(folder) - before)
    beside = {str(status): count for status, count in told.items()}
    return [
        Row("overload: batches that were sent away (429)", told[429], 1.0, ">=", beside=beside),
        Row("overload: the service lives, and answers (1: yes)", float(alive and healthy), 1.0, ">="),
        Row("overload: rows acknowledged and not stored, or stored and not acknowledged", abs(lost), 0.0, "<="),
        Row("overload: answers other than 202 and 429", sum(told.values()) - told[202] - told[429], 0.0, "<="),
    ]


def _memory(folder: Path, seconds: float) -> list[Row]:
    """Resident memory in the last tenth of the time, over that in the second."""
    bodies, sizes, over = [_body(SMALL, seed) for seed in range(8)], list[tuple[float, int]](), threading.Event()
    with _service(folder) as (url, process):
        began = time.monotonic()

        def look() -> None:
            while not over.wait(1):
                sizes.append((time.monotonic() - began, _resident(process.pid)))

        watcher = threading.Thread(target=look)
        watcher.start()
        sent = _send(url, bodies, seconds, callers=1)
        over.set()
        watcher.join()
    early = median(size for at, size in sizes if 0.1 <= at / seconds < 0.2)
    late = median(size for at, size in sizes if 0.9 <= at / seconds <= 1.01)
    beside = {"MB early": early / 1e6, "MB late": late / 1e6, "rows": sent[202] * SMALL}
    return [Row(f"memory after {seconds / 60:g} minutes under load, over that after a tenth", late / early, 1.1, "<=",
                beside=beside)]  # fmt: skip


def _body(rows: int, seed: int) -> bytes:
    import pyarrow as pa

    x = np.random.default_rng(seed).standard_normal((rows, WIDTH), np.float32)
    table = pa.table({"vector": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), WIDTH)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _send(url: str, bodies: list[bytes], seconds: float, callers: int = CALLERS) -> Counter[int]:
    """What callers were told, by status, until the time is over; each batch is new."""
    told, end = Counter[int](), time.monotonic() + seconds
    lock = threading.Lock()

    def call(caller: int) -> None:
        line, at = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60), caller
        while time.monotonic() < end:
            status = _post(line, bodies[at % len(bodies)])
            at += 1
            with lock:
                told[status] += 1
        line.close()

    threads = [threading.Thread(target=call, args=(i,)) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def _post(line: http.client.HTTPConnection, body: bytes) -> int:
    line.request("POST", "/v1/streams/queries/batches", body, {"Content-Type": ARROW})
    answer = line.getresponse()
    answer.read()
    return answer.status


def _get(url: str) -> int:
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    line.request("GET", "/healthz")
    status = line.getresponse().status
    line.close()
    return status


@contextmanager
def _service(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    words = [sys.executable, "-c", SERVE, "serve", "--port", "0", "--config", str(folder / "tidegauge.yaml")]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "serving" in line:
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield line.split()[-1], process
                break
        else:
            raise RuntimeError("the service did not begin")
        process.terminate()
        process.wait(120)
    finally:
        process.kill()


def _stored(folder: Path) -> int:
    store = open_store(f"sqlite:///{folder / 'gauge.db'}")
    seen = store.state("queries").seen
    store.close()
    return seen


def _resident(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return 1024 * int(line.split()[1])
    return 0


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
