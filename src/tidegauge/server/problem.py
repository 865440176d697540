"""Every refusal as a problem that a person can act on (RFC 9457), and never with a traceback or a secret."""

from __future__ import annotations

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tidegauge.errors import ArtefactError, DataError, MismatchError, StoreError, TidegaugeError, UsageError
from tidegauge.run.intake import Full

logger = logging.getLogger("tidegauge.server")

MEDIA: Final = "application/problem+json"
RETRY: Final = 5
"""Seconds after which one whom the store could not serve is asked to come again."""
_STATUS: Final[dict[type[TidegaugeError], int]] = {
    StoreError: 503,
    MismatchError: 409,
    ArtefactError: 422,
    DataError: 422,
    UsageError: 422,
}


class Refusal(Exception):
    """A request that is refused, with a status of HTTP, in the words of an error for people.

    Parameters
    ----------
    status : int
    what, got, want, hint : str
        As of ``TidegaugeError``.
    headers : mapping, optional
    """

    def __init__(
        self, status: int, what: str, *, got: str, want: str, hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status, what, got, want)
        self.status, self.headers = status, headers or {}
        self.what, self.got, self.want, self.hint = what, got, want, hint


def problem(
    status: int,
    title: str,
    *,
    what: str = "",
    got: str = "",
    want: str = "",
    hint: str = "",
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return a problem as an answer.

    Examples
    --------
    >>> problem(404, "stream web: got nothing, want one of queries").body
    b'{"type":"about:blank","title":"stream web: got nothing, want one of queries","status":404}'
    """
    words = {"what": what, "got": got, "want": want, "hint": hint}
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    body |= {key: _plain(value) for key, value in words.items() if value}
    return JSONResponse(body, status, headers=headers, media_type=MEDIA)


def handle_problems(app: FastAPI) -> None:
    """Let an application answer every error with a problem."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Full, _full)
    app.add_exception_handler(TidegaugeError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plainly)
    app.add_exception_handler(Exception, _unexpected)


def _refused(_request: Request, error: Any) -> JSONResponse:
    title = f"{error.what}: got {error.got}, want {error.want}"
    words = {"what": error.what, "got": error.got, "want": error.want, "hint": error.hint}
    return problem(error.status, _plain(title), **words, headers=error.headers)


def _full(_request: Request, error: Any) -> JSONResponse:
    headers = {"Retry-After": str(error.seconds)}
    return problem(429, "too much waits to be kept", hint="Come again later, with the same id", headers=headers)


def _told(_request: Request, error: Any) -> JSONResponse:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(RETRY)} if status == 503 else {}
    if status == 503:
        logger.warning("store: %s", _plain(str(error)))
    title = f"{error.what}: got {error.got}, want {error.want}"
    words = {"what": error.what, "got": error.got, "want": error.want, "hint": error.hint}
    return problem(status, _plain(title), **words, headers=headers)


def _invalid(_request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"])
    return problem(422, _plain(f"{where}: {first['msg']}"), what=where, want=str(first["msg"]))


def _plainly(_request: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


def _unexpected(request: Request, error: Any) -> JSONResponse:
    route = getattr(request.scope.get("route"), "path", "")
    logger.error("%s %s: unexpected %s", request.method, route, type(error).__name__, exc_info=error)
    return problem(500, "a fault of tidegauge's, which its log tells of")


def _plain(text: str, most: int = 500) -> str:
    """One line of text that can be shown."""
    one = "".join(each if each.isprintable() else " " for each in text.encode("utf-8", "replace").decode("utf-8"))
    return one if len(one) <= most else one[: most - 1] + "…"
