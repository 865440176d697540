"""Routes by which people say what they know of a time, or of an alarm, and take it back."""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from tidegauge.errors import DataError, UsageError
from tidegauge.records import Annotation, AnnotationKind, StreamState
from tidegauge.report.alarms import annotation_json
from tidegauge.report.windows import Unit, unit_in, unit_of
from tidegauge.run.annotate import judge
from tidegauge.run.annotate import span_of as span_said
from tidegauge.server import schemas
from tidegauge.server.asked import document, given, place_in, recorded, span_of, text_in, who, words
from tidegauge.server.guard import allowed
from tidegauge.server.ingest import answer, refusals
from tidegauge.server.problem import Refusal
from tidegauge.server.service import Service
from tidegauge.spec import StreamSpec
from tidegauge.window.spans import newest

_KINDS: Final[tuple[AnnotationKind, ...]] = get_args(AnnotationKind)
_NAMES: Final = ("stream", "kind", "since", "until", "said", "who", "alarm")
_PLACE: Final = {
    "type": ["number", "string", "null"],
    "description": "Epoch seconds, ISO 8601, or such as 2h, counted back from the newest row; a row number, where "
    "panes are of rows. Unset: now.",
}
_BODY: Final = {
    "type": "object",
    "required": ["kind"],
    "additionalProperties": False,
    "properties": {
        "stream": {"type": "string", "description": "Empty: of all streams."},
        "kind": {"enum": list(_KINDS)},
        "since": _PLACE,
        "until": _PLACE,
        "said": {"type": "string", "maxLength": 2000},
        "who": {"type": "string", "maxLength": 200},
        "alarm": {"type": "string", "description": "The id of an alarm of which it is said that it is real, or noise."},
    },
}
_LARGEST: Final = 2**63 - 1
_ALL_STREAMS: Final = StreamSpec(name="all", kind="snapshot"), StreamState("all", "snapshot")
"""What is said of all streams is said by the clock, as of a snapshot."""


def router(service: Service) -> APIRouter:
    """``POST`` and ``DELETE`` of ``/v1/annotations``."""
    routes = APIRouter(prefix="/v1/annotations", tags=["annotations"], dependencies=[Depends(allowed("write"))])

    @routes.post(
        "",
        status_code=201,
        summary="Say what is known of a time, for one stream or for all; or that an alarm was real, or noise.",
        responses={
            201: answer(schemas.ANNOTATION, "Kept."),
            **refusals(400, 404, 408, 409, 413, 415, 422, 503),
        },
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}},
    )
    async def annotate(request: Request) -> Response:
        told = await given(request, service, *_NAMES)
        return await run_in_threadpool(_annotate, service, told, who(request, told))

    @routes.delete(
        "/{annotation}",
        status_code=204,
        response_class=Response,
        summary="Take back what was said.",
        responses=refusals(404, 422, 503),
    )
    def unannotate(annotation: Annotated[int, Path(ge=1, le=_LARGEST)]) -> Response:
        try:
            service.store.unannotate(annotation)
        except UsageError as error:
            raise Refusal(404, error.what, got=error.got, want=error.want) from None
        return Response(status_code=204)

    return routes


def _annotate(service: Service, told: dict[str, Any], by: str) -> Response:
    kind, said, now = _kind(told), text_in(told, "said"), service.clock()
    stream, alarm = text_in(told, "stream", 64), text_in(told, "alarm", 12)
    if alarm:
        others = [name for name in ("stream", "since", "until") if told.get(name)]
        if others:
            raise DataError(others[0], got="a time as well as an alarm", want="one of them: an alarm has its own")
        if alarm not in (each.id for each in service.store.alarms()):
            raise Refusal(404, f"alarm {alarm}", got="none of this id", want="the whole id of an alarm")
        with words():
            kept = judge(service.store, alarm, kind, said, by=by, at=now)
        unit: Unit = unit_in(service.spec, service.store.state(kept.stream))
        return document(annotation_json(kept, unit), 201)
    settings, state = recorded(service, stream) if stream else _ALL_STREAMS
    unit = "rows" if unit_of(settings) == "rows" else "seconds"
    first, last = span_of(settings, state, place_in(told, "since"), place_in(told, "until"), 1)
    with words():
        ends = span_said(kind, first, last, int(newest(settings, state) if unit == "rows" else now))
    return document(
        annotation_json(service.store.annotate(Annotation(stream, kind, *ends, said, by, now)), unit),
        201,
    )


def _kind(told: dict[str, Any]) -> AnnotationKind:
    kind = told.get("kind")
    if kind not in _KINDS:
        raise DataError("kind", got="nothing" if kind is None else repr(kind)[:80], want=f"one of {', '.join(_KINDS)}")
    return kind
