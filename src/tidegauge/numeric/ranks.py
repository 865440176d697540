"""P-values from draws, with ties counted against us, and intervals for shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

TIE = 1e-6


def p_values(statistics: Float64) -> Float64:
    """Rank each value among all of its column: the share of draws at least as large, the value itself included.

    Parameters
    ----------
    statistics : float64 array, shape (draws + 1, members)
        Row 0 is observed, the others are draws under the null; larger is more extreme.

    Returns
    -------
    float64 array, same shape
        In row 0, ``p = (1 + #{draws >= observed}) / (draws + 1)``; values within 1e-6 of the column's largest
        count as equal.

    Examples
    --------
    >>> p_values(np.array([[3.0], [1.0], [2.0], [3.0]]))[:, 0].tolist()
    [0.5, 1.0, 0.75, 0.5]
    """
    ordered = np.sort(statistics, axis=0)
    scale = np.where(np.isfinite(statistics), np.abs(statistics), 0).max(0)
    floor = statistics - TIE * scale
    below = np.stack([np.searchsorted(ordered[:, j], floor[:, j]) for j in range(statistics.shape[1])], axis=1)
    return (len(statistics) - below) / len(statistics)


def joint_p(p: Float64) -> tuple[float, Float64]:
    """Joint p-value of the smallest of several members' p-values, from the joint draws.

    Many draws share a smallest p, as there are only so many ranks; among those the smaller harmonic mean of all members
    counts as more extreme, so that a change which every member sees is not tied with one that a single member sees.

    Parameters
    ----------
    p : float64 array, shape (draws + 1, members)
        As ``p_values`` returns.

    Returns
    -------
    joint : float
        Share of rows that are as extreme as row 0, row 0 included: exact under exchangeability.
    minima : float64 array, shape (draws + 1,)
        The smallest p of each row.

    Examples
    --------
    >>> joint_p(np.array([[0.25, 0.25], [0.25, 1.0], [0.5, 0.75], [0.75, 0.5]]))[0]
    0.25
    """
    minima = p.min(axis=1)
    harmonic = p.shape[1] / (1 / p).sum(axis=1)
    order = minima + harmonic / (1000 * len(p))
    return float((order <= order[0] * (1 + 1e-9)).mean()), minima


def wilson(successes: float, trials: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval for a share (Wilson, 1927).

    Examples
    --------
    >>> tuple(round(v, 3) for v in wilson(5, 100))
    (0.022, 0.112)
    """
    if trials <= 0:
        return 0.0, 1.0
    share, denominator = successes / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / denominator
    half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / denominator
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
