"""Autoregressions of many series with gaps: how each depends on its own past, and what that does not foretell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

PENALTY = 3.0
"""Of each coefficient, where Akaike's criterion has 2: a longer past must be worth the panes that it takes."""
STABLE = 0.995
"""Largest root of a series that is to be foretold through gaps."""
LONGEST_GAP = 64
"""Panes without a value after which the past is as good as forgotten."""


def fit_autoregressions(x: Float64, present: Bool, most: int) -> Float64:
    """Coefficients of an autoregression of each series by itself, by least squares over the pairs that are there.

    Parameters
    ----------
    x : float64 array, shape (n, m)
        Series about zero, one a column; what is not present does not matter.
    present : bool array, shape (n, m)
    most : int
        Longest past; each series takes as much of it as Akaike's criterion, corrected for small n and stricter, says.

    Returns
    -------
    float64 array, shape (most, m)
        Zero beyond the past that is taken.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = np.zeros((5_000, 1))
    >>> for t in range(1, len(x)):
    ...     x[t] = 0.6 * x[t - 1] + rng.standard_normal()
    >>> fit_autoregressions(x, np.ones(x.shape, np.bool_), 4)[0].round(1).tolist()
    [0.6]
    """
    n, m = x.shape
    filled = np.where(present, x, 0.0)
    back = np.stack([filled[most - lag : n - lag] for lag in range(most + 1)])
    there = np.stack([present[most - lag : n - lag] for lag in range(most + 1)]).astype(np.float64)
    pairs = np.maximum(np.einsum("itm,jtm->mij", there, there), 1)
    products = np.einsum("itm,jtm->mij", back, back) / pairs
    rows, scale = pairs[:, 0, 0], np.maximum(products[:, 0, 0], 1e-300)
    best, out = np.full(m, np.inf), np.zeros((most, m))
    for order in range(most + 1):
        past = products[:, 1 : order + 1, 1 : order + 1] + 1e-9 * scale[:, None, None] * np.eye(order)
        found = np.linalg.solve(past, products[:, 1 : order + 1, :1])[:, :, 0] if order else np.zeros((m, 0))
        left = np.maximum(products[:, 0, 0] - (found * products[:, 0, 1 : order + 1]).sum(1), 1e-6 * scale)
        worth = rows * np.log(left) + PENALTY * (order + 1) * rows / np.maximum(rows - order - 2, 1)
        better = worth < best
        best[better] = worth[better]
        out[:, better] = 0
        out[:order, better] = found[better].T
    return out if present.all() else _damped(out)


def _damped(coefficients: Float64) -> Float64:
    """Drawn towards no past where pairs of different panes together say that a series explodes."""
    most, m = coefficients.shape
    companion = np.zeros((m, most, most))
    companion[:, 0] = coefficients.T
    companion[:, 1:, :-1] = np.eye(most - 1)
    largest = np.abs(np.linalg.eigvals(companion)).max(1)
    return coefficients * np.minimum(STABLE / np.maximum(largest, 1e-300), 1) ** np.arange(1, most + 1)[:, None]


def innovations(x: Float64, present: Bool, coefficients: Float64) -> tuple[Float64, Bool]:
    """What the past of each series does not foretell, and where it is known.

    Parameters
    ----------
    x : float64 array, shape (n, m)
    present : bool array, shape (n, m)
    coefficients : float64 array, shape (order, m)

    Returns
    -------
    innovations : float64 array, shape (n, m)
        0 where not known. In a gap the forecast goes on by itself; what comes after it is foretold less well, and is
        divided by as much.
    known : bool array, shape (n, m)
        Present, and not among the first panes, which have no past.

    Examples
    --------
    >>> x, half = np.array([[8.0], [4.0], [np.nan], [2.0]]), np.array([[0.5]])
    >>> innovations(x, np.isfinite(x), half)[0].ravel().round(3).tolist()  # 1 is foretold
    [0.0, 0.0, 0.0, 0.894]
    """
    n, m = x.shape
    longest = len(coefficients)
    order = longest - (np.cumsum(coefficients[::-1] != 0, axis=0) > 0).argmax(0)
    order[~coefficients.any(0)] = 0
    known = present & (np.arange(n)[:, None] >= order)
    filled = np.where(present, x, 0.0)
    if present.all():
        out = filled.copy()
        for lag, each in enumerate(coefficients, 1):
            out[lag:] -= each * filled[:-lag]
        return np.where(known, out, 0.0), known
    furthest, spread = np.abs(filled).max(0), _spread(coefficients)
    past, gap, columns = np.zeros((longest, m)), np.zeros(m, np.int64), np.arange(m)
    out = np.zeros((n, m))
    for t in range(n):
        foretold = np.clip((coefficients * past).sum(0), -furthest, furthest)
        out[t] = (filled[t] - foretold) / spread[gap, columns]
        gap = np.where(present[t], 0, np.minimum(gap + 1, LONGEST_GAP))
        past[1:] = past[:-1]
        past[:1] = np.where(present[t], filled[t], foretold)
    return np.where(known, out, 0.0), known


def _spread(coefficients: Float64) -> Float64:
    """Standard deviation of a forecast's error after a gap of 0, 1, .. panes, over that of none, (gaps + 1, m)."""
    longest, m = coefficients.shape
    weights = np.zeros((LONGEST_GAP + 1, m))
    weights[0] = 1
    for j in range(1, LONGEST_GAP + 1):
        for lag in range(1, min(longest, j) + 1):
            weights[j] += coefficients[lag - 1] * weights[j - lag]
    return np.sqrt(np.minimum(np.cumsum(weights**2, axis=0), 1e4))
