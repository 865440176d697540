"""What was measured of outcomes over time, and what ties them to drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidegauge.records.impact import Outcome
from tidegauge.records.monitoring import PaneKey

LinkState = Literal["associated", "not associated", "cannot tell", "not enough history"]
StudyState = Literal["effect", "no effect", "pre-trend", "anecdote", "not enough history"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What an outcome was in a pane or window: sums over its rows, or over what a ready series says of that time."""

    key: PaneKey
    outcome: str
    numerator: float
    denominator: float

    @property
    def rate(self) -> float:
        """Numerator over denominator; NaN where there is none."""
        return self.numerator / self.denominator if self.denominator > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Link:
    """Whether drift and an outcome go together over the panes, season, trend and known events removed.

    Attributes
    ----------
    state : LinkState
        ``cannot tell`` where the method would not hold its promise on such a history, for the ``reasons``.
    panes : int
        Panes that have both.
    lag : int or None
        Panes by which the outcome follows drift.
    strength : float
        Correlation at that lag of what is left of both; above 0 where more drift goes with harm.
    slope, low, high : float
        Change of the outcome, in its own unit, that goes with one more per cent of drift, with a 95 % interval.
    p, q : float
        One-sided, over all lags; and the false discovery rate at which it is found among all that were asked.
    """

    stream: str
    segment: str
    outcome: Outcome
    state: LinkState
    panes: int
    lag: int | None = None
    strength: float = float("nan")
    slope: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    q: float = float("nan")
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Study:
    """What an outcome did around the onsets of alarms, beside like panes without one.

    ``effect`` is the mean change in the outcome's unit over the ``after`` panes from an onset, against the controls,
    with a 95 % interval; ``p`` compares it with placebo dates, ``before`` asks whether it began before the onset.
    ``offsets`` and ``curve`` are panes from the onset, and the mean change there.
    """

    stream: str
    segment: str
    outcome: Outcome
    state: StudyState
    events: int
    controls: int = 0
    after: int = 0
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    before: float = float("nan")
    offsets: tuple[int, ...] = ()
    curve: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()
