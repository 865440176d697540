"""Principal components from a Gram matrix, on whichever side is smaller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

RANK_TOLERANCE = 3e-6


def principal_components(x: Float32, most: int) -> tuple[Float32, Float64]:
    """Leading principal axes of centred rows and the variances along them.

    Parameters
    ----------
    x : float32 array, shape (n, d)
        Rows whose mean is zero.
    most : int
        Number of components wanted; fewer come back where the rank is lower.

    Returns
    -------
    axes : float32 array, shape (d, k)
        Orthonormal columns; each is signed so that its largest entry is positive, so that a picture does not flip.
    variances : float64 array, shape (k,)
        Population variances (divided by n), falling.

    Examples
    --------
    >>> axes, variances = principal_components(np.array([[2, 0], [-2, 0]], np.float32), 2)
    >>> axes.ravel().tolist(), variances.tolist()
    ([1.0, 0.0], [4.0])
    """
    from scipy.linalg import eigh

    n, d = x.shape
    k = min(most, d, n)
    gram = (x.T @ x if d <= n else x @ x.T).astype(np.float64) / n
    values, vectors = eigh(gram, subset_by_index=[gram.shape[0] - k, gram.shape[0] - 1], check_finite=False)
    values, vectors = values[::-1], vectors[:, ::-1]
    keep = values > max(values[0], 0.0) * RANK_TOLERANCE
    values, vectors = values[keep], vectors[:, keep]
    if d > n:
        vectors = (x.T @ vectors.astype(np.float32)) / np.sqrt(values * n)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0)
    return (vectors * np.sign(largest)).astype(np.float32), values
