"""``tidegauge link STREAM``: which product metrics get worse when drift spikes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, opened
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import busy, check_folder, emit, emit_paths, note, progress, writing
from tidegauge.cli.spans import Since, Until
from tidegauge.errors import UsageError
from tidegauge.window.spans import bounds, kept_length

if TYPE_CHECKING:
    from tidegauge.run.link import Linked
    from tidegauge.spec import StreamSpec

NAME = "link"
HELP = options.help_text(
    "Say which outcomes of a stream get worse when drift spikes: whether each is associated with drift over time, how "
    "much later and how strongly; what it did around the onsets of alarms; and in which clusters its newest change "
    "lies. Begins with one sentence. Nothing is written to the store.\n\n"
    "Without --window, the shortest windows of which 60 are kept, over a week or more where there are such.\n\n"
    "Exit status: 0 no outcome is harmed, 1 one is: associated with drift, or failing without it, 2 usage or data "
    "error, 3 not enough data to tell.",
    "tidegauge link queries",
    "tidegauge link queries --outcome success --since 30d --window 1h -o link",
    "tidegauge link queries --segment de --lags 24 --format json",
)
_HARMED, _UNKNOWN = 1, 3
_MOST_LAGS = 48


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    outcome: Annotated[
        list[str] | None,
        typer.Option("--outcome", metavar="NAME", help="One of the settings' outcomes; all if not said. Repeatable."),
    ] = None,
    since: Since = None,
    until: Until = None,
    window: Annotated[
        str | None,
        typer.Option("--window", metavar="LENGTH", help="Length of the windows: that of some that are kept."),
    ] = None,
    segment: Annotated[
        str,
        typer.Option(
            "--segment", metavar="NAME", help="Of one segment; of all rows, and of every segment, if not said."
        ),
    ] = "",
    lags: Annotated[
        int,
        typer.Option(
            "--lags", metavar="N", min=0, max=_MOST_LAGS, help="Most windows by which an outcome may follow drift."
        ),
    ] = 7,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write it here: page, pictures, JSON, text.")
    ] = None,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Print what ties outcomes to drift, write it, and leave with its status."""
    from tidegauge.report.link import render, text, write
    from tidegauge.run.history import check_segment
    from tidegauge.run.link import NoWindows

    if out is not None:
        check_folder(out)
    with opened(config) as at, progress() as bar:
        busy(bar, "Going through the history")
        spec = at.stream(stream)
        check_segment(at.state(stream), segment)
        try:
            result = _found(at, spec, outcome or [], since, until, window, segment, lags)
        except NoWindows as error:
            note(str(error))
            raise typer.Exit(_UNKNOWN) from None
        busy(bar, "Writing it")
        paths: list[Path] = []
        if out is not None:
            with writing(out):
                paths = write(result, out)
    if form is PlainForm.json:
        emit(render(result))
        for path in paths:
            note(f"wrote {path}")
    else:
        emit(text(result))
        emit("\n" if paths else "")
        emit_paths(paths)
    raise typer.Exit(_HARMED if result.harmed else 0 if result.known else _UNKNOWN)


def _found(
    at: Opened,
    spec: StreamSpec,
    outcomes: list[str],
    since: str | None,
    until: str | None,
    window: str | None,
    segment: str,
    lags: int,
) -> Linked:
    from tidegauge.run.link import documents_of, link

    if spec.kind == "snapshot":
        raise UsageError("stream", got=f"{spec.name!r}, a snapshot", want="a stream, which has windows")
    length = None if window is None else kept_length("--window", window, spec)
    first, last = bounds(spec, at.state(spec.name), since, until, length or spec.pane.length)
    return link(
        at.store,
        at.monitor(spec.name),
        since=first,
        until=last,
        length=length,
        outcomes=outcomes,
        segment=segment,
        lags=lags,
        documents=documents_of(at.store, at.spec, spec),
    )
