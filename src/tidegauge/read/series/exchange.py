"""One question to a server by HTTP, within a time and a size, and the answer or why there is none."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

_MOST_SAID: Final = 200


@dataclass(slots=True)
class Exchange:
    """What is known so far, which may be all that ever is: ``status`` 0 where there is no answer, then ``error`` says
    why. ``body`` is at most one byte more than was allowed.
    """

    status: int = 0
    body: bytes = b""
    error: Exception | None = None
    socket: socket.socket | None = None
    done: threading.Event = field(default_factory=threading.Event)


def exchanged(
    parts: SplitResult, target: str, data: bytes, headers: dict[str, str], *, timeout: float, most: int
) -> Exchange:
    """Post `data`, in no more than `timeout` seconds in all; no more than `most` + 1 bytes are read, and no redirect
    is followed.

    It is done beside us, and not waited for in the end: each single wait for a name or a byte has its own time or none.
    """
    exchange = Exchange()
    try:
        connection, target, more = _connection(parts, target, timeout)
    except (OSError, ValueError, http.client.HTTPException) as error:
        exchange.error = error
        return exchange

    def talk() -> None:
        try:
            connection.connect()
            exchange.socket = connection.sock
            connection.request("POST", target, data, {**headers, **more})
            with connection.getresponse() as response:
                body = response.read(most + 1)
                if response.length and len(body) <= most:  # cut short: what is there may look whole
                    raise http.client.IncompleteRead(body, response.length)
                exchange.body, exchange.status = body, response.status
        except Exception as error:  # whatever it is, nobody else hears of it
            exchange.error = error
        finally:
            connection.close()
            exchange.done.set()

    threading.Thread(target=talk, name="tidegauge-series", daemon=True).start()
    if exchange.done.wait(timeout):
        return exchange
    # What it says from now on is of no interest, and may only come of our hanging up.
    late = replace(exchange, status=0, error=TimeoutError())
    if exchange.socket is not None:
        with suppress(OSError):  # it may be closed just now
            exchange.socket.shutdown(socket.SHUT_RDWR)
    return late


def basic(parts: SplitResult) -> str:
    """User and password of an address, as a header has them; empty where it has none.

    Examples
    --------
    >>> basic(urlsplit("http://ada:p%40ss@metrics:9090")), basic(urlsplit("http://metrics:9090"))
    ('YWRhOnBAc3M=', '')
    """
    if parts.username is None:
        return ""
    return base64.b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode()


def failure(error: Exception | None, timeout: float) -> str:
    """Say why there is no answer.

    Examples
    --------
    >>> failure(ConnectionRefusedError(), 30), failure(TimeoutError(), 1.5)
    ('a refused connection', 'no answer within 1.5s')
    """
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g}s"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ConnectionRefusedError):
        return "a refused connection"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"a certificate that is not trusted: {error.verify_message}"
    if isinstance(error, ConnectionError | http.client.IncompleteRead | http.client.BadStatusLine):
        return "an answer that was cut short"
    said = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {' '.join(said.split())[:_MOST_SAID]}"


def _connection(
    parts: SplitResult, target: str, timeout: float
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """A connection to the host, or to the environment's proxy; what to ask it for, and with which headers."""
    host, port = parts.hostname or "", parts.port
    secure = parts.scheme.lower() == "https"
    proxy = urllib.request.getproxies().get(parts.scheme.lower(), "")
    if not proxy or urllib.request.proxy_bypass(host):
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(host, port, timeout=timeout), target, {}
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    user = basic(via)
    known = {"Proxy-Authorization": f"Basic {user}"} if user else {}
    if secure:
        connection = http.client.HTTPSConnection(via.hostname or "", via.port, timeout=timeout)
        connection.set_tunnel(host, port, known)
        return connection, target, {}
    plain = f"http://{parts.netloc.rpartition('@')[2]}{target}"
    return http.client.HTTPConnection(via.hostname or "", via.port, timeout=timeout), plain, known
