"""A service over an empty store, for what comes in."""

from __future__ import annotations

import numpy as np
import pytest

from tests.server.conftest import TestClient
from tidegauge import Reference
from tidegauge.server.app import create_app
from tidegauge.server.service import Service
from tidegauge.spec import Spec
from tidegauge.store import open_store

WIDTH = 8


@pytest.fixture(scope="session")
def reference_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("server") / "normal.tg"
    Reference.fit(np.random.default_rng(0).standard_normal((600, WIDTH))).save(path)
    return path


@pytest.fixture
def spec(tmp_path, reference_file):
    stream = {
        "reference": str(reference_file),
        "pane": "1m",
        "columns": {"id": "id", "segment": "locale"},
        "outcomes": {"success": {"late": "7d"}, "clicked": {}},
    }
    return Spec(
        store=f"sqlite:///{tmp_path}/gauge.db",
        streams={"queries": stream, "bare": {"pane": "1m"}},
        server={"body": 1 << 20, "rows": 500, "timeout": 5},
    )


@pytest.fixture
def store(spec):
    opened = open_store(spec.store)
    yield opened
    opened.close()


@pytest.fixture
def service(spec, store):
    return Service(spec, store)


@pytest.fixture
def client(service):
    with TestClient(create_app(service), base_url="http://localhost", raise_server_exceptions=False) as asked:
        yield asked


@pytest.fixture
def rows():
    return np.random.default_rng(1).standard_normal((40, WIDTH))
