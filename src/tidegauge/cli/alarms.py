"""``tidegauge alarms``: what lasts, all that is known of one, and what people answer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, login, note_waiting, opened, settings
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import emit
from tidegauge.errors import UsageError
from tidegauge.window.spans import bounds

if TYPE_CHECKING:
    from tidegauge.records import Alarm, StreamState
    from tidegauge.report.windows import Unit

NAME = "alarms"
HELP = options.help_text(
    "List the alarms that last, newest last: id, state, severity, stream, kind, when it was opened and when the change "
    "is likely to have begun, what moved. 'show' says all that is known of one; 'acknowledge', 'snooze' and 'resolve' "
    "answer it, and tell whoever was told of it. Whether it was real or noise is said by 'tidegauge annotate'.\n\n"
    "Exit status of the list: 1 where an alarm lasts that is neither acknowledged nor snoozed, 0 otherwise.",
    "tidegauge alarms",
    "tidegauge alarms queries --all --since 30d",
    "tidegauge alarms show 3f2a1c",
    "tidegauge alarms acknowledge 3f2a1c --why 'the new catalogue'",
    "tidegauge alarms snooze 3f2a1c --for 2h",
    "tidegauge watch --once && tidegauge alarms",
)
_VERBS: Final = ("show", "acknowledge", "snooze", "resolve")
_LASTS: Final = 1


def command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[STREAM | show | acknowledge | snooze | resolve]",
            help="List the alarms of one stream; or what to do with the alarm of an ID.",
        ),
    ] = None,
    alarm: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="An alarm, by the first digits of its id; or last, the newest.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List those that are resolved too.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="SPAN|DATE", help="List those that spoke since then, resolved or not."),
    ] = None,
    span: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="How long to snooze it, such as 2h.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who answers; the login name if not said.")
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, which is kept.")] = "",
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """List alarms and leave with their status, show one, or answer it."""
    answered = {"--for": span, "--by": by, "--why": why or None}
    if what not in _VERBS or (alarm is None and what in settings(config).streams):
        if alarm is not None:
            raise UsageError("alarms", got=repr(what), want=f"one of {', '.join(_VERBS)} before an id")
        _refuse(answered, "a list of alarms", "an answer to one")
        _list(config, what, since, form, every=every)
        return
    if not alarm:
        hint = "'tidegauge alarms' lists them"
        raise UsageError(f"alarms {what}", got="no id", want="the id of an alarm", hint=hint)
    _refuse({"--all": every or None, "--since": since}, f"alarms {what}", "a list of alarms")
    if what == "show":
        _refuse(answered, "alarms show", "an answer to one")
        _show(config, alarm, form)
        return
    if what != "snooze":
        _refuse({"--for": span}, f"alarms {what}", "alarms snooze")
    elif span is None:
        raise UsageError("alarms snooze", got="no --for", want="how long it may wait", hint="Such as --for 2h")
    _answer(config, _Answer(what, alarm, span, login() if by is None else by, why), form)


class _Answer(NamedTuple):
    """What a person does with an alarm."""

    verb: str
    alarm: str
    span: str | None
    by: str
    why: str


def _refuse(given: Mapping[str, object], got: str, want: str) -> None:
    for option, value in given.items():
        if value is not None:
            raise UsageError(option, got=got, want=want)


def _list(config: Path | None, stream: str | None, since: str | None, form: PlainForm, *, every: bool) -> None:
    from tidegauge.report.alarms import ALARMS, alarm_json, alarm_line, lasts_open
    from tidegauge.report.windows import unit_in

    now = time.time()
    with opened(config) as at:
        if stream is not None:
            at.state(stream)
        states = [each for each in at.store.streams() if stream in (None, each.stream)]
        found = sorted(
            (alarm for state in states for alarm in _alarms(at, state, since, every=every)),
            key=lambda alarm: (alarm.at, alarm.opened, alarm.id),
        )
        units: dict[str, Unit] = {state.stream: unit_in(at.spec, state) for state in states}
        told = [alarm_json(at.spec, alarm, units[alarm.stream]) for alarm in found] if form is PlainForm.json else []
    if form is PlainForm.json:
        emit(json.dumps({"schema": ALARMS, "alarms": told}, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        emit("".join(f"{alarm_line(alarm, units[alarm.stream], now)}\n" for alarm in found))
        if not found:
            emit("no alarms\n" if every or since else "no alarm lasts\n")
    if any(lasts_open(alarm, now) for alarm in found):
        raise typer.Exit(_LASTS)


def _alarms(at: Opened, state: StreamState, since: str | None, *, every: bool) -> tuple[Alarm, ...]:
    if since is None:
        return at.store.alarms(state.stream, lasting=not every)
    if state.stream not in at.spec.streams:
        return ()
    spec = at.stream(state.stream)
    first, _ = bounds(spec, state, since, None, 1)
    return at.store.alarms(state.stream, since=first)


def _show(config: Path | None, given: str, form: PlainForm) -> None:
    from tidegauge.report.known import known_of, lines, to_dict

    with opened(config) as at:
        known, now = known_of(at.store, at.spec, given), time.time()
        if form is PlainForm.json:
            emit(json.dumps(to_dict(at.spec, known), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        else:
            emit("".join(f"{line}\n" for line in lines(at.spec, known, now)))


def _answer(config: Path | None, given: _Answer, form: PlainForm) -> None:
    from tidegauge.report.alarms import alarm_json, alarm_line
    from tidegauge.report.windows import unit_in
    from tidegauge.run.answer import acknowledge, resolve, snooze

    span, now = _seconds(given.span), time.time()
    with opened(config) as at:
        store, alarms, by, why = at.store, at.spec.alarms, given.by, given.why
        if given.verb == "acknowledge":
            after = acknowledge(store, given.alarm, alarms, by=by, why=why, at=now)
        elif given.verb == "snooze":
            after = snooze(store, given.alarm, alarms, until=now + span, by=by, why=why, at=now)
        else:
            after = resolve(store, given.alarm, alarms, by=by, why=why, at=now)
        unit = unit_in(at.spec, store.state(after.stream))
        in_json = json.dumps(alarm_json(at.spec, after, unit), ensure_ascii=False)
        emit(f"{in_json if form is PlainForm.json else alarm_line(after, unit, now)}\n")
        note_waiting(at)


def _seconds(span: str | None) -> int:
    from tidegauge.spec.length import read_seconds

    try:
        seconds = 0 if span is None else read_seconds(span)
    except ValueError:
        seconds = 0
    if span is not None and seconds <= 0:
        raise UsageError("--for", got=repr(span), want="a span of time, such as 2h")
    return seconds
