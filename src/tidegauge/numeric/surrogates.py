"""Surrogates of a series: its own values in another order, so that nothing else can go with them but by chance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]


@lru_cache(maxsize=8)
def reordered(n: int, draws: int, block: float, seed: int) -> Int32:
    """Positions that put a series of ``n`` values in other orders, int32 (draws, n), not to be written to.

    The series, closed to a ring, is cut into blocks of random length, ``block`` in the mean (those of the stationary
    bootstrap of Politis and Romano, 1994), which are dealt out anew. Each value comes once, so that the distribution
    of the values stays what it is, and what goes on for less than a block mostly does as well. With blocks of 1 this
    is a permutation.

    Examples
    --------
    >>> reordered(5, 2, 1, 0).tolist()
    [[4, 0, 3, 2, 1], [1, 4, 0, 2, 3]]
    """
    rng = np.random.default_rng(seed)
    keys = rng.random((draws, n), dtype=np.float32)
    out = np.empty((draws, n), np.int32)
    for rows in (slice(first, first + 256) for first in range(0, draws, 256)):
        some = keys[rows]
        piece = np.cumsum(rng.random(some.shape, dtype=np.float32) < 1 / block, axis=1)
        dealt = np.take_along_axis(some, piece - piece[:, :1], axis=1).argsort(axis=1, kind="stable")
        out[rows] = (dealt + rng.integers(n, size=(len(some), 1))) % n
    out.flags.writeable = False
    return out
