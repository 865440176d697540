"""What an instrumented service sends its vectors and outcomes with; needs numpy and the standard library.

Examples
--------
>>> from tidegauge.client import Client
>>> client = Client(stream="queries")
>>> client.observe([0.1, 0.2], id="query-1", outcomes={"success": True})
>>> client.stats.rows.given, client.close(timeout=0)  # nobody listens here
(1, False)
"""

from tidegauge.client.client import AsyncClient, Client
from tidegauge.client.collector import ClientCollector
from tidegauge.client.stats import Stats, Tally

__all__ = ["AsyncClient", "Client", "ClientCollector", "Stats", "Tally"]
