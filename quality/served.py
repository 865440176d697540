"""A service that is killed without warning while a caller sends batches, and again once it was started anew.

The caller knows nothing but HTTP: each batch has an id, and is sent again under it until it is acknowledged.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SERVE = "import sys; from tidegauge.cli import run; sys.exit(run(sys.argv[1:]))"
PATIENCE = 120.0
"""Seconds in which a batch has to be acknowledged, killed services between."""


class Served:
    """A service in a process of its own, begun, killed, and begun again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = ["serve", "--port", str(self.port), "--config", str(self.folder / "tidegauge.toml")]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *words], stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            said += line
            if "serving" in line:
                self.port = int(line.rstrip("/\n").rpartition(":")[2])
                threading.Thread(target=self._process.stderr.read, daemon=True).start()
                return
        raise RuntimeError(f"a service did not begin: {said[-2000:]}")

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        if self._process.wait(60) != 0:
            raise RuntimeError(f"a service ended with {self._process.returncode}")


def killed(
    folder: Path, bodies: Sequence[dict[str, Any]], senders: int, kills: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Rows that were acknowledged, and kills while batches were on their way."""
    served, counted, taken = Served(folder), [0] * senders, iter(enumerate(bodies))
    lock, done = threading.Lock(), threading.Event()
    served.start()

    def send(sender: int) -> None:
        while True:
            with lock:
                at, body = next(taken, (-1, {}))
            if at < 0:
                return
            counted[sender] += _sent(served, f"batch-{at}", json.dumps(body).encode())

    threads = [threading.Thread(target=send, args=(i,)) for i in range(senders)]
    for thread in threads:
        thread.start()
    found = 0
    while found < kills and any(thread.is_alive() for thread in threads):
        done.wait(float(rng.uniform(0.05, 0.4)))
        if any(thread.is_alive() for thread in threads):
            served.kill()
            found += 1
            served.start()
    for thread in threads:
        thread.join()
    time.sleep(0.5)
    served.end()
    return sum(counted), found


def _sent(served: Served, name: str, body: bytes) -> int:
    """Send a batch until it is acknowledged; the rows that it then is said to have had, or had before."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": name}
    for _ in _tries():
        line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        try:
            line.request("POST", "/v1/streams/queries/batches", body, headers)
            answer = line.getresponse()
            told = json.loads(answer.read())
            if answer.status in (200, 202):
                return len(json.loads(body)["ids"])
            if answer.status not in (429, 503):
                raise RuntimeError(f"{answer.status}: {told}")
        except (OSError, http.client.HTTPException, ValueError):
            continue  # killed: nobody knows whether it was kept, so that it is sent again
        finally:
            line.close()
    raise RuntimeError(f"{name} was not acknowledged in {PATIENCE:g} s")


def _tries() -> Iterator[None]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        yield
        time.sleep(0.05)
