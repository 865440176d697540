"""One connection to the service, kept open, and one try at a time."""

from __future__ import annotations

import email.utils
import http.client
import io
import json
import os
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tidegauge.client.address import Address

_MOST_BYTES: Final = 65_536
_MOST_SAID: Final = 200
_MOST_REASONS: Final = 64
_LATER: Final = (408, 425, 429)
_INHERITED: Final[list[object]] = []
"""Connections of the process that this one was forked from: let go of, they would wait for locks that nobody opens."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try: ``fault`` is empty where the message arrived, and ``status`` 0 where nothing was answered.
    ``after`` seconds the service wants to be left alone, None where it does not say. ``aside`` counts what it could not
    use.
    """

    status: int = 0
    fault: str = ""
    after: float | None = None
    aside: Mapping[str, int] = field(default_factory=dict)
    hung_up: bool = False

    @property
    def final(self) -> bool:
        """Whether trying again is of no use."""
        return 0 < self.status < 500 and self.status not in _LATER


class Transport:
    """Posts messages, each in no more than ``timeout`` seconds; follows no redirect, and uses no proxy."""

    def __init__(self, address: Address, token: str, timeout: float) -> None:
        self._address, self._token, self._timeout = address, token, timeout
        self._context = ssl.create_default_context() if address.secure else None
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Try once; a kept connection that the service has closed meanwhile is opened anew. Never raises."""
        kept = self._connection is not None
        answer = self._try(path, body, headers)
        return self._try(path, body, headers) if kept and answer.hung_up else answer

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def abandon(self) -> None:
        """In a forked process: let go of the other's connection without a word on it."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            _INHERITED.append(connection)
            with suppress(OSError):
                os.close(connection.sock.detach())

    def _try(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            connection = self._connected()
            deadline = time.monotonic() + self._timeout
            connection.response_class = _until(deadline)
            sent = {"User-Agent": "tidegauge-client", "Accept": "application/json", **headers}
            if self._token:
                sent["Authorization"] = f"Bearer {self._token}"
            broken: OSError | None = None
            try:
                connection.request("POST", f"{self._address.path}/{path}", body, sent)
            except (BrokenPipeError, ConnectionResetError) as error:
                broken = error  # a service that refuses a body need not read it: it may have said why
            try:
                response = connection.getresponse()
            except (OSError, http.client.HTTPException):
                if broken is not None:
                    raise broken from None
                raise
            data = response.read(_MOST_BYTES + 1)
            if broken is not None or response.will_close or len(data) > _MOST_BYTES:
                self.close()
            return self._answer(response.status, response.headers.get("Retry-After", ""), data)
        except Exception as error:  # whatever it is, it is one try that failed
            self.close()
            hung_up = isinstance(error, ConnectionError | http.client.BadStatusLine | ssl.SSLEOFError)
            return Answer(fault=self._veiled(_network(error, self._timeout)), hung_up=hung_up)

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._address.host, self._address.port
            if self._context is None:
                connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
            else:
                connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
            connection.connect()
            self._connection = connection
        self._connection.sock.settimeout(self._timeout)
        return self._connection

    def _answer(self, status: int, after: str, data: bytes) -> Answer:
        if 200 <= status < 300:
            return Answer(status, aside=_aside(data))
        fault = f"HTTP {status} {http.client.responses.get(status, '')}".rstrip()
        if 300 <= status < 400:
            return Answer(status, f"{fault}: redirects are not followed")
        said = self._veiled(_problem(data))
        return Answer(status, f"{fault}: {said}" if said else fault, _after(after))

    def _veiled(self, text: str) -> str:
        text = text.replace(self._token, "***") if self._token else text
        return "".join(each if each.isprintable() else " " for each in text)[:_MOST_SAID]


class _Timed(io.RawIOBase):
    """Reads a socket until a moment: each single wait of a socket has its own time, and there may be many."""

    def __init__(self, raw: Any, sock: socket.socket, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _until(deadline: float) -> Any:
    """What reads an answer until a moment, in the place of a class of answers."""

    class Source:
        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock

        def makefile(self, mode: str) -> io.BufferedReader:
            return io.BufferedReader(_Timed(self._sock.makefile(mode, buffering=0), self._sock, deadline))  # type: ignore[arg-type]

    def response(sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> http.client.HTTPResponse:
        source: Any = Source(sock)
        return http.client.HTTPResponse(source, debuglevel, method)

    return response


def _aside(data: bytes) -> dict[str, int]:
    """What the service says that it set aside, if it does."""
    told = _json(data)
    found = told.get("aside")
    if not isinstance(found, dict):
        return {}
    counts = [(str(reason)[:100], count) for reason, count in list(found.items())[:_MOST_REASONS]]
    return {reason: count for reason, count in counts if type(count) is int and count > 0}


def _problem(data: bytes) -> str:
    """What a problem of application/problem+json says, or the text itself."""
    told = _json(data)
    words = {name: str(told[name]) for name in ("what", "got", "want", "hint") if told.get(name)}
    if {"what", "got", "want"} <= set(words):
        said = f"{words['what']}: got {words['got']}, want {words['want']}"
        return f"{said}. {words['hint']}" if "hint" in words else said
    return str(told.get("title") or " ".join(data[: 4 * _MOST_SAID].decode("utf-8", "replace").split()))


def _json(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data) if len(data) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _network(error: Exception, timeout: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {timeout:g} s"
        case socket.gaierror():
            return "no such host"
        case ConnectionRefusedError():
            return "the connection was refused"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ConnectionError() | http.client.IncompleteRead() | http.client.BadStatusLine() | ssl.SSLEOFError():
            return "it hung up without an answer"
        case _:
            return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"


def _after(text: str) -> float | None:
    """Seconds of ``Retry-After``, which is a number or a date."""
    if text.strip().isdecimal():
        return float(text.strip()[:9])
    with suppress(ValueError, TypeError, OverflowError):
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    return None
