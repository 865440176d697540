"""What alarms are made of: tallies of panes, how normal traffic varies, alarms, annotations, and messages to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegauge.records.comparison import Example
from tidegauge.records.monitoring import PaneKey

AlarmKind = Literal["drift", "model changed", "data quality", "silence"]
AlarmState = Literal["open", "acknowledged", "snoozed", "resolved"]
Severity = Literal["warning", "critical"]
AnnotationKind = Literal["deploy", "holiday", "campaign", "incident", "real", "noise", "note"]
Change = Literal["opened", "updated", "acknowledged", "snoozed", "resolved"]

LEFT_OUT: tuple[AnnotationKind, ...] = ("holiday", "campaign", "incident", "real")
"""Annotations of these kinds mark a time that is not normal, which calibration leaves out."""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The few hundred sums of a pane that the detector watches, per row.

    ``values`` float32 (q,) in the order of ``alarm.tally``; ``moment`` is the middle of the rows' event times in epoch
    seconds, None where rows have none. A pane of segments has one for each, and one for all rows (``ALL``).
    """

    key: PaneKey
    rows: int
    moment: float | None
    values: npt.NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """How a segment of a stream varies by itself, as ``data`` that the detector reads, made ``at`` a moment by the
    clock from ``panes`` panes between ``since`` and ``until``.
    """

    stream: str
    segment: str
    reference: str
    length: int
    at: float
    panes: int
    since: int
    until: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One streak of panes that are not normal, from its opening until it is resolved.

    Attributes
    ----------
    id : str
        12 hexadecimal digits, the same for good.
    opened, onset, updated, resolved : int
        Ends of the panes that opened it, spoke last and resolved it, and the likely start of the change: seconds, or
        rows where panes are of rows. ``resolved`` is None while it lasts.
    at : float
        When it was opened, in epoch seconds by the clock.
    score : str
        What spoke loudest at the peak, such as ``"novelty"``; empty where the kind says all.
    panes : int
        Over how many panes, when it was opened; by windows that are no longer it is resolved.
    value, threshold : float
        The statistic at its peak, in sd, and what it had to reach.
    drift : float or None
        At the peak, in per cent of the traffic, against what is normal at that time.
    calm : int
        Quiet panes since it last spoke.
    by, why : str
        Who acknowledged, snoozed or resolved it by hand, and why.
    snoozed_until : float or None
        Epoch seconds by the clock.
    provisional : bool
        Whether it was opened when the stream had no history yet, so that its panes may be what is normal.
    """

    id: str
    stream: str
    segment: str
    reference: str
    kind: AlarmKind
    state: AlarmState
    severity: Severity
    opened: int
    onset: int
    updated: int
    at: float
    title: str
    resolved: int | None = None
    score: str = ""
    panes: int = 0
    value: float = 0.0
    threshold: float = 0.0
    drift: float | None = None
    calm: int = 0
    reasons: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    by: str = ""
    why: str = ""
    snoozed_until: float | None = None
    report: str = ""
    provisional: bool = False

    @property
    def lasts(self) -> bool:
        """Whether it is not resolved."""
        return self.resolved is None and self.state != "resolved"


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a person knows of a time: seconds, or rows where panes are of rows. ``stream`` is empty for all streams;
    ``alarm`` is the id of the alarm that it judges, if any. ``id`` is 0 until it is kept.
    """

    stream: str
    kind: AnnotationKind
    since: int
    until: int
    text: str = ""
    by: str = ""
    at: float = 0.0
    alarm: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell one endpoint. ``key`` is the same whenever it is sent again; ``body`` is JSON; ``due`` is when
    to try next and ``tries`` how often it was tried; ``fault`` is what the last try said. ``delivered`` is None until
    it arrived. ``id`` is 0 until it is kept.
    """

    endpoint: str
    key: str
    body: str
    due: float
    alarm: str
    change: Change
    tries: int = 0
    fault: str = ""
    delivered: float | None = None
    id: int = 0
