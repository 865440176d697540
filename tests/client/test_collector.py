from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from tests.client.conftest import Make
from tests.client.service import Service, answer
from tidegauge.client import ClientCollector
from tidegauge.errors import UsageError


def test_what_is_dropped_is_a_metric(service: Service, make: Make) -> None:
    service.then(answer(503), answer(202, b'{"aside": {"nan": 1}}'))
    client, other = make(flush_seconds=60), make(stream="documents")
    registry = CollectorRegistry()
    registry.register(ClientCollector(client, other))
    client.observe_many([[1.0, 2.0], [1.0, float("nan")], "no"])
    client.outcome("a", success=1, why="so")
    assert client.flush(5)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"tidegauge_client_{name}", {"stream": "queries", **labels})

    assert [value(f"rows_{name}") for name in ("given_total", "sent_total", "waiting")] == [3, 2, 0]
    assert value("rows_dropped_total", reason="malformed") == 1
    assert [value(f"outcomes_{name}") for name in ("given_total", "sent_total")] == [1, 1]
    assert value("aside_total", reason="nan") == 1
    assert [value(name) for name in ("unfit_outcomes_total", "tries_failed_total", "tries_repeated_total")] == [1, 1, 1]
    assert registry.get_sample_value("tidegauge_client_rows_given_total", {"stream": "documents"}) == 0
    assert generate_latest(registry).endswith(b"# EOF\n")


def test_two_clients_of_one_stream_cannot_be_told_apart(make: Make) -> None:
    with pytest.raises(UsageError, match="two of the stream queries"):
        ClientCollector(make(), make())
