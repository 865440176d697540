"""How long normal traffic goes without a false alarm: a tail fitted to the history, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

POWER = 1.6
"""Maxima of this power of the statistic follow Gumbel's law: between the tail of a normal law (2) and of an exponential
one (1), as measured (`quality/results/run_length.json`)."""
EULER = 0.5772156649015329
MOMENTS = 0.81
"""Variance of the scale's logarithm by L-moments, times the number of blocks."""
Z95 = 1.959964
USUAL_SCALE, SCALE_ERROR = 1.25, 0.15
"""The scale of the law on the normal scale of the statistic, and by how much streams differ in its logarithm."""
MODEL_ERROR = 0.45
"""Deviation of the logarithm of a run length that no history would take away."""
SHORT = 900.0
"""A history of T panes adds a deviation of SHORT / T to it: season, noise and laws are learned from it as well."""


@dataclass(frozen=True, slots=True)
class Achieved:
    """The mean run length that a threshold has, in panes, and the interval that holds it with confidence ``level``."""

    panes: float
    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class RunLength:
    """Gumbel's law of the maximum of ``statistic ** POWER`` over ``block`` panes: ``place`` and ``scale``, from
    ``blocks`` blocks of a history of ``panes`` panes.

    Examples
    --------
    >>> law = fit_run_length(np.abs(np.random.default_rng(0).standard_normal(50_000)), block=50)
    >>> threshold = law.threshold(5000)
    >>> achieved = law.achieved(threshold)
    >>> round(achieved.panes), achieved.low < 5000 < achieved.high
    (5000, True)
    """

    block: int
    place: float
    scale: float
    blocks: int
    panes: int

    def threshold(self, panes: float) -> float:
        """The threshold whose mean run length is so many panes, at least that of a block."""
        return max(self.place + self.scale * float(np.log(max(panes, self.block) / self.block)), 0.0) ** (1 / POWER)

    def achieved(self, threshold: float) -> Achieved:
        """The mean run length at a threshold.

        Notes
        -----
        Its logarithm has the variance (1.109 + 0.514 r) / blocks + r^2 v, with r the distance to ``place`` in scales,
        and v that of the logarithm of the scale: 0.81 / blocks by L-moments, which the usual scale makes smaller.
        Beside it there are MODEL_ERROR and SHORT / T.
        """
        r = (threshold**POWER - self.place) / self.scale
        panes = self.block * float(np.exp(r))
        scale = 1 / (self.blocks / MOMENTS + SCALE_ERROR**-2)
        sampling = (1.109 + 0.514 * r) / self.blocks + r**2 * scale
        wide = Z95 * float(np.sqrt(sampling + MODEL_ERROR**2 + (SHORT / self.panes) ** 2))
        return Achieved(panes, panes * float(np.exp(-wide)), panes * float(np.exp(wide)))


def fit_run_length(statistic: Float64, block: int) -> RunLength:
    """Fit the law by L-moments (Hosking, 1990) to maxima of consecutive blocks, its scale drawn towards the usual one.

    Parameters
    ----------
    statistic : float64 array, shape (T,)
        On normal traffic, judged by what was learned elsewhere; at least four blocks.
    block : int
        Panes of a block: at least as long as the longest window, so that blocks hardly depend on each other.
    """
    count = len(statistic) // block
    maxima = np.sort(np.maximum(statistic[-count * block :].reshape(count, block).max(1), 0)) ** POWER
    first = float(maxima.mean())
    second = float((np.arange(count) * maxima).sum() / (count * (count - 1)))
    scale = max((2 * second - first) / float(np.log(2)), 1e-9)
    weight = SCALE_ERROR**2 / (SCALE_ERROR**2 + MOMENTS / count)
    scale = float(np.exp(weight * np.log(scale) + (1 - weight) * np.log(USUAL_SCALE)))
    return RunLength(block, first - EULER * scale, scale, count, len(statistic))
