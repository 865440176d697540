"""``tidegauge report STREAM --since 7d``: the whole report of a span of a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, opened
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import busy, check_folder, coloured, emit, emit_paths, note, progress, write_whole_report
from tidegauge.cli.spans import Since, Until
from tidegauge.errors import DataError, UsageError
from tidegauge.window.spans import bounds, ceil, newest

if TYPE_CHECKING:
    from tidegauge.records import Comparison
    from tidegauge.spec import StreamSpec

NAME = "report"
HELP = options.help_text(
    "Compare a span of a stream with the reference in force, as 'tidegauge compare' does: verdict, scores, what moved, "
    "with examples. Of a snapshot, its present content.\n\n"
    "Exit status: 0 no drift, 1 drift, 2 usage or data error, 3 insufficient data.",
    "tidegauge report queries --since 7d",
    "tidegauge report queries --since 2026-11-01 --until 2026-11-08 --segment de -o report",
    "tidegauge report documents -o report --interactive",
)
_DEFAULT = "7d"
_UNFIT = 2


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    since: Since = None,
    until: Until = None,
    segment: Annotated[
        str, typer.Option("--segment", metavar="NAME", help="Of one segment; of all rows if not said.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write the whole report here: page, pictures, JSON, text."),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Write explore.html too: the map to point at and click; needs --out.")
    ] = False,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Print the verdict of a span, write its report, and leave with its status."""
    from tidegauge.report import json, text
    from tidegauge.run.history import check_segment

    _check_output(out, interactive=interactive)
    with opened(config) as at, progress() as bar:
        busy(bar, "Reading the history")
        check_segment(at.state(stream), segment)
        result = _compare(at, at.stream(stream), since, until, segment)
        poor = _poor(result, at.stream(stream).quality.max_rejected)
        busy(bar, "Writing the report")
        paths = write_whole_report(result, out, interactive=interactive) if out else []
    if form is PlainForm.json:
        emit(json.render(result))
        for path in paths:
            note(f"wrote {path}")
    else:
        emit(text.render(result, color=coloured()))
        emit("\n" if paths else "")
        emit_paths(paths)
    if poor:
        note(poor)
    raise typer.Exit(_UNFIT if poor else result.verdict.exit_status)


def _poor(result: Comparison, limit: float) -> str:
    """Why a verdict on these rows says little: too many others were set aside. Empty where it is not so."""
    from tidegauge.gate import check_rejected

    try:
        check_rejected(result.after, limit)
    except DataError as error:
        return f"{error}: the verdict is of the others alone"
    return ""


def _check_output(out: Path | None, *, interactive: bool) -> None:
    if interactive and out is None:
        raise UsageError("--interactive", got="no --out", want="a folder for explore.html")
    if interactive:
        from tidegauge.report.interactive import require

        require()
    if out is not None:
        check_folder(out)


def _compare(at: Opened, spec: StreamSpec, since: str | None, until: str | None, segment: str) -> Comparison:
    from tidegauge.run.compare import compared

    return compared(at.store, at.monitor(spec.name), *_span(at, spec, since, until), segment)


def _span(at: Opened, spec: StreamSpec, since: str | None, until: str | None) -> tuple[int, int]:
    """Where the span begins and ends: to the newest row, from a week before it or from the first row."""
    from tidegauge.run.compare import EVER

    if spec.kind == "snapshot":
        if since is not None or until is not None:
            raise UsageError("--since", got="a snapshot, which knows only its present content", want="a stream")
        return 0, 0
    state, pane = at.state(spec.name), spec.pane.length
    default = _DEFAULT if spec.pane.unit == "seconds" and until is None else None
    first, last = bounds(spec, state, since or default, until, pane)
    if first is None:
        first = 0 if spec.pane.unit == "rows" else EVER
    return first, ceil(newest(spec, state) + 1, pane, spec) if last is None else last
