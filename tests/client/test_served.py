"""The client against the service itself: what it says was sent is in the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from tests.cli.place import WIDTH, reference
from tidegauge.client import Client
from tidegauge.server.app import create_app
from tidegauge.server.service import Service
from tidegauge.server.tokens import new_token
from tidegauge.spec import load_spec
from tidegauge.store import SqlStore, open_store

SETTINGS = """
[server]
rows = 100
tokens.app = {{ scope = "write", sha256 = "{digest}" }}
[streams.queries]
reference = "normal.tg"
model_id = "my-encoder-1"
pane = "1h"
windows = []
columns = {{ id = "id", text = "text", time = "time", session = "session", segment = "locale" }}
alarm = {{ enabled = false }}
[streams.queries.outcomes.success]
[streams.queries.outcomes.clicked]
late = "7d"
"""


@dataclass
class Served:
    url: str
    token: str
    store: SqlStore

    @property
    def seen(self) -> int:
        return self.store.state("queries").seen


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    token, digest = new_token()
    reference(model_id="my-encoder-1").save(tmp_path / "normal.tg")
    file = tmp_path / "tidegauge.toml"
    file.write_text(SETTINGS.format(digest=digest))
    spec = load_spec(file, {})
    store = open_store(f"sqlite:///{tmp_path / 'drift.db'}")
    app = create_app(Service(spec, store))
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}", token, store)
    finally:
        server.should_exit = True
        thread.join()
        store.close()


def test_rows_and_outcomes_arrive(served: Served) -> None:
    rng = np.random.default_rng(0)
    with Client(served.url, stream="queries", token=served.token, model_id="my-encoder-1") as client:
        x = rng.standard_normal((250, WIDTH)).astype(np.float32)
        x[3] = np.nan
        ids = [f"r{i}" for i in range(250)]
        client.observe_many(x, ids=ids, segments="de", outcomes={"success": [True, None] * 125})
        client.observe(x[0], outcomes={"success": (3, 5)}, session="s", text="where is my parcel")
        client.observe(x[0][:4])
        client.outcome("r1", clicked=True)
        client.outcome("r9999", clicked=True)
        assert client.flush(30)
        stats = client.stats
    assert (stats.rows.sent, stats.rows.dropped) == (252, {})
    assert served.seen == 250, "two were set aside"
    assert stats.aside["nan"] == 1
    assert stats.aside["width"] == 1
    assert stats.outcomes.sent == 2
    assert sum(n for reason, n in stats.aside.items() if reason not in ("nan", "width")) >= 1, "an id that nobody knows"
    assert "HTTP 413" in stats.last_error, "100 rows are the most; the client has learned it"


def test_an_outcome_that_the_settings_have_not_costs_no_row(served: Served) -> None:
    with Client(served.url, stream="queries", token=served.token) as client:
        for _ in range(2):
            client.observe(np.ones(WIDTH), outcomes={"sucess": True, "success": True})
        client.outcome("a", success=True)
        assert client.flush(30)
        stats = client.stats
    assert (served.seen, stats.rows.sent, stats.unfit) == (2, 2, 4)
    assert stats.outcomes.dropped == {"HTTP 422": 1}, "it is not one that comes late"


def test_a_wrong_token_and_a_wrong_stream_are_said(served: Served) -> None:
    for settings, status in (({"token": "tg_no"}, 401), ({"stream": "nothing"}, 404)):
        with Client(**{"url": served.url, "stream": "queries", "token": served.token, **settings}) as client:
            client.observe(np.ones(WIDTH))
            assert client.flush(30)
            assert client.stats.rows.dropped == {f"HTTP {status}": 1}
            assert client.stats.last_error.startswith(f"HTTP {status} ")
    assert served.seen == 0
