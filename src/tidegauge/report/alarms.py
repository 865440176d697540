"""Alarms, and what people know of times, as lines for people and as objects for JSON. Pure functions."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from tidegauge.deliver.payload import as_object
from tidegauge.records import ALL, Alarm, Annotation, Change, Window
from tidegauge.report.formats import clean, drift_value, plain
from tidegauge.report.windows import Unit, end_said, place_json, start_said
from tidegauge.spec import Spec
from tidegauge.window.moment import moment

ALARMS, ANNOTATION = "tidegauge.alarms/1", "tidegauge.annotation/1"


def lasts_open(alarm: Alarm, now: float) -> bool:
    """Whether an alarm lasts and nobody looks after it: one that rests is open again when its time is over."""
    resting = alarm.snoozed_until is not None and alarm.snoozed_until > now
    return alarm.lasts and (alarm.state == "open" or (alarm.state == "snoozed" and not resting))


def state_said(alarm: Alarm, now: float) -> str:
    """Say how an alarm stands.

    Examples
    --------
    >>> alarm = Alarm("0123456789ab", "q", "", "r", "drift", "snoozed", "warning", 600, 300, 600, 9.0, "More", by="Ada")
    >>> from dataclasses import replace
    >>> state_said(replace(alarm, snoozed_until=7200.0), 10.0), state_said(replace(alarm, snoozed_until=7200.0), 8000.0)
    ('snoozed until 1970-01-01 02:00 UTC by Ada', 'open')
    """
    if lasts_open(alarm, now):
        return "open"
    until = f" until {moment(alarm.snoozed_until)} UTC" if alarm.state == "snoozed" else ""
    by = f" by {clean(alarm.by, 40)}" if alarm.by else ""
    return f"{alarm.state}{until}{by}"


def name_of(alarm: Alarm) -> str:
    """The stream, and the segment where it is of one."""
    return alarm.stream if alarm.segment == ALL else f"{alarm.stream}/{clean(alarm.segment, 40)}"


def alarm_line(alarm: Alarm, unit: Unit, now: float) -> str:
    """Say an alarm in one line.

    Examples
    --------
    >>> alarm = Alarm("0123456789ab", "q", "de", "r", "drift", "open", "warning", 7200, 3600, 7200, 9.0, "More of it.")
    >>> alarm_line(alarm, "seconds", 10.0)
    '0123456789ab  open  warning  q/de  drift  1970-01-01 02:00 UTC, likely since 1970-01-01 01:00 UTC  More of it.'
    """
    stands = (alarm.id, state_said(alarm, now), alarm.severity, name_of(alarm), alarm.kind)
    began = f"{end_said(alarm.opened, unit)}, likely since {start_said(alarm.onset, unit)}"
    return "  ".join((*stands, began, clean(alarm.title, 200)))


def change_line(alarm: Alarm, change: Change, unit: Unit) -> str:
    """Say in one line what became of an alarm.

    Examples
    --------
    >>> alarm = Alarm("0123456789ab", "q", "", "r", "drift", "open", "warning", 7200, 3600, 7200, 9.0, "More of it.")
    >>> change_line(alarm, "opened", "seconds")
    '1970-01-01 02:00 UTC  q  alarm 0123456789ab opened: drift, warning, likely since 1970-01-01 01:00 UTC. More of it.'
    """
    at = alarm.opened if change == "opened" else alarm.updated if alarm.resolved is None else alarm.resolved
    head = f"{end_said(at, unit)}  {name_of(alarm)}  alarm {alarm.id} {change}: {alarm.kind}"
    if change != "opened":
        why = f". {clean(alarm.why, 200)}" if alarm.why else ""
        return f"{head}, {alarm.severity}{why}"
    return f"{head}, {alarm.severity}, likely since {start_said(alarm.onset, unit)}. {clean(alarm.title, 200)}"


def peak_said(alarm: Alarm) -> str:
    """Say how loud an alarm was; nothing where its kind says all."""
    if not alarm.score:
        return ""
    over = f"{alarm.panes:,} pane{'s' * (alarm.panes != 1)}"
    return f"{alarm.value:.1f} sd over {over}, by {clean(alarm.score, 40)}; threshold {alarm.threshold:.1f}"


def drift_said(alarm: Alarm) -> str:
    """Say the drift at the peak; nothing where there is none."""
    if alarm.drift is None or not math.isfinite(alarm.drift):
        return ""
    return f"as if {plain(drift_value(alarm.drift)).replace(chr(0xA0), ' ')} of the traffic had moved, at the peak"


def report_command(alarm: Alarm, unit: Unit) -> str:
    """The command that shows the report of an alarm's span.

    Examples
    --------
    >>> alarm = Alarm("0123456789ab", "q", "new users", "r", "drift", "open", "warning", 7200, 3600, 7200, 9.0, "More")
    >>> report_command(alarm, "seconds")
    "tidegauge report q --since 1970-01-01T01:00 --until 1970-01-01T02:00 --segment 'new users'"
    >>> report_command(alarm, "rows")
    "tidegauge report q --since 3601 --until 7201 --segment 'new users'"
    """
    first, last = alarm.onset, max(alarm.updated, alarm.opened)
    if unit == "rows":
        words = ["--since", str(first + 1), "--until", str(last + 1)]
    else:
        words = ["--since", moment(first).replace(" ", "T"), "--until", moment(last + 59).replace(" ", "T")]
    segment = ["--segment", clean(alarm.segment, 1000)] if alarm.segment else []
    return shlex.join(["tidegauge", "report", alarm.stream, *words, *segment])


def alarm_json(spec: Spec, alarm: Alarm, unit: Unit) -> dict[str, Any]:
    """What a webhook is told when it comes to be as it is."""
    change: Change = "opened" if alarm.state == "open" else alarm.state
    return as_object(alarm, change, spec.alarms, "rows" if unit == "rows" else "seconds")


def touches(annotation: Annotation, start: int, end: int) -> bool:
    """Whether an annotation touches a window; a moment touches the one that holds it.

    Examples
    --------
    >>> touches(Annotation("q", "deploy", 60, 60), 60, 120), touches(Annotation("q", "holiday", 0, 60), 60, 120)
    (True, False)
    """
    if annotation.since == annotation.until:
        return start <= annotation.since < max(end, start + 1)
    return annotation.since < max(end, start + 1) and start < annotation.until


def mark(window: Window, annotations: Iterable[Annotation]) -> str:
    """What people know of a window's time, to be shown beside it; nothing where they know nothing."""
    key = window.key
    kinds = dict.fromkeys(each.kind for each in annotations if touches(each, key.start, key.end))
    return f"[{', '.join(kinds)}]" if kinds else ""


