"""Scans: over all cells of all levels, the largest standardised change of traffic, or of spread.

A scan over many small cells must not drown a change of a large one: half the multiscale penalty sqrt(2 (1 +
log(1 / share))) of Dumbgen and Spokoiny (2001) comes off each cell's z.
"""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.parts import Float64, Sums, cell_distances, cell_rows, rows

PENALTY = 0.5
FEWEST_MASS = 3
FEWEST_SPREAD = 5


def penalty(share: Float64) -> Float64:
    """What comes off the z of a cell that holds ``share`` of all rows."""
    return PENALTY * np.sqrt(2 * (1 - np.log(np.clip(share, 1e-9, 1))))


def mass_z(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Signed root of the deviance of every cell's share between both sides, (..., cells): positive where
    traffic was gained.
    """
    a, b = (np.maximum(cell_rows(basis, s), 0) for s in (window, reference))
    n, m = rows(window)[..., None], rows(reference)[..., None]
    expected = (a + b) / (n + m)
    deviance = 2 * (
        _term(a, n * expected)
        + _term(b, m * expected)
        + _term(n - a, n * (1 - expected))
        + _term(m - b, m * (1 - expected))
    )
    z = np.sign(a / n - b / m) * np.sqrt(np.maximum(deviance, 0))
    return np.where(a + b >= FEWEST_MASS, z, 0.0)


def _term(observed: Float64, expected: Float64) -> Float64:
    observed = np.maximum(observed, 0)
    return observed * np.log(np.maximum(observed, 1e-12) / np.maximum(expected, 1e-12))


def mass_scan(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Largest penalised |z| of a gain or loss of traffic."""
    return penalised(mass_z(basis, window, reference), basis, window, reference).max(-1)


def spread_z(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Score test of the mean distance to the centre of every cell, (..., cells): positive where the cell grew wider.

    The variance is that of both sides' rows together about their common mean: a few rows that happen to lie
    close cannot inflate z, as they would with a variance of their own.
    """
    n, m = (cell_rows(basis, s) for s in (window, reference))
    (sum1, square1), (sum0, square0) = cell_distances(basis, window), cell_distances(basis, reference)
    a, b = np.maximum(n, 1), np.maximum(m, 1)
    variance = (square1 + square0) / (a + b) - ((sum1 + sum0) / (a + b)) ** 2
    z = (sum1 / a - sum0 / b) / np.sqrt(np.maximum(variance, 1e-30) * (1 / a + 1 / b))
    return np.where((n >= FEWEST_SPREAD) & (m >= FEWEST_SPREAD), z, 0.0)


def spread_scan(basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Largest penalised |z| of a change of spread."""
    return penalised(spread_z(basis, window, reference), basis, window, reference).max(-1)


def penalised(z: Float64, basis: Basis, window: Sums, reference: Sums) -> Float64:
    """|z| less the penalty of the cell's share of all rows, (..., cells)."""
    both = np.maximum(cell_rows(basis, window), 0) + np.maximum(cell_rows(basis, reference), 0)
    return np.abs(z) - penalty(both / (rows(window) + rows(reference))[..., None])
