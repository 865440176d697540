"""KL, with care: stability index and Jensen-Shannon on cells and PC1 bins, and a Gaussian KL as a diagnostic."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, cell_rows, component_moments, rows

SMOOTHING = 0.5
PC1_BINS = 16


def cell_masses(basis: Basis, sums: Sums) -> Float64:
    """Smoothed shares of the fine cells, (..., fine): half a row is added to every cell."""
    return _smoothed(cell_rows(basis, sums)[..., basis.fine])


def pc1_masses(basis: Basis, sums: Sums) -> Float64:
    """Smoothed shares of 16 bins of PC1 (the rows beyond the edges join the outermost)."""
    counts = sums["slices"][..., : basis.bins + 2]
    inner = counts[..., 1:-1].reshape(*counts.shape[:-1], PC1_BINS, -1).sum(-1)
    inner[..., 0] += counts[..., 0]
    inner[..., -1] += counts[..., -1]
    return _smoothed(inner)


def _smoothed(counts: Float64) -> Float64:
    counts = counts + SMOOTHING
    return counts / counts.sum(-1, keepdims=True)


def stability_index(p: Float64, q: Float64) -> Float64:
    """PSI = sum (p - q) log(p / q), the symmetrised KL divergence, in nats."""
    return ((p - q) * np.log(p / q)).sum(-1)


def jensen_shannon(p: Float64, q: Float64) -> Float64:
    """Jensen-Shannon divergence in nats, between 0 and log 2."""
    middle = (p + q) / 2
    return ((p * np.log(p / middle)).sum(-1) + (q * np.log(q / middle)).sum(-1)) / 2


def psi_cells(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """PSI of the fine cells' traffic."""
    return stability_index(cell_masses(basis, window), cell_masses(basis, reference))


def psi_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """PSI of PC1."""
    return stability_index(pc1_masses(basis, window), pc1_masses(basis, reference))


def js_cells(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Jensen-Shannon divergence of the fine cells' traffic."""
    return jensen_shannon(cell_masses(basis, window), cell_masses(basis, reference))


def js_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Jensen-Shannon divergence of PC1."""
    return jensen_shannon(pc1_masses(basis, window), pc1_masses(basis, reference))


def gaussian_kl(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """KL of two Gaussians fitted in the principal components, window against reference, in nats.

    NaN where a side has fewer than two rows a component: its covariance would be singular.
    """
    (m1, c1), (m0, c0) = component_moments(basis, window), component_moments(basis, reference)
    k = m1.shape[-1]
    ridge = 1e-6 * np.eye(k)
    inverse = np.linalg.inv(c0 + ridge)
    gap = m1 - m0
    trace = np.einsum("...ij,...ji->...", inverse, c1 + ridge)
    distance = np.einsum("...i,...ij,...j->...", gap, inverse, gap)
    volume = np.linalg.slogdet(c0 + ridge)[1] - np.linalg.slogdet(c1 + ridge)[1]
    enough = (rows(window) >= 2 * k) & (rows(reference) >= 2 * k)
    return np.where(enough, (trace - k + distance + volume) / 2, np.nan)
