"""Panes in the order of time under one calibration: what each of them says, with those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.calibration import Calibration
from tidegauge.alarm.normal import ORDER, Series
from tidegauge.alarm.tally import Layout
from tidegauge.alarm.windows import LEADING, MEMBERS, window_sums
from tidegauge.errors import ArtefactError
from tidegauge.records import PaneKey, Tally
from tidegauge.score.scans import penalty

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

BACK = 2
"""How many times as far back as the longest window an onset is looked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pane says, with those before it: the loudest ``value`` in sd, of which ``score``, over how many ``panes``;
    ``by_length`` the loudest of each length; ``drift`` of that window in per cent of the traffic against what is normal
    then; ``onset``, the start of the pane at which a change is likely to have begun.
    """

    key: PaneKey
    value: float
    score: str
    panes: int
    by_length: tuple[tuple[int, float], ...]
    drift: float
    onset: int


def series_of(tallies: Sequence[Tally], layout: Layout) -> Series:
    """Tallies in the order of time as one series."""
    for tally in tallies:
        if tally.values.shape != (layout.size,):
            what = f"tally of {tally.key.stream}"
            raise ArtefactError(what, got=f"{tally.values.size} numbers", want=f"{layout.size}, as the reference has")
    values = np.array([tally.values for tally in tallies], np.float64).reshape(len(tallies), layout.size)
    moments = np.array([np.nan if tally.moment is None else tally.moment for tally in tallies], np.float64)
    rows = np.array([max(tally.rows, 1) for tally in tallies], np.float64)
    # Of the time before the first nothing is said.
    apart = [1, *(-((before.key.start - tally.key.start) // tally.key.length) for before, tally in pairwise(tallies))]
    return Series(values, rows, moments, np.array(apart[: len(tallies)], np.int64))


def needed(calibration: Calibration) -> int:
    """How many of the newest panes the last one must be read with."""
    return BACK * calibration.detector.lengths[-1] + ORDER


class Panes:
    """Some panes of one segment, oldest first.

    Parameters
    ----------
    tallies : sequence of Tally
    calibration : Calibration
    """

    def __init__(self, tallies: Sequence[Tally], calibration: Calibration) -> None:
        self._detector, layout = calibration.detector, calibration.detector.layout
        self.keys = [tally.key for tally in tallies]
        self._series = series_of(tallies, layout)
        self._innovations = self._detector.innovations(self._series)

    @cached_property
    def _scores(self) -> Float64:
        return self._detector.scores(self._innovations)

    def reading(self, place: int, fresh: int | None = None) -> Reading:
        """What the pane at ``place`` says, by windows of panes that begin at ``fresh`` or later; all where None."""
        first = 0 if fresh is None else next((i for i, key in enumerate(self.keys) if key.start >= fresh), place)
        available = max(place - first + 1, 1)
        lengths = self._detector.lengths
        fit = [i for i, panes in enumerate(lengths) if panes <= available]
        some = self._scores[place, fit]
        at, member = np.unravel_index(int(some.argmax()), some.shape)
        panes = lengths[fit[at]]
        return Reading(
            self.keys[place],
            float(some[at, member]),
            MEMBERS[member],
            panes,
            tuple((lengths[i], float(self._scores[place, i].max())) for i in fit),
            self._drift(place, panes),
            self.keys[self._onset(place, panes, MEMBERS[member], available)].start,
        )

    def _drift(self, place: int, panes: int) -> float:
        """Distance of the window's mean features from what is normal then, its noise taken off, in per cent of the
        traffic.
        """
        some = self._series.take(slice(place - panes + 1, place + 1))
        normal, layout = self._detector.normal, self._detector.layout
        features = layout.blocks["features"]
        gap = normal.rest(some)[:, features].mean(0)
        usual = self._detector.gaps[self._detector.lengths.index(panes)]
        variances = normal.variance(np.append(some.rows, 1 / normal.inverse))[:, features] @ layout.weights
        squared = float(layout.weights @ gap**2 - usual * variances[:-1].mean() / variances[-1])
        return 100 * float(np.sign(squared) * np.sqrt(abs(squared))) / layout.anchor

    def _onset(self, place: int, panes: int, score: str, available: int) -> int:
        """Where what panes add to the change, less half of its mean, adds up to most until now (Page, 1954)."""
        back = min(available, BACK * self._detector.lengths[-1])
        some = self._innovations[place - back + 1 : place + 1]
        along = some @ self._direction(window_sums(some[-panes:], panes)[-1], score)
        evidence = np.cumsum((along - along[-panes:].mean() / 2)[::-1])
        return place - int(evidence.argmax())

    def _direction(self, change: Float32, score: str) -> Float32:
        """Along what a change goes that this member sees, among the innovations."""
        layout = self._detector.layout
        blocks, out = layout.blocks, np.zeros_like(change)
        if score in ("mmd", "whitened_mmd", "leading_mmd"):
            last = layout.size + LEADING if score == "leading_mmd" else None
            chosen = blocks["features"] if score == "mmd" else slice(layout.size, last)
        elif score in ("mass_scan", "spread_scan"):
            block = blocks["mass" if score == "mass_scan" else "width"]
            best = block.start + int((np.abs(change[block]) - penalty(layout.shares)).argmax())
            chosen = slice(best, best + 1)
        elif score == "cell_spread":
            chosen = blocks["width"]
        elif score == "novelty":
            chosen = slice(blocks["tails"].start, blocks["tails"].start + 1)
        else:
            first = blocks["spreads"].start
            chosen = slice(first, first + 1) if score == "spread" else slice(first + 1, blocks["spreads"].stop)
        out[chosen] = change[chosen]
        return out
