"""The first page: where every stream stands."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from time import monotonic
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from tidegauge.deliver.payload import ADVICE, runbook_of
from tidegauge.errors import TidegaugeError
from tidegauge.records import Alarm
from tidegauge.report.home import POLICY, Pieces, home, is_empty, render
from tidegauge.report.status import Standing, standings
from tidegauge.server import guard
from tidegauge.server.guard import allowed
from tidegauge.server.ingest import refusals
from tidegauge.server.once import Busy
from tidegauge.server.service import Service
from tidegauge.server.views import COURSE

PATIENCE: Final = 3.0
"""Seconds that the page waits for what is being made; after that it says so, and comes again soon."""
_PAUSE: Final = 0.05
_POLICY: Final = guard.POLICY.replace("script-src 'self'", POLICY)
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_PAGE: Final[dict[str, Any]] = {
    "description": "A page that loads nothing.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}

Asked = Mapping[str, Mapping[str, "Future[Any] | str"]]
"""By stream and piece, what is being made, or why it is not."""


def router(service: Service) -> APIRouter:
    """The first page, to those who may read."""
    routes = APIRouter(tags=["pages"], dependencies=[Depends(allowed("read"))])

    @routes.get(
        "/",
        response_class=HTMLResponse,
        summary="Where every stream stands, as a page.",
        responses={200: _PAGE, **refusals(503)},
    )
    async def first(request: Request) -> HTMLResponse:
        now = service.clock()
        every = await run_in_threadpool(standings, service.store, service.spec, now)
        asked = await run_in_threadpool(_ask, service, every)
        await _wait([each for of in asked.values() for each in of.values() if not isinstance(each, str)])
        address = _address(request)

        def page() -> str:
            pieces = {each.name: _pieces(service, each, asked.get(each.name, {})) for each in every}
            return render(
                home(
                    every,
                    pieces,
                    now=now,
                    address=address,
                    guarded=bool(service.spec.server.tokens),
                    faults=dict(service.faults),
                    advice=_advice(service),
                )
            )

        return HTMLResponse(await run_in_threadpool(page), headers={"Content-Security-Policy": _POLICY})

    return routes


def _ask(service: Service, every: list[Standing]) -> Asked:
    return {each.name: _of_stream(service, each) for each in every}


def _of_stream(service: Service, at: Standing) -> Mapping[str, Future[Any] | str]:
    stream, state, views = service.spec.streams.get(at.name), at.state, service.views
    if stream is None or state is None or at.refused or not state.reference or is_empty(at):
        return {}
    asked: dict[str, Future[Any] | str] = {"live": _tried(lambda: views.live(stream, state))}
    if stream.kind == "stream":
        asked[COURSE] = _tried(lambda: views.course_files(stream, state))
        if stream.declared:
            asked["linked"] = _tried(lambda: views.linked(stream))
    return asked


def _tried(ask: Callable[[], Future[Any]]) -> Future[Any] | str:
    try:
        return ask()
    except Busy:
        return Future()  # asked for again when the page is loaded again
    except TidegaugeError as error:
        return _words(error)


async def _wait(futures: list[Future[Any]]) -> None:
    until = monotonic() + PATIENCE
    while monotonic() < until and not all(each.done() for each in futures):
        await asyncio.sleep(_PAUSE)


def _pieces(service: Service, at: Standing, asked: Mapping[str, Future[Any] | str]) -> Pieces:
    """What is there by now; of what is being made, what was there before."""
    found, missing, pending = dict[str, Any](), dict[str, str](), False
    for name, future in asked.items():
        if isinstance(future, str):
            missing[name] = future
        elif not future.done():
            pending = True
            found[name] = service.views.once.last((name, at.name))
        elif (error := future.exception()) is not None:
            missing[name] = _words(error)
        else:
            found[name] = future.result()
    course = found.get(COURSE)
    clusters = () if at.state is None else service.store.clusters(at.name, reference=at.state.reference)
    svg = None if course is None else course[f"{COURSE}.svg"]
    return Pieces(svg, found.get("linked"), found.get("live"), clusters, missing, pending)


def _words(error: BaseException) -> str:
    if isinstance(error, TidegaugeError):
        return f"{error.what}: got {error.got}, want {error.want}"
    return "a fault of tidegauge's, which its log tells of"


def _advice(service: Service) -> Callable[[Alarm], str]:
    def advice(alarm: Alarm) -> str:
        runbook = runbook_of(alarm, service.spec.alarms)
        return f"What to do: {runbook}" if runbook else f"{ADVICE[alarm.kind]}."

    return advice


def _address(request: Request) -> str:
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host if _HOST.fullmatch(host) else '127.0.0.1:8765'}"
