"""``tidegauge annotate``: say what is known of a time, or of an alarm."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, login, opened, stream_of
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import emit, note
from tidegauge.cli.spans import Since, Until
from tidegauge.errors import UsageError
from tidegauge.window.spans import bounds, newest

if TYPE_CHECKING:
    from tidegauge.records import Annotation, AnnotationKind, StreamState
    from tidegauge.report.windows import Unit
    from tidegauge.spec import StreamSpec

NAME = "annotate"
KINDS: Final[tuple[AnnotationKind, ...]] = ("deploy", "holiday", "campaign", "incident", "real", "noise", "note")
HELP = options.help_text(
    f"Say what is known of a time, for one stream or for all: {', '.join(KINDS)}. 'history' shows it beside the "
    "windows that it touches. Times of a holiday, a campaign, an incident and of what was real are left out of "
    "calibration; a deploy and a note are only shown.\n\n"
    "--alarm says of an alarm that it was real, or noise: panes of real ones stay out of calibration, those of noise "
    "teach it. Either way from the next calibration on.",
    "tidegauge annotate queries deploy 'search 4.2' --since 2026-11-20T14:00",
    "tidegauge annotate --all-streams holiday 'Christmas' --since 2026-12-24 --until 2026-12-27",
    "tidegauge annotate --alarm 3f2a1c noise 'a load test'",
    "tidegauge annotate --list",
    "tidegauge annotate --remove 3",
)
_WANTED: Final = f"one of {', '.join(KINDS)}"


class _Said(NamedTuple):
    """What the words of the command line are."""

    stream: str
    kind: AnnotationKind
    text: str


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STREAM] KIND [TEXT]", help="A stream of the settings, what it was, and in words."),
    ] = None,
    all_streams: Annotated[bool, typer.Option("--all-streams", help="Of all streams, in place of STREAM.")] = False,
    alarm: Annotated[
        str | None, typer.Option("--alarm", metavar="ID", help="Of an alarm, by the first digits of its id, or last.")
    ] = None,
    since: Since = None,
    until: Until = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who says it; the login name if not said.")
    ] = None,
    shown: Annotated[bool, typer.Option("--list", help="List what was said, of one STREAM or of all.")] = False,
    remove: Annotated[int | None, typer.Option("--remove", metavar="N", help="Take back what is listed as #N.")] = None,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Keep, list or remove annotations."""
    given = words or []
    others = bool(all_streams or alarm or since or until)
    if (remove is not None and (shown or others or given)) or (shown and (others or len(given) > 1)):
        raise UsageError("--list" if shown else "--remove", got="more than that", want="it alone")
    with opened(config) as at:
        name = login() if by is None else by
        if shown:
            _list(at, given[0] if given else None, form)
        elif remove is not None:
            at.store.unannotate(remove)
            emit(f"annotation #{remove} is gone.\n")
        elif alarm is not None:
            _judge(at, alarm, given, name, form, timed=bool(since or until or all_streams))
        else:
            said = _read(at, given, all_streams=all_streams)
            first, last, unit = _span(at, said, since, until)
            _tell(at.store.annotate(_of(said, first, last, name)), unit, form)


def _read(at: Opened, words: Sequence[str], *, all_streams: bool) -> _Said:
    """Tell the words apart."""
    rest = list(words)
    stream = ""
    if not all_streams:
        if not rest:
            hint = "Such as 'tidegauge annotate queries deploy --since 1h'; --list lists what was said"
            raise UsageError("annotate", got="nothing", want="a stream, a kind and a time", hint=hint)
        stream = rest.pop(0)
        stream_of(at.spec, stream)
        at.state(stream)
    kind, text = _kind(rest)
    if kind == "noise":
        raise UsageError("noise", got="a time", want="an alarm", hint="Say --alarm ID noise")
    return _Said(stream, kind, text)


def _kind(words: Sequence[str]) -> tuple[AnnotationKind, str]:
    if not words or words[0] not in KINDS:
        raise UsageError("KIND", got=repr(words[0]) if words else "none", want=_WANTED)
    if len(words) > 2:
        raise UsageError("TEXT", got=f"{len(words) - 1} words", want="one text", hint="Put it in quotes")
    return words[0], words[1] if len(words) > 1 else ""


def _span(at: Opened, said: _Said, since: str | None, until: str | None) -> tuple[int, int, Unit]:
    """Where it begins and ends, and what that is counted in."""
    from tidegauge.run.annotate import span_of

    spec, state = _where(at, said.stream)
    unit: Unit = "rows" if spec.kind == "stream" and spec.pane.unit == "rows" else "seconds"
    now = int(newest(spec, state) if unit == "rows" else time.time())
    return *span_of(said.kind, *bounds(spec, state, since, until, 1), now), unit


def _where(at: Opened, stream: str) -> tuple[StreamSpec, StreamState]:
    """The stream whose time counts; for all streams, the clock, as of a snapshot."""
    from tidegauge.records import StreamState
    from tidegauge.spec import StreamSpec

    if stream:
        return at.stream(stream), at.state(stream)
    return StreamSpec(name="all", kind="snapshot"), StreamState("all", "snapshot")


def _of(said: _Said, first: int, last: int, by: str) -> Annotation:
    from tidegauge.records import Annotation

    return Annotation(said.stream, said.kind, first, last, said.text, by, time.time())


def _judge(at: Opened, alarm: str, words: Sequence[str], by: str, form: PlainForm, *, timed: bool) -> None:
    from tidegauge.report.windows import unit_in
    from tidegauge.run.annotate import judge

    if timed:
        raise UsageError("--alarm", got="a time as well", want="it alone, as an alarm has its own")
    kind, text = _kind(words)
    kept = judge(at.store, alarm, kind, text, by=by, at=time.time())
    _tell(kept, unit_in(at.spec, at.store.state(kept.stream)), form)


def _tell(kept: Annotation, unit: Unit, form: PlainForm) -> None:
    """Say what was kept, and what it does."""
    from tidegauge.records import LEFT_OUT
    from tidegauge.report.alarms import annotation_json, annotation_line

    if form is PlainForm.json:
        emit(json.dumps(annotation_json(kept, unit), ensure_ascii=False) + "\n")
    else:
        emit(f"{annotation_line(kept, unit)}\n")
    calibrate = f"tidegauge calibrate {kept.stream or 'STREAM'}"
    if kept.kind in LEFT_OUT:
        note(f"left out of calibration from the next one on: '{calibrate}'")
    elif kept.kind == "noise":
        note(f"its panes teach calibration from the next one on: '{calibrate}'")


def _list(at: Opened, stream: str | None, form: PlainForm) -> None:
    from tidegauge.report.alarms import annotation_json, annotation_line, shown_for
    from tidegauge.report.windows import unit_in

    found = at.store.annotations(stream)
    units: dict[str, Unit] = {state.stream: unit_in(at.spec, state) for state in at.store.streams()}
    if stream is not None:
        at.state(stream)
        found = tuple(shown_for(found, units[stream]))
    if form is PlainForm.json:
        every = [annotation_json(each, units.get(each.stream, "seconds")) for each in found]
        emit("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in every))
        return
    lines = [annotation_line(each, units.get(each.stream, "seconds")) for each in found]
    emit("".join(f"{line}\n" for line in lines or ["no annotations"]))
