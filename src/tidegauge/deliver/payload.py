"""What is said of an alarm: to a webhook, to an Alertmanager, and to people."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any, Final
from urllib.parse import quote

from tidegauge.records import Alarm, AlarmKind, Change, Message
from tidegauge.spec import Alarms
from tidegauge.spec.length import Unit
from tidegauge.window.moment import moment

SCHEMA: Final = "tidegauge.alarm/1"
LASTS_FOR: Final = 3
"""How many times as long as it is repeated an alarm is taken to last."""
_MOST_LISTED, _MOST_TEXT = 20, 2000

NAMES: Final[dict[AlarmKind, str]] = {
    "drift": "TidegaugeDrift",
    "model changed": "TidegaugeModelChanged",
    "data quality": "TidegaugeDataQuality",
    "silence": "TidegaugeSilence",
}
ADVICE: Final[dict[AlarmKind, str]] = {
    "drift": "See what moved. If it is here to stay, give a new reference by 'tidegauge rebaseline'; if it passes, as "
    "a holiday does, say so by 'tidegauge annotate'; if nobody knows of it, look at what sends these rows",
    "model changed": "Rows are embedded by another model or in another way than the reference: undo that, or fit a new "
    "reference and give it by 'tidegauge rebaseline'",
    "data quality": "Rows come that cannot be used, or come twice: look at what makes them",
    "silence": "No rows come any more: look at their source, and whether 'tidegauge watch' runs",
}


def messages(alarm: Alarm, change: Change, settings: Alarms, *, now: float, unit: Unit = "seconds") -> list[Message]:
    """Say to every endpoint that wants it what changed of an alarm.

    The key is that of the change: who says the same again gives the same key. An Alertmanager is not told that an alarm
    was acknowledged or snoozed, as it keeps its own silences.

    Parameters
    ----------
    alarm : Alarm
        As it is after the change.
    change : str
        What changed.
    settings : Alarms
        The endpoints, and the addresses that go with an alarm.
    now : float
        Epoch seconds by the clock.
    unit : str
        What the moments of the alarm count: seconds, or rows.

    Examples
    --------
    >>> settings = Alarms(endpoints={"pager": {"url": "https://hooks.example.org/drift"}})
    >>> alarm = Alarm("0123456789ab", "queries", "", "r", "drift", "open", "warning", 600, 300, 600, 900.0, "More")
    >>> [message] = messages(alarm, "opened", settings, now=900.0)
    >>> message.endpoint, message.key, json.loads(message.body)["text"]
    ('pager', '0123456789ab:opened:600', "Warning: drift in queries. More. Likely since 1970-01-01 00:05 UTC. ...")
    """
    told: list[Message] = []
    key = f"{alarm.id}:{change}:{_sequence(alarm, change)}"
    for name, endpoint in settings.endpoints.items():
        if not endpoint.wants(alarm.kind, alarm.severity):
            continue
        if endpoint.kind == "webhook":
            content: Any = as_object(alarm, change, settings, unit)
        elif change in ("acknowledged", "snoozed"):
            continue
        else:
            content = list(_changed(alarm, change, settings, now, unit))
        told.append(Message(name, key, _json(content), due=now, alarm=alarm.id, change=change))
    return told


def woken(alarm: Alarm, settings: Alarms, *, now: float, unit: Unit = "seconds") -> list[Message]:
    """Say that a snoozed alarm's rest is over: each time, though nothing else of it changed."""
    told = messages(replace(alarm, state="open", snoozed_until=None), "updated", settings, now=now, unit=unit)
    return [replace(each, key=f"{alarm.id}:woken:{alarm.snoozed_until or 0:.0f}") for each in told]


def alerts(alarms: Iterable[Alarm], settings: Alarms, *, now: float, units: dict[str, Unit]) -> str:
    """Say to an Alertmanager that alarms still last; ``units`` of their moments by stream."""
    ends = now + LASTS_FOR * settings.repeat
    return _json(
        [_alert(alarm, "updated", settings, ends, units.get(alarm.stream, "seconds")) for alarm in alarms],
    )


def prolonged(message: Message, settings: Alarms, *, now: float) -> str:
    """The body of a message to an Alertmanager, whose alarm lasts on from now, however long the message waited."""
    if message.change == "resolved":
        return message.body
    first, *others = json.loads(message.body)
    return _json([{**first, "endsAt": _iso(now + LASTS_FOR * settings.repeat)}, *others])


def text(alarm: Alarm, change: Change, settings: Alarms, unit: Unit) -> str:
    """Say what changed in one paragraph."""
    return " ".join(_sentence(each) for each in _said(alarm, change, settings, unit) if each)


def as_object(alarm: Alarm, change: Change, settings: Alarms, unit: Unit) -> dict[str, Any]:
    """Say all of an alarm and of what changed: what a webhook gets, as an object for JSON."""
    by_clock = {"at": alarm.at, "snoozed_until": alarm.snoozed_until}
    by_pane = {name: getattr(alarm, name) for name in ("opened", "onset", "updated", "resolved")}
    return {
        "schema": SCHEMA,
        "change": change,
        "text": text(alarm, change, settings, unit),
        "unit": unit,
        "alarm": _bounded(asdict(alarm)),
        "times": {
            name: None if at is None else _iso(at)
            for name, at in {**(by_pane if unit == "seconds" else {}), **by_clock}.items()
        },
        "links": {
            "report": report_of(alarm, settings, unit) or None,
            "runbook": runbook_of(alarm, settings) or None,
        },
        "advice": _sentence(ADVICE[alarm.kind]),
    }


