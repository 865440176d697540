"""Did the spread change? Overall, along PC1, and over all components together."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, average, rows, total_variance


def spread(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Half the log-ratio of total variances: the log of the ratio of standard deviations, signed."""
    return np.log(total_variance(window) / total_variance(reference)) / 2


def component_spread(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Log-ratio of standard deviations along every component, (..., k)."""
    k = basis.axes.shape[1]
    variances = []
    for sums in (window, reference):
        mean = average(sums, "mean")[..., :-1] @ basis.axes.astype(np.float64) / basis.deviations
        variances.append(np.maximum(average(sums, "spread")[..., :k] - mean**2, 1e-12))
    return np.log(variances[0] / variances[1]) / 2


def spread_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Log-ratio of standard deviations along PC1, signed."""
    return component_spread(basis, window, reference)[..., 0]


def spread_panel(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """The larger of two squared z: of the overall log-ratio, and of the components' log-ratios together.

    Both are put on one scale by their large-sample variances, so that a change of the whole and one of a few
    directions are seen alike.
    """
    noise = 1 / rows(window) + 1 / rows(reference)
    square = average(reference, "mean")[..., -1]
    fourth = average(reference, "spread")[..., -1]
    overall = spread(basis, window, reference) ** 2 / (noise * np.maximum(fourth / square**2 - 1, 1e-6) / 4)
    logs = component_spread(basis, window, reference)
    k = logs.shape[-1]
    along = ((logs**2).sum(-1) / (noise / 2) - k) / np.sqrt(2 * k)
    return np.maximum(overall, along)
