"""A service on this machine that keeps what it takes, and does to each request what it is told to."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]

    @property
    def columns(self) -> dict[str, list[Any]]:
        if self.headers["Content-Type"] == "application/json":
            told = json.loads(self.body)
            outcomes = told.pop("outcomes", {})
            return {**told, **outcomes}
        return pa.ipc.open_stream(self.body).read_all().to_pydict()

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))


Act = Callable[[BaseHTTPRequestHandler, Request], None]


@dataclass
class Service:
    """``landed`` is what was taken, once by key; what ``acts`` do comes before everything else."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    landed: dict[str, Request] = field(default_factory=dict)
    acts: deque[Act] = field(default_factory=deque)
    over: threading.Event = field(default_factory=threading.Event)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def then(self, *acts: Act) -> None:
        self.acts.extend(acts)

    def rows(self, path: str = "batches") -> int:
        return sum(each.rows for each in list(self.landed.values()) if each.path.endswith(path))

    def column(self, name: str) -> list[Any]:
        return [value for each in self.landed.values() for value in each.columns.get(name, [None] * each.rows)]


def answer(status: int, body: bytes = b"", **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def take(handler: BaseHTTPRequestHandler, request: Request) -> None:
    landed = handler.server.service.landed
    repeated = request.key in landed
    landed[request.key] = request
    told = {"landed": "repeated" if repeated else "landed", "rows": request.rows, "aside": {}}
    answer(200 if repeated else 202, json.dumps(told).encode())(handler, request)


def hang_up(handler: BaseHTTPRequestHandler, request: Request) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def reset(handler: BaseHTTPRequestHandler, request: Request) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


def take_and_hang_up(handler: BaseHTTPRequestHandler, request: Request) -> None:
    """The batch has landed, and nobody hears of it."""
    handler.server.service.landed[request.key] = request
    hang_up(handler, request)


def take_and_close(handler: BaseHTTPRequestHandler, request: Request) -> None:
    """Answer as if the connection stayed, and close it: what a kept connection comes to when it is idle."""
    take(handler, request)
    hang_up(handler, request)


def hang(handler: BaseHTTPRequestHandler, request: Request) -> None:
    handler.close_connection = True
    handler.server.service.over.wait(60)


def drip(handler: BaseHTTPRequestHandler, request: Request) -> None:
    """Never fall silent, and never come to an end."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not handler.server.service.over.wait(0.05):
        handler.wfile.write(b"x")


def flood(handler: BaseHTTPRequestHandler, request: Request) -> None:
    """A body without end."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 202 Accepted\r\n\r\n")
    while not handler.server.service.over.is_set():
        handler.wfile.write(b"x" * 65_536)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    service: Service

    def handle_error(self, request: object, client_address: object) -> None:
        """That somebody hung up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.service.connections += 1

    def do_POST(self) -> None:
        service = self.server.service
        request = Request(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"])))
        service.requests.append(request)
        (service.acts.popleft() if service.acts else take)(self, request)

    def do_GET(self) -> None:
        self.server.service.requests.append(Request(self.path, self.headers, b""))
        answer(200)(self, self.server.service.requests[-1])

    def log_message(self, *about: object) -> None:
        pass


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Service]:
    server = _Server(("127.0.0.1", 0), _Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    service = server.service = Service(server.server_address[1], "https" if certificate else "http")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
