"""Routes by which rows, outcomes and annotations come in."""

from __future__ import annotations

import asyncio
import re
import uuid
from concurrent.futures import Future
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tidegauge.errors import DataError, StoreError, TidegaugeError
from tidegauge.records import Batch
from tidegauge.run.intake import Full, Intake, Receipt
from tidegauge.run.outcomes import late
from tidegauge.server.body import ARROW, JSON, batch_of, check_json, media_of, pairs, read_body, read_json
from tidegauge.server.guard import allowed
from tidegauge.server.problem import RETRY, Refusal
from tidegauge.server.service import Service
from tidegauge.spec.table import NAME

StreamName = Annotated[str, Path(pattern=f"^{NAME}$", description="A stream of the settings.")]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The batch's id: under one id, rows count once. New where not given."),
]
Model = Annotated[str, Header(alias="Model-Id", description="The embedding model of these vectors.", max_length=200)]

_KEY: Final = re.compile(r"[!-~]{1,200}")
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_NUMBERS: Final = {"type": "array", "items": {"type": "number"}}
_TIME: Final = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
_TEXTS: Final = {"type": "array", "items": {"type": ["string", "null"]}}
_OUTCOMES: Final = {
    "type": "object",
    "description": "Each outcome of the settings: a number a row, or [numerator, denominator], or null.",
    "additionalProperties": {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}, {"type": "null"}]},
    },
}
_BATCH: Final = {
    "type": "object",
    "required": ["vectors"],
    "additionalProperties": False,
    "properties": {
        "vectors": {"type": "array", "minItems": 1, "items": _NUMBERS, "description": "One a row."},
        "ids": {**_TEXTS, "description": "The rows' own ids."},
        "times": {"type": "array", "items": _TIME, "description": "Epoch seconds, or ISO 8601; now where not given."},
        "sessions": _TEXTS,
        "segments": _TEXTS,
        "texts": _TEXTS,
        "outcomes": _OUTCOMES,
    },
}
_LATE: Final = {
    "type": "object",
    "required": ["ids", "outcomes"],
    "additionalProperties": False,
    "properties": {"ids": {**_TEXTS, "minItems": 1}, "outcomes": _OUTCOMES, "times": {"type": "array", "items": _TIME}},
}
RECEIPT: Final = {
    "type": "object",
    "required": ["batch", "stream", "landed", "rows", "aside"],
    "properties": {
        "batch": {"type": "string"},
        "stream": {"type": "string"},
        "landed": {"enum": ["landed", "repeated"]},
        "rows": {"type": "integer"},
        "aside": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
ADDED: Final = {
    "type": "object",
    "required": ["stream", "added", "repeated", "aside", "first"],
    "properties": {
        "stream": {"type": "string"},
        "added": {"type": "integer"},
        "repeated": {"type": "integer"},
        "aside": {"type": "object", "additionalProperties": {"type": "integer"}},
        "first": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say in the published document what a route may answer besides."""
    said = {
        400: "A body that cannot be read.",
        401: "No token that is known.",
        403: "A token of another scope.",
        404: "Nothing of this name.",
        408: "A body that does not end.",
        409: "Vectors that do not fit the reference in force.",
        413: "More than is taken at once.",
        415: "A body of a kind that is not taken.",
        421: "Asked under a foreign name.",
        422: "What cannot be used, and why.",
        429: "Too much waits: come again after Retry-After seconds.",
        503: "The store cannot be written now: come again after Retry-After seconds.",
    }
    return {status: {"description": said[status], "content": _PROBLEM} for status in (401, 403, 421, *statuses)}


def answer(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Say in the published document what a route answers."""
    return {"description": description, "content": {JSON: {"schema": schema}}}


def router(service: Service) -> APIRouter:
    """Routes by which rows and outcomes come in."""
    routes = APIRouter(prefix="/v1/streams", tags=["ingest"], dependencies=[Depends(allowed("write"))])
    settings = service.spec.server

    @routes.post(
        "/{stream}/batches",
        status_code=202,
        summary="Send a batch of rows; it is kept once this answers 202, or 200 where it was before.",
        responses={
            202: answer(RECEIPT, "Kept."),
            200: answer(RECEIPT, "Kept before, under this id."),
            **refusals(400, 404, 408, 409, 413, 415, 422, 429, 503),
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    JSON: {"schema": _BATCH},
                    ARROW: {"schema": {"type": "string", "format": "binary"}},
                },
            }
        },
    )
    async def batches(stream: StreamName, request: Request, key: Key = None, model: Model = "") -> JSONResponse:
        name = _name(key)
        intake = await run_in_threadpool(_intake, service, stream)
        body = await read_body(request, settings.body, settings.timeout)
        spec = service.stream(stream)

        def read() -> Batch:
            outcomes = {each.name: each for each in spec.declared}
            scale = intake.recorder.columns.scale
            return batch_of(body, media_of(request), most=settings.rows, outcomes=outcomes, scale=scale, name=name)

        try:
            batch = await run_in_threadpool(read)
            if not batch.rows and not batch.rejected:
                raise DataError("batch", got="no rows", want="at least one")
            future = intake.offer(name, batch, model or spec.model_id)
        except Full:
            service.gauges.refused(stream, "full")
            raise
        except (Refusal, TidegaugeError):
            service.gauges.refused(stream, "unusable")
            raise
        receipt = await _receipt(service, stream, future, settings.timeout, name)
        told = {
            "batch": name,
            "stream": stream,
            "landed": receipt.landed,
            "rows": receipt.rows,
            "aside": dict(receipt.aside),
        }
        return JSONResponse(told, 200 if receipt.landed == "repeated" else 202)

    @routes.post(
        "/{stream}/outcomes",
        status_code=202,
        summary="Send outcomes that came about after their rows, by the rows' ids; one of a row counts once.",
        responses={202: answer(ADDED, "Kept."), **refusals(400, 404, 408, 413, 415, 422, 503)},
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": _LATE}}}},
    )
    async def outcomes(stream: StreamName, request: Request) -> JSONResponse:
        await run_in_threadpool(_intake, service, stream)
        check_json(request)
        given = read_json(await read_body(request, settings.body, settings.timeout))
        return await run_in_threadpool(_late, service, stream, given)

    return routes


def _name(key: str | None) -> str:
    if key is None:
        return uuid.uuid4().hex
    if not _KEY.fullmatch(key):
        want = "1 to 200 printable characters of ASCII, without spaces"
        raise Refusal(422, "Idempotency-Key", got=f"{len(key)} characters", want=want)
    return key


def _intake(service: Service, stream: str) -> Intake:
    """The door of a stream; 404 where there is no such stream, and 409 where it has no reference."""
    if stream not in service.spec.streams:
        known = ", ".join(service.spec.streams) or "none"
        raise Refusal(404, f"stream {stream}", got="none of this name", want=f"one of {known}")
    try:
        return service.intake(stream)
    except StoreError:
        raise
    except TidegaugeError as error:
        raise Refusal(409, error.what, got=error.got, want=error.want, hint=error.hint) from None


async def _receipt(service: Service, stream: str, future: Future[Receipt], timeout: float, name: str) -> Receipt:
    """Wait for a receipt; a batch that nobody waits for any more is taken back, where it is not in hand."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
    except TimeoutError:
        service.gauges.refused(stream, "timeout")
        hint = "Send it again under the same id: it counts once"
        headers = {"Retry-After": str(RETRY)}
        raise Refusal(
            503,
            f"batch {name}",
            got=f"no answer of the store in {timeout:g} s",
            want="one",
            hint=hint,
            headers=headers,
        ) from None
    except StoreError:
        service.gauges.refused(stream, "store")
        raise
    except TidegaugeError:
        service.gauges.refused(stream, "unusable")
        raise


def _late(service: Service, stream: str, given: dict[str, Any]) -> JSONResponse:
    spec, most = service.stream(stream), service.spec.server.rows
    unknown = sorted(set(given) - {"ids", "outcomes", "times"})
    if unknown:
        raise DataError("body", got=f"{unknown[0][:80]!r}", want="ids, outcomes, times")
    ids, outcomes, times = given.get("ids"), given.get("outcomes"), given.get("times")
    if not isinstance(ids, list) or not ids:
        raise DataError("ids", got="nothing" if not ids else type(ids).__name__, want="a list of the rows' ids")
    if len(ids) > most:
        raise Refusal(413, "ids", got=f"{len(ids):,}", want=f"at most {most:,}", hint="Send several requests")
    if not isinstance(outcomes, dict) or not outcomes:
        raise DataError("outcomes", got="nothing", want="an object of lists")
    for name, values in (*outcomes.items(), ("times", ids if times is None else times)):
        if not isinstance(values, list) or len(values) != len(ids):
            raise DataError(str(name)[:100], got="another number of values", want=f"a list of {len(ids):,}, as of ids")
    if not all(isinstance(each, str | int) and not isinstance(each, bool) for each in ids):
        raise DataError("ids", got="what is no text", want="the rows' own ids")
    columns = {name: pairs(values, name) for name, values in outcomes.items()}
    found = late(service.store, spec, ids, columns, times=times, at=service.clock(), source="request")
    told = {
        "stream": stream,
        "added": found.added,
        "repeated": found.repeated,
        "aside": dict(found.aside),
        "first": dict(found.first),
    }
    return JSONResponse(told, 202)
