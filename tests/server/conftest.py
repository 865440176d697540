"""A service over a store with four days of known history, and callers of it with and without tokens."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.run import measured
from tidegauge.server.app import create_app
from tidegauge.server.service import Service
from tidegauge.server.tokens import new_token
from tidegauge.spec import Spec
from tidegauge.spec.server import Scope
from tidegauge.store import open_store

with warnings.catch_warnings():
    # It would rather have httpx2, and works with httpx as it did.
    warnings.filterwarnings("ignore", "Using `httpx`")
    from starlette.testclient import TestClient

HOURS, SPIKES = 96, (33, 71)
ALARMS = ("000000000000", "000000000001")
"""Ids: the first is resolved, the second lasts, from the last spike to the end."""
NOW = float(measured.hour(HOURS)) + 60
ADDRESS = "http://127.0.0.1:8765"


@dataclass
class Clock:
    """A clock that is set by hand: a minute after the newest row, at first."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Caller:
    """Who asks with a token, or with none."""

    client: TestClient
    token: str = ""

    def __call__(self, method: str, path: str, **more: Any) -> Any:
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.client.request(method, path, headers=own | more.pop("headers", {}), **more)

    def get(self, path: str, **more: Any) -> Any:
        return self("GET", path, **more)

    def post(self, path: str, **more: Any) -> Any:
        return self("POST", path, **more)


Make = Callable[..., Service]


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``normal.tg`` and a store: 96 hours of ``queries``, two spikes of drift, ``success`` follows."""
    folder = tmp_path_factory.mktemp("history")
    store, monitor = measured.opened(folder)
    measured.fill(store, monitor, HOURS, spikes=SPIKES, segments=("de", "en"), lasting=True, new=0.2, sketched=6)
    store.close()
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, history: Path, clock: Clock) -> Iterator[Make]:
    """Make a service, not started yet: ``make(filled=False, server={...}, streams={...})``."""
    made: list[Service] = []

    def call(*, filled: bool = True, streams: dict[str, Any] | None = None, **settings: Any) -> Service:
        folder = tmp_path / f"service-{len(made)}"
        shutil.copytree(history, folder) if filled else folder.mkdir()
        reference = str(history / "normal.tg")
        queries = measured.settings(reference=reference, windows=["2h"], quality={"silence": "2h"})
        queries.pop("name")
        counted = {"reference": reference, "pane": "100 rows", "windows": ["200 rows"]}
        bare = {"pane": "1h"}  # without a reference
        some = streams if streams is not None else {"queries": queries, "counted": counted, "bare": bare}
        spec = Spec(store=f"sqlite:///{folder / 'tidegauge.db'}", streams=some, **settings)  # type: ignore[arg-type]
        made.append(Service(spec, open_store(spec.store), clock=clock))
        return made[-1]

    yield call
    for each in made:
        each.store.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Service], TestClient]]:
    """Start a service; what it is asked goes through all that a request goes through."""
    begun: list[TestClient] = []

    def call(service: Service) -> TestClient:
        client = TestClient(create_app(service), base_url=ADDRESS, raise_server_exceptions=False)
        begun.append(client.__enter__())
        return begun[-1]

    yield call
    for each in begun:
        each.__exit__(None, None, None)


@pytest.fixture
def service(make: Make) -> Service:
    """A service with the known history, without tokens; ``client`` starts it."""
    return make()


@pytest.fixture
def client(serve: Callable[[Service], TestClient], service: Service) -> TestClient:
    return serve(service)


@pytest.fixture
def empty(make: Make, serve: Callable[[Service], TestClient]) -> TestClient:
    """A caller of a service to which nobody has sent anything."""
    return serve(make(filled=False))


@pytest.fixture
def callers(make: Make, serve: Callable[[Service], TestClient]) -> dict[Scope | None, Caller]:
    """Callers of one service with tokens, by scope; one has none."""
    pairs: dict[Scope, tuple[str, str]] = {"write": new_token(), "read": new_token(), "admin": new_token()}
    tokens = {f"a-{scope}": {"scope": scope, "sha256": digest} for scope, (_, digest) in pairs.items()}
    client = serve(make(server={"tokens": tokens}))
    return {None: Caller(client), **{scope: Caller(client, token) for scope, (token, _) in pairs.items()}}


@pytest.fixture
def checked(client: TestClient) -> Callable[[str], Any]:
    """Get a document, which has to be as the published one says."""
    published = client.get("/openapi.json").json()

    def call(path: str) -> Any:
        found = client.get(path)
        assert found.status_code == 200, found.text
        assert found.headers["content-type"] == "application/json"
        route = path.partition("?")[0]
        route = route.replace("/streams/queries", "/streams/{stream}")
        route = "/v1/alarms/{alarm}" if route.startswith("/v1/alarms/") else route
        schema = published["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator(schema).validate(found.json())
        return found.json()

    return call
