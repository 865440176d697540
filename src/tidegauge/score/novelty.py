"""Did new clusters emerge? Rows that are far from every cell of the reference."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, average, rows


def novelty(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Z of the mean Savage score of the distance to the nearest cell: one-sided, most sensitive to the farthest rows.

    Savage's score -log(1 - F) - 1 has variance 1 under F (Savage, 1956).
    """
    gap = average(window, "novelty")[..., 0] - average(reference, "novelty")[..., 0]
    return gap / np.sqrt(1 / rows(window) + 1 / rows(reference))


def beyond(which: int, basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Share of the window's rows beyond a quantile of the reference's distances, less the reference's own share."""
    return (average(window, "novelty") - average(reference, "novelty"))[..., 1 + which]
