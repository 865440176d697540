"""Did the mean shift? In all dimensions, along PC1, and per component."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, average, component_moments, rows


def mean_shift(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Length of the shift of the mean over the root of the reference's total variance (V-statistic; the effect
    is corrected).
    """
    gap = average(window, "mean")[..., :-1] - average(reference, "mean")[..., :-1]
    return np.sqrt((gap**2).sum(-1) / basis.variance)


def mean_shift_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Shift of the mean along PC1 in standard deviations of PC1, signed."""
    gap = average(window, "mean")[..., :-1] - average(reference, "mean")[..., :-1]
    return gap @ basis.axes[:, 0].astype(np.float64) / basis.deviations[0]


def hotelling(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Squared shift of the mean in the whitened components, over its sampling noise (1/n + 1/m): Hotelling's
    T^2 with the reference's covariance.
    """
    m1, m0 = component_moments(basis, window)[0], component_moments(basis, reference)[0]
    return ((m1 - m0) ** 2).sum(-1) / (1 / rows(window) + 1 / rows(reference))


def directional_sd(basis: Basis, gap: Float64) -> float:
    """Standard deviation of the reference along the direction of ``gap`` (d,), from the components and what
    lies outside.
    """
    length = float(np.linalg.norm(gap))
    if length == 0:
        return float(np.sqrt(basis.variance / basis.width))
    inside = gap @ basis.axes.astype(np.float64) / length
    left = max(basis.variance - float((basis.deviations**2).sum()), 0.0) / max(basis.width - len(basis.deviations), 1)
    return float(np.sqrt(((inside * basis.deviations) ** 2).sum() + max(1 - (inside**2).sum(), 0) * left))
