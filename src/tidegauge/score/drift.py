"""The headline number: drift as if x per cent of the traffic had moved to a typical other cell."""

from __future__ import annotations

import numpy as np

from tidegauge.basis import Basis
from tidegauge.records import Drift
from tidegauge.score.mmd import mmd
from tidegauge.score.parts import Float64, Sums, average, rows

Z95 = 1.959964
Z80 = 0.841621


def drift_per_cent(basis: Basis, squared: Float64) -> Float64:
    """Per cent of the traffic that an unbiased squared MMD stands for, with its sign.

    The distance of mean embeddings is linear in the mixing share: MMD(P, (1 - e) P + e Q) = e MMD(P, Q). One
    hundred per cent is what moving everything to a typical other cell would make, the basis's ``anchor``.
    """
    return 100 * np.sign(squared) * np.sqrt(np.abs(squared)) / basis.anchor


def drift(basis: Basis, window: Sums, reference: Sums, null: Float64) -> Drift:
    """The headline number with its 95 % interval.

    Parameters
    ----------
    basis : Basis
    window, reference : sums of one side each, no leading axis
    null : float64 array, shape (draws,)
        Squared MMD of unchanged data at the same sizes.

    Notes
    -----
    The interval inverts the normal law of the squared MMD: at distance t its variance is the null's, plus
    ``4 t^2 s^2 (1/n + 1/m)`` with s^2 the variance of one row's feature along the change (the noise of the observed
    direction taken off), plus ``4 t^3 (anchor - t) / n`` for the mixing of moved and other traffic in the window.
    """
    n, m = float(rows(window)), float(rows(reference))
    squared = float(mmd(basis, window, reference))
    gap = average(window, "features") - average(reference, "features")
    along = _variance_along(basis, gap, squared, 1 / n + 1 / m)
    base = float(null.var()) if len(null) > 1 else 0.0

    def deviation(t: Float64) -> Float64:
        mixing = np.maximum(t * (basis.anchor - t), 0) / n
        return np.sqrt(base + 4 * t**2 * (along * (1 / n + 1 / m) + mixing))

    reach = np.sqrt(abs(squared)) + np.sqrt(along * (1 / n + 1 / m)) + base**0.25 + basis.anchor / np.sqrt(n)
    grid = np.linspace(0, max(8 * float(reach), 1e-9), 8001)
    inside = np.abs(squared - float(null.mean()) - grid**2) <= Z95 * deviation(grid)
    low, high = (float(grid[inside][0]), float(grid[inside][-1])) if inside.any() else (0.0, 0.0)
    threshold = float(np.quantile(null, 0.95)) if len(null) else 0.0
    found = grid[grid**2 - Z80 * deviation(grid) >= threshold]
    detectable = float(found[0]) if len(found) else float(grid[-1])
    scale = 100 / basis.anchor
    return Drift(_centred(basis, squared, null), low * scale, high * scale, detectable * scale)


def _variance_along(basis: Basis, gap: Float64, squared: float, noise: float) -> float:
    """Variance of one row's features along a change, from a direction that is itself noisy."""
    trace, squares, top = basis.feature_spectrum
    quadratic = float(gap @ (basis.feature_covariance @ gap.astype(np.float32)))
    along = (quadratic - noise * squares) / max(squared, 1e-30)
    least = squares / max(trace, 1e-30)
    return float(np.clip(along, least, max(top, least)))


def _centred(basis: Basis, squared: float, null: Float64) -> float:
    """The signed root less its mean on unchanged data, which a skewed null makes differ from zero.

    The correction fades as the change grows beyond the null's sd, and is scaled so that the mean on unchanged
    data is zero.
    """
    value = float(drift_per_cent(basis, np.asarray(squared)))
    sd = float(null.std()) if len(null) > 1 else 0.0
    if sd == 0:
        return value
    fade = np.exp(-np.maximum(null, 0) / sd)
    bias = float(drift_per_cent(basis, null).mean()) / float(fade.mean())
    return value - bias * float(np.exp(-max(squared, 0.0) / sd))
