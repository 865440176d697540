"""Small readings of a sketch's sums that several scores share. Every function keeps leading axes: one window
or a thousand draws.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis

Float64 = npt.NDArray[np.float64]
Sums = Mapping[str, Float64]


def rows(sums: Sums) -> Float64:
    """Number of rows, shape (...)."""
    return sums["count"][..., 0]


def average(sums: Sums, name: str) -> Float64:
    """Mean contribution of a row to a piece, shape (..., p)."""
    return sums[name] / sums["count"]


def square_length(vectors: Float64) -> Float64:
    """Sum of squares along the last axis, shape (...)."""
    return np.einsum("...i,...i->...", vectors, vectors)


def total_variance(sums: Sums) -> Float64:
    """Total variance about the own mean, shape (...)."""
    mean = average(sums, "mean")
    return np.maximum(mean[..., -1] - square_length(mean[..., :-1]), 1e-30)


def component_moments(basis: Basis, sums: Sums) -> tuple[Float64, Float64]:
    """Mean (..., k) and covariance (..., k, k) in the whitened principal components."""
    k = basis.axes.shape[1]
    mean = (average(sums, "mean")[..., :-1] @ basis.axes.astype(np.float64)) / basis.deviations
    packed = average(sums, "moments")
    full = np.empty((*packed.shape[:-1], k, k))
    i, j = np.triu_indices(k)
    full[..., i, j] = full[..., j, i] = packed
    return mean, full - mean[..., :, None] * mean[..., None, :]


def shares(basis: Basis, sums: Sums, piece: str = "slices") -> Float64:
    """Histograms as shares of the rows, shape (..., projections, bins + 2)."""
    bins = basis.bins + 2 if piece == "slices" else -1
    counts = sums[piece]
    if piece == "coarse":
        counts = counts.reshape(*counts.shape[:-1], basis.axes.shape[1], -1)
    else:
        counts = counts.reshape(*counts.shape[:-1], -1, bins)
    return counts / sums["count"][..., None]


def distribution(basis: Basis, sums: Sums, piece: str = "slices") -> Float64:
    """Cumulative shares at every bin edge, shape (..., projections, bins + 1)."""
    return np.cumsum(shares(basis, sums, piece), axis=-1)[..., :-1]


def cell_rows(basis: Basis, sums: Sums) -> Float64:
    """Rows per cell of every level, ordinary and novel together, shape (..., cells)."""
    c = len(basis.centres)
    return sums["cells"][..., :c] + sums["cells"][..., c:]


def cell_distances(basis: Basis, sums: Sums) -> tuple[Float64, Float64]:
    """Sum, and sum of squares, of the distance to the centre per cell, shape (..., cells) each."""
    c = len(basis.centres)
    return sums["distances"][..., :c], sums["distances"][..., c:]
