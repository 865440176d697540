"""Wasserstein distances along single directions, from histograms and the mass beyond their edges."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import REACH, Basis
from tidegauge.score.parts import Float64, Sums, average, distribution, shares

ROUNDING = 1e-12


def per_projection(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """W1 of every projection in its standard deviations: the integral of |F - G|, with the excess beyond the edges."""
    difference = distribution(basis, window) - distribution(basis, reference)
    step = 2 * REACH / basis.bins
    inside = (np.abs(difference[..., 1:]) + np.abs(difference[..., :-1])).sum(-1) / 2 * step
    tails = np.abs(average(window, "tails") - average(reference, "tails"))
    p = tails.shape[-1] // 2
    return inside + tails[..., :p] + tails[..., p:]


def wasserstein1_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """W1 along PC1, in standard deviations of PC1."""
    return per_projection(basis, window, reference)[..., 0]


def sliced_wasserstein1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Mean over the random directions of W1, in the unit of the vectors."""
    k = basis.axes.shape[1]
    return (per_projection(basis, window, reference)[..., k:] * basis.direction_deviations).mean(-1)


def wasserstein2_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """W2 along PC1, in standard deviations of PC1; rows beyond the edges count as lying on them ("at least")."""
    return np.sqrt(_squared_w2(basis, window, reference, slice(0, 1))[..., 0])


def sliced_wasserstein2(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Root of the mean over the random directions of the squared W2, in the unit of the vectors ("at least"
    likewise).
    """
    return np.sqrt(per_slice_squared_w2(basis, window, reference).mean(-1))


def per_slice_squared_w2(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Squared W2 along every random direction, (..., slices), in squared units of the vectors."""
    k = basis.axes.shape[1]
    return _squared_w2(basis, window, reference, slice(k, None)) * basis.direction_deviations**2


def _squared_w2(basis: Basis, window: Sums, reference: Sums, projections: slice) -> Float64:
    """Squared W2 of two histograms whose rows lie in the middle of their bins, exact by Hoeffding's formula.

    Under the monotone coupling ``E (X - Y)^2 = E X^2 + E Y^2 - 2 E X E Y - 2 cov`` with
    ``cov = sum over pairs of bin edges of (min(F, G) - F G) * step^2``.
    """
    step = 2 * REACH / basis.bins
    middles = np.concatenate([[-REACH], basis.edges[:-1] + step / 2, [REACH]])
    gaps = np.diff(middles)
    p, q = (shares(basis, s)[..., projections, :] for s in (window, reference))
    f, g = (np.cumsum(v, axis=-1)[..., :-1] for v in (p, q))
    moments = (p @ middles**2) + (q @ middles**2) - 2 * (p @ middles) * (q @ middles)
    covariance = np.empty(np.broadcast_shapes(f.shape, g.shape)[:-1])
    for index in np.ndindex(covariance.shape[:-1]):
        a, b = (v[index if v.shape[:-2] == covariance.shape[:-1] else (0,) * (v.ndim - 2)] for v in (f, g))
        meet = np.minimum(a[:, :, None], b[:, None, :]) - a[:, :, None] * b[:, None, :]
        covariance[index] = (meet @ gaps) @ gaps
    squared = moments - 2 * covariance
    return np.where(squared > ROUNDING * REACH**2, squared, 0.0)
