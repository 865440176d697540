"""One try to hand over one message by HTTP, and what came of it in words."""

from __future__ import annotations

import base64
import email.utils
import http.client
import re
import socket
import ssl
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from tidegauge.deliver import sign
from tidegauge.deliver.secret import read_secret
from tidegauge.errors import UsageError
from tidegauge.spec import Endpoint, length_text

_ALERTS: Final = "/api/v2/alerts"
_MOST_BYTES: Final = 65_536
_MOST_SAID: Final = 160
_PIECE: Final = 4
"""Characters of an address in a row by which a word may be a part of a token; at its beginning one fewer."""
_WORD: Final = re.compile(r"[^\W_]+")
_HIDDEN: Final = re.compile(r"\*{3}(?:(?:[^\w\s]|_)+\*{3})+")
_LATER: Final = (408, 429)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try: ``fault`` is empty where the message arrived. ``after`` seconds the endpoint wants to be left
    alone; ``down`` says that it would take no other message now either, ``for_people`` that only they can mend it.
    """

    fault: str = ""
    after: float = 0.0
    down: bool = False
    for_people: bool = False


@dataclass(slots=True)
class _Exchange:
    """What is known so far, which may be all that ever is."""

    status: int = 0
    after: str = ""
    body: bytes = b""
    error: Exception | None = None
    socket: socket.socket | None = None
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class _Veil:
    """Takes ``hidden`` out of a text, and every word that is one of ``words``, or has a part of one in it."""

    hidden: list[str]
    words: frozenset[str]

    @classmethod
    def over(cls, parts: SplitResult, hidden: list[str]) -> _Veil:
        """Of an address, only scheme and host may be said: where it leads to is often the secret."""
        secret = f"{parts.path} {parts.query} {parts.fragment}"
        words = _WORD.findall(f"{secret} {unquote(secret)}".casefold())
        return cls(hidden, frozenset([*words, *(word[: _PIECE - 1] for word in words)]))

    def __call__(self, text: str) -> str:
        for each in self.hidden:
            text = text.replace(each, "***") if each else text
        return _HIDDEN.sub("***", _WORD.sub(self._said, text))

    def _said(self, found: re.Match[str]) -> str:
        word = found[0].casefold()
        pieces = (word[i : i + _PIECE] for i in range(len(word) - _PIECE + 1))
        secret = word in self.words or any(piece in each for piece in pieces for each in self.words)
        return "***" if secret else found[0]


def post(endpoint: Endpoint, body: str, *, key: str = "", now: float) -> Answer:
    """Post a body to an endpoint once, in no more than its time; no redirect is followed.

    Parameters
    ----------
    endpoint : Endpoint
    body : str
        JSON.
    key : str
        What tells the receiver that a message is one that it has seen.
    now : float
        Epoch seconds by the clock, for the signature.
    """
    data = body.encode()
    headers = {"Content-Type": "application/json", "User-Agent": f"tidegauge/{_version()}"}
    hidden: list[str] = []
    if key:
        headers["Idempotency-Key"] = key
    if endpoint.secret:
        try:
            secret = read_secret(endpoint.secret)
        except UsageError as error:
            return Answer(str(error), for_people=True)
        headers[sign.HEADER] = sign.signature(data, secret, int(now))
        hidden.append(secret.decode("utf-8", "replace"))
    parts = urlsplit(endpoint.url)
    user = _basic(parts)
    if user:
        headers["Authorization"] = f"Basic {user}"
        password = parts.password or parts.username or ""
        hidden += [user, password, unquote(password)]
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if endpoint.kind == "alertmanager":
        target = parts.path.rstrip("/").removesuffix(_ALERTS) + _ALERTS
    exchange = _exchanged(parts, target, data, headers, endpoint.timeout)
    return _answer(exchange, now, _Veil.over(parts, hidden), length_text(endpoint.timeout))


def _exchanged(parts: SplitResult, target: str, data: bytes, headers: dict[str, str], timeout: int) -> _Exchange:
    """Do it beside us, and stop waiting in time: each single wait for a name or a byte has its own time or none."""
    exchange = _Exchange()
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
            response = connection.getresponse()
            exchange.after = response.headers.get("Retry-After", "")
            exchange.status = response.status
            if not 200 <= response.status < 300:
                exchange.body = response.read(_MOST_BYTES)
            response.close()
        except Exception as error:  # whatever it is, nobody else hears of it
            exchange.error = error
        finally:
            connection.close()
            exchange.done.set()

    threading.Thread(target=talk, name="tidegauge-post", daemon=True).start()
    if exchange.done.wait(timeout):
        return exchange
    # What it says from now on is of no interest, and may only come of our hanging up.
    late = replace(exchange, error=TimeoutError())
    if exchange.socket is not None:
        with suppress(OSError):  # it may be closed just now
            exchange.socket.shutdown(socket.SHUT_RDWR)
    return late


def _connection(
    parts: SplitResult, target: str, timeout: int
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """A connection to the host, or to the environment's proxy; what to ask it for, and with which headers."""
    host, port = parts.hostname or "", parts.port
    secure = parts.scheme == "https"
    proxy = urllib.request.getproxies().get(parts.scheme, "")
    if not proxy or urllib.request.proxy_bypass(host):
        if secure:
            return http.client.HTTPSConnection(host, port, timeout=timeout), target, {}
        return http.client.HTTPConnection(host, port, timeout=timeout), target, {}
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    user = _basic(via)
    known = {"Proxy-Authorization": f"Basic {user}"} if user else {}
    if secure:
        connection = http.client.HTTPSConnection(via.hostname or "", via.port, timeout=timeout)
        connection.set_tunnel(host, port, known)
        return connection, target, {}
    plain = f"http://{parts.netloc.rpartition('@')[2]}{target}"
    return http.client.HTTPConnection(via.hostname or "", via.port, timeout=timeout), plain, known


@cache
def _version() -> str:
    try:
        return version("tidegauge")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0"


def _basic(parts: SplitResult) -> str:
    """User and password of an address, as a header has them."""
    if parts.username is None:
        return ""
    return base64.b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode()


def _answer(exchange: _Exchange, now: float, veil: _Veil, timeout: str) -> Answer:
    status = exchange.status
    if not status:
        return Answer(_network(exchange.error, timeout, veil), down=True)
    if 200 <= status < 300:
        return Answer()
    reason = http.client.responses.get(status, "")
    said = veil(" ".join(exchange.body.decode("utf-8", "replace").split()))[:_MOST_SAID]
    said = "".join(each for each in said if each.isprintable())
    fault = f"HTTP {status} {reason}".rstrip()
    if 300 <= status < 400:
        return Answer(f"{fault}: redirects are not followed", for_people=True)
    fault = f"{fault}: {said}" if said else fault
    if status in _LATER or status >= 500:
        return Answer(fault, after=_after(exchange.after, now), down=True)
    return Answer(fault, for_people=True)


def _network(error: Exception | None, timeout: str, veil: _Veil) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout}"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {veil(error.verify_message)}"
    if isinstance(error, ConnectionError | http.client.IncompleteRead | http.client.BadStatusLine):
        return "it hung up without an answer"
    said = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {veil(' '.join(said.split()))[:_MOST_SAID]}"


def _after(text: str, now: float) -> float:
    """Seconds of ``Retry-After``, which is a number or a date."""
    if text.strip().isdecimal():
        return float(text[:9])
    with suppress(ValueError, TypeError, OverflowError):
        return max(email.utils.parsedate_to_datetime(text).timestamp() - now, 0.0)
    return 0.0
