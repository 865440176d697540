"""What a call of the client costs over a bare put of a copied vector, while its thread sends to a service."""

from __future__ import annotations

import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from time import perf_counter_ns

import numpy as np

from quality.harness import Mode, Row
from tidegauge.client import Client

CALLS = 1000
"""Of a turn and a side."""
WORK = 1_000_000
"""Nanoseconds of a service's own work before each call, which leaves the thread its share of the time."""
SERVICE = "from bench.client import serve; serve()"


def rows(mode: Mode) -> list[Row]:
    turns = 5 if mode == "quick" else 25
    kinds = ((768, "float32"), (1536, "float32"), (768, "list of float"))
    return [row for width, kind in kinds for row in _over(width, kind, turns)]


def _over(width: int, kind: str, turns: int) -> list[Row]:
    x = np.random.default_rng(width).standard_normal((64, width)).astype(np.float32)
    vectors = list(x) if kind == "float32" else x.tolist()
    names, told = [f"request-{i}" for i in range(CALLS)], {"success": 1}
    bare: queue.Queue[object] = queue.Queue()
    with _service() as url, Client(url, stream="queries") as client:
        calls: dict[str, Callable[[int], object]] = {
            "put": lambda i: bare.put_nowait(np.array(vectors[i % 64], np.float32)),
            "observe": lambda i: client.observe(vectors[i % 64]),
            "observe with id and outcome": lambda i: client.observe(vectors[i % 64], id=names[i], outcomes=told),
        }
        found: dict[str, list[np.ndarray]] = {name: [] for name in calls}
        for turn in range(turns + 1):
            spent = _spent(calls, x)
            client.flush(30)
            bare.queue.clear()
            if turn:  # the first imports pyarrow and opens the connection
                for name, each in spent.items():
                    found[name].append(np.quantile(each, (0.5, 0.99)) / 1e3)
        stats = client.stats.rows
    made = []
    for name in list(calls)[1:]:
        over = np.array(found[name]) - np.array(found["put"])
        beside = {
            "p50 us over it": float(median(over[:, 0])),
            **dict(zip(("p50 us", "p99 us"), _medians(found[name]), strict=True)),
            **dict(zip(("p50 us of the put", "p99 us of the put"), _medians(found["put"]), strict=True)),
            "turns": turns,
        }
        what = f"d = {width}, {kind}: p99 of {name} less that of a copy and Queue.put_nowait, us"
        # Numbers of a list are converted one by one, which both sides do and whose own p99 is larger than the target.
        limit = (20.0, "<=") if kind == "float32" else (None, "")
        made.append(Row(what, float(median(over[:, 1])), *limit, beside=beside))
    what = f"d = {width}, {kind}: of {stats.given:,} rows not sent"
    return [*made, Row(what, float(stats.given - stats.sent), 0.0, "<=")]


def _medians(quantiles: list[np.ndarray]) -> list[float]:
    return [float(each) for each in np.median(quantiles, axis=0)]


def _spent(calls: dict[str, Callable[[int], object]], x: np.ndarray) -> dict[str, np.ndarray]:
    """Nanoseconds of each call: all sides by turns, in the midst of the work of a service that compares vectors."""
    spent = {name: np.empty(CALLS) for name in calls}
    every = list(calls.items())
    for i in range(CALLS):
        for name, call in every[i % len(every) :] + every[: i % len(every)]:
            due = perf_counter_ns() + WORK
            while perf_counter_ns() < due:
                x @ x[i % 64]
            start = perf_counter_ns()
            call(i)
            spent[name][i] = perf_counter_ns() - start
    return spent


class _Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *about: object) -> None:
        pass


def serve() -> None:
    """Take everything, and say where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def _service() -> Iterator[str]:
    """A service in a process of its own, as it is."""
    process = subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.communicate()
