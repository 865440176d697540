"""``tidegauge alarms``: what lasts, all that is known of one, and what people answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import Opened, login, lookout_of, note_waiting, opened, settings, unit_in
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import emit
from tidegauge.cli.spans import bounds
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from tidegauge.records import Alarm, Annotation, Change, Message, StreamState
    from tidegauge.report.windows import Unit
    from tidegauge.run.promise import Promise
    from tidegauge.spec import Spec

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
_SCHEMA: Final = "tidegauge.alarms/1"
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


class _Known(NamedTuple):
    """All that is known of an alarm."""

    alarm: Alarm
    unit: Unit
    promise: Promise | None
    annotations: Sequence[Annotation]
    messages: Sequence[Message]
    in_force: bool


def _refuse(given: Mapping[str, object], got: str, want: str) -> None:
    for option, value in given.items():
        if value is not None:
            raise UsageError(option, got=got, want=want)


def _list(config: Path | None, stream: str | None, since: str | None, form: PlainForm, *, every: bool) -> None:
    from tidegauge.report.alarms import alarm_line, lasts_open

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
        told = [_object(at.spec, alarm, units[alarm.stream]) for alarm in found] if form is PlainForm.json else []
    if form is PlainForm.json:
        emit(json.dumps({"schema": _SCHEMA, "alarms": told}, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
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


def _object(spec: Spec, alarm: Alarm, unit: Unit) -> dict[str, Any]:
    """What a webhook is told when it comes to be as it is."""
    from tidegauge.deliver.payload import as_object

    change: Change = "opened" if alarm.state == "open" else alarm.state
    return as_object(alarm, change, spec.alarms, "rows" if unit == "rows" else "seconds")


def _show(config: Path | None, given: str, form: PlainForm) -> None:
    with opened(config) as at:
        known = _known(at, given)
        told = _json(at.spec, known) if form is PlainForm.json else {}
        lines = list(_lines(at.spec, known)) if form is PlainForm.text else []
    if form is PlainForm.json:
        emit(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        emit("".join(f"{line}\n" for line in lines))


def _known(at: Opened, given: str) -> _Known:
    from tidegauge.report.alarms import touches
    from tidegauge.run.answer import find
    from tidegauge.run.promise import promises

    alarm = find(at.store, given)
    state = at.store.state(alarm.stream)
    unit, in_force = unit_in(at.spec, state), alarm.reference == state.reference
    promise: Promise | None = None
    if alarm.kind == "drift" and in_force and alarm.stream in at.spec.streams:
        every = promises(at.store, lookout_of(at.spec, at.stream(alarm.stream)), state)
        promise = next((each for each in every if each.segment == alarm.segment), None)
    near = at.store.annotations(alarm.stream, since=alarm.onset, until=max(alarm.updated, alarm.opened))
    mine = [each for each in near if each.alarm in ("", alarm.id) and (each.stream or unit != "rows")]
    end = max(alarm.updated, alarm.opened)
    mine = [each for each in mine if each.alarm == alarm.id or touches(each, alarm.onset, end)]
    messages = [message for message in at.store.messages() if message.alarm == alarm.id]
    return _Known(alarm, unit, promise, mine, messages, in_force)


def _lines(spec: Spec, known: _Known) -> Iterator[str]:
    from tidegauge.report.alarms import name_of, state_said

    alarm = known.alarm
    yield f"{alarm.id}: {alarm.severity}, {alarm.kind} in {name_of(alarm)}, {state_said(alarm, time.time())}"
    for label, said in (*_said(spec, known), *_said_beside(spec, known)):
        if said:
            yield f"  {label:<11}  {said}"


def _said(spec: Spec, known: _Known) -> Iterator[tuple[str, str]]:
    """What happened, in the alarm's own words."""
    from tidegauge.report.alarms import drift_said, peak_said
    from tidegauge.report.formats import clean
    from tidegauge.report.promise import promise_line
    from tidegauge.report.windows import end_said, start_said

    alarm, unit = known.alarm, known.unit
    yield "title", clean(alarm.title, 300)
    yield "opened", f"{end_said(alarm.opened, unit)}, likely since {start_said(alarm.onset, unit)}"
    yield "last spoke", end_said(alarm.updated, unit)
    yield "resolved", "" if alarm.resolved is None else end_said(alarm.resolved, unit)
    early = "it was opened before the stream had a history to learn from: this may be how the stream is"
    yield "provisional", early if alarm.provisional else ""
    yield "peak", peak_said(alarm)
    yield "drift", drift_said(alarm)
    yield "budget", "" if known.promise is None else promise_line(known.promise, spec.alarms.budget)
    for place, reason in enumerate(alarm.reasons):
        yield "moved" if not place else "", clean(reason, 400)
    for place, example in enumerate(alarm.examples):
        text = f'"{clean(example.text, 200)}"' if example.text else ""
        yield "examples" if not place else "", "  ".join(each for each in (text, clean(example.id, 60)) if each)


def _said_beside(spec: Spec, known: _Known) -> Iterator[tuple[str, str]]:
    """What people and endpoints know of it, and what to do."""
    from tidegauge.deliver.payload import ADVICE, report_of, runbook_of
    from tidegauge.report.alarms import annotation_line, report_command
    from tidegauge.report.formats import clean
    from tidegauge.window.moment import moment

    alarm, unit = known.alarm, known.unit
    yield "answered", f"by {clean(alarm.by, 40)}" if alarm.by else ""
    yield "why", clean(alarm.why, 400)
    for annotation in known.annotations:
        yield "annotation", annotation_line(annotation, unit)
    for message in known.messages:
        at = f"arrived {moment(message.delivered)} UTC" if message.delivered is not None else "waits"
        fault = f": {clean(message.fault, 200)}" if message.delivered is None and message.fault else ""
        yield "message", f"{message.endpoint}, {message.change}: {at}{fault}"
    yield "what to do", clean(runbook_of(alarm, spec.alarms), 1000) or f"{ADVICE[alarm.kind]}."
    yield "page", clean(report_of(alarm, spec.alarms, "rows" if unit == "rows" else "seconds"), 1000)
    if alarm.kind == "drift":
        none = "none: another reference has come into force"
        yield "report", report_command(alarm, unit) if known.in_force else none


def _json(spec: Spec, known: _Known) -> dict[str, Any]:
    from tidegauge.report.alarms import annotation_json
    from tidegauge.report.promise import promise_json

    return _object(spec, known.alarm, known.unit) | {
        "promise": None if known.promise is None else promise_json(known.promise),
        "annotations": [annotation_json(each, known.unit) for each in known.annotations],
        "messages": [
            {"endpoint": each.endpoint, "change": each.change, "delivered": each.delivered, "fault": each.fault}
            for each in known.messages
        ],
    }


def _answer(config: Path | None, given: _Answer, form: PlainForm) -> None:
    from tidegauge.report.alarms import alarm_line
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
        in_json = json.dumps(_object(at.spec, after, unit), ensure_ascii=False)
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
