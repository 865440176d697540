"""What every request passes: the name it was asked under, how large it may be, whose token it bears, what it is told.

Middleware is plain ASGI, so that bodies are never held back or copied by it.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidegauge.server.problem import Refusal, problem
from tidegauge.server.tokens import Caller, caller_of
from tidegauge.spec import server as spec

access = logging.getLogger("tidegauge.access")

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What a page may load: nothing from elsewhere. A page that brings its own policy in its head is bound by both."""
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
OPEN: Final = ("/healthz", "/readyz")
"""What may be asked without a token: it says nothing of the data."""
Seen = Callable[[str, str, int, float], None]


def allowed(scope: spec.Scope) -> Callable[[Request], None]:
    """Return a dependency that lets in those who may do what needs a scope; everybody where there are no tokens."""

    def check(request: Request) -> None:
        settings: spec.Server = request.app.state.service.spec.server
        if not settings.tokens:
            return
        caller = _caller(request, settings)
        if caller is None:
            wanted = {"WWW-Authenticate": 'Bearer realm="tidegauge"'}
            if request.method in ("GET", "HEAD"):
                wanted = {"WWW-Authenticate": 'Basic realm="tidegauge: any name, and a token", charset="UTF-8"'}
            raise Refusal(401, "token", got="none that is known", want="Authorization: Bearer TOKEN", headers=wanted)
        if not caller.may(scope):
            raise Refusal(403, f"token {caller.name}", got=f"scope {caller.scope}", want=f"scope {scope}")
        request.state.caller = caller

    check.scope = scope  # type: ignore[attr-defined]  # a test looks that every route has one
    return check


def _caller(request: Request, settings: spec.Server) -> Caller | None:
    """Whose token a request bears: as a bearer, or, to look at pages in a browser, as a password.

    A browser sends a password by itself, also where another site makes it ask: so it is good for looking only.
    """
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return caller_of(value.strip(), settings.tokens)
    if kind.lower() == "basic" and request.method in ("GET", "HEAD"):
        try:
            text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        return caller_of(text.partition(":")[2], settings.tokens)
    return None


class Guard:
    """ASGI middleware: refuses foreign names and bodies that are too large, adds headers, and tells of each request.

    Parameters
    ----------
    app : ASGI application
    settings : tidegauge.spec.server.Server
    seen : callable
        Hears of each request: its route, method, status and seconds.
    """

    def __init__(self, app: ASGIApp, settings: spec.Server, seen: Seen) -> None:
        self.app, self.settings, self.seen = app, settings, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name.lower() for name, _ in message["headers"]}
                policy = (b"content-security-policy", POLICY.encode())
                message["headers"] = [*message["headers"], *(h for h in (*HEADERS, policy) if h[0] not in own)]
            await send(message)

        try:
            refused = self._refused(scope)
            await (self.app if refused is None else refused)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "other")
            self.seen(route, _method(scope), status, seconds)
            access.info("%s %s %d %.0f ms", _method(scope), route, status, 1000 * seconds)

    def _refused(self, scope: Scope) -> Any:
        """The answer to a request that goes no further; None where it does."""
        headers = dict(scope["headers"])
        if not self.settings.tokens and not self._is_known(headers.get(b"host", b"")):
            hint = "Set server.names, or tokens"
            return problem(421, "host: got a foreign name, want one of this machine", hint=hint)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > self.settings.body:
            return problem(
                413, f"body: got more than {self.settings.body:,} bytes, want fewer", hint="Send less at once"
            )
        return None

    def _is_known(self, host: bytes) -> bool:
        """Whether a page of another site, whose name was made to point here, is not what asks."""
        name = host.decode("latin-1").lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        return self.settings.unguarded or name in (*spec.LOOPBACK, self.settings.host, *self.settings.names)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS") else "other"
