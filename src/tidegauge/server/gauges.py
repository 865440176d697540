"""What the process itself counts, for Prometheus: requests, what waits, what was refused, how long landings take."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Gauges:
    """The process's own metrics, in a registry of their own.

    Parameters
    ----------
    waiting : mapping of stream to callable
        Rows that wait to be kept, asked at each scrape.
    """

    def __init__(self, waiting: Mapping[str, Callable[[], int]]) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "tidegauge_http_requests",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "tidegauge_http_request_seconds",
            "How long answers took.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "tidegauge_ingest_refused",
            "Batches that were not kept, by reason.",
            ("stream", "reason"),
            registry=self.registry,
        )
        self._landing = Histogram(
            "tidegauge_landing_seconds",
            "How long it took to sketch and keep what waited.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        rows = Gauge("tidegauge_ingest_queue_rows", "Rows that wait to be kept.", ("stream",), registry=self.registry)
        for stream, count in waiting.items():
            rows.labels(stream).set_function(count)

    def seen(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def landed(self, _rows: int, seconds: float) -> None:
        """Count a landing."""
        self._landing.observe(seconds)

    def refused(self, stream: str, reason: str) -> None:
        """Count a batch that was not kept."""
        self._refused.labels(stream, reason).inc()
