"""What a stream's budget promises of each of its segments, and what is known to be held."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.alarm.calibration import FEWEST_PANES, law_in
from tidegauge.alarm.run_length import Achieved
from tidegauge.contracts import Store
from tidegauge.records import ALL, Calibrated, StreamState, Tally
from tidegauge.run.alarms import LONG, Lookout, pace

_RECENT = 128
"""Panes from which it is told how fast panes of rows come."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A segment's share of the budget, and what its calibration makes of it.

    Attributes
    ----------
    segment : str
        Empty for all rows.
    panes : float or None
        The promised mean run length in panes; None where a budget in time cannot be told in panes.
    pane : float or None
        Seconds of a pane, on average where it is one of rows; None where that is not known.
    learned : int or None
        Panes of history that taught the calibration: none where the reference alone did; None where there is none yet.
    known : int
        Panes that there are to learn from, about.
    threshold : float or None
        In sd.
    achieved : Achieved or None
        What that threshold is known to hold.
    """

    segment: str
    panes: float | None
    pane: float | None
    learned: int | None = None
    known: int = 0
    threshold: float | None = None
    achieved: Achieved | None = None

    @property
    def firm(self) -> bool:
        """Whether the history is as long as what is promised, or as all that is kept; all is provisional where it is
        not.
        """
        return self.panes is not None and self.learned is not None and self.learned >= min(self.panes, LONG)

    @property
    def missing(self) -> float | None:
        """Panes that are to come until it is firm; None where the promise cannot be told in panes."""
        return None if self.panes is None else max(min(self.panes, LONG) - self.known, 0.0)


def promises(store: Store, lookout: Lookout, state: StreamState) -> list[Promise]:
    """Of all rows first, then of each segment that raises alarms; nothing where the stream raises none.

    Parameters
    ----------
    store : Store
    lookout : Lookout
        Of the stream, with the budget and those who share it.
    state : StreamState
        Where it stands.
    """
    if not lookout.watches:
        return []
    found = store.calibrated(state.stream, reference=state.reference)
    kept = {each.segment: each for each in found if each.length == lookout.spec.pane.length}
    segments = state.segments if lookout.spec.alarm.segments else ()
    return [_promise(store, lookout, state, segment, kept.get(segment)) for segment in (ALL, *segments)]


def _promise(store: Store, lookout: Lookout, state: StreamState, segment: str, kept: Calibrated | None) -> Promise:
    spec = lookout.spec.pane
    timed = spec.unit == "seconds"
    recent: tuple[Tally, ...] = ()
    if not timed or kept is None or not kept.panes:
        recent = store.tallies(
            state.stream, reference=state.reference, length=spec.length, segment=segment, newest=_RECENT
        )
    rate = 1 / spec.length if timed else pace(recent)
    panes = lookout.panes_promised(segment, len(state.segments), rate)
    seconds = None if rate is None else 1 / rate
    known = min(len(recent), FEWEST_PANES)
    if kept is None:
        return Promise(segment, panes, seconds, known=known)
    law, learned = law_in(kept.data, f"calibration of {state.stream}")
    if learned:
        known = learned + max((state.settled or 0) - kept.until, 0) // spec.length
    if panes is None:
        return Promise(segment, panes, seconds, learned, known)
    threshold = law.threshold(panes)
    return Promise(segment, panes, seconds, learned, known, threshold, law.achieved(threshold))
