"""Did new clusters emerge? Rows that are far from every cell of the reference."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, average, rows

TAIL_SD = 3.7358


def novelty(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Z of the mean tail score of the distance to the nearest cell: one-sided, led by the farthest rows.

    The score is min(-log(1 - F), 5)^2, the square of Savage's (1956), with standard deviation TAIL_SD under F.
    """
    gap = average(window, "novelty")[..., 0] - average(reference, "novelty")[..., 0]
    return gap / (TAIL_SD * np.sqrt(1 / rows(window) + 1 / rows(reference)))


def beyond(which: int, basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Share of the window's rows beyond a quantile of the reference's distances, less the reference's own share."""
    return (average(window, "novelty") - average(reference, "novelty"))[..., 1 + which]
