"""Contributions of rows: what one row adds to a piece, and the two ways to sum it.

A piece of a sketch is the sum of its rows' contributions. A permutation test needs the same sums for many
subsets of the same rows, which is one matrix product. Both live here, so that the two doors cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tidegauge.numeric.fourier import fourier

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int32] | npt.NDArray[np.int64]

BLOCK = 512


class Columns(Protocol):
    """Contributions of n rows to p sums."""

    def total(self) -> Float64:
        """Sum over all rows, float64 (p,)."""
        ...

    def dense(self) -> Float32:
        """The contributions themselves, float32 (n, p)."""
        ...

    def split(self, labels: Bool) -> tuple[Float64, Float64]:
        """Sums over the labelled rows and over the others, float64 (draws, p) each, for labels (draws, n)."""
        ...


def sum_rows(values: Float32) -> Float64:
    """Sum over all rows, float64 (p,): blocks as matrix products in single precision, then in double."""
    total = np.zeros(values.shape[1])
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        total += np.ones(len(block), np.float32) @ block
    return total


class Product:
    """Splits by a matrix product with the contributions."""

    __slots__ = ()

    def split(self: Columns, labels: Bool) -> tuple[Float64, Float64]:
        """The product in single precision, all rows in double."""
        dense = self.dense()
        labelled = (labels.astype(np.float32) @ dense).astype(np.float64)
        return labelled, dense.sum(0, dtype=np.float64) - labelled


@dataclass(frozen=True, slots=True)
class Dense(Product):
    """Contributions given as they are: float32 arrays (n, p1), (n, p2), ..., side by side."""

    parts: tuple[Float32, ...]

    def total(self) -> Float64:
        """Sum."""
        return np.concatenate([sum_rows(part) for part in self.parts])

    def dense(self) -> Float32:
        """The values."""
        return np.concatenate(self.parts, axis=1)


@dataclass(frozen=True, slots=True)
class Fourier(Product):
    """Cosines and sines of phases (n, r), each row of norm 1: p = 2 r."""

    phase: Float32

    def total(self) -> Float64:
        """Sum, block by block while it is in the cache; scaled at the end."""
        n, r = self.phase.shape
        total, wave = np.zeros((2, r)), np.empty((min(n, BLOCK), r), np.float32)
        for start in range(0, n, BLOCK):
            block = np.ascontiguousarray(self.phase[start : start + BLOCK])
            for i, function in enumerate((np.cos, np.sin)):
                total[i] += sum_rows(function(block, out=wave[: len(block)]))
        return total.ravel() / np.sqrt(r)

    def dense(self) -> Float32:
        """The features."""
        return fourier(self.phase)


@dataclass(frozen=True, slots=True)
class Beyond(Product):
    """How far each of m columns lies below -``reach``, then how far above it: p = 2 m, mostly zeros."""

    values: Float32
    reach: float

    def total(self) -> Float64:
        """Sum over the few that lie beyond."""
        m = self.values.shape[1]
        flat = self.values.ravel()
        place = np.flatnonzero(np.abs(flat) > self.reach)
        far = flat[place].astype(np.float64)
        return np.bincount(place % m + m * (far > 0), np.abs(far) - self.reach, 2 * m).astype(np.float64)

    def dense(self) -> Float32:
        """Distances below, then above."""
        over = np.concatenate([-self.values, self.values], axis=1) - np.float32(self.reach)
        return np.maximum(over, 0, out=over)


@dataclass(frozen=True, slots=True)
class OneHot:
    """Each row adds ``weight`` (1 where not given) to m of p sums: ``index`` (n, m) in [0, p)."""

    index: Int
    size: int
    weight: Float32 | None = None

    def total(self) -> Float64:
        """Sum by counting."""
        weight = None if self.weight is None else self.weight.ravel().astype(np.float64)
        return np.bincount(self.index.ravel(), weight, self.size).astype(np.float64)

    def dense(self) -> Float32:
        """Mostly zeros; for a few thousand rows at a time."""
        out = np.zeros((len(self.index), self.size), np.float32)
        np.put_along_axis(out, self.index, np.float32(1) if self.weight is None else self.weight, 1)
        return out

    def split(self, labels: Bool) -> tuple[Float64, Float64]:
        """By a sparse product: counts in the smallest whole numbers that hold them, weights in double precision."""
        from scipy.sparse import csr_array

        n, m = self.index.shape
        kind = np.min_scalar_type(n) if self.weight is None else np.float64
        weight = np.ones(n * m, kind) if self.weight is None else self.weight.ravel().astype(kind)
        rows = csr_array((weight, self.index.ravel(), np.arange(0, n * m + 1, m)), shape=(n, self.size))
        labelled = (rows.T @ np.ascontiguousarray(labels.T).astype(kind)).T.astype(np.float64, order="C")
        return labelled, self.total() - labelled


@dataclass(frozen=True, slots=True)
class Outer(Product):
    """Products of every pair of k columns, i <= j: second moments, p = k (k + 1) / 2."""

    values: Float32

    def total(self) -> Float64:
        """Sum of the blocks' matrix products."""
        k = self.values.shape[1]
        total = np.zeros((k, k))
        for start in range(0, len(self.values), BLOCK):
            block = self.values[start : start + BLOCK]
            total += block.T @ block
        return total[np.triu_indices(k)]

    def dense(self) -> Float32:
        """The products."""
        i, j = np.triu_indices(self.values.shape[1])
        return self.values[:, i] * self.values[:, j]
