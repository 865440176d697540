"""The frozen transforms under which vectors become a sum: axes, frequencies, directions, cells and thresholds.

A basis is fitted once, on rows that are then never judged with it unless the judgement is a permutation test,
and never changes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidegauge.errors import UsageError
from tidegauge.numeric.codebook import fine_cells, fit_cells, squared_distances, ward_levels
from tidegauge.numeric.fourier import fourier, frequencies, median_distance
from tidegauge.numeric.principal import principal_components

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

REACH = 4.0
FARTHEST = 1000.0
FAR_SHARES = (0.90, 0.95, 0.98)
LAMBDAS = (0.1, 0.01)
KNOTS = 512
DIAGNOSTICS = ("norm", "outside the components", "distance to the nearest cell", "cosine to the reference mean")


@dataclass(frozen=True, slots=True)
class Profile:
    """How much a sketch keeps. Named and stored with every reference; two profiles never mix."""

    name: str
    frequencies: int
    components: int
    slices: int
    bins: int
    levels: tuple[int, ...]

    @property
    def cells(self) -> int:
        """Most fine cells."""
        return self.levels[-1]


_PROFILES = (
    Profile("standard", 512, 64, 64, 64, (1, 4, 16, 64, 128)),
    Profile("small", 128, 32, 16, 32, (1, 4, 16, 64)),
    Profile("wide", 1024, 128, 64, 64, (1, 4, 16, 64, 256)),
)
PROFILES = {p.name: p for p in _PROFILES}


def profile_of(name: str) -> Profile:
    """The profile of this name."""
    if name not in PROFILES:
        raise UsageError("profile", got=repr(name), want=f"one of {', '.join(PROFILES)}")
    return PROFILES[name]


@dataclass(frozen=True, eq=False)
class Basis:
    """Arrays that turn rows into contributions. Shapes: width d, components k, frequencies r, slices s, cells
    c, levels l.

    ``centre`` (d,) mean of the fitted rows; ``axes`` (d, k) and ``deviations`` (k,) principal axes and standard
    deviations; ``variance`` total variance; ``weights`` (d, r) frequencies; ``feature_mean`` (2r,) and
    ``feature_covariance`` (2r, 2r); ``directions`` (d, s) random unit vectors with ``direction_deviations``
    (s,); ``centres`` (c, d) all cells, coarse levels first; ``ancestors`` (l, fine) the cell of each fine cell
    on each level; ``near_knots`` (KNOTS,) quantiles of the distance to the nearest fine cell;
    ``diagnostic_edges`` (4, bins + 1); ``anchor`` the distance of mean features that moving all traffic to a
    typical other cell would make.
    """

    profile: str
    centre: Float32
    axes: Float32
    deviations: Float64
    variance: float
    weights: Float32
    feature_mean: Float32
    feature_covariance: Float32
    directions: Float32
    direction_deviations: Float64
    centres: Float32
    ancestors: Int
    near_knots: Float64
    diagnostic_edges: Float64
    anchor: float

    @property
    def width(self) -> int:
        """Dimension of the vectors."""
        return len(self.centre)

    @property
    def projected(self) -> int:
        """Number of projections: principal components, then random directions."""
        return self.axes.shape[1] + self.directions.shape[1]

    @property
    def bins(self) -> int:
        """Bins per histogram, the two beyond the edges not counted."""
        return PROFILES[self.profile].bins

    @property
    def fine(self) -> Int:
        """Indices of the fine cells among all cells."""
        return np.arange(len(self.centres) - self.ancestors.shape[1], len(self.centres))

    @cached_property
    def edges(self) -> Float64:
        """Inner and outer bin edges of every projection in standard deviations of the reference, shape (bins + 1,)."""
        return np.linspace(-REACH, REACH, self.bins + 1)

    @cached_property
    def factors(self) -> Float32:
        """All that a row is multiplied with, side by side, shape (d, k + s + r + c + 1): one product for a batch."""
        parts = (self.axes, self.directions, self.weights, self.centres.T, self.centre[:, None])
        return np.concatenate(parts, axis=1)

    @cached_property
    def deviations_of_projections(self) -> Float32:
        """Of the components, then of the random directions, shape (k + s,)."""
        return np.concatenate([self.deviations, self.direction_deviations]).astype(np.float32)

    @cached_property
    def squared_lengths(self) -> Float32:
        """Of the centres of all cells, shape (c,)."""
        return np.einsum("ij,ij->i", self.centres, self.centres)

    @cached_property
    def feature_spectrum(self) -> tuple[float, float, float]:
        """Sum, sum of squares and largest of the eigenvalues of the features' covariance."""
        covariance = self.feature_covariance
        squares = float(np.einsum("ij,ij->", covariance, covariance, dtype=np.float64))
        return float(np.trace(covariance, dtype=np.float64)), squares, top_eigenvalue(covariance)

    def whitener(self, which: int) -> Float32:
        """Lower Cholesky factor of (covariance + lambda * its top eigenvalue) for one of LAMBDAS, shape (2r, 2r)."""
        if which not in self._whiteners:
            from scipy.linalg import cholesky

            ridge = LAMBDAS[which] * self.feature_spectrum[2]
            whole = self.feature_covariance.copy()
            whole[np.diag_indices_from(whole)] += np.float32(ridge)
            self._whiteners[which] = cholesky(whole.T, lower=True, overwrite_a=True, check_finite=False)
        return self._whiteners[which]

    @cached_property
    def _whiteners(self) -> dict[int, Float32]:
        return {}

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All array fields by name, for the codec."""
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self) if f.name != "profile"}


def top_eigenvalue(symmetric: Float32, steps: int = 40) -> float:
    """Largest eigenvalue of a positive semidefinite matrix by power iteration (deterministic start)."""
    v = np.ones(len(symmetric), np.float32)
    v[::2] = 0.5
    for _ in range(steps):
        v = symmetric @ v
        v /= max(float(np.linalg.norm(v)), 1e-30)
    return max(float(v @ (symmetric @ v)), 1e-12)


@dataclass(frozen=True, slots=True)
class Rows:
    """What the pieces of a sketch need to know of each of n rows.

    ``centred`` (n, d); ``square`` (n,) squared distance to the centre; ``scores`` (n, k) whitened principal
    components; ``projections`` (n, k + s) the same, then the random directions in their standard deviations;
    ``phase`` (n, r) products with the frequencies; ``cells`` (n, l) the cell on each level; ``distances`` (n, l)
    to its centre; ``near`` (n,) distance to the nearest fine cell; ``tail`` (n,) the share of the reference's
    rows that are nearer to a cell; ``diagnostics`` (n, 4).
    """

    centred: Float32
    square: Float32
    scores: Float32
    projections: Float32
    phase: Float32
    cells: Int
    distances: Float32
    near: Float32
    tail: Float64
    diagnostics: Float32


def project(basis: Basis, x: Float32) -> Rows:
    """Everything that the sketch sums, row by row.

    Parameters
    ----------
    basis : Basis
    x : float32 array, shape (n, d)
        Admitted rows; not changed.
    """
    y, square = shortened(x - basis.centre, FARTHEST * float(np.sqrt(basis.variance)))
    k, r, c = basis.axes.shape[1], basis.weights.shape[1], len(basis.centres)
    straight, phase, central, along = np.split(y @ basis.factors, np.cumsum([basis.projected, r, c]), axis=1)
    inside = np.einsum("ij,ij->i", straight[:, :k], straight[:, :k])
    projections = straight / basis.deviations_of_projections
    lengths, fine = basis.squared_lengths, basis.ancestors.shape[1]
    leaf = (lengths[c - fine :] / 2 - central[:, c - fine :]).argmin(1)
    cells = basis.ancestors.T[leaf]
    apart = lengths[cells] - 2 * np.take_along_axis(central, cells, 1)
    distances = np.sqrt(np.maximum(apart + square[:, None], 0))
    near = distances[:, -1]
    outside = np.sqrt(np.maximum(square - inside, 0)) if k < basis.width else np.zeros_like(square)
    product, length = along[:, 0] + basis.centre @ basis.centre, np.linalg.norm(basis.centre)
    norm = np.sqrt(np.maximum(square + along[:, 0] + product, 0))
    cosine = product / np.maximum(norm * length, np.float32(1e-30))
    diagnostics: Float32 = np.stack([norm, outside, near, cosine], axis=1).astype(np.float32, copy=False)
    tail = _tail(basis, near)
    return Rows(y, square, projections[:, :k], projections, phase, cells, distances, near, tail, diagnostics)


def _tail(basis: Basis, near: Float32) -> Float64:
    tail, rising = np.empty(len(near)), near.argsort()  # neighbours are looked up in the same place
    tail[rising] = np.interp(near[rising], basis.near_knots, (np.arange(KNOTS) + 0.5) / KNOTS)
    return tail


def nearest_cell(basis: Basis, x: Float32) -> Int:
    """The fine cell of each row, numbered from 0 among the fine ones, int64 (n,)."""
    return squared_distances(x - basis.centre, basis.centres[basis.fine]).argmin(1)


def fit_basis(x: Float32, seed: int, profile: str = "standard") -> Basis:
    """Fit a basis on rows, blind to anything but the rows themselves.

    Parameters
    ----------
    x : float32 array, shape (n, d)
        At least two different rows.
    seed : int
        Fixes frequencies, directions and the start of k-means.
    profile : str
        A name in ``PROFILES``.
    """
    return fitted(x, seed, profile)[0]


def fitted(x: Float32, seed: int, profile: str = "standard") -> tuple[Basis, Rows]:
    """``fit_basis``, and what ``project`` says of the rows that it used: all but giants."""
    p = profile_of(profile)
    rng = np.random.default_rng(seed)
    x = without_giants(x)
    n, d = x.shape
    centre = x.mean(0, dtype=np.float64).astype(np.float32)
    y = x - centre
    axes, variances = principal_components(y, p.components)
    total = float(np.einsum("ij,ij->", y, y, dtype=np.float64) / n)
    weights = frequencies(d, p.frequencies, median_distance(y, rng), rng)
    directions = rng.standard_normal((d, p.slices)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    centres, ancestors = _codebook(y, p, seed)
    draft = Basis(
        profile,
        centre,
        axes,
        np.sqrt(variances),
        total,
        weights,
        np.zeros(2 * p.frequencies, np.float32),
        np.zeros((0, 0), np.float32),
        directions,
        np.ones(p.slices),
        centres,
        ancestors,
        np.arange(KNOTS, dtype=np.float64),
        np.zeros((4, p.bins + 1)),
        0.0,
    )
    rows = project(draft, x)
    features = fourier(rows.phase)
    mean = features.mean(0)
    spread = rows.projections[:, axes.shape[1] :].std(0, dtype=np.float64)
    basis = replace(
        _with_thresholds_of(draft, rows),
        feature_mean=mean,
        feature_covariance=(features.T @ features) / n - np.outer(mean, mean),
        direction_deviations=np.maximum(spread, 1e-12 * np.sqrt(total) + 1e-30),
        anchor=_anchor(features, rows.cells),
    )
    rows.projections[:, axes.shape[1] :] /= basis.direction_deviations.astype(np.float32)
    return basis, replace(rows, tail=_tail(basis, rows.near))


def without_giants(x: Float32) -> Float32:
    """The rows whose length is at most a thousand times the median one: a giant would cost all others their digits."""
    length = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    limit = FARTHEST * float(np.median(length))
    return x if length.max() <= limit or limit == 0 else x[length <= limit]


def shortened(y: Float32, limit: float) -> tuple[Float32, Float32]:
    """The rows, those longer than ``limit`` drawn in to it (a giant counts as far, and no farther), and their
    squared lengths.
    """
    square = np.einsum("ij,ij->i", y, y)
    if not len(y) or square.max() <= limit**2:
        return y, square
    length = np.sqrt(np.einsum("ij,ij->i", y, y, dtype=np.float64))
    drawn = (y * np.minimum(1, limit / np.maximum(length, 1e-300))[:, None]).astype(np.float32)
    return drawn, np.einsum("ij,ij->i", drawn, drawn)


def with_thresholds(basis: Basis, x: Float32) -> Basis:
    """The same basis with the thresholds that must come from rows other than those that fitted the codebook."""
    return _with_thresholds_of(basis, project(basis, x))


def _with_thresholds_of(basis: Basis, rows: Rows) -> Basis:
    low, high = rows.diagnostics.min(0).astype(np.float64), rows.diagnostics.max(0).astype(np.float64)
    margin = 0.05 * (high - low) + 1e-6 * (np.abs(high) + 1e-12)
    edges = np.linspace(low - margin, high + margin, basis.bins + 1, axis=1)
    return replace(basis, near_knots=quantile_knots(rows.near), diagnostic_edges=edges)


def quantile_knots(values: Float32) -> Float64:
    """Rising quantiles of ``values`` at the middle of KNOTS equal shares, made strictly increasing for
    interpolation.
    """
    knots = np.quantile(values.astype(np.float64), (np.arange(KNOTS) + 0.5) / KNOTS)
    return knots + np.arange(KNOTS) * 1e-12 * max(float(knots[-1]), 1e-12)


def _codebook(y: Float32, p: Profile, seed: int) -> tuple[Float32, Int]:
    """All centres (coarse levels first), and the ancestors of each fine cell."""
    fine = fit_cells(y, fine_cells(len(y), p.cells), seed)
    mass = np.bincount(squared_distances(y, fine).argmin(1), minlength=len(fine)).astype(np.float64)
    counts = (*(c for c in p.levels if c <= len(fine) // 2), len(fine))
    levels = ward_levels(fine, mass, counts)
    levels[-1] = np.arange(len(fine))
    centres, ancestors, offset = [], [], 0
    for level in levels:
        size = int(level.max()) + 1
        weight = np.zeros((size, len(fine)))
        weight[level, np.arange(len(fine))] = mass + 1e-9
        centres.append((weight @ fine) / weight.sum(1, keepdims=True))
        ancestors.append(level + offset)
        offset += size
    return np.concatenate(centres).astype(np.float32), np.stack(ancestors)


def _anchor(features: Float32, cells: Int) -> float:
    """Traffic-weighted distance from the mean features to those of one of about 16 cells, its sampling noise
    removed.
    """
    cell = cells[:, min(2, cells.shape[1] - 1)]
    cell = cell - cell.min()
    size = np.bincount(cell).astype(np.float64)
    sums = np.eye(len(size), dtype=np.float32)[cell].T @ features
    means, overall = sums / np.maximum(size, 1)[:, None], features.mean(0)
    noise = (1 - (means**2).sum(1)) / np.maximum(size - 1, 1)
    squared = np.maximum(((means - overall) ** 2).sum(1) - noise, 0)
    share = size / size.sum()
    typical = float((share * np.sqrt(squared)).sum() / max(float(share.sum()), 1e-12))
    return max(typical, 1e-6)
