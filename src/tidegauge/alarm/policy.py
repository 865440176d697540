"""The life of an alarm: opened, updated, resolved; one for a streak, however many panes it has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from tidegauge.alarm.panes import Reading
from tidegauge.records import Alarm, AlarmKind, Change, PaneKey, Severity

LASTING = 4
"""Panes of the windows by which an alarm lasts at least, however short the one was that spoke first."""
RELEASE = 1.5
"""How far below the threshold, in sd, a pane counts as quiet."""


@dataclass(frozen=True, slots=True)
class Terms:
    """When an alarm is worth it: ``threshold`` in sd; ``min_effect``, the smallest drift of interest (0: any), and
    ``critical``, from which it is critical, in per cent of the traffic; ``calm`` quiet panes resolve it;
    ``provisional`` says that no history stands behind the threshold.
    """

    threshold: float
    min_effect: float = 0.0
    critical: float = 10.0
    calm: int = 3
    provisional: bool = False


def advance(alarm: Alarm | None, reading: Reading, terms: Terms, *, at: float) -> tuple[Alarm | None, Change | None]:
    """What a pane makes of the alarm that lasts, or of none.

    Parameters
    ----------
    alarm : Alarm or None
        The one that lasts.
    reading : Reading
    terms : Terms
    at : float
        Epoch seconds by the clock.

    Returns
    -------
    alarm, change
        The alarm as it is now, None where there is none; and what happened to it, None where nothing that must be told.
    """
    if alarm is None:
        loud = reading.value >= terms.threshold and (not terms.min_effect or reading.drift >= terms.min_effect)
        return (opened(reading, terms, at), "opened") if loud else (None, None)
    # What lies in a longer window than the one that spoke may be over long since.
    quiet = max(value for panes, value in reading.by_length if panes <= max(alarm.panes, LASTING))
    if quiet < terms.threshold - RELEASE:
        calm = replace(alarm, calm=alarm.calm + 1)
        return (calm, None) if calm.calm < terms.calm else (resolved(calm, reading.key.end), "resolved")
    worse = alarm.severity == "warning" and severity_of(reading.drift, terms) == "critical"
    alarm = replace(alarm, calm=0, updated=reading.key.end, severity="critical" if worse else alarm.severity)
    if worse or reading.value > alarm.value:
        alarm = replace(alarm, drift=reading.drift)
    if reading.value > alarm.value:
        alarm = replace(alarm, value=reading.value, score=reading.score)
    return alarm, "updated" if worse else None


def opened(reading: Reading, terms: Terms, at: float) -> Alarm:
    """The alarm that a pane opens; what moved is said by whoever can look at rows."""
    key = reading.key
    return Alarm(
        alarm_id(key, "drift"),
        key.stream,
        key.segment,
        key.reference,
        "drift",
        "open",
        severity_of(reading.drift, terms),
        opened=key.end,
        onset=reading.onset,
        updated=key.end,
        at=at,
        title="",
        score=reading.score,
        panes=reading.panes,
        value=reading.value,
        threshold=terms.threshold,
        drift=reading.drift,
        provisional=terms.provisional,
    )


def resolved(alarm: Alarm, end: int, *, by: str = "", why: str = "") -> Alarm:
    """The alarm at its end."""
    return replace(alarm, state="resolved", resolved=end, by=by, why=why or alarm.why)


def severity_of(drift: float, terms: Terms) -> Severity:
    """How bad a drift is."""
    return "critical" if drift >= terms.critical else "warning"


def alarm_id(key: PaneKey, kind: AlarmKind) -> str:
    """12 hexadecimal digits that the same pane of the same stream gives again."""
    named = f"{key.stream}\0{key.reference}\0{key.segment}\0{key.length}\0{key.start}\0{kind}"
    return hashlib.sha256(named.encode()).hexdigest()[:12]
