"""What became of rows, as metrics of the service's own process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tidegauge.client.client import Observer
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


class ClientCollector:
    """Clients as a collector of prometheus_client, which is needed for it.

    ``tidegauge_client_rows_given_total``, ``_sent_total``, ``_dropped_total`` by reason and ``_waiting``, the same of
    ``tidegauge_client_outcomes``, ``tidegauge_client_aside_total`` by reason,
    ``tidegauge_client_unfit_outcomes_total``, ``tidegauge_client_tries_failed_total`` and
    ``tidegauge_client_tries_repeated_total``, each by stream.

    Parameters
    ----------
    *clients : Client or AsyncClient
        Of different streams.

    Raises
    ------
    UsageError
        Where two are of the same stream.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry
    >>> from tidegauge.client import Client
    >>> registry = CollectorRegistry()
    >>> registry.register(ClientCollector(Client(stream="queries")))
    >>> registry.get_sample_value("tidegauge_client_rows_waiting", {"stream": "queries"})
    0
    """

    def __init__(self, *clients: Observer) -> None:
        streams = [client.stream for client in clients]
        for stream in streams:
            if streams.count(stream) > 1:
                raise UsageError("clients", got=f"two of the stream {stream}", want="one of each stream")
        self._clients = clients

    def collect(self) -> Iterator[Metric]:
        """The metrics now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        told = [(client.stream, client.stats) for client in self._clients]

        def counter(name: str, said: str, *labels: str) -> Any:
            return CounterMetricFamily(f"tidegauge_client_{name}", said, labels=("stream", *labels))

        for what, said in (("rows", "Vectors"), ("outcomes", "Late outcomes")):
            given = counter(f"{what}_given", f"{said} that were given to the client.")
            sent = counter(f"{what}_sent", f"{said} that the service has taken.")
            dropped = counter(f"{what}_dropped", f"{said} that the client has dropped, by reason.", "reason")
            name = f"tidegauge_client_{what}_waiting"
            waiting: Any = GaugeMetricFamily(name, f"{said} that wait to be sent.", labels=("stream",))
            for stream, stats in told:
                tally = stats.rows if what == "rows" else stats.outcomes
                given.add_metric((stream,), tally.given)
                sent.add_metric((stream,), tally.sent)
                waiting.add_metric((stream,), tally.waiting)
                for reason, n in tally.dropped.items():
                    dropped.add_metric((stream, reason), n)
            yield from (given, sent, dropped, waiting)
        aside = counter("aside", "What was sent and the service could not use, by reason.", "reason")
        unfit = counter("unfit_outcomes", "Outcomes that are no numbers, and were left out.")
        failed = counter("tries_failed", "Tries to send that failed.")
        repeated = counter("tries_repeated", "Tries that repeated an earlier one.")
        for stream, stats in told:
            for reason, n in stats.aside.items():
                aside.add_metric((stream, reason), n)
            unfit.add_metric((stream,), stats.unfit)
            failed.add_metric((stream,), stats.failed)
            repeated.add_metric((stream,), stats.retried)
        yield from (aside, unfit, failed, repeated)
