"""Energy distance by random slices: the mean over directions of the one-dimensional Cramer distance."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from tidegauge.basis import REACH, Basis
from tidegauge.score.parts import Float64, Sums, shares, square_length


def slice_constant(width: int) -> float:
    """C_d = sqrt(pi) Gamma((d + 1) / 2) / Gamma(d / 2): energy distance in d dimensions = C_d x the mean over
    directions of it in 1-D / 1.

    The one-dimensional energy distance is 2 integral (F - G)^2, so that C_1 = 1 and
    ``E|X - Y| = C_d mean_u E|u (X - Y)|`` (Szekely and Rizzo, 2013).

    Examples
    --------
    >>> round(slice_constant(1), 12), round(slice_constant(2), 6)
    (1.0, 1.570796)
    """
    return float(np.sqrt(np.pi) * np.exp(gammaln((width + 1) / 2) - gammaln(width / 2)))


def cramer(basis: Basis, window: Sums, reference: Sums, piece: str = "slices") -> Float64:
    """Integral of the squared difference of the distribution functions per projection, in its standard deviations."""
    gap = shares(basis, window, piece) - shares(basis, reference, piece)
    difference = gap @ np.tri(gap.shape[-1] - 1, gap.shape[-1]).T  # summed up to every edge, much faster than cumsum
    step = 2 * REACH / (difference.shape[-1] - 1)
    ends = (difference[..., 0] ** 2 + difference[..., -1] ** 2) / 2
    return (square_length(difference) - ends) * step


def energy(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Energy distance in all dimensions from the random slices (V-statistic; its null mean comes off in the effect).

    Mass beyond the histograms' edges is not seen: "at least".
    """
    k = basis.axes.shape[1]
    per_slice = cramer(basis, window, reference)[..., k:]
    return 2 * slice_constant(basis.width) * (per_slice * basis.direction_deviations).mean(-1)


def energy_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Energy distance along PC1, in standard deviations of PC1."""
    return 2 * cramer(basis, window, reference)[..., 0]


def whitened_energy(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Mean over the whitened principal components of the energy distance: small directions count as much as
    large ones.
    """
    return 2 * cramer(basis, window, reference, "coarse").mean(-1)
