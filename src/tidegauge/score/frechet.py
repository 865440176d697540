"""Frechet distance of two Gaussians in the principal components, with the variance outside them reported apart."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, component_moments, total_variance


def frechet(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """|m1 - m0|^2 + tr(C1 + C0 - 2 (C1 C0)^(1/2)) in the leading components, in squared units of the vectors
    (Dowson and Landau, 1982).
    """
    scale = basis.deviations
    (m1, c1), (m0, c0) = component_moments(basis, window), component_moments(basis, reference)
    c1, c0 = (c * scale[:, None] * scale for c in (c1, c0))
    values, vectors = np.linalg.eigh(c0)
    root = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c1 @ root), 0)).sum(-1)
    trace = np.trace(c1, axis1=-2, axis2=-1) + np.trace(c0, axis1=-2, axis2=-1)
    return (((m1 - m0) * scale) ** 2).sum(-1) + trace - 2 * cross


def frechet_pc1(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Frechet distance along PC1: (m1 - m0)^2 + (s1 - s0)^2, in squared standard deviations of PC1."""
    (m1, c1), (m0, c0) = component_moments(basis, window), component_moments(basis, reference)
    spread = np.sqrt(np.maximum(c1[..., 0, 0], 0)) - np.sqrt(np.maximum(c0[..., 0, 0], 0))
    return (m1 - m0)[..., 0] ** 2 + spread**2


def trace_outside(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Change of the variance outside the principal components as a share of the reference's total variance."""
    inside = [
        (np.diagonal(component_moments(basis, s)[1], axis1=-2, axis2=-1) * basis.deviations**2).sum(-1)
        for s in (window, reference)
    ]
    outside = [total_variance(s) - i for s, i in zip((window, reference), inside, strict=True)]
    return (outside[0] - outside[1]) / total_variance(reference)
