"""Routes of alarms: those that there are, all that is known of one, and what people answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from tidegauge.errors import DataError, UsageError
from tidegauge.records import Alarm, StreamState
from tidegauge.report.alarms import ALARMS, alarm_json
from tidegauge.report.known import known_of, to_dict
from tidegauge.report.windows import Unit, iso, unit_in
from tidegauge.run import answer as answers
from tidegauge.server import schemas
from tidegauge.server.asked import (
    NEWEST,
    Newest,
    Until,
    document,
    given,
    page_of,
    place_in,
    span_of,
    stream_of,
    text_in,
    who,
)
from tidegauge.server.guard import allowed
from tidegauge.server.ingest import answer, refusals
from tidegauge.server.problem import Refusal
from tidegauge.server.service import Service
from tidegauge.spec import StreamSpec

AlarmId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="The id of an alarm, whole.")]
_BY_CLOCK = StreamSpec(name="clock", kind="snapshot"), StreamState("clock", "snapshot")
"""A stream whose time is the clock's."""
_WORDS = {"who": {"type": "string", "maxLength": 200}, "why": {"type": "string", "maxLength": 2000}}
_MOMENT = {"type": ["number", "string"], "description": "Epoch seconds, or ISO 8601."}


def router(service: Service) -> APIRouter:
    """``/v1/alarms``: to be read by those who may read, and answered by those who may do everything."""
    routes = APIRouter(prefix="/v1/alarms", tags=["alarms"])
    _shown(routes, service)
    _answered(routes, service)
    return routes


def _shown(routes: APIRouter, service: Service) -> None:
    store, spec = service.store, service.spec

    @routes.get(
        "",
        dependencies=[Depends(allowed("read"))],
        summary="Alarms, by when they were opened.",
        responses={200: answer(schemas.ALARMS, "As 'tidegauge alarms --format json'."), **refusals(404, 422, 503)},
    )
    def alarms(
        stream: Annotated[str | None, Query(max_length=64, description="Of one stream.")] = None,
        lasting: Annotated[bool, Query(description="Those that last; false: those that are resolved as well.")] = True,
        until: Until = None,
        newest: Newest = NEWEST,
    ) -> Response:
        if stream is not None:
            stream_of(service, stream)
        _, last = span_of(*_BY_CLOCK, None, until, 1)
        units: dict[str, Unit] = {each.stream: unit_in(spec, each) for each in store.streams()}
        found = sorted(store.alarms(stream, lasting=lasting), key=lambda each: (each.at, each.opened, each.id))
        before = [each for each in found if last is None or each.at < last]
        shown, oldest = page_of(before, newest, lambda alarm: math.floor(alarm.at))
        told = [alarm_json(spec, each, units[each.stream]) for each in shown]
        return document({"schema": ALARMS, "alarms": told, "next": oldest and iso(math.floor(oldest.at))})

    @routes.get(
        "/{alarm}",
        dependencies=[Depends(allowed("read"))],
        summary="All that is known of an alarm.",
        responses={200: answer(schemas.KNOWN, "As 'tidegauge alarms show'."), **refusals(404, 422, 503)},
    )
    def known(alarm: AlarmId) -> Response:
        return document(to_dict(spec, known_of(store, spec, _found(service, alarm).id)))


def _answered(routes: APIRouter, service: Service) -> None:
    store, settings = service.store, service.spec.alarms

    def act(alarm: str, verb: Callable[..., Alarm], more: dict[str, Any]) -> Response:
        _found(service, alarm)
        try:
            after = verb(store, alarm, settings, at=service.clock(), **more)
        except UsageError as error:
            status = 422 if error.what == "until" else 409
            raise Refusal(status, error.what, got=error.got, want=error.want, hint=error.hint) from None
        unit = unit_in(service.spec, store.state(after.stream))
        return document(alarm_json(service.spec, after, unit))

    def route(verb: str, summary: str, *required: str, **more: Any) -> Any:
        body = {"type": "object", "additionalProperties": False, "required": required, "properties": {**_WORDS, **more}}
        return routes.post(
            f"/{{alarm}}/{verb}",
            dependencies=[Depends(allowed("admin"))],
            summary=summary,
            responses={
                200: answer(schemas.ALARM, "The alarm, as it is now."),
                **refusals(400, 404, 408, 409, 413, 415, 422, 503),
            },
            openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}},
        )

    @route("acknowledge", "Say that somebody looks after it.")
    async def acknowledge(alarm: AlarmId, request: Request) -> Response:
        told = await given(request, service, *_WORDS)
        more = {"by": who(request, told), "why": text_in(told, "why")}
        return await run_in_threadpool(act, alarm, answers.acknowledge, more)

    @route("snooze", "Let it rest until a moment; where it lasts by then, it is open again.", "until", until=_MOMENT)
    async def snooze(alarm: AlarmId, request: Request) -> Response:
        told = await given(request, service, *_WORDS, "until")
        more = {"by": who(request, told), "why": text_in(told, "why")}
        _, until = span_of(*_BY_CLOCK, None, place_in(told, "until"), 1)
        if until is None:
            raise DataError("until", got="nothing", want="how long it may wait, such as 2026-11-23T14:00")
        return await run_in_threadpool(act, alarm, answers.snooze, {"until": float(until), **more})

    @route("resolve", "End it by hand. The detector begins anew with the panes after it.")
    async def resolve(alarm: AlarmId, request: Request) -> Response:
        told = await given(request, service, *_WORDS)
        more = {"by": who(request, told), "why": text_in(told, "why")}
        return await run_in_threadpool(act, alarm, answers.resolve, more)


def _found(service: Service, alarm: str) -> Alarm:
    found = next((each for each in service.store.alarms() if each.id == alarm), None)
    if found is None:
        raise Refusal(404, f"alarm {alarm}", got="none of this id", want="one that '/v1/alarms?lasting=false' lists")
    return found
