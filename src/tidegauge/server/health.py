"""Routes for whoever looks whether it lives, and whether it can work; without a token, and silent about the data."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from tidegauge.errors import TidegaugeError
from tidegauge.server.problem import problem
from tidegauge.server.service import Service

_STATE = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "It does.", "content": {"application/json": {"schema": _STATE}}}
}


def router(service: Service) -> APIRouter:
    """``/healthz`` and ``/readyz``."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="Whether the process answers.", responses=_ANSWER)
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "alive"})

    not_ready = {"description": "It cannot now.", "content": {"application/problem+json": {}}}

    @routes.get("/readyz", summary="Whether rows can be kept now.", responses={**_ANSWER, 503: not_ready})
    def readyz() -> JSONResponse:
        if service.stopping:
            return problem(503, "stopping")
        try:
            service.store.streams()
        except TidegaugeError:
            return problem(503, "the store cannot be read", hint="The log says why")
        return JSONResponse({"status": "ready"})

    return routes