def report_of(alarm: Alarm, settings: Alarms, unit: Unit) -> str:
    """The address of an alarm's page; empty where there is none."""
    until = alarm.updated if alarm.resolved is None else alarm.resolved
    return alarm.report or _filled(
        settings.report,
        stream=alarm.stream,
        alarm=alarm.id,
        since=_iso(alarm.onset) if unit == "seconds" else str(alarm.onset),
        until=_iso(until) if unit == "seconds" else str(until),
    )


def runbook_of(alarm: Alarm, settings: Alarms) -> str:
    """The address of what to do about an alarm; empty where there is none."""
    return _filled(settings.runbook, stream=alarm.stream, kind=alarm.kind.replace(" ", "-"))


def _sequence(alarm: Alarm, change: Change) -> str:
    """What tells a change from others of its kind."""
    if change == "snoozed":
        return f"{alarm.snoozed_until or 0:.0f}"
    if change == "opened":
        return str(alarm.opened)
    return str(alarm.updated if change != "resolved" or alarm.resolved is None else alarm.resolved)


def _changed(alarm: Alarm, change: Change, settings: Alarms, now: float, unit: Unit) -> Iterator[dict[str, Any]]:
    ends = max(now, alarm.at)
    lasts = now + LASTS_FOR * settings.repeat
    yield _alert(alarm, change, settings, ends if change == "resolved" else lasts, unit)
    if change == "updated" and alarm.severity == "critical":
        # Severity is a label, and so a part of what an alert is: what was a warning until now is over.
        yield _alert(replace(alarm, severity="warning"), "resolved", settings, ends, unit)


def _alert(alarm: Alarm, change: Change, settings: Alarms, ends: float, unit: Unit) -> dict[str, Any]:
    labels = {
        "alertname": NAMES[alarm.kind],
        "stream": alarm.stream,
        "segment": alarm.segment,
        "kind": alarm.kind,
        "severity": alarm.severity,
    }
    shown = [f"{each.id}: {each.text}" if each.text else each.id for each in alarm.examples]
    report = report_of(alarm, settings, unit)
    annotations = {
        "alarm": alarm.id,
        "summary": _line(alarm.title),
        "description": text(alarm, change, settings, unit),
        "moved": "\n".join(_line(each) for each in (*alarm.reasons, *shown)[:_MOST_LISTED]),
        "report": report,
        "runbook": _sentence(ADVICE[alarm.kind]),
        "runbook_url": runbook_of(alarm, settings),
    }
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": _iso(alarm.at),
        "endsAt": _iso(ends),
        **({"generatorURL": report} if report.startswith(("http://", "https://")) else {}),
    }


def _said(alarm: Alarm, change: Change, settings: Alarms, unit: Unit) -> Iterator[str]:
    where = f"{alarm.kind} in {alarm.stream}" + (f", segment {alarm.segment}" if alarm.segment else "")
    by = f" by {alarm.by}" if alarm.by else ""
    ends = alarm.snoozed_until is not None and math.isfinite(alarm.snoozed_until)
    until = f" until {moment(alarm.snoozed_until)} UTC" if ends else ""
    heads: dict[Change, str] = {
        "opened": f"{alarm.severity.capitalize()}: {where}",
        "updated": f"Lasts, {alarm.severity}: {where}",
        "acknowledged": f"Acknowledged{by}: {where}",
        "snoozed": f"Snoozed{until}{by}: {where}",
        "resolved": f"Resolved{by}: {where}",
    }
    yield heads[change]
    yield alarm.title
    if change in ("acknowledged", "snoozed", "resolved") and alarm.why:
        yield f"Why: {alarm.why}"
    yield f"Likely since {moment(alarm.onset)} UTC" if unit == "seconds" else f"Likely since row {alarm.onset:,}"
    if alarm.drift is not None and math.isfinite(alarm.drift):
        peak = "At its peak as" if change == "resolved" else "As"
        yield f"{peak} if {alarm.drift:.1f} % of the traffic had moved"
    if change in ("opened", "updated"):
        yield from alarm.reasons[:3]
        runbook = runbook_of(alarm, settings)
        yield f"What to do: {runbook}" if runbook else ADVICE[alarm.kind]
    report = report_of(alarm, settings, unit)
    yield f"Report: {report}" if report else ""


def _filled(template: str, **fields: str) -> str:
    for name, value in fields.items():
        template = template.replace(f"{{{name}}}", quote(value, safe=":"))
    return template


def _sentence(text: str) -> str:
    line = _line(text)
    ended = line.endswith((".", "!", "?", ":")) or "://" in line.rpartition(" ")[2]
    return line if ended else f"{line}."


def _line(text: str) -> str:
    """Text of one line, of no more than anybody reads."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_TEXT else f"{line[:_MOST_TEXT]}..."


def _bounded(value: Any) -> Any:
    """What JSON can say of a value, and no endless lists or texts."""
    if isinstance(value, dict):
        return {key: _bounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(each) for each in value[:_MOST_LISTED]]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value[:_MOST_TEXT] if isinstance(value, str) else value


def _iso(seconds: float) -> str:
    """A moment in UTC to the second, as ISO 8601 has it; those that no calendar has are its last."""
    try:
        return dt.datetime.fromtimestamp(math.floor(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "9999-12-31T23:59:59Z"


def _json(content: Any) -> str:
    return json.dumps(content, allow_nan=False)
