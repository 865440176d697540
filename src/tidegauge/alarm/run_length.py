"""How long normal traffic goes without a false alarm: a tail fitted to the history, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

POWER = 1.5
"""Maxima of this power of the statistic follow Gumbel's law: between the tail of a normal law (2) and of an exponential
one (1), as measured (`quality/results/run_length.json`)."""
EULER = 0.5772156649015329
Z95 = 1.959964
MODEL_ERROR = 0.3
"""Deviation of the logarithm of a run length that no history would take away."""
SHORT = 600.0
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
        Its logarithm has the large-sample variance of the fit by maximum likelihood, which that by moments nearly has,
        (1.109 + 0.514 r + 0.608 r^2) / blocks with r the distance to ``place`` in scales, and beside it MODEL_ERROR and
        SHORT / T.
        """
        r = (threshold**POWER - self.place) / self.scale
        panes = self.block * float(np.exp(r))
        sampling = (1.109 + 0.514 * r + 0.608 * r**2) / self.blocks
        wide = Z95 * float(np.sqrt(sampling + MODEL_ERROR**2 + (SHORT / self.panes) ** 2))
        return Achieved(panes, panes * float(np.exp(-wide)), panes * float(np.exp(wide)))


def fit_run_length(statistic: Float64, block: int) -> RunLength:
    """Fit the law by L-moments (Hosking, 1990) to the maxima of consecutive blocks.

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
    return RunLength(block, first - EULER * scale, scale, count, len(statistic))
