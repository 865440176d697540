"""Panes of a history that stand out although nobody marked them: they would hide others like them, and do not teach."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.calibration import FEWEST_BLOCK, FEWEST_PANES
from tidegauge.alarm.detector import fit_detector
from tidegauge.alarm.normal import Series
from tidegauge.alarm.run_length import POWER, RunLength
from tidegauge.alarm.tally import Layout

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

WORK, PASSES = 40_000, 3
"""Panes that are looked through, over all passes, and passes."""
SCREEN, EARLIER = 10, 4
"""How many times as long as the history a run length must be for a pane beyond its threshold to stand out; panes before
it that do as well.
"""


def screened(series: Series, layout: Layout) -> Int:
    """Places of the panes that do not stand out, int64 (n,).

    Each part is judged by the others, again where some were found, as they hide each other. Without a season: a week
    that is seen twice makes an incident of one of them look like two halves.
    """
    good = np.arange(len(series))
    for _ in range(int(np.clip(WORK // max(len(series), 1), 1, PASSES))):
        if len(good) < FEWEST_PANES:
            break
        some = replace(series.take(good), moments=np.full(len(good), np.nan))
        detector, statistic = fit_detector(some, layout)
        longest = detector.lengths[-1]
        threshold = robust_threshold(statistic, max(longest, FEWEST_BLOCK), SCREEN * len(good))
        loud = np.flatnonzero(statistic >= threshold) + longest - 1
        if not len(loud):
            break
        aside = np.unique(np.maximum(loud[:, None] - np.arange(EARLIER + 1), 0))
        good = np.delete(good, aside)
    return good


def robust_threshold(statistic: Float64, block: int, panes: float) -> float:
    """The threshold of a mean run length by Gumbel's law, fitted to quartiles of the maxima of blocks, which half of
    them may spoil.

    Examples
    --------
    >>> z = np.abs(np.random.default_rng(0).standard_normal(50_000))
    >>> clean = robust_threshold(z, 50, 5000)
    >>> z[:5000] += 30
    >>> bool(abs(clean - 3.7) < 0.2), bool(abs(robust_threshold(z, 50, 5000) - clean) < 0.2)
    (True, True)
    """
    blocks = len(statistic) // block
    maxima = np.maximum(statistic[-blocks * block :].reshape(blocks, block).max(1), 0) ** POWER
    low, middle = np.quantile(maxima, (0.25, 0.5)).tolist()
    scale = max((middle - low) / log(2), 1e-9)
    return RunLength(block, middle + scale * log(log(2)), scale, blocks, len(statistic)).threshold(panes)
