"""The detector: what the last 1, 2, 4 .. panes say against normal traffic, on one scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.normal import ORDER, Normal, Series, fit_normal
from tidegauge.alarm.season import HOUR
from tidegauge.alarm.tally import Layout
from tidegauge.alarm.windows import all_sums, law_of, lengths_for, members_of, normal_scores

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

MOST_PANES = 64
"""Panes of the longest window that is looked at."""
FOLDS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """What was learned: ``normal`` traffic, the ``laws`` (lengths, 4, members) of the members on it, and
    ``mass_rows`` (cells,), rows of each cell in a pane that would vary as much if they came one by one.
    ``gaps`` (lengths,) are the mean squared distances of the mean features from what is normal then.
    """

    layout: Layout
    normal: Normal
    mass_rows: Float64
    lengths: tuple[int, ...]
    laws: Float64
    gaps: Float64

    def innovations(self, series: Series) -> Float32:
        """What the panes before do not foretell, standardised, float32 (T, q + features); the first has none before."""
        return self.normal.innovations(series.begun(), self.layout)

    def scores(self, innovations: Float32) -> Float64:
        """Normal scores of every window, length and member, float64 (T, lengths, members); -inf where a window would
        begin before the first pane.
        """
        out = np.full((len(innovations), len(self.lengths), self.laws.shape[2]), -np.inf)
        for i, (panes, sums) in enumerate(all_sums(innovations, self.lengths)):
            values = members_of(self.layout, sums, panes, self.mass_rows)
            out[panes - 1 :, i] = normal_scores(values, self.laws[i])
        return out

    def statistic(self, innovations: Float32) -> Float64:
        """The largest normal score at every pane, float64 (T,)."""
        return self.scores(innovations).max((1, 2))


def fit_detector(
    series: Series, layout: Layout, *, pane: int | None = None, most: int = MOST_PANES, independent: bool = False
) -> tuple[Detector, Float64]:
    """Learn normal traffic, and judge each part of the history by what was learned from the others.

    Returns
    -------
    detector : Detector
    statistic : float64 array, shape (T - longest + 1,)
        Of the history, held out.
    """
    step = max(HOUR, pane or HOUR)
    held = _held_out(series, layout, step, independent=independent)
    normal = fit_normal(series, layout, step, independent=independent)
    mass = layout.blocks["mass"]
    shares = np.maximum(layout.shares + normal.season.mean[mass], 1e-6)
    mass_rows = shares**2 / normal.variance(series.rows)[:, mass].mean(0)
    lengths = lengths_for(len(series), most)
    laws, loudest, gaps = [], [], []
    rest = normal.rest(series)[:, layout.blocks["features"]].astype(np.float32)
    for panes, sums in all_sums(rest, lengths):
        gaps.append(float((sums**2).mean(0) @ layout.weights) / panes)
    for panes, sums in all_sums(held, lengths):
        values = members_of(layout, sums, panes, mass_rows)
        laws.append(law_of(values, panes))
        loudest.append(_judged_by_others(values, panes).max(1)[lengths[-1] - panes :])
    return Detector(layout, normal, mass_rows, lengths, np.stack(laws), np.array(gaps)), np.max(loudest, axis=0)


def _held_out(series: Series, layout: Layout, step: int, *, independent: bool) -> Float32:
    """Innovations of the history, each part under what is normal in the other parts."""
    out = []
    for first, end, others in _folds(len(series)):
        normal = fit_normal(series.take(others), layout, step, independent=independent)
        begin = max(first - ORDER, 0)
        out.append(normal.innovations(series.take(slice(begin, end)), layout)[first - begin :])
    return np.concatenate(out)


def _judged_by_others(values: Float64, panes: int) -> Float64:
    """Normal scores of members' values, each part by the laws of the other parts."""
    return np.concatenate(
        [normal_scores(values[first:end], law_of(values[others], panes)) for first, end, others in _folds(len(values))]
    )


def _folds(count: int) -> Iterator[tuple[int, int, Int]]:
    """Each part of a history, first to end, and all the others."""
    places = np.arange(count)
    for first, end in pairwise(np.linspace(0, count, FOLDS + 1).astype(int).tolist()):
        yield first, end, places[(places < first) | (places >= end)]
