"""Routes that show what is known: where streams stand, their windows, events, clusters and links, pages, pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse, Response

from tidegauge.report.alarms import annotation_json
from tidegauge.report.history import SCHEMA, within
from tidegauge.report.status import standing, standings, stream_json, to_dict
from tidegauge.report.windows import Unit, cluster_json, event_json, place_json, unit_in, unit_of, window_json
from tidegauge.server import schemas
from tidegauge.server.asked import (
    NEWEST,
    Length,
    Newest,
    Segment,
    Since,
    StreamName,
    Until,
    document,
    enough,
    in_segment,
    made,
    page_of,
    recorded,
    span_of,
    stream_of,
    words,
)
from tidegauge.server.guard import allowed
from tidegauge.server.ingest import answer, refusals
from tidegauge.server.problem import Refusal
from tidegauge.server.service import Service
from tidegauge.server.views import COURSE, OF_LINKS, OF_REPORT, PICTURES, Span, live
from tidegauge.window.spans import ceil, floor, kept_length, newest, usual_length

PNG: Final = "image/png"
_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_PICTURE: Final[dict[str, Any]] = {"description": "A picture.", "content": {PNG: _FILE}}
_PAGE: Final[dict[str, Any]] = {"description": "A page that loads nothing.", "content": {"text/html": _FILE}}
PictureName = Annotated[
    str,
    Path(pattern="^[a-z0-9-]{1,40}$", description=f"One of {', '.join(PICTURES)}; some are not always there."),
]


def router(service: Service) -> APIRouter:
    """Routes that show what is known, to those who may read."""
    routes = APIRouter(prefix="/v1", tags=["reading"], dependencies=[Depends(allowed("read"))])
    _standing(routes, service)
    _history(routes, service)
    _made(routes, service)
    return routes


def _standing(routes: APIRouter, service: Service) -> None:
    store, spec = service.store, service.spec

    @routes.get(
        "/streams",
        summary="Where every stream stands.",
        responses={200: answer(schemas.STATUS, "As 'tidegauge status --format json'."), **refusals(503)},
    )
    def streams() -> Response:
        return document(to_dict(standings(store, spec, service.clock()), store.name, store.size()))

    @routes.get(
        "/streams/{stream}",
        summary="Where a stream stands.",
        responses={200: answer(schemas.STREAM, "One stream of the above."), **refusals(404, 422, 503)},
    )
    def stream(stream: StreamName) -> Response:
        stream_of(service, stream)
        state = next((each for each in store.streams() if each.stream == stream), None)
        return document(stream_json(standing(store, spec, stream, state, service.clock())))


def _history(routes: APIRouter, service: Service) -> None:
    store = service.store

    @routes.get(
        "/streams/{stream}/windows",
        summary="Windows that are closed, oldest first, with their scores.",
        responses={
            200: answer(schemas.page_of("windows", schemas.WINDOW), "As 'tidegauge history --format json'."),
            **refusals(404, 409, 422, 503),
        },
    )
    def windows(
        stream: StreamName,
        length: Length = None,
        since: Since = None,
        until: Until = None,
        segment: Segment = "",
        newest: Newest = NEWEST,
    ) -> Response:
        settings, state = recorded(service, stream)
        with words():
            size = usual_length(settings) if length is None else kept_length("length", length, settings)
        first, last = span_of(settings, state, since, until, size or 1)
        # Two references may have a window each that begins at the same place: one more than is shown tells.
        found = store.windows(
            stream, length=size, since=first, until=last, segment=in_segment(state, segment), newest=newest + 2
        )
        shown, oldest = page_of(found, newest, lambda window: window.key.start)
        unit = unit_of(settings)
        return _page(stream, "windows", [window_json(each, unit) for each in shown], oldest and oldest.key.start, unit)

    @routes.get(
        "/streams/{stream}/events",
        summary="What happened, oldest first.",
        responses={
            200: answer(schemas.page_of("events", schemas.EVENT), "As 'tidegauge history --events --format json'."),
            **refusals(404, 409, 422, 503),
        },
    )
    def events(stream: StreamName, since: Since = None, until: Until = None, newest: Newest = NEWEST) -> Response:
        settings, state = recorded(service, stream)
        unit = unit_of(settings)
        if unit == "rows" and (since or until):
            raise Refusal(422, "since", got="a span of rows", want="none, as events are told by the clock")
        first, last = span_of(settings, state, since, until, 1)
        found = [each for each in store.events(stream, since=first) if last is None or each.at < last]
        shown, oldest = page_of(found, newest, lambda event: math.floor(event.at))
        told = [event_json(each, unit) for each in shown]
        return _page(stream, "events", told, oldest and math.floor(oldest.at), "seconds")

    @routes.get(
        "/streams/{stream}/clusters",
        summary="New clusters that were followed, oldest first.",
        responses={
            200: answer(
                schemas.page_of("clusters", schemas.CLUSTER), "As 'tidegauge history --clusters --format json'."
            ),
            **refusals(404, 409, 422, 503),
        },
    )
    def clusters(stream: StreamName, since: Since = None, until: Until = None, newest: Newest = NEWEST) -> Response:
        settings, state = recorded(service, stream)
        unit = unit_of(settings)
        found = within(store.clusters(stream), span_of(settings, state, since, until, 1))
        shown, oldest = page_of(sorted(found, key=lambda each: each.born), newest, lambda each: each.born)
        return _page(stream, "clusters", [cluster_json(each, unit) for each in shown], oldest and oldest.born, unit)

    @routes.get(
        "/annotations",
        summary="What people said of times and alarms, by time.",
        responses={
            200: answer(schemas.ANNOTATIONS, "As 'tidegauge annotate --list --format json', in one list."),
            **refusals(404, 422, 503),
        },
    )
    def annotations(
        stream: Annotated[str | None, Query(max_length=64, description="Of one stream, and of all streams.")] = None,
        newest: Newest = NEWEST,
    ) -> Response:
        if stream is not None:
            stream_of(service, stream)
        units: dict[str, Unit] = {each.stream: unit_in(service.spec, each) for each in store.streams()}
        found = store.annotations(stream)[-newest:]
        return document({"annotations": [annotation_json(each, units.get(each.stream, "seconds")) for each in found]})


def _made(routes: APIRouter, service: Service) -> None:
    """What takes a while to make."""
    views, timeout = service.views, service.spec.server.timeout

    async def links(stream: str) -> Mapping[str, bytes]:
        settings = stream_of(service, stream)

        def ask() -> Any:
            recorded(service, stream)
            return views.link_files(settings)

        return await made(ask, timeout)

    async def report(stream: str, since: str | None, until: str | None, segment: str) -> Mapping[str, bytes]:
        return await made(lambda: views.report_files(_span(service, stream, since, until, segment)), timeout)

    @routes.get(
        "/streams/{stream}/links",
        summary="Which outcomes get worse when drift spikes; found anew once for each pane that closes.",
        responses={
            200: answer(schemas.published("link-1"), "As 'tidegauge link --format json'."),
            **refusals(404, 409, 422, 503),
        },
    )
    async def linked(stream: StreamName) -> Response:
        return Response((await links(stream))["link.json"], media_type="application/json")

    @routes.get(
        "/streams/{stream}/link",
        summary="The same as a page.",
        response_class=HTMLResponse,
        responses={200: _PAGE, **refusals(404, 409, 422, 503)},
    )
    async def link_page(stream: StreamName) -> Response:
        return HTMLResponse((await links(stream))["link.html"])

    @routes.get(
        "/streams/{stream}/report",
        summary="The report of the live window, or of another span, as a page.",
        response_class=HTMLResponse,
        responses={200: _PAGE, **refusals(404, 409, 422, 503)},
    )
    async def report_page(
        stream: StreamName, since: Since = None, until: Until = None, segment: Segment = ""
    ) -> Response:
        return HTMLResponse((await report(stream, since, until, segment))["report.html"])

    @routes.get(
        "/streams/{stream}/pictures/{name}.png",
        summary="A picture of the report of the live window, or of another span, or of the links.",
        response_class=Response,
        responses={200: _PICTURE, **refusals(404, 409, 422, 503)},
    )
    async def picture(
        stream: StreamName,
        name: PictureName,
        since: Since = None,
        until: Until = None,
        segment: Segment = "",
    ) -> Response:
        files: Mapping[str, bytes] = {}
        if name in OF_LINKS:
            files = await links(stream)
        elif name in OF_REPORT:
            files = await report(stream, since, until, segment)
        elif name == COURSE:
            files = await made(lambda: views.course_files(*recorded(service, stream)), timeout)
        if f"{name}.png" not in files:
            some = [each for each in PICTURES if f"{each}.png" in files] or PICTURES
            raise Refusal(404, f"picture {name}", got="none of this name", want=f"one of {', '.join(some)}")
        return Response(files[f"{name}.png"], media_type=PNG)


def _page(stream: str, name: str, items: list[dict[str, Any]], oldest: float | None, unit: Any) -> Response:
    place = None if oldest is None else place_json(oldest, unit)
    return document({"schema": SCHEMA, "stream": stream, name: items, "next": place})


def _span(service: Service, stream: str, since: str | None, until: str | None, segment: str) -> Span:
    """What a report is of: the live window, or what is asked for, widened to whole panes."""
    settings, state = recorded(service, stream)
    in_segment(state, segment)
    with enough():
        first, last = live(settings, state)
    if settings.kind == "snapshot" or (since is None and until is None):
        return Span(stream, first, last, segment)
    length, pane = last - first, settings.pane.length
    asked = span_of(settings, state, since, until, pane)
    last = ceil(newest(settings, state) + 1, pane, settings) if asked[1] is None else asked[1]
    first = floor(last - length, pane, settings) if asked[0] is None else asked[0]
    return Span(stream, first, last, segment)
