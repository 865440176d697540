"""``tidegauge serve``: the service."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import opened
from tidegauge.cli.output import note
from tidegauge.errors import UsageError

NAME = "serve"
HELP = options.help_text(
    "Serve the streams of the settings by HTTP: rows and outcomes come in, and what was found goes out as JSON, as "
    "pages, and as metrics for Prometheus. Sources are watched, what is due is closed, and messages of alarms are sent "
    "meanwhile, as 'tidegauge watch' does.\n\n"
    "It listens on this machine only, unless the settings say server.host; elsewhere, callers need tokens. SIGTERM and "
    "Ctrl-C answer what is in hand, and leave with status 0.",
    "tidegauge serve",
    "tidegauge serve --port 0",
)


def command(
    host: Annotated[str | None, typer.Option("--host", metavar="ADDRESS", help="In place of server.host.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="In place of server.port.")] = None,
    config: options.Config = None,
) -> None:
    """Serve until told to stop."""
    try:
        from tidegauge.server.app import create_app
        from tidegauge.server.listen import bound, check_host, listen
    except ImportError as error:
        hint = "pip install 'tidegauge[server]'"
        raise UsageError("serve", got=f"no {error.name}", want="the service's libraries", hint=hint) from None
    from tidegauge.server.service import Service

    with opened(config, make=True) as at:
        given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        settings = at.spec.server.model_copy(update=given)
        check_host(settings)
        if not at.spec.streams:
            raise UsageError("streams", got="none", want="a stream to serve", hint="'tidegauge init' begins settings")
        service = Service(at.spec.model_copy(update={"server": settings}), at.store)
        app = create_app(service)
        place = bound(settings)
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{shown}:{place.getsockname()[1]}/"

        def begun() -> None:
            for name, why in service.faults.items():
                note(f"{name}: {why}")
            note(f"serving {', '.join(at.spec.streams)} at {address}")

        with _logging():
            listen(app, settings, place, begun)
        note("stopped: all that was acknowledged is kept")


@contextmanager
def _logging() -> Generator[None]:
    """The service's log on stderr, which the command line keeps from people otherwise."""
    disabled, logger = logging.root.manager.disable, logging.getLogger("tidegauge")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.disable(logging.NOTSET)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logging.getLogger("tidegauge.access").setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logging.disable(disabled)
