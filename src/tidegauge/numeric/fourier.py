"""Random Fourier features: a sum of cosines and sines whose mean embeds a distribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

LOW_WIDTH = 16
SAME = 1e-6
LOW_WIDTH_BANDWIDTHS = (1.0, 1.0, 0.5, 0.25)


def median_distance(x: Float32, rng: np.random.Generator, most: int = 1000) -> float:
    """Median Euclidean distance between two rows, from at most ``most`` of them.

    Examples
    --------
    >>> round(median_distance(np.array([[0.0], [3.0]], np.float32), np.random.default_rng(0)), 6)
    3.0
    """
    some = x if len(x) <= most else x[np.sort(rng.choice(len(x), most, replace=False))]
    squares = np.einsum("ij,ij->i", some, some)
    distances = squares[:, None] + squares - 2 * (some @ some.T)
    upper = distances[~np.tri(len(some), dtype=np.bool_)]
    positive = upper[upper > SAME * max(float(squares.max()), 1e-30)]
    return float(np.sqrt(np.median(positive))) if len(positive) else 1.0


def frequencies(width: int, count: int, bandwidth: float, rng: np.random.Generator) -> Float32:
    """Frequencies of a Gaussian kernel, shape (width, count).

    The kernel is ``exp(-|x - y|^2 / (2 bandwidth^2))`` (Rahimi and Recht, 2007). Up to 16 dimensions it is a
    mixture: half of it at the bandwidth, a quarter each at a half and a quarter of it; above, where all
    distances are alike, the shorter ones would only add noise.
    """
    scales = np.resize(np.asarray(LOW_WIDTH_BANDWIDTHS if width <= LOW_WIDTH else (1.0,)), count)
    return (rng.standard_normal((width, count)) / (bandwidth * scales)).astype(np.float32)


def fourier(phase: Float32) -> Float32:
    """Features with ``features(x @ weights) @ features(y @ weights)`` an unbiased estimate of the kernel.

    Parameters
    ----------
    phase : float32 array, shape (n, count)
        Rows times frequencies.

    Returns
    -------
    float32 array, shape (n, 2 * count)
        Cosines, then sines; each row of norm 1.
    """
    count = phase.shape[1]
    out = np.empty((phase.shape[0], 2 * count), np.float32)
    np.cos(phase, out=out[:, :count])
    np.sin(phase, out=out[:, count:])
    out *= np.float32(1 / np.sqrt(count))
    return out
