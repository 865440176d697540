"""Listening: where it is safe, and no longer to a caller than it takes."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from tidegauge.errors import UsageError
from tidegauge.spec.server import Server

CALLERS: Final = 512
"""Connections at once; more are answered with 503."""
HEAD_SECONDS: Final = 10.0
"""How long the head of a connection's first request may take."""


class PromptProtocol(H11Protocol):
    """HTTP/1.1 that lets go of a caller who opens a connection and does not ask."""

    _asked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._if_silent)

    def handle_events(self) -> None:
        """Note that a request came, whose head is whole."""
        super().handle_events()
        self._asked = self._asked or self.scope is not None  # type: ignore[redundant-expr]  # None until then

    def _if_silent(self) -> None:
        if not (self._asked or self.transport.is_closing()):
            self.transport.close()


def check_host(settings: Server) -> None:
    """Refuse to listen where strangers come by, without a token."""
    if not (settings.is_loopback or settings.tokens or settings.unguarded):
        raise UsageError(
            f"server.host {settings.host}",
            got="no tokens",
            want="tokens, or 127.0.0.1",
            hint="'tidegauge token NAME' makes one; server.unguarded listens without, behind something that guards it",
        )


def bound(settings: Server) -> socket.socket:
    """Bind the address, so that what is wrong with it shows before anything begins."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((settings.host, settings.port))
    except OSError as error:
        place.close()
        where = f"server {settings.host}:{settings.port}"
        hint = "Set server.port, or say --port; 0 takes a free one"
        raise UsageError(where, got=error.strerror or "no such address", want="a free one", hint=hint) from None
    return place


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """End in peace at a signal: it is not raised again afterwards, so that the status says how it went."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._begun()


def listen(app: FastAPI, settings: Server, place: socket.socket, begun: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; requests in hand are answered first.

    Parameters
    ----------
    app : FastAPI
    settings : Server
    place : socket
        From ``bound``.
    begun : callable
        Called once it listens.
    """
    config = uvicorn.Config(
        app,
        http=PromptProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CALLERS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=settings.timeout,
        h11_max_incomplete_event_size=32_768,
    )
    _Server(config, begun).run(sockets=[place])
