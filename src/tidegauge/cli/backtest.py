"""``tidegauge backtest STREAM --budget "1 in 90d"``: what alarms a budget would have raised over the stored history."""

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
from tidegauge.window.spans import bounds

if TYPE_CHECKING:
    from tidegauge.run.backtest import Backtest
    from tidegauge.spec import StreamSpec
    from tidegauge.spec.alarms import Budget

NAME = "backtest"
HELP = options.help_text(
    "Say how many alarms a budget would have raised over the stored history, when, and why; and how many of them "
    "unchanged traffic would have raised by itself. Nothing is written to the store.\n\n"
    "Without --budget, that of the settings, one of three times as many false alarms, and one of a third. Without "
    "--since, the last 90 days; all that is kept where panes are of rows.\n\n"
    "Exit status: 0 done, 2 usage or data error, 3 the history is too short.",
    "tidegauge backtest queries",
    'tidegauge backtest queries --budget "1 in 90d" --budget "1 in 30d" --since 180d -o backtest',
    "tidegauge backtest queries --segment de --min-effect 2 --format json",
)
_DEFAULT, _MOST, _SHORT = "90d", 8, 3


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="BUDGET",
            help="False alarms in a time, such as '1 in 90d', or in panes, such as '1 in 5000 panes'; may be repeated.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    segment: Annotated[
        str, typer.Option("--segment", metavar="NAME", help="Of one segment; of all rows if not said.")
    ] = "",
    min_effect: Annotated[
        float | None,
        typer.Option(
            "--min-effect",
            metavar="PERCENT",
            min=0.0,
            max=100.0,
            help="Smallest drift of interest, in per cent of the traffic; that of the settings if not said.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write it here: page, picture, JSON, text."),
    ] = None,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Print what budgets would have done, and write it."""
    from tidegauge.report.backtest import render, text, write
    from tidegauge.run.backtest import TooShort
    from tidegauge.run.history import check_segment

    budgets = _budgets(budget or [])
    if out is not None:
        check_folder(out)
    with opened(config) as at, progress() as bar:
        busy(bar, "Going through the history")
        spec = at.stream(stream)
        _check_kind(spec)
        check_segment(at.state(stream), segment)
        try:
            result = _found(at, spec, budgets, since, until, segment, min_effect)
        except TooShort as error:
            note(str(error))
            raise typer.Exit(_SHORT) from None
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


def _budgets(said: list[str]) -> list[Budget]:
    from tidegauge.spec.alarms import Budget

    if len(said) > _MOST:
        raise UsageError("--budget", got=f"{len(said)} of them", want=f"at most {_MOST}")
    found: list[Budget] = []
    for each in said:
        try:
            found.append(Budget.parse(each))
        except ValueError:
            want = "false alarms in a time, such as '1 in 90d', or in panes, such as '1 in 5000 panes'"
            raise UsageError("--budget", got=repr(each), want=want) from None
    return found


def _check_kind(spec: StreamSpec) -> None:
    if spec.kind == "snapshot":
        raise UsageError("stream", got=f"{spec.name!r}, a snapshot", want="a stream, which has panes")


def _found(
    at: Opened,
    spec: StreamSpec,
    budgets: list[Budget],
    since: str | None,
    until: str | None,
    segment: str,
    min_effect: float | None,
) -> Backtest:
    from tidegauge.run.alarms import sharing
    from tidegauge.run.backtest import backtest

    default = _DEFAULT if spec.pane.unit == "seconds" and until is None else None
    first, last = bounds(spec, at.state(spec.name), since or default, until, spec.pane.length)
    return backtest(
        at.store,
        at.monitor(spec.name),
        at.spec.alarms,
        budgets=budgets,
        streams=sharing(at.spec),
        segment=segment,
        since=first,
        until=last,
        min_effect=min_effect,
    )
