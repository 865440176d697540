"""The application: routes over a service, with a guard before them and problems for what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

import tidegauge
from tidegauge.server import alarms, annotating, health, ingest, metrics, pages, reading
from tidegauge.server.guard import Guard
from tidegauge.server.problem import handle_problems
from tidegauge.server.service import Service

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        **{name: {"type": "string"} for name in ("what", "got", "want", "hint")},
    },
}
_ROUTERS: Final = (
    health.router,
    ingest.router,
    reading.router,
    alarms.router,
    annotating.router,
    metrics.router,
    pages.router,
)


def create_app(service: Service) -> FastAPI:
    """Return the service as an ASGI application, which begins and ends with it.

    Parameters
    ----------
    service : Service
        Not started yet: that is done when the application starts.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await run_in_threadpool(service.start)
        try:
            yield
        finally:
            await run_in_threadpool(service.stop)

    app = FastAPI(
        title="tidegauge",
        version=tidegauge.__version__,
        summary="How far embeddings have drifted, and which product metrics pay.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.service = service
    for router in _ROUTERS:
        app.include_router(router(service))
    handle_problems(app)
    app.add_middleware(Guard, settings=service.spec.server, seen=service.gauges.seen)
    _publish(app)
    return app


def _publish(app: FastAPI) -> None:
    """Add to the published document what FastAPI cannot know: the shape of problems, and the tokens."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            parts = plain().setdefault("components", {})
            parts.setdefault("schemas", {})["Problem"] = _PROBLEM
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]
