"""Wasserstein distances along single directions, from histograms and the mass beyond their edges."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import REACH, Basis
from tidegauge.score.parts import Float64, Sums, average, distribution

LEVELS = 128


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


def quantiles(basis: Basis, sums: Sums, projections: slice) -> Float64:
    """Quantile functions at LEVELS middle levels, linear inside bins, clipped to the edges: (..., projections,
    LEVELS).
    """
    cumulative = distribution(basis, sums)[..., projections, :]
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    flat = cumulative.reshape(-1, cumulative.shape[-1])
    rising = flat + np.arange(flat.shape[-1]) * 1e-12
    out = np.stack([np.interp(levels, row, basis.edges) for row in rising])
    return out.reshape(*cumulative.shape[:-1], LEVELS)


def wasserstein2_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """W2 along PC1, in standard deviations of PC1."""
    return _w2(basis, window, reference, slice(0, 1))[..., 0]


def sliced_wasserstein2(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Root of the mean over the random directions of the squared W2, in the unit of the vectors."""
    k = basis.axes.shape[1]
    return np.sqrt(((_w2(basis, window, reference, slice(k, None)) * basis.direction_deviations) ** 2).mean(-1))


def _w2(basis: Basis, window: Sums, reference: Sums, projections: slice) -> Float64:
    gap = quantiles(basis, window, projections) - quantiles(basis, reference, projections)
    return np.sqrt((gap**2).mean(-1))
