"""Slow and obvious: every score once more from the raw rows, in double precision, by loops and textbook formulas.

Only the fitted arrays of a basis are shared with the product; no sums, no pieces, no helper of a score.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

import numpy as np
import numpy.typing as npt
from scipy.linalg import sqrtm

from tidegauge.basis import Basis

Float64 = npt.NDArray[np.float64]
Reference = Callable[[Basis, Float64, Float64], float]


# ------------------------------------------------------------------------------------------------------------ readings


def centred(b: Basis, x: Float64) -> Float64:
    return x - b.centre.astype(np.float64)


def components(b: Basis, x: Float64) -> Float64:
    return centred(b, x) @ b.axes.astype(np.float64) / b.deviations


def on_slices(b: Basis, x: Float64) -> Float64:
    return centred(b, x) @ b.directions.astype(np.float64) / b.direction_deviations


def cell_of_rows(b: Basis, x: Float64) -> tuple[list[list[int]], Float64]:
    """For every row its cell on every level, and its distance to every centre."""
    y, centres = centred(b, x), b.centres.astype(np.float64)
    distances = np.array([[np.linalg.norm(row - c) for c in centres] for row in y])
    cells = []
    for row in distances:
        leaf = min(range(len(b.fine)), key=lambda j: row[b.fine[j]])
        cells.append([int(level[leaf]) for level in b.ancestors])
    return cells, distances


def nearest(b: Basis, x: Float64) -> Float64:
    centres = b.centres[b.fine].astype(np.float64)
    return np.array([min(np.linalg.norm(row - c) for c in centres) for row in centred(b, x)])


def share_nearer(b: Basis, x: Float64) -> Float64:
    knots = b.near_knots
    return np.interp(nearest(b, x), knots, [(i + 0.5) / len(knots) for i in range(len(knots))])


def empirical(values: Float64, at: Float64) -> Float64:
    """Share of the values below each point."""
    return np.array([np.mean(values < t) for t in at])


def bin_edges(bins: int) -> Float64:
    return np.array([-4 + 8 * i / bins for i in range(bins + 1)])


# ---------------------------------------------------------------------------------------------------- kernel distances


def kernel(b: Basis, x: Float64, y: Float64) -> float:
    """Mean of cos(w (x - y)) over the frequencies."""
    return float(np.cos((x - y) @ b.weights.astype(np.float64)).mean())


def unbiased_mmd(k: Callable[[Float64, Float64], float], x: Float64, y: Float64) -> float:
    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(k(x[i], y[j]) for i in range(n) for j in range(m)) / (n * m)
    return xx + yy - 2 * xy


def mmd(b: Basis, x: Float64, y: Float64) -> float:
    return unbiased_mmd(lambda u, v: kernel(b, u, v), x, y)


def feature_map(b: Basis, x: Float64) -> Float64:
    phase = centred(b, x) @ b.weights.astype(np.float64)
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1) / sqrt(b.weights.shape[1])


def whitened(share: float) -> Reference:
    def score(b: Basis, x: Float64, y: Float64) -> float:
        c = b.feature_covariance.astype(np.float64)
        delta = feature_map(b, x).mean(0) - feature_map(b, y).mean(0)
        ridge = share * np.linalg.eigvalsh(c)[-1]
        return float(delta @ np.linalg.solve(c + ridge * np.eye(len(c)), delta))

    return score


# -------------------------------------------------------------------------------------- distances along one direction


def cramer(x: Float64, y: Float64, bins: int) -> float:
    edges = bin_edges(bins)
    gap = empirical(x, edges) - empirical(y, edges)
    return sum((gap[i] ** 2 + gap[i + 1] ** 2) / 2 * 8 / bins for i in range(bins))


def w1(x: Float64, y: Float64, bins: int) -> float:
    edges = bin_edges(bins)
    gap = np.abs(empirical(x, edges) - empirical(y, edges))
    inside = sum((gap[i] + gap[i + 1]) / 2 * 8 / bins for i in range(bins))
    low = abs(np.mean([max(-4 - t, 0) for t in x]) - np.mean([max(-4 - t, 0) for t in y]))
    high = abs(np.mean([max(t - 4, 0) for t in x]) - np.mean([max(t - 4, 0) for t in y]))
    return inside + low + high


def w2(x: Float64, y: Float64, bins: int) -> float:
    """Rows in the middle of their bins, or on the edge they lie beyond; carried over in order, mass by mass."""
    edges = bin_edges(bins)

    def placed(values: Float64) -> list[float]:
        middle = [edges[min(int((t + 4) // (8 / bins)), bins - 1)] + 4 / bins for t in values]
        return sorted(-4.0 if t < -4 else 4.0 if t >= 4 else m for t, m in zip(values, middle, strict=True))

    a, b = placed(x), placed(y)
    left, right, i, j, total = 1 / len(a), 1 / len(b), 0, 0, 0.0
    while i < len(a) and j < len(b):
        mass = min(left, right)
        total += mass * (a[i] - b[j]) ** 2
        left, right = left - mass, right - mass
        if left <= 1e-15:
            i, left = i + 1, 1 / len(a)
        if right <= 1e-15:
            j, right = j + 1, 1 / len(b)
    return sqrt(total)


def constant(width: int) -> float:
    """E|X| = C_d E|u X|: for a normal X in d dimensions, E|X| over E|first coordinate| (a chi mean by recurrence)."""
    means = [0.0, sqrt(2 / np.pi), sqrt(np.pi / 2)]
    while len(means) <= width:
        means.append((len(means) - 1) / means[-1])
    return means[width] / means[1]


def on_pc1(distance: Callable[[Float64, Float64, int], float]) -> Reference:
    return lambda b, x, y: distance(components(b, x)[:, 0], components(b, y)[:, 0], b.bins)


def over_slices(b: Basis, x: Float64, y: Float64, distance: Callable[[Float64, Float64, int], float]) -> Float64:
    u, v = on_slices(b, x), on_slices(b, y)
    return np.array([distance(u[:, j], v[:, j], b.bins) for j in range(u.shape[1])])


def energy(b: Basis, x: Float64, y: Float64) -> float:
    along = over_slices(b, x, y, cramer) * b.direction_deviations
    return 2 * constant(x.shape[1]) * float(along.mean())


def whitened_energy(b: Basis, x: Float64, y: Float64) -> float:
    u, v = components(b, x), components(b, y)
    return float(np.mean([2 * cramer(u[:, j], v[:, j], b.bins // 4) for j in range(u.shape[1])]))


def sliced_w1(b: Basis, x: Float64, y: Float64) -> float:
    return float((over_slices(b, x, y, w1) * b.direction_deviations).mean())


def sliced_w2(b: Basis, x: Float64, y: Float64) -> float:
    return sqrt(float(((over_slices(b, x, y, w2) * b.direction_deviations) ** 2).mean()))


# ---------------------------------------------------------------------------------------------------------- divergences


def psi(p: list[float], q: list[float]) -> float:
    return sum((a - b) * log(a / b) for a, b in zip(p, q, strict=True))


def js(p: list[float], q: list[float]) -> float:
    def kl(a: list[float], b: list[float]) -> float:
        return sum(s * log(s / t) for s, t in zip(a, b, strict=True))

    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return kl(p, middle) / 2 + kl(q, middle) / 2


def smoothed(counts: list[int]) -> list[float]:
    return [(c + 0.5) / (sum(counts) + 0.5 * len(counts)) for c in counts]


def fine_counts(b: Basis, x: Float64) -> list[int]:
    leaves = [cells[-1] for cells in cell_of_rows(b, x)[0]]
    return [leaves.count(int(c)) for c in b.fine]


def pc1_counts(b: Basis, x: Float64) -> list[int]:
    counts = [0] * 16
    for t in components(b, x)[:, 0]:
        counts[min(max(int((t + 4) // 0.5), 0), 15)] += 1
    return counts


def of_masses(divergence: Callable[..., float], counts: Callable[[Basis, Float64], list[int]]) -> Reference:
    return lambda b, x, y: divergence(smoothed(counts(b, x)), smoothed(counts(b, y)))


def gaussian_kl(b: Basis, x: Float64, y: Float64) -> float:
    """KL(N(m1, C1) || N(m0, C0)), the covariances with the ridge of 1e-6 that keeps them regular."""
    u, v = components(b, x), components(b, y)
    k = u.shape[1]
    c1, c0 = (np.cov(s, rowvar=False, bias=True).reshape(k, k) + 1e-6 * np.eye(k) for s in (u, v))
    gap = v.mean(0) - u.mean(0)
    trace, distance = np.trace(np.linalg.inv(c0) @ c1), gap @ np.linalg.inv(c0) @ gap
    return float(trace + distance - k + log(np.linalg.det(c0) / np.linalg.det(c1))) / 2


# ------------------------------------------------------------------------------------------------------------- moments


def frechet(b: Basis, x: Float64, y: Float64) -> float:
    u, v = components(b, x) * b.deviations, components(b, y) * b.deviations
    k = u.shape[1]
    c1, c0 = (np.cov(s, rowvar=False, bias=True).reshape(k, k) for s in (u, v))
    root = np.asarray(sqrtm(c1 @ c0)).real
    return float(((u.mean(0) - v.mean(0)) ** 2).sum() + np.trace(c1 + c0 - 2 * root))


def frechet_pc1(b: Basis, x: Float64, y: Float64) -> float:
    u, v = components(b, x)[:, 0], components(b, y)[:, 0]
    return float((u.mean() - v.mean()) ** 2 + (u.std() - v.std()) ** 2)


def trace_outside(b: Basis, x: Float64, y: Float64) -> float:
    axes = b.axes.astype(np.float64)

    def outside(rows: Float64) -> float:
        own = rows - rows.mean(0)
        return float(((own - own @ axes @ axes.T) ** 2).sum(1).mean())

    return (outside(x) - outside(y)) / float(y.var(0).sum())


def mean_shift(b: Basis, x: Float64, y: Float64) -> float:
    return float(np.linalg.norm(x.mean(0) - y.mean(0))) / sqrt(b.variance)


def mean_shift_pc1(b: Basis, x: Float64, y: Float64) -> float:
    return float(components(b, x)[:, 0].mean() - components(b, y)[:, 0].mean())


def hotelling(b: Basis, x: Float64, y: Float64) -> float:
    """T^2 = nm / (n + m) (difference of means)' C^-1 (the same), C the basis's covariance in the components."""
    axes = b.axes.astype(np.float64)
    gap = axes.T @ (x.mean(0) - y.mean(0))
    return len(x) * len(y) / (len(x) + len(y)) * float(gap @ np.linalg.solve(np.diag(b.deviations**2), gap))


def spread(_: Basis, x: Float64, y: Float64) -> float:
    return log(sqrt(x.var(0).sum()) / sqrt(y.var(0).sum()))


def spread_pc1(b: Basis, x: Float64, y: Float64) -> float:
    return log(components(b, x)[:, 0].std() / components(b, y)[:, 0].std())


def spread_panel(b: Basis, x: Float64, y: Float64) -> float:
    noise = 1 / len(x) + 1 / len(y)
    squares = (centred(b, y) ** 2).sum(1)
    one_row = max(squares.var() / squares.mean() ** 2, 1e-6)  # variance of |y|^2 in its mean: log variance of the total
    overall = spread(b, x, y) ** 2 / (noise * one_row / 4)
    u, v = components(b, x), components(b, y)
    logs = [log(u[:, j].std() / v[:, j].std()) for j in range(u.shape[1])]
    along = (sum(t**2 for t in logs) / (noise / 2) - len(logs)) / sqrt(2 * len(logs))
    return max(overall, along)


# --------------------------------------------------------------------------------------------------------------- cells


def off(share: float) -> float:
    return 0.5 * sqrt(2 * (1 + log(1 / max(share, 1e-9))))


def mass_scan(b: Basis, x: Float64, y: Float64) -> float:
    """Per cell the root of the likelihood-ratio statistic of two binomials."""
    n, m = len(x), len(y)
    in_x, in_y = cell_of_rows(b, x)[0], cell_of_rows(b, y)[0]
    best = -np.inf
    for c in range(len(b.centres)):
        a, e = sum(c in cells for cells in in_x), sum(c in cells for cells in in_y)
        z = 0.0
        if a + e >= 3:
            p, own, other = (a + e) / (n + m), a / n, e / m
            terms = [(a, own / p), (e, other / p), (n - a, (1 - own) / (1 - p)) if p < 1 else (0, 1)]
            terms.append((m - e, (1 - other) / (1 - p)) if p < 1 else (0, 1))
            z = sqrt(max(2 * sum(count * log(ratio) for count, ratio in terms if count), 0))
        best = max(best, z - off((a + e) / (n + m)))
    return best


def spread_scan(b: Basis, x: Float64, y: Float64) -> float:
    """Per cell the standardised difference of the mean distance to its centre; variance: both sides together."""
    (in_x, to_x), (in_y, to_y) = cell_of_rows(b, x), cell_of_rows(b, y)
    best = -np.inf
    for c in range(len(b.centres)):
        a = np.array([to_x[i][c] for i in range(len(x)) if c in in_x[i]])
        e = np.array([to_y[i][c] for i in range(len(y)) if c in in_y[i]])
        z = 0.0
        if len(a) >= 5 and len(e) >= 5:
            z = abs(a.mean() - e.mean()) / sqrt(np.concatenate([a, e]).var() * (1 / len(a) + 1 / len(e)))
        best = max(best, z - off((len(a) + len(e)) / (len(x) + len(y))))
    return best


def novelty(b: Basis, x: Float64, y: Float64) -> float:
    after, before = (np.mean([min(-log(1 - f), 5) ** 2 for f in share_nearer(b, s)]) for s in (x, y))
    return float(after - before) / (3.7358 * sqrt(1 / len(x) + 1 / len(y)))


def beyond(share: float) -> Reference:
    return lambda b, x, y: float(np.mean(share_nearer(b, x) > share) - np.mean(share_nearer(b, y) > share))


REFERENCES: dict[str, Reference] = {
    "mmd": mmd,
    "whitened_mmd_10": whitened(0.1),
    "whitened_mmd_1": whitened(0.01),
    "whitened_energy": whitened_energy,
    "spread_panel": spread_panel,
    "mass_scan": mass_scan,
    "spread_scan": spread_scan,
    "novelty": novelty,
    "energy": energy,
    "energy_pc1": on_pc1(lambda x, y, bins: 2 * cramer(x, y, bins)),
    "sliced_w1": sliced_w1,
    "sliced_w2": sliced_w2,
    "w1_pc1": on_pc1(w1),
    "w2_pc1": on_pc1(w2),
    "psi_cells": of_masses(psi, fine_counts),
    "psi_pc1": of_masses(psi, pc1_counts),
    "js_cells": of_masses(js, fine_counts),
    "js_pc1": of_masses(js, pc1_counts),
    "gaussian_kl": gaussian_kl,
    "frechet": frechet,
    "frechet_pc1": frechet_pc1,
    "trace_outside": trace_outside,
    "mean_shift": mean_shift,
    "mean_shift_pc1": mean_shift_pc1,
    "hotelling": hotelling,
    "spread": spread,
    "spread_pc1": spread_pc1,
    "novel_90": beyond(0.90),
    "novel_95": beyond(0.95),
    "novel_98": beyond(0.98),
}
