"""A real endpoint on this machine, which does to each request what it is told to: answers, fails, hangs, floods."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message
    body: bytes


Act = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Receiver:
    """What came, and what is to be done with what comes; where nothing is said, 200 is answered."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    acts: deque[Act] = field(default_factory=deque)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/drift"

    @property
    def keys(self) -> list[str]:
        return [each.headers["Idempotency-Key"] for each in self.requests]

    def then(self, *acts: Act) -> None:
        self.acts.extend(acts)


def answer(status: int, body: bytes = b"", **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def hang(handler: BaseHTTPRequestHandler) -> None:
    handler.server.receiver.over.wait(60)


def drip(status: int) -> Act:
    """Never fall silent, and never come to an end: of the head, or of the body where a status is given."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        head = f"HTTP/1.1 {status} Whatever\r\n\r\n" if status else "HTTP/1.1 200 OK\r\nX: "
        handler.wfile.write(head.encode())
        while not handler.server.receiver.over.wait(0.1):
            handler.wfile.write(b"x")

    return act


def flood(status: int) -> Act:
    """Send a body without end as fast as anybody reads it."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode())
        while not handler.server.receiver.over.is_set():
            handler.wfile.write(b"x" * 65_536)

    return act


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """That somebody hung up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.requests.append(Request(self.path, self.headers, body))
        self.close_connection = True
        (receiver.acts.popleft() if receiver.acts else answer(200))(self)

    do_GET = do_POST

    def log_message(self, *about: object) -> None:
        pass


@contextmanager
def listening(certificate: Path | None = None) -> Iterator[Receiver]:
    server = _Server(("127.0.0.1", 0), _Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = server.receiver = Receiver(server.server_address[1], "https" if certificate else "http")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
