"""A nested codebook: fine cells by k-means, coarse cells by merging them (weighted Ward)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

FAR_SHARE = 0.25
ROWS_PER_CELL = 15


def fine_cells(rows: int, most: int) -> int:
    """Number of fine cells that ``rows`` rows can carry: at least 15 rows a cell on average.

    Examples
    --------
    >>> fine_cells(3000, 128), fine_cells(300, 128), fine_cells(10, 128)
    (128, 20, 1)
    """
    return max(1, min(most, rows // ROWS_PER_CELL))


def squared_distances(x: Float32, centres: Float32) -> Float32:
    """Squared Euclidean distances, shape (n, k), never negative."""
    d = np.einsum("ij,ij->i", x, x)[:, None] - 2 * (x @ centres.T) + np.einsum("ij,ij->i", centres, centres)
    return np.maximum(d, 0, out=d)


def fit_cells(x: Float32, count: int, seed: int) -> Float32:
    """Centres of ``count`` cells, shape (<= count, d).

    Three quarters of the centres are seeded on all rows, one quarter on the rows that are then farthest from a
    centre, so that a small group away from everything gets a cell of its own.
    """
    from sklearn.cluster import KMeans

    count = min(count, len(x))
    far_count = int(count * FAR_SHARE)
    centres = x[seeds(x, count - far_count, seed)]
    if far_count:
        nearest = squared_distances(x, centres).min(1)
        far = np.argsort(nearest, kind="stable")[-max(4 * far_count, len(x) // 10) :]
        centres = np.concatenate([centres, x[far][seeds(x[far], min(far_count, len(far)), seed + 1)]])
    centres = np.unique(centres, axis=0)
    if len(centres) < 2:
        return x.mean(0, keepdims=True)
    start: Any = centres
    once: Any = 1
    model = KMeans(len(centres), init=start, n_init=once, max_iter=6, tol=0, algorithm="lloyd")
    return model.fit(x).cluster_centers_.astype(np.float32)


def seeds(x: Float32, count: int, seed: int) -> Int:
    """Rows to start k-means from: drawn far from those before, the best of a few trials each (Arthur and
    Vassilvitskii, 2007).

    The draws are those of ``sklearn.cluster.kmeans_plusplus``, which converts all rows to double precision for every
    one of them and takes four times as long: a third of a decision.

    Examples
    --------
    >>> sorted((seeds(np.array([[0.0], [0.1], [9.0], [9.1], [50.0]], np.float32), 3, 0) // 2).tolist())
    [0, 1, 2]
    """
    from sklearn.utils import check_random_state

    rng, trials = check_random_state(seed), 2 + int(np.log(count))
    chosen = np.empty(count, np.int64)
    chosen[0] = rng.choice(len(x), p=np.full(len(x), 1 / len(x)))
    lengths, columns = np.einsum("ij,ij->i", x, x), np.ascontiguousarray(x.T)  # else every product would turn x anew
    nearest = np.full(len(x), np.inf, np.float32)
    candidates = chosen[:1]
    for i in range(count):
        if i:
            mass = np.cumsum(nearest, dtype=np.float64)
            candidates = np.minimum(np.searchsorted(mass, rng.uniform(size=trials) * mass[-1]), len(x) - 1)
        apart = lengths[candidates][:, None] + lengths - 2 * (x[candidates] @ columns)
        closer = np.minimum(nearest, np.maximum(apart, 0))
        best = int(closer.sum(1, dtype=np.float64).argmin())
        chosen[i], nearest = candidates[best], closer[best]
    return chosen


def ward_levels(centres: Float32, weights: Float64, counts: tuple[int, ...]) -> list[Int]:
    """Coarser partitions of weighted centres by Ward's criterion.

    Parameters
    ----------
    centres : float32 array, shape (k, d)
    weights : float64 array, shape (k,)
        Rows per centre.
    counts : tuple of int
        Numbers of cells wanted, rising.

    Returns
    -------
    list of int64 arrays, shape (k,)
        For each count, the coarse cell of each fine one, numbered from 0.

    Notes
    -----
    What a merger would cost follows from the costs before the last one (Lance and Williams, 1967).

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [10.0], [11.5]], np.float32)
    >>> [level.tolist() for level in ward_levels(line, np.ones(4), (1, 2))]
    [[0, 0, 0, 0], [0, 0, 1, 1]]
    """
    k = len(centres)
    points, mass = centres.astype(np.float64), np.maximum(weights.astype(np.float64), 1e-9)
    member = np.arange(k)
    cost = squared_distances64(points, points) * (np.multiply.outer(mass, mass) / np.add.outer(mass, mass))
    np.fill_diagonal(cost, np.inf)
    found: dict[int, Int] = {k: member.copy()}
    for left in range(k - 1, 0, -1):
        i, j = sorted(divmod(int(cost.argmin()), k))
        member[member == j] = i
        with_i, with_j = mass + mass[i], mass + mass[j]
        cost[i] = cost[:, i] = (with_i * cost[i] + with_j * cost[j] - mass * cost[i, j]) / (with_i + mass[j])
        cost[j] = cost[:, j] = np.inf
        mass[i] += mass[j]
        if left in counts:
            found[left] = member.copy()
    return [np.unique(found[min(c, k)], return_inverse=True)[1].astype(np.int64) for c in counts]


def squared_distances64(x: Float64, y: Float64) -> Float64:
    """Squared distances in double precision, shape (n, k)."""
    return ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1) if x.shape[1] <= 8 else _by_products(x, y)


def _by_products(x: Float64, y: Float64) -> Float64:
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0)
