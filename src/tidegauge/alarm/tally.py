"""A pane as the few hundred sums that the detector watches: linear in the sketch, so that windows add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.basis import project
from tidegauge.reference import Reference
from tidegauge.score.parts import Sums, average, cell_distances, cell_rows
from tidegauge.sketch.pieces import contributions
from tidegauge.sketch.sketch import Sketch

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

FEATURES = 128
"""Principal axes of the random features that are kept."""
FEWEST_ROWS = 20
"""Rows of the reference that a cell needs before its width is looked at."""
_PIECES = ("count", "mean", "features", "spread", "cells", "distances", "novelty")


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where what stands in a tally of q numbers, and what is known of it before any history.

    ``features``, ``spreads``, ``cells`` and ``tails`` are the lengths of the blocks, in this order: whitened principal
    axes of the features; total squared length and squares along the components; share of rows of every cell, then the
    sum of distances to its centre beyond its mean; novelty. ``weights`` (features,) are the axes' variances in units of
    the features; ``shares`` (cells,) those of the reference; ``noise`` (q,) the variance of one row's contribution;
    ``anchor`` is the basis's.
    """

    features: int
    spreads: int
    cells: int
    tails: int
    weights: Float64
    shares: Float64
    noise: Float64
    anchor: float

    @property
    def blocks(self) -> dict[str, slice]:
        """The blocks by name."""
        sizes = (self.features, self.spreads, self.cells, self.cells, self.tails)
        ends = np.cumsum(sizes).tolist()
        names = ("features", "spreads", "mass", "width", "tails")
        return {name: slice(end - size, end) for name, end, size in zip(names, ends, sizes, strict=True)}

    @property
    def least(self) -> Float64:
        """The least variance of one row's contribution that is believed, (q,): in a cell that a history hardly met,
        that of rows which come one by one; elsewhere a quarter of it, as other laws of one row vary less.
        """
        factor = np.full(self.size, 0.25)
        factor[self.blocks["mass"].start : self.blocks["width"].stop] = 1
        return factor * self.noise

    @property
    def size(self) -> int:
        """Numbers of a tally."""
        return self.features + self.spreads + 2 * self.cells + self.tails


class Tallier:
    """Makes tallies under one reference.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((900, 8))
    >>> reference = Reference.fit(rows[:500])
    >>> tallier = Tallier(reference)
    >>> tallier.tally(reference.sketch(rows[500:])).shape == (tallier.layout.size,)
    True
    """

    def __init__(self, reference: Reference) -> None:
        basis = reference.basis
        self._basis, base = basis, reference.base.sums
        from scipy.linalg import eigh

        size = len(basis.feature_covariance)
        most = [max(size - FEATURES, 0), size - 1]
        values, vectors = eigh(basis.feature_covariance.astype(np.float64), subset_by_index=most)
        kept = np.flatnonzero(values > 1e-6 * values[-1])[::-1]
        self._axes = vectors[:, kept] / np.sqrt(values[kept])
        rows, (near, square) = np.maximum(cell_rows(basis, base), 1), cell_distances(basis, base)
        self._distance = near / rows
        self._known = rows >= FEWEST_ROWS
        m = float(base["count"][0])
        shares = (cell_rows(basis, base) + 0.5) / (m + 1)
        mean, spread = average(base, "mean"), average(base, "spread")
        lengths = max(float(spread[-1]) - float(mean[-1]) ** 2, 1e-30)
        width = shares * np.maximum(square / rows - self._distance**2, 1e-12)
        tails = average(base, "novelty")
        far = np.maximum(tails * (1 - tails), 1e-6)
        far[0] = 14.0
        noise = (
            np.ones(len(kept)),
            [lengths],
            np.full(basis.axes.shape[1], 2.0),
            shares * (1 - shares),
            width,
            far,
        )
        self.layout = Layout(
            len(kept),
            1 + basis.axes.shape[1],
            len(shares),
            len(tails),
            values[kept],
            shares,
            np.concatenate(noise),
            basis.anchor,
        )
        self._centre = np.zeros(self.layout.size)
        self._centre = self._means(base)

    def tally(self, sketch: Sketch) -> Float32:
        """Means per row, less the reference's own, float32 (q,); the sketch must have rows."""
        return self.of_sums(sketch.sums)

    def of_sums(self, sums: Sums) -> Float32:
        """The same from sums, with whatever leading axes they have."""
        return (self._means(sums) - self._centre).astype(np.float32)

    def of_rows(self, x: Float32) -> Float32:
        """What each of the rows (n, d) by itself would make a tally, float32 (n, q): that of all is their mean."""
        columns = contributions(self._basis, project(self._basis, x), _PIECES)
        return self.of_sums({name: each.dense().astype(np.float64) for name, each in columns.items()})

    def _means(self, sums: Sums) -> Float64:
        near, _ = cell_distances(self._basis, sums)
        mass, count = cell_rows(self._basis, sums), sums["count"]
        components = self._basis.axes.shape[1]
        return np.concatenate(
            [
                (average(sums, "features") - self._basis.feature_mean) @ self._axes,
                average(sums, "mean")[..., -1:],
                average(sums, "spread")[..., :components],
                mass / count,
                self._known * (near - self._distance * mass) / count,
                average(sums, "novelty"),
            ],
            axis=-1,
        )
