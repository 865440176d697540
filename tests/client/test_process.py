"""Forks, the end of the process, and what an import loads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from tests.client.conftest import Make, check
from tests.client.service import Service, hang, take
from tidegauge.client.otel import EmbeddingSpanProcessor

SLOW = ("scipy", "sqlalchemy", "pyarrow", "matplotlib", "sklearn", "pydantic", "prometheus_client", "opentelemetry")
ROOT = Path(__file__).resolve().parents[2]


def python(code: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=environment)


def forked(work: Callable[[], bool]) -> int:
    """The exit status of a forked process that does this work: 0 where it is true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: this process has threads
        child = os.fork()
    if child == 0:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -9


def test_an_import_loads_nothing_slow() -> None:
    done = python(f"import sys, tidegauge.client; print(*(name for name in {SLOW} if name in sys.modules))")
    assert (done.stdout.split(), done.stderr) == ([], "")


def test_a_client_is_made_and_fed_without_anything_slow_in_the_callers_thread(service: Service) -> None:
    code = f"""
import sys, threading
from tidegauge.client import Client
client = Client("{service.url}", stream="queries", flush_seconds=60)
client.observe([1, 2, 3])
client.outcome("a", success=True)
print(*(name for name in {SLOW} if name in sys.modules))
"""
    done = python(code)
    assert (done.stdout.split(), done.stderr) == ([], "")
    assert (service.rows(), service.rows("outcomes")) == (1, 1)


def test_what_waits_at_the_exit_is_sent(service: Service) -> None:
    code = f"""
from tidegauge.client import Client
clients = [Client("{service.url}", stream=name, flush_seconds=60, batch_rows=10) for name in ("a", "b")]
for client in clients:
    client.observe_many([[1.0, 2.0]] * 25)
raise SystemExit(3)
"""
    done = python(code)
    assert (done.returncode, done.stderr, service.rows()) == (3, "", 50)


def test_the_exit_is_bounded_and_says_what_was_left(service: Service) -> None:
    service.then(*[hang] * 10)
    code = f"""
from tidegauge.client import Client, process
process.EXIT_SECONDS = 0.3
for name in ("a", "b"):
    Client("{service.url}", stream=name).observe([1.0, 2.0])
"""
    began = time.monotonic()
    assert python(code).returncode == 0
    assert time.monotonic() - began < 20


def test_a_forked_process_sends_its_own_rows_and_not_the_others(service: Service, make: Make) -> None:
    client = make(flush_seconds=0.2)
    client.observe([1, 2], id="before")
    assert client.flush(10), "the connection and the thread are there before the fork"
    client.observe([1, 2], id="waits")

    def work() -> bool:
        fresh = client.stats.rows.given == 0
        client.observe([1, 2], id="child")
        return fresh and client.flush(10) and client.stats.rows.sent == 1 and client.stats.failed == 0

    assert forked(work) == 0
    client.observe([1, 2], id="after")
    assert client.flush(10)
    assert sorted(service.column("id")) == ["after", "before", "child", "waits"]
    assert (client.stats.rows.sent, client.stats.failed) == (3, 0)
    check(client)


def test_a_fork_in_the_midst_of_everything(service: Service, make: Make) -> None:
    """Other threads call, and the sender sends, at the moment of each fork."""
    service.then(*[take] * 10_000)
    client, stop = make(batch_rows=4, flush_seconds=0.01, queue_rows=100_000), threading.Event()

    def call() -> None:
        while not stop.wait(0.0005):
            client.observe([1.0, 2.0], id="parent")

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()

    def work() -> bool:
        client.observe([1.0, 2.0], id="child")
        return client.flush(20)

    try:
        for _ in range(8):
            assert forked(work) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert client.flush(20)
    ids = service.column("id")
    assert ids.count("child") == 8
    assert ids.count("parent") == client.stats.rows.sent == client.stats.rows.given
    assert client.stats.failed == 0, "nobody spoke on another's connection"


def test_a_closed_client_stays_closed_in_a_fork(service: Service, make: Make) -> None:
    client = make()
    client.close()

    def work() -> bool:
        client.observe([1, 2])
        return client.stats.rows.dropped == {"closed": 1}

    assert forked(work) == 0


def test_a_processor_of_spans_is_not_locked_in_a_fork(make: Make) -> None:
    processor = EmbeddingSpanProcessor(make())
    with processor._lock:
        status = forked(lambda: processor._lock.acquire(timeout=5))
    assert status == 0
