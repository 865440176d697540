"""Contributions of rows: what one row adds to a piece, and the two ways to sum it.

A piece of a sketch is the sum of its rows' contributions. A permutation test needs the same sums for many
subsets of the same rows, which is one matrix product. Both live here, so that the two doors cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


class Columns(Protocol):
    """Contributions of n rows to p sums."""

    def total(self) -> Float64:
        """Sum over all rows, float64 (p,)."""
        ...

    def dense(self) -> Float32:
        """The contributions themselves, float32 (n, p)."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """Contributions given as they are, float32 (n, p)."""

    values: Float32

    def total(self) -> Float64:
        """Sum in double precision."""
        return self.values.sum(0, dtype=np.float64)

    def dense(self) -> Float32:
        """The values."""
        return self.values


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


@dataclass(frozen=True, slots=True)
class Outer:
    """Products of every pair of k columns, i <= j: second moments, p = k (k + 1) / 2."""

    values: Float32

    def total(self) -> Float64:
        """Sum by one matrix product in double precision."""
        exact = self.values.astype(np.float64)
        return (exact.T @ exact)[np.triu_indices(exact.shape[1])]

    def dense(self) -> Float32:
        """The products."""
        i, j = np.triu_indices(self.values.shape[1])
        return self.values[:, i] * self.values[:, j]