def shown_for(annotations: Sequence[Annotation], unit: Unit) -> list[Annotation]:
    """Those that are told in a stream's own unit: what is said of all streams is said in time."""
    return [each for each in annotations if each.stream or unit != "rows"]


def annotation_line(annotation: Annotation, unit: Unit) -> str:
    """Say an annotation in one line.

    Examples
    --------
    >>> annotation_line(Annotation("q", "deploy", 3600, 3600, "v2", "Ada", id=3), "seconds")
    '#3  1970-01-01 01:00 UTC  q  deploy: v2 (Ada)'
    >>> annotation_line(Annotation("", "holiday", 0, 7200, id=4), "seconds")
    '#4  1970-01-01 00:00 UTC to 1970-01-01 02:00 UTC  all streams  holiday'
    """
    since, until = start_said(annotation.since, unit), end_said(annotation.until, unit)
    span = since if annotation.since == annotation.until else f"{since} to {until}"
    text = f": {clean(annotation.text, 300)}" if annotation.text else ""
    of = f", of alarm {annotation.alarm}" if annotation.alarm else ""
    by = f" ({clean(annotation.by, 40)})" if annotation.by else ""
    return f"#{annotation.id}  {span}  {annotation.stream or 'all streams'}  {annotation.kind}{of}{text}{by}"


def annotation_json(annotation: Annotation, unit: Unit) -> dict[str, Any]:
    """An annotation as an object."""
    return {
        "schema": ANNOTATION,
        "id": annotation.id,
        "stream": annotation.stream or None,
        "kind": annotation.kind,
        "since": place_json(annotation.since, unit),
        "until": place_json(annotation.until, unit),
        "text": annotation.text,
        "by": annotation.by,
        "alarm": annotation.alarm or None,
    }
