"""``tidegauge history STREAM``: the windows of a stream over time, new clusters, and what happened."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, opened
from tidegauge.cli.output import emit
from tidegauge.cli.spans import Since, Until
from tidegauge.errors import UsageError
from tidegauge.window.spans import bounds, floor, kept_length, length_of, newest, usual_length

if TYPE_CHECKING:
    from tidegauge.records import Annotation, Event, StreamState, Window
    from tidegauge.report.windows import Unit
    from tidegauge.spec import StreamSpec

NAME = "history"
HELP = options.help_text(
    "Show the windows of a stream over time: of one length, of all its rows or of one segment. Without --since and "
    "--until, the newest 48.\n\n"
    "--every shows windows of any length that slide, made anew from what is kept. --clusters shows the new clusters "
    "that were followed, from their birth to their end; --events shows what happened, and what people said of it by "
    "'tidegauge annotate', whose kinds stand in brackets beside the windows.",
    "tidegauge history queries",
    "tidegauge history queries --window 1d --since 30d --segment de",
    "tidegauge history queries --window 1d --every 1h --since 2d --format csv",
    "tidegauge history queries --since 2026-11-01 --clusters --events",
)
_NEWEST = 48
_MOST = 10_000


class Table(StrEnum):
    """How a history is printed."""

    text = "text"
    json = "json"
    csv = "csv"


Span = tuple[int | None, int | None]


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    window: Annotated[
        str | None,
        typer.Option("--window", metavar="LENGTH", help="How long; if not said, the shortest above the pane."),
    ] = None,
    since: Since = None,
    until: Until = None,
    segment: Annotated[
        str, typer.Option("--segment", metavar="NAME", help="Of one segment; of all rows if not said.")
    ] = "",
    every: Annotated[
        str | None, typer.Option("--every", metavar="LENGTH", help="Let windows slide, one beginning every so often.")
    ] = None,
    clusters: Annotated[bool, typer.Option("--clusters", help="Show new clusters as well.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Show what happened as well.")] = False,
    config: options.Config = None,
    form: Annotated[Table, typer.Option("--format", help="What stdout gets.")] = Table.text,
) -> None:
    """Print windows, clusters and events."""
    from tidegauge.report.history import lines, to_csv, to_dict, within
    from tidegauge.report.windows import unit_of
    from tidegauge.run.baseline import check_pane
    from tidegauge.run.history import check_segment

    if form is Table.csv and (clusters or events):
        raise UsageError("--format csv", got="--clusters or --events", want="windows alone", hint="Say --format json")
    with opened(config) as at:
        spec, state = at.stream(stream), at.state(stream)
        check_pane(spec, state)
        check_segment(state, segment)
        length = _length(spec, window, slides=every is not None)
        span = bounds(spec, state, since, until, spec.pane.length if every else length)
        if every is None:
            shown = _kept(at, spec, length, span, segment)
        else:
            shown = _sliding(at, spec, state, length, every, span, segment)
        followed = within(at.store.clusters(stream), span) if clusters else None
        happened = _events(at, spec, span) if events else None
        unit = unit_of(spec)
        said = _annotations(at, stream, span, unit)
    if form is Table.csv:
        emit(to_csv(shown, unit))
    elif form is Table.json:
        told = to_dict(stream, shown, followed, happened, said, unit)
        emit(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        emit("".join(f"{line}\n" for line in lines(shown, followed, happened, said, unit)))


def _length(spec: StreamSpec, window: str | None, *, slides: bool) -> int:
    """The length of the windows: one that is kept, or a whole number of panes where they slide."""
    if spec.kind == "snapshot" and (window is not None or slides):
        raise UsageError("--every" if slides else "--window", got="a snapshot", want="a stream, which has windows")
    if window is None:
        return usual_length(spec)
    if not slides:
        return kept_length("--window", window, spec, hint="With --every, windows may be of any length")
    length = length_of("--window", window, spec)
    _check_panes("--window", length, spec)
    return length


def _check_panes(option: str, length: int, spec: StreamSpec) -> None:
    from tidegauge.spec import length_text

    if length <= 0 or length % spec.pane.length:
        got = length_text(length, spec.pane.unit)
        raise UsageError(option, got=got, want=f"a whole multiple of the pane, {spec.pane}")


def _kept(at: Opened, spec: StreamSpec, length: int, span: Span, segment: str) -> tuple[Window, ...]:
    since, until = span
    most = _NEWEST if since is None and until is None else None
    return at.store.windows(spec.name, length=length, since=since, until=until, segment=segment, newest=most)


def _sliding(
    at: Opened, spec: StreamSpec, state: StreamState, length: int, every: str, span: Span, segment: str
) -> tuple[Window, ...]:
    from tidegauge.run.history import sliding

    step = length_of("--every", every, spec)
    _check_panes("--every", step, spec)
    # Not further than the panes that are full: a window with room left for rows would look like a quiet one.
    until = floor(newest(spec, state), spec.pane.length, spec) if span[1] is None else span[1]
    since = until - length - (_NEWEST - 1) * step if span[0] is None else span[0]
    if spec.pane.unit == "rows":
        since = max(since, 0)
    if (until - since) // step > _MOST:
        raise UsageError("--every", got=f"{(until - since) // step:,} windows", want=f"at most {_MOST:,}")
    return tuple(sliding(at.store, at.monitor(spec.name), length, step, since, until, segment))


def _events(at: Opened, spec: StreamSpec, span: Span) -> tuple[Event, ...]:
    """Events of a span of time; of all times where spans are rows."""
    since, until = (None, None) if spec.kind == "stream" and spec.pane.unit == "rows" else span
    found = at.store.events(spec.name, since=since)
    return tuple(event for event in found if until is None or event.at < until)


def _annotations(at: Opened, stream: str, span: Span, unit: Unit) -> list[Annotation]:
    """What people said of a span."""
    from tidegauge.report.alarms import shown_for

    since, until = span
    return shown_for(at.store.annotations(stream, since=since, until=until), unit)
