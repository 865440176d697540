from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.client.service import Service, serving
from tidegauge.client import Client, sender

Make = Any


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


@pytest.fixture
def make(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Clients of the service that wait a hundredth of what they wait otherwise; none outlives its test."""
    monkeypatch.setattr(sender, "_FIRST", 0.005)
    monkeypatch.setattr(sender, "_LONGEST", 0.05)
    monkeypatch.delenv("TIDEGAUGE_TOKEN", raising=False)
    made: list[Client] = []

    def one(**settings: Any) -> Client:
        client = Client(**{"url": service.url, "stream": "queries", "flush_seconds": 0.02, "timeout": 5.0, **settings})
        made.append(client)
        return client

    yield one
    for client in made:
        client.close(timeout=0)
        check(client)


def check(client: Client) -> None:
    """Rows that were given are rows that were sent, dropped, or wait; so it is with late outcomes."""
    for tally in (client.stats.rows, client.stats.outcomes):
        assert tally.given == tally.sent + tally.waiting + sum(tally.dropped.values())
        assert min(tally.given, tally.sent, tally.waiting) >= 0
