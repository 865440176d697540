"""The service on the demo's search product: four weeks of history, and traffic that goes on while it is looked at.

    .venv/bin/python scripts/serve_demo.py [--out FOLDER] [--port PORT]

The history ends fifteen hours ago. From there the traffic is replayed, an hour in ten seconds, until it has caught up
with the clock; four hours on, customers ask about gift cards, of which the index knows nothing. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tidegauge import Reference
from tidegauge.client import Client
from tidegauge.records import Batch
from tidegauge.testing import NEW_TOPIC, Product

HOUR, PANE, DAY = 3600, 10_800, 86_400
DAYS, BEHIND = 28, 15 * HOUR
ROWS = 60
"""Of an hour."""
PACE = HOUR / 10
"""Seconds of traffic in a second, until it has caught up."""
BEGINS, SHARE = 4 * HOUR, 0.15
"""When gift cards begin to be asked for, and their share of the queries."""
BEFORE = ((5, 9), (9, 8), (13, 10), (18, 7), (23, 9))
"""Days and hours on which they were, for a while, before."""
OUTCOMES = ("success", "clicked", "answered")
SETTINGS = """\
store = "sqlite:///{folder}/tidegauge.db"

[server]
port = {port}

[streams.queries]
reference = "{folder}/normal.tg"
pane = "3h"
windows = ["1d"]
lateness = "10m"
columns = {{ id = "id", text = "text", time = "time", session = "session" }}
samples = {{ uniform = 128, novel = 32 }}
quality = {{ silence = "1d" }}

[streams.queries.outcomes.success]
[streams.queries.outcomes.clicked]
[streams.queries.outcomes.answered]
"""


class Traffic:
    """Queries of a product in which nothing changes but how many ask about gift cards."""

    def __init__(self, seed: int = 1) -> None:
        product = Product(seed)
        self.reference = product.week(0, 3000)
        self._usual = [product.week(k, 6000) for k in (1, 2)]
        last = product.week(8, 6000)
        self._new = _chosen(last, np.char.find(np.asarray(last.texts, str), NEW_TOPIC.removesuffix("s")) >= 0)
        self._rng = np.random.default_rng(seed)
        self._next = 0

    def rows(self, start: float, seconds: float, n: int, *, new: float = 0.0) -> Batch:
        """``n`` rows from ``start`` on, a share ``new`` of them about gift cards."""
        rng = self._rng
        usual = self._usual[int(rng.integers(2))]
        picked = _chosen(usual, np.sort(rng.choice(usual.rows, n, replace=False)))
        strange = np.flatnonzero(rng.random(n) < new)
        if len(strange):
            other = _chosen(self._new, rng.choice(self._new.rows, len(strange)))
            for name in ("x", "texts"):
                getattr(picked, name)[strange] = getattr(other, name)
            for outcome in OUTCOMES:
                picked.outcomes[outcome][strange] = other.outcomes[outcome]
        ids = np.array([f"query-{self._next + i:07d}" for i in range(n)])
        self._next += n
        return replace(picked, ids=ids, times=start + np.sort(rng.random(n)) * seconds)


def _chosen(batch: Batch, rows: Any) -> Batch:
    sides = {name: getattr(batch, name)[rows].astype(object) for name in ("texts", "sessions", "segments")}
    outcomes = {name: values[rows] for name, values in batch.outcomes.items()}
    return replace(batch, x=batch.x[rows], ids=batch.ids[rows], times=batch.times[rows], outcomes=outcomes, **sides)


def table(batch: Batch) -> pa.Table:
    sides = {"id": "ids", "text": "texts", "time": "times", "session": "sessions"}
    columns = {"vector": pa.FixedSizeListArray.from_arrays(pa.array(batch.x.ravel()), batch.width)}
    columns |= {name: pa.array(getattr(batch, side)) for name, side in sides.items()}
    return pa.table(columns | {name: pa.array(batch.outcomes[name][:, 0]) for name in OUTCOMES})


def history(traffic: Traffic, begin: float) -> pa.Table:
    hours = {day * 24 + hour + i for day, hour in BEFORE for i in range(9)}
    return pa.concat_tables(
        table(traffic.rows(begin + k * HOUR, HOUR, ROWS, new=SHARE if k in hours else 0.0)) for k in range(DAYS * 24)
    )


def tidegauge(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("tidegauge")), *words]


def build(folder: Path, port: int, begin: float) -> tuple[Traffic, Path]:
    """Settings, a reference, and a store with four weeks of history."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("tidegauge.db*"):
        old.unlink()
    traffic, settings = Traffic(), folder / "tidegauge.toml"
    Reference.fit(traffic.reference, profile="small").save(folder / "normal.tg")
    settings.write_text(SETTINGS.format(folder=folder.resolve(), port=port), encoding="utf-8")
    pq.write_table(history(traffic, begin), folder / "history.parquet")
    words = ("backfill", "queries", str(folder / "history.parquet"), "--config", str(settings))
    subprocess.run(tidegauge(*words), check=True, stdout=subprocess.DEVNULL)
    return traffic, settings


def wait(address: str, service: subprocess.Popen[bytes]) -> None:
    """Until the service answers."""
    while service.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(f"{address}/readyz", timeout=2):
            return
        time.sleep(0.2)
    sys.exit(service.returncode or 1)


def send(traffic: Traffic, client: Client, service: subprocess.Popen[bytes], at: float) -> None:
    """Traffic from ``at`` on, faster than the clock until it has caught up, for as long as the service lives."""
    begins, last = at + BEGINS, time.monotonic()
    while service.poll() is None:
        time.sleep(1)
        now = time.monotonic()
        until = min(at + (now - last) * PACE, time.time())
        n, last = int(traffic_rows(until - at)), now
        if n:
            some = traffic.rows(at, until - at, n, new=SHARE if at >= begins else 0.0)
            outcomes = {name: some.outcomes[name][:, 0].tolist() for name in OUTCOMES}
            sides = {name: getattr(some, name).tolist() for name in ("ids", "times", "texts", "sessions")}
            client.observe_many(some.x, outcomes=outcomes, **sides)
            at = until


def traffic_rows(seconds: float) -> float:
    return seconds * ROWS / HOUR


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--out", type=Path, default=Path("out/serve"), help="where settings and store go")
    words.add_argument("--port", type=int, default=8765)
    given = words.parse_args()
    ends = (time.time() - BEHIND) // PANE * PANE
    print("making four weeks of history", file=sys.stderr)
    traffic, settings = build(given.out, given.port, ends - DAYS * DAY)
    address = f"http://127.0.0.1:{given.port}"
    # In a session of its own, so that Ctrl-C ends the traffic first.
    service = subprocess.Popen(tidegauge("serve", "--config", str(settings)), start_new_session=True)
    for ended in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ended, signal.default_int_handler)
    try:
        wait(address, service)
        print(f"\n  {address}/\n\nTraffic goes on; Ctrl-C ends it.\n", file=sys.stderr)
        with Client(address, stream="queries") as client, suppress(KeyboardInterrupt):
            send(traffic, client, service, ends)
    finally:
        service.terminate()
        service.wait(30)


if __name__ == "__main__":
    main()
