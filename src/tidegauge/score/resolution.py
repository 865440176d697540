"""What an approximation adds to a score: four standard errors of its random directions or frequencies, plus
what bins can hide.
"""

from __future__ import annotations

import numpy as np

from tidegauge.basis import REACH, Basis
from tidegauge.score.energy import cramer, slice_constant
from tidegauge.score.parts import Sums, average, distribution, shares
from tidegauge.score.wasserstein import per_projection, per_slice_squared_w2

ERRORS = 4.0


def exact(_: Basis, __: Sums, ___: Sums) -> float:
    """No approximation beyond the basis that defines the score."""
    return 0.0


def mmd_resolution(basis: Basis, window: Sums, reference: Sums) -> float:
    """Random frequencies: four standard errors of the mean over them, in the unit of the squared MMD."""
    gap = (average(window, "features") - average(reference, "features")) ** 2
    r = gap.shape[-1] // 2
    per_frequency = r * (gap[:r] + gap[r:])
    return float(ERRORS * per_frequency.std(ddof=1) / np.sqrt(r))


def _bin_error(basis: Basis, window: Sums, reference: Sums) -> np.ndarray:
    """Bound per projection on the trapezoid's error in the Cramer integral: inside a bin the gap moves by at
    most its mass.
    """
    gap = np.abs(distribution(basis, window) - distribution(basis, reference))
    largest = np.maximum(gap[..., 1:], gap[..., :-1])
    move = np.maximum(shares(basis, window), shares(basis, reference))[..., 1:-1]
    return (2 * REACH / basis.bins) * (2 * largest * move + move**2).sum(-1)


def energy_resolution(basis: Basis, window: Sums, reference: Sums) -> float:
    """Random slices and bins together, in the unit of the energy distance."""
    k = basis.axes.shape[1]
    per_slice = cramer(basis, window, reference)[k:] * basis.direction_deviations
    bins = (_bin_error(basis, window, reference)[k:] * basis.direction_deviations).mean()
    noise = ERRORS * per_slice.std(ddof=1) / np.sqrt(len(per_slice)) if basis.width > 1 else 0.0
    return float(2 * slice_constant(basis.width) * (noise + bins))


def cramer_resolution(basis: Basis, window: Sums, reference: Sums) -> float:
    """Bins alone, along PC1."""
    return float(2 * _bin_error(basis, window, reference)[0])


def pc1_bin_resolution(basis: Basis, _: Sums, __: Sums) -> float:
    """One bin: no row is moved farther by being counted."""
    return 2 * REACH / basis.bins


def sliced_resolution(basis: Basis, window: Sums, reference: Sums) -> float:
    """Random slices, and one bin."""
    k = basis.axes.shape[1]
    per_slice = per_projection(basis, window, reference)[k:] * basis.direction_deviations
    noise = ERRORS * per_slice.std(ddof=1) / np.sqrt(len(per_slice)) if basis.width > 1 else 0.0
    return float(noise + (2 * REACH / basis.bins) * basis.direction_deviations.mean())


def sliced2_resolution(basis: Basis, window: Sums, reference: Sums) -> float:
    """The same for the root of a mean of squares."""
    squares = per_slice_squared_w2(basis, window, reference)
    error = ERRORS * float(squares.std(ddof=1)) / np.sqrt(len(squares)) if basis.width > 1 else 0.0
    noise = min(error / (2 * np.sqrt(max(float(squares.mean()), 1e-300))), np.sqrt(error))
    return float(noise + (2 * REACH / basis.bins) * np.sqrt((basis.direction_deviations**2).mean()))
