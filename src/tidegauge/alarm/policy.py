"""The life of an alarm: opened, updated, resolved; one for a streak, however many panes it has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.windows import MEMBERS
from tidegauge.records import Alarm, AlarmKind, Change, PaneKey, Severity

Float64 = npt.NDArray[np.float64]

RELEASE = 1.5
"""How far below the threshold, in sd, a pane counts as quiet."""


@dataclass(frozen=True, slots=True)
class Terms:
    """When an alarm is worth it: ``threshold`` in sd; ``min_effect``, the smallest drift of interest, and ``critical``, from
    which it is critical, in per cent of the traffic; ``calm`` quiet panes resolve it.
    """

    threshold: float
    min_effect: float = 0.0
    critical: float = 10.0
    calm: int = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pane says, with those before it: the loudest ``value`` in sd, of which ``score``, over how many ``panes``;
    ``by_length`` the loudest of each length; ``drift`` in per cent of the traffic and ``onset``, the likely start of a
    change, as of that window.
    """

    key: PaneKey
    value: float
    score: str
    panes: int
    by_length: tuple[tuple[int, float], ...]
    drift: float
    onset: int


def loudest(scores: Float64, lengths: Sequence[int], available: int) -> tuple[float, str, int, tuple[tuple[int, float], ...]]:
    """The loudest of scores (lengths, members) among windows of at most ``available`` panes, and the loudest by length.

    Examples
    --------
    >>> scores = np.zeros((2, len(MEMBERS)))
    >>> scores[1, 0] = 5.0
    >>> loudest(scores, (1, 2), 10)[:3], loudest(scores, (1, 2), 1)[0]
    ((5.0, 'mmd', 2), 0.0)
    """
    fit = [i for i, panes in enumerate(lengths) if panes <= max(available, 1)]
    some = scores[fit]
    at, member = np.unravel_index(int(some.argmax()), some.shape)
    by_length = tuple((lengths[i], float(scores[i].max())) for i in fit)
    return float(some[at, member]), MEMBERS[member], lengths[fit[at]], by_length


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
        if reading.value < terms.threshold or reading.drift < terms.min_effect:
            return None, None
        return opened(reading, terms, at), "opened"
    quiet = max(value for panes, value in reading.by_length if panes <= max(alarm.panes, 1))
    if quiet < terms.threshold - RELEASE:
        calm = alarm.calm + 1
        if calm < terms.calm:
            return replace(alarm, calm=calm), None
        return resolved(alarm, reading.key.end), "resolved"
    alarm = replace(alarm, calm=0, updated=reading.key.end)
    if reading.value <= alarm.value:
        return alarm, None
    louder = replace(
        alarm,
        value=reading.value,
        score=reading.score,
        panes=min(alarm.panes, reading.panes) if alarm.panes else reading.panes,
        drift=reading.drift,
    )
    if alarm.severity == "warning" and severity_of(reading.drift, terms) == "critical":
        return replace(louder, severity="critical"), "updated"
    return louder, None


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
    )


def resolved(alarm: Alarm, end: int, *, by: str = "", why: str = "") -> Alarm:
    """The alarm at its end."""
    return replace(alarm, state="resolved", resolved=end, by=by or alarm.by, why=why or alarm.why)


def severity_of(drift: float, terms: Terms) -> Severity:
    """How bad a drift is."""
    return "critical" if drift >= terms.critical else "warning"


def alarm_id(key: PaneKey, kind: AlarmKind) -> str:
    """12 hexadecimal digits that the same pane of the same stream gives again."""
    named = f"{key.stream}\0{key.reference}\0{key.segment}\0{key.length}\0{key.start}\0{kind}"
    return hashlib.sha256(named.encode()).hexdigest()[:12]
