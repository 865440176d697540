"""Metrics that leave without being scraped: as text, into a file for node_exporter, or to a Pushgateway."""

from __future__ import annotations

import os
import re
import socket
import threading
import urllib.error
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from tidegauge.errors import DataError, TidegaugeError, UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from tidegauge.export.collector import Collector

TIMEOUT: Final = 10.0
"""Seconds that a Pushgateway may take."""
SUFFIX: Final = ".prom"
"""How the name of a file ends that node_exporter reads."""
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_JOB_WANTED: Final = "a name, such as 'tidegauge'"
_ADDRESS_WANTED: Final = "the address of a Pushgateway, such as 'http://pushgateway:9091'"
_MOST_SAID: Final = 200
_Handler = Callable[[str, str, float | None, list[tuple[str, str]], bytes], Callable[[], None]]


class PushError(TidegaugeError):
    """A Pushgateway that did not take what was pushed; what it held before is still there."""


def require() -> None:
    """Refuse with what to do where prometheus_client is not installed."""
    if find_spec("prometheus_client") is None:
        raise UsageError(
            "metrics",
            got="no prometheus_client in this Python",
            want="the extra that writes them",
            hint="pip install 'tidegauge[server]'",
        )


def text(collector: Collector, *, openmetrics: bool = False) -> str:
    """The metrics as the text that Prometheus reads, or as OpenMetrics.

    Raises
    ------
    UsageError
        Where prometheus_client is not installed.
    StoreError
        Where the store is out of reach.
    """
    registry = _registry(collector)
    from prometheus_client import generate_latest
    from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

    return (generate_openmetrics if openmetrics else generate_latest)(registry).decode()


def write_textfile(collector: Collector, path: Path) -> None:
    """Write the metrics where node_exporter's textfile collector finds them, whole or not at all.

    Parameters
    ----------
    collector : Collector
    path : Path
        Ends in ``.prom``; other files are not read by node_exporter.

    Raises
    ------
    UsageError
        For another name, or where prometheus_client is not installed.
    DataError
        Where the file cannot be written.
    """
    if path.suffix != SUFFIX:
        hint = "node_exporter reads no other files"
        raise UsageError("--textfile", got=str(path), want=f"a name that ends in {SUFFIX}", hint=hint)
    registry = _registry(collector)
    from prometheus_client import write_to_textfile

    if not path.absolute().parent.is_dir():
        raise DataError(str(path), got="a folder that does not exist", want="an existing folder")
    try:
        write_to_textfile(os.fspath(path), registry)
    except OSError as error:
        raise DataError(str(path), got=error.strerror or str(error), want="a file that can be written") from error


def push(
    collector: Collector, url: str, job: str, grouping: Mapping[str, str] | None = None, *, timeout: float = TIMEOUT
) -> None:
    """Push the metrics to a Pushgateway, in place of what it holds of the same job and grouping.

    Parameters
    ----------
    collector : Collector
    url : str
        Of the Pushgateway, such as ``http://pushgateway:9091``; it may hold a user and a password.
    job : str
    grouping : mapping of str to str, optional
        Further labels of the group.
    timeout : float
        Seconds.

    Raises
    ------
    UsageError
        For an address, job or label that cannot be used, or where prometheus_client is not installed.
    PushError
        Where it does not answer in time, or refuses.
    """
    address, user, password = _address(url)
    group = dict(grouping or {})
    if not job:
        raise UsageError("--job", got="nothing", want=_JOB_WANTED)
    for name in group:
        if not _LABEL.fullmatch(name) or name.startswith("__") or name == "job":
            raise UsageError("grouping", got=repr(name), want="the name of a label, other than job")
    registry = _registry(collector)
    from prometheus_client import push_to_gateway

    try:
        push_to_gateway(address, job, registry, group, timeout, _handler(user, password))
    except (OSError, HTTPException) as error:
        want = "a Pushgateway that takes what is pushed"
        raise PushError(address, got=_fault(error, timeout), want=want) from None


def _registry(collector: Collector) -> CollectorRegistry:
    require()
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def _address(url: str) -> tuple[str, str, str]:
    """An address without user and password, and these."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and url.isprintable() and not (parts.query or parts.fragment or " " in url)
    except ValueError:
        parts, good = None, False
    if parts is None or not good:
        # What it holds before the @ may be a password.
        raise UsageError("--push", got=repr(url.rpartition("@")[2][:100]), want=_ADDRESS_WANTED)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}", unquote(parts.username or ""), unquote(parts.password or "")


def _handler(user: str, password: str) -> _Handler:
    """A request that is over in time, however slowly the other side speaks."""
    from prometheus_client.exposition import basic_auth_handler, default_handler

    def handler(
        url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        send = (
            basic_auth_handler(url, method, timeout, headers, data, user, password)
            if user
            else default_handler(url, method, timeout, headers, data)
        )
        faults: list[BaseException] = []

        def run() -> None:
            try:
                send()
            except BaseException as error:  # raised again in the caller's thread
                faults.append(error)

        def within() -> None:
            thread = threading.Thread(target=run, name="push", daemon=True)
            thread.start()
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError
            if faults:
                raise faults[0]

        return within

    return handler


def _fault(error: Exception, timeout: float) -> str:
    if isinstance(error, urllib.error.HTTPError):
        said = b""
        with error, suppress(OSError, HTTPException, ValueError):
            said = error.read(_MOST_SAID)
        told = "".join(each for each in " ".join(said.decode("utf-8", "replace").split()) if each.isprintable())
        return f"HTTP {error.code} {error.reason}" + (f": {told}" if told else "")
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(reason, socket.gaierror):
        return "no such host"
    if isinstance(reason, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(reason, ConnectionError | HTTPException):
        return "it hung up without an answer"
    return " ".join(str(getattr(reason, "strerror", None) or reason).split())[:_MOST_SAID]
