"""All that is known of one alarm, as lines for people and as an object for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tidegauge.contracts import Store
from tidegauge.deliver.payload import ADVICE, report_of, runbook_of
from tidegauge.records import Alarm, Annotation, Message
from tidegauge.report.alarms import (
    alarm_json,
    annotation_json,
    annotation_line,
    drift_said,
    name_of,
    peak_said,
    report_command,
    state_said,
    touches,
)
from tidegauge.report.formats import clean
from tidegauge.report.promise import promise_json, promise_line
from tidegauge.report.windows import Unit, end_said, start_said, unit_in
from tidegauge.run.alarms import lookout_of
from tidegauge.run.answer import find
from tidegauge.run.promise import Promise, promises
from tidegauge.spec import Spec
from tidegauge.window.moment import moment


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of an alarm."""

    alarm: Alarm
    unit: Unit
    promise: Promise | None
    annotations: Sequence[Annotation]
    messages: Sequence[Message]
    in_force: bool


def known_of(store: Store, spec: Spec, given: str) -> Known:
    """All that is known of the alarm of an id, or of the first digits of one; ``last`` is the newest."""
    alarm = find(store, given)
    state = store.state(alarm.stream)
    unit, in_force = unit_in(spec, state), alarm.reference == state.reference
    promise: Promise | None = None
    if alarm.kind == "drift" and in_force and alarm.stream in spec.streams:
        every = promises(store, lookout_of(spec, spec.streams[alarm.stream]), state)
        promise = next((each for each in every if each.segment == alarm.segment), None)
    near = store.annotations(alarm.stream, since=alarm.onset, until=max(alarm.updated, alarm.opened))
    mine = [each for each in near if each.alarm in ("", alarm.id) and (each.stream or unit != "rows")]
    end = max(alarm.updated, alarm.opened)
    mine = [each for each in mine if each.alarm == alarm.id or touches(each, alarm.onset, end)]
    messages = [message for message in store.messages() if message.alarm == alarm.id]
    return Known(alarm, unit, promise, mine, messages, in_force)


def lines(spec: Spec, known: Known, now: float) -> Iterator[str]:
    """Say all of it."""
    alarm = known.alarm
    yield f"{alarm.id}: {alarm.severity}, {alarm.kind} in {name_of(alarm)}, {state_said(alarm, now)}"
    for label, said in (*_said(spec, known), *_said_beside(spec, known)):
        if said:
            yield f"  {label:<11}  {said}"


def _said(spec: Spec, known: Known) -> Iterator[tuple[str, str]]:
    """What happened, in the alarm's own words."""
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


def _said_beside(spec: Spec, known: Known) -> Iterator[tuple[str, str]]:
    """What people and endpoints know of it, and what to do."""
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


def to_dict(spec: Spec, known: Known) -> dict[str, Any]:
    """All of it as an object."""
    return alarm_json(spec, known.alarm, known.unit) | {
        "promise": None if known.promise is None else promise_json(known.promise),
        "annotations": [annotation_json(each, known.unit) for each in known.annotations],
        "messages": [
            {"endpoint": each.endpoint, "change": each.change, "delivered": each.delivered, "fault": each.fault}
            for each in known.messages
        ],
    }
