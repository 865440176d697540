"""Maximum mean discrepancy from random Fourier features, plain and whitened."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, average, rows, square_length


def mmd(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Unbiased squared MMD (Gretton et al., 2012): may be negative on unchanged data."""
    a, b = average(window, "features"), average(reference, "features")
    return square_length(a - b) - _noise(a, rows(window)) - _noise(b, rows(reference))


def _noise(mean: Float64, n: Float64) -> Float64:
    """What sampling adds to the squared length of a mean feature: every row's features have length 1."""
    return (1 - square_length(mean)) / np.maximum(n - 1, 1)


def whitened_mmd(which: int, basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Squared distance of mean features after whitening by (covariance + lambda I)^(-1/2); ``which`` picks the lambda.

    Not bias-corrected: its null mean is taken from draws at the same sizes.
    """
    from scipy.linalg import solve_triangular

    delta = (average(window, "features") - average(reference, "features")).astype(np.float32)
    flat = delta.reshape(-1, delta.shape[-1])
    white = solve_triangular(basis.whitener(which), flat.T, lower=True, check_finite=False)
    return np.einsum("ij,ij->j", white, white).astype(np.float64).reshape(delta.shape[:-1])
