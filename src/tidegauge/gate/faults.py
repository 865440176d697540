"""Which rows can be measured, and why the others cannot."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.gate.arrays import Array
from tidegauge.gate.place import Place
from tidegauge.gate.vectors import Rows
from tidegauge.numeric.threads import in_order

REASONS: Final = ("malformed", "null", "width", "nan", "inf", "overflow", "zero", "time")
"""Why a row is set aside; a row that has several faults counts for the first of these. Feeds find what is malformed."""

CHUNK: Final = 1024


def examine(
    rows: Array | Rows, width: int | None, scale: float = 0.0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """The admitted rows as owned float32, times `scale` unless that is 0, and for every row given 0 or 1 + the index of
    its reason.
    """
    codes = np.zeros(len(rows), np.int8)
    grid = _grid(rows, width, codes)
    vectors, squares = _owned(grid, scale)
    faults = _faults(grid, vectors, squares)
    if faults is None:
        return vectors, codes
    codes[codes == 0] = faults
    return vectors[faults == 0], codes


def _grid(rows: Array | Rows, width: int | None, codes: npt.NDArray[np.int8]) -> Array:
    """The rows that are there and have the right width, as one array; the others get their code."""
    if isinstance(rows, np.ndarray):
        if rows.shape[1] and width in (None, rows.shape[1]):
            return np.asarray(rows)
        codes[:] = code_of("width" if rows.shape[1] else "null")
        return np.empty((0, width or 0), np.float32)
    lengths = np.fromiter((0 if row is None else len(row) for row in rows), np.int64, len(rows))
    wanted = width if width is not None else _most_common(lengths)
    codes[lengths != wanted] = code_of("width")
    codes[lengths == 0] = code_of("null")
    kept = [row for row, code in zip(rows, codes.tolist(), strict=True) if row is not None and not code]
    return np.stack(kept) if kept else np.empty((0, wanted), np.float32)


def code_of(reason: str) -> int:
    """1 + the index of a reason; 0 stands for a row that is admitted."""
    return REASONS.index(reason) + 1


def _most_common(lengths: npt.NDArray[np.int64]) -> int:
    """The most common width above zero; of equally common ones, the one that comes first."""
    values, first, counts = np.unique(lengths[lengths > 0], return_index=True, return_counts=True)
    return int(values[np.lexsort((first, -counts))[0]]) if len(values) else 0


def _owned(grid: Array, scale: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The rows as float32 of our own, and their squared lengths, taken while a chunk of them is in the cache."""
    vectors, squares = np.empty(grid.shape, np.float32), np.empty(len(grid), np.float32)

    def fill(start: int) -> None:
        part = vectors[start : start + CHUNK]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            part[:] = grid[start : start + CHUNK]
            if scale:
                part *= np.float32(scale)
            np.einsum("ij,ij->i", part, part, out=squares[start : start + CHUNK])

    deque(in_order(fill, range(0, len(grid), CHUNK)), maxlen=0)
    return vectors, squares


def _faults(
    grid: Array, vectors: npt.NDArray[np.float32], squares: npt.NDArray[np.float32]
) -> npt.NDArray[np.int8] | None:
    """A code for each row, or None where all are clean.

    A row's sum of squares is positive and finite unless the row is suspect, and only suspect rows are looked at
    closely.
    """
    suspects = np.flatnonzero(~((squares > 0) & (squares < np.inf)))
    if not len(suspects):
        return None
    given, small = grid[suspects], vectors[suspects]
    infinite = np.isinf(given)
    found = (
        ("zero", ~small.any(axis=1)),
        ("overflow", (np.isinf(small) & ~infinite).any(axis=1)),
        ("overflow", np.isfinite(small).all(axis=1) & np.isinf(squares[suspects])),
        ("inf", infinite.any(axis=1)),
        ("nan", np.isnan(given).any(axis=1)),
    )
    faults = np.zeros(len(vectors), np.int8)
    for reason, rows in found:
        faults[suspects[rows]] = code_of(reason)
    return faults if faults.any() else None


def tally(codes: npt.NDArray[np.int8], place: Place) -> tuple[dict[str, int], dict[str, str]]:
    """Count codes by reason, and say where the first of each stands."""
    counts = np.bincount(codes, minlength=len(REASONS) + 1)[1:]
    rejected = {reason: int(count) for reason, count in zip(REASONS, counts, strict=True) if count}
    return rejected, {reason: place.row(int(np.argmax(codes == code_of(reason)))) for reason in rejected}
