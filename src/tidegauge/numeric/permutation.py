"""Which rows swap sides: label draws over rows, sessions or blocks, and the check that says which of them is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

LAGS = (1, 2, 4, 8, 16, 32, 64, 128)
DEPENDENT = 4.0
FEWEST_BLOCKS = 10


def label_draws(first: Bool, units: Int, draws: int, rng: np.random.Generator) -> Bool:
    """Labels of every row under the observed split and under random ones.

    Parameters
    ----------
    first : bool array, shape (n,)
        The observed labels.
    units : int64 array, shape (n,)
        What is exchangeable as a whole: rows that share a unit share a label. Numbered from 0 without gaps.
    draws : int
        Random splits, each with the observed number of labelled units.
    rng : numpy Generator

    Returns
    -------
    bool array, shape (draws + 1, n)
        Row 0 is the observed split.

    Examples
    --------
    >>> label_draws(np.array([True, False, False]), np.arange(3), 4, np.random.default_rng(0)).sum(1).tolist()
    [1, 1, 1, 1, 1]
    """
    count = int(units.max()) + 1
    labelled = np.zeros(count, np.bool_)
    labelled[units] = first
    chosen = int(labelled.sum())
    out = np.empty((draws + 1, len(first)), np.bool_)
    out[0] = first
    for start in range(1, draws + 1, 64):
        stop = min(start + 64, draws + 1)
        keys = rng.random((stop - start, count), dtype=np.float32)
        pick = np.zeros((stop - start, count), np.bool_)
        if 0 < chosen < count:
            pick[:] = keys <= np.partition(keys, chosen - 1, axis=1)[:, chosen - 1 : chosen]
            for row in np.flatnonzero(np.count_nonzero(pick, axis=1) > chosen):  # equal keys at the limit
                pick[row] = keys[row].argsort(kind="stable").argsort() < chosen
        else:
            pick[:] = labelled
        out[start:stop] = pick[:, units]
    return out


@dataclass(frozen=True, slots=True)
class Dependence:
    """How far rows depend on those before them: the largest z over lags, and the block length that spans it
    (1: none).
    """

    z: float
    block: int


def serial_dependence(scores: Float32) -> Dependence:
    """Do successive rows resemble each other more than rows at random?

    Parameters
    ----------
    scores : float32 array, shape (n, k)
        Whitened rows in order.

    Returns
    -------
    Dependence
        Under exchangeability the z of each lag is about standard normal; the check asks for more than 4 at any
        of eight lags. The block is four times the integrated autocorrelation time, and at least twice the
        longest lag that stands out.

    Examples
    --------
    >>> steps = np.random.default_rng(0).standard_normal((400, 3)).astype(np.float32)
    >>> serial_dependence(steps).block, serial_dependence(np.cumsum(steps, axis=0)).block > 50
    (1, True)
    """
    n = len(scores)
    centred = scores.astype(np.float64) - scores.mean(0, dtype=np.float64)
    covariance = centred.T @ centred / max(n, 1)
    power = float(np.trace(covariance))
    noise = float(np.sqrt(max((covariance**2).sum() - power**2 / n, 1e-3 * power**2 / n))) if n else 0.0
    lags = [lag for lag in LAGS if lag <= n // 4]
    if not lags or power <= 0:
        return Dependence(0.0, 1)
    products = np.array([np.einsum("ij,ij->", centred[lag:], centred[:-lag]) / (n - lag) for lag in lags])
    z = (products + power / n) / (noise / np.sqrt(n - np.asarray(lags)))
    if z.max() <= DEPENDENT:
        return Dependence(float(z.max()), 1)
    correlation = np.maximum(products / power, 0)
    longest = lags[int(np.flatnonzero(z > DEPENDENT)[-1])]
    grid = np.arange(1, lags[-1] + 1)
    time = 1 + 2 * float(np.interp(grid, lags, np.where(z > 2, correlation, 0)).sum())
    return Dependence(float(z.max()), int(max(2 * longest, np.ceil(4 * time))))


def blocks(rows: int, length: int) -> Int:
    """Contiguous blocks of ``length`` rows, the last one at least half as long.

    Examples
    --------
    >>> blocks(7, 3).tolist(), blocks(8, 3).tolist()
    ([0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 2, 2])
    """
    count = max(1, int(np.floor(rows / length + 0.5)))
    return np.minimum(np.arange(rows) // length, count - 1)
