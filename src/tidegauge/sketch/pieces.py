"""The linear pieces of a sketch, literal in one registry: a name, a size, and what each row contributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.basis import DIAGNOSTICS, FAR_SHARES, Basis, Rows
from tidegauge.sketch.columns import Beyond, Columns, Dense, Fourier, OneHot, Outer

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Sums = Mapping[str, Float64]

COARSE = 4
MOST_TAIL = 5.0


@dataclass(frozen=True, slots=True)
class Piece:
    """One linear piece: how many sums it keeps under a basis, and how rows contribute."""

    size: Callable[[Basis], int]
    columns: Callable[[Basis, Rows], Columns]
    meaning: str


def count(_: Basis, rows: Rows) -> Columns:
    """One a row."""
    return Dense((np.ones((len(rows.square), 1), np.float32),))


def mean(_: Basis, rows: Rows) -> Columns:
    """The centred vector, and its squared length."""
    return Dense((rows.centred, rows.square[:, None]))


def features(_: Basis, rows: Rows) -> Columns:
    """Cosines and sines of the random frequencies."""
    return Fourier(rows.phase)


def moments(_: Basis, rows: Rows) -> Columns:
    """Products of whitened principal components."""
    return Outer(rows.scores)


def histogram_index(values: npt.NDArray[np.float32], edges: Float64, bins: int) -> Int32:
    """Bin of each value, shape (n, m): 0 below the edges, 1 .. bins inside, bins + 1 beyond; offset column by
    column.
    """
    low, per_unit = edges[..., 0].astype(np.float32), (bins / (edges[..., -1] - edges[..., 0])).astype(np.float32)
    place = (values - low) * per_unit
    np.clip(np.floor(place, out=place), -1, bins, out=place)
    place += np.arange(values.shape[1], dtype=np.float32) * (bins + 2) + 1  # whole numbers below 2^24: exact
    return place.astype(np.int32)


def slices(basis: Basis, rows: Rows) -> Columns:
    """Histograms of every projection."""
    size = basis.projected * (basis.bins + 2)
    return OneHot(histogram_index(rows.projections, basis.edges, basis.bins), size)


def coarse(basis: Basis, rows: Rows) -> Columns:
    """Histograms of the whitened principal components, four bins in one: what the panel needs of ``slices``."""
    k, bins = basis.axes.shape[1], basis.bins // COARSE
    return OneHot(histogram_index(rows.scores, basis.edges, bins), k * (bins + 2))


def tails(basis: Basis, rows: Rows) -> Columns:
    """How far each projection lies beyond the edges, below and above."""
    return Beyond(rows.projections, float(basis.edges[-1]))


def diagnostics(basis: Basis, rows: Rows) -> Columns:
    """Histograms of norm, residual, distance to the nearest cell and cosine to the mean."""
    index = histogram_index(rows.diagnostics, basis.diagnostic_edges, basis.bins)
    return OneHot(index, len(DIAGNOSTICS) * (basis.bins + 2))


def cell_index(rows: Rows, count: int) -> Int:
    """Where a row is counted on each of l levels, (n, l): its cell, or ``count`` places on if it is novel."""
    return rows.cells + (rows.tail > FAR_SHARES[1]).astype(np.int64)[:, None] * count


def cells(basis: Basis, rows: Rows) -> Columns:
    """Rows per cell of every level: ordinary ones, then novel ones."""
    return OneHot(cell_index(rows, len(basis.centres)), 2 * len(basis.centres))


def distances(basis: Basis, rows: Rows) -> Columns:
    """Sum, and sum of squares, of the distance to the cell's centre, per cell."""
    index = np.concatenate([rows.cells, rows.cells + len(basis.centres)], axis=1)
    return OneHot(index, 2 * len(basis.centres), np.concatenate([rows.distances, rows.distances**2], axis=1))


def novelty(_: Basis, rows: Rows) -> Columns:
    """Tail score of the distance to the nearest cell, and whether it exceeds the reference's quantiles."""
    values = np.stack([tail_score(rows.tail), *(rows.tail > q for q in FAR_SHARES)], axis=1)
    return Dense((values.astype(np.float32),))


def tail_score(tail: Float64) -> Float64:
    """Squared exponential score of a rank in (0, 1), capped: 0.5 for the median row, 25 for the farthest ones.

    The square of Savage's score weighs the farthest rows more: on real queries it finds newcomers with a fifth more sd.

    Examples
    --------
    >>> tail_score(np.array([0.5, 0.95, 0.9999])).round(1).tolist()
    [0.5, 9.0, 25.0]
    """
    return np.minimum(-np.log1p(-tail), MOST_TAIL) ** 2


def spread(_: Basis, rows: Rows) -> Columns:
    """Squares of the whitened principal components."""
    return Dense((rows.scores**2, (rows.square**2)[:, None]))


PIECES: dict[str, Piece] = {
    "count": Piece(lambda b: 1, count, "rows"),
    "mean": Piece(lambda b: b.width + 1, mean, "sum of the vectors and of their squared lengths"),
    "features": Piece(lambda b: 2 * b.weights.shape[1], features, "sums of random cosines and sines"),
    "moments": Piece(
        lambda b: b.axes.shape[1] * (b.axes.shape[1] + 1) // 2, moments, "second moments of the components"
    ),
    "slices": Piece(lambda b: b.projected * (b.bins + 2), slices, "histograms of the projections"),
    "tails": Piece(lambda b: 2 * b.projected, tails, "mass beyond the histograms' edges"),
    "diagnostics": Piece(lambda b: len(DIAGNOSTICS) * (b.bins + 2), diagnostics, "histograms of lengths and distances"),
    "cells": Piece(lambda b: 2 * len(b.centres), cells, "rows per cell, ordinary and novel"),
    "distances": Piece(lambda b: 2 * len(b.centres), distances, "distances to the cells' centres"),
    "novelty": Piece(lambda b: 1 + len(FAR_SHARES), novelty, "rows far from every cell"),
    "spread": Piece(lambda b: b.axes.shape[1] + 1, spread, "squares along the components"),
}
DERIVED = {"coarse": coarse}


def contributions(basis: Basis, rows: Rows, names: tuple[str, ...]) -> dict[str, Columns]:
    """What the rows add to the pieces of these names (``coarse`` too, which a sketch derives and never stores)."""
    return {name: (DERIVED[name] if name in DERIVED else PIECES[name].columns)(basis, rows) for name in names}


def with_coarse(basis: Basis, sums: Sums) -> dict[str, Float64]:
    """The sums with ``coarse`` derived from ``slices``: bins are added four by four."""
    full = sums["slices"].reshape(*sums["slices"].shape[:-1], -1, basis.bins + 2)[..., : basis.axes.shape[1], :]
    inner = full[..., 1:-1].reshape(*full.shape[:-1], basis.bins // COARSE, COARSE).sum(-1)
    merged = np.concatenate([full[..., :1], inner, full[..., -1:]], axis=-1)
    return {**sums, "coarse": merged.reshape(*full.shape[:-2], -1)}
