"""Many tests at once: the false discovery rate at which each is found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def benjamini_hochberg(p: Float64) -> Float64:
    """The smallest false discovery rate at which each test is found (Benjamini and Hochberg, 1995).

    Parameters
    ----------
    p : float64 array, shape (m,)
        NaN where nothing was tested; such a test does not count.

    Returns
    -------
    float64 array, shape (m,)

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03])).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    q = np.full(len(p), np.nan)
    asked = np.flatnonzero(~np.isnan(p))
    order = asked[np.argsort(p[asked], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q
