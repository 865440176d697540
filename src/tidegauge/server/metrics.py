"""``/metrics``: what the store says, and what the process counts, for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from tidegauge.export.collector import Collector
from tidegauge.server.guard import allowed
from tidegauge.server.ingest import refusals
from tidegauge.server.once import Busy
from tidegauge.server.problem import RETRY, Refusal
from tidegauge.server.service import Service

PATIENCE: Final = 10.0
"""Seconds that a scrape waits for the one before it."""
_EVERY: Final = 15.0
"""Seconds before it is looked again whether links are those of the newest pane."""
_TEXT: Final[dict[str, Any]] = {
    "description": "Metrics, in the form that the scraper accepts.",
    "content": {"text/plain": {"schema": {"type": "string"}}, "application/openmetrics-text": {}},
}


class _Process:
    """What the process counts, as part of what is scraped."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()


def router(service: Service) -> APIRouter:
    """``/metrics``, to those who may read."""
    routes = APIRouter(tags=["metrics"], dependencies=[Depends(allowed("read"))])
    collector = Collector(
        service.store,
        service.spec,
        service.clock,
        linked=lambda stream: service.views.linked(service.spec.streams[stream.name]).result(),
    )
    registry, scraping = CollectorRegistry(), _Lock()
    registry.register(collector)
    registry.register(_Process(service.gauges.registry))

    def look() -> None:
        """See in the background whether links are those of the newest pane: they take seconds."""
        try:
            service.views.once(("links for metrics",), int(service.clock() // _EVERY), collector.refresh_links)
        except Busy:
            return

    @routes.get(
        "/metrics",
        response_class=Response,
        summary="What the store says, and what the process counts.",
        responses={200: _TEXT, **refusals(503)},
    )
    def metrics(request: Request) -> Response:
        try:
            encode, media = choose_encoder(request.headers.get("accept", ""))
        except ValueError:  # a version that is no number
            encode, media = choose_encoder("")
        look()
        with scraping:
            return Response(encode(registry), headers={"Content-Type": media})

    return routes


class _Lock:
    """One scrape at a time: they read the same, and what they keep is not made for two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=PATIENCE):
            headers = {"Retry-After": str(RETRY)}
            raise Refusal(503, "metrics", got="another scrape at it", want="one at a time", headers=headers)

    def __exit__(self, *_: object) -> None:
        self._lock.release()
