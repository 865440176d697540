"""The command line: one file per command. Results go to stdout, everything else to stderr, and no traceback to anyone.

Exit status: 0 no drift (or done), 1 drift, or an alarm that lasts, 2 usage or data error, 3 insufficient data,
130 interrupted.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

import tidegauge
from tidegauge.cli import (
    alarms,
    annotate,
    backfill,
    backtest,
    calibrate,
    check,
    compare,
    deliver,
    demo,
    export,
    fit,
    forget,
    history,
    import_,
    init,
    inspect,
    link,
    metrics,
    observe,
    outcomes,
    rebaseline,
    report,
    serve,
    sketch,
    status,
    templates,
    token,
    watch,
)
from tidegauge.cli.output import emit, note
from tidegauge.errors import TidegaugeError

__all__ = ["app", "main", "run"]

_ERROR, _INTERRUPTED = 2, 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_MEASURING = (compare, fit, sketch, inspect, demo)
_ALARMS = (alarms, annotate, calibrate, deliver)
_MONITORING = (
    init,
    check,
    watch,
    observe,
    backfill,
    outcomes,
    status,
    history,
    report,
    backtest,
    link,
    rebaseline,
    forget,
    export,
    import_,
    metrics,
)
_SERVING = (serve, token, templates)
for _command in (*_MEASURING, *_MONITORING, *_ALARMS, *_SERVING):
    app.command(_command.NAME, help=_command.HELP)(_command.command)


def _version(asked: bool) -> None:
    if asked:
        emit(f"tidegauge {tidegauge.__version__}\n")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Let errors pass with their traceback, and warnings of libraries show.")
    ] = False,
) -> None:
    """Measure how far embeddings have drifted, what kind of drift it is, and say so in one sentence.

    Exit status: 0 no drift, 1 drift, 2 usage or data error, 3 insufficient data.
    """


def main() -> None:
    """Run the console script ``tidegauge``."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a character that the terminal cannot show is no reason to fail
            reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line, and return its exit status.

    Examples
    --------
    >>> run(["--version"])
    tidegauge ...
    0
    """
    debug = "--debug" in arguments[:1]
    try:
        with _quiet(debug):
            app(list(arguments), prog_name="tidegauge")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 0
    except KeyboardInterrupt:
        note("interrupted")
        return _INTERRUPTED
    except Exception as error:
        if debug:
            raise
        note(_said(error))
        return _ERROR
    return 0


def _said(error: Exception) -> str:
    """Say an error in one line."""
    if isinstance(error, TidegaugeError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return (
            "not enough memory for this many rows. Fit a reference on a part and compare it, which reads batch by batch"
        )
    name = type(error).__name__
    return (
        f"stopped by an unexpected {name}, which is a fault of tidegauge's: run 'tidegauge --debug ...' and report it"
    )


@contextmanager
def _quiet(debug: bool) -> Generator[None]:
    """Keep warnings and log lines of libraries from the person."""
    if debug:
        yield
        return
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
