"""Truncation: the first dimensions of vectors of a Matryoshka model, made unit length again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tidegauge.errors import MismatchError, UsageError
from tidegauge.gate.batches import pick
from tidegauge.records import Batch, Stored


def is_unit(batch: Batch) -> bool:
    """Whether every row is of unit length, to one per cent.

    Examples
    --------
    >>> is_unit(Batch(np.array([[0.6, 0.8], [1.0, 0.0]], np.float32)))
    True
    """
    squares = np.einsum("ij,ij->i", batch.x, batch.x)
    return bool(batch.rows) and bool((np.abs(squares - 1) <= 0.02).all())


def truncated(batch: Batch, width: int) -> Batch:
    """Keep the first `width` dimensions of every row, and divide it by its norm.

    The division is always made, whatever the norms were, so that what happens to a row depends on that row alone. A row
    that is zero in all dimensions kept is set aside as ``zero``.

    Raises `MismatchError` where the rows are narrower than `width`.

    Examples
    --------
    >>> batch = truncated(Batch(np.array([[3.0, 4.0, 12.0]], np.float32)), 2)
    >>> batch.x.tolist(), batch.stored.width
    ([[0.6000000238418579, 0.800000011920929]], 3)
    """
    if width < 1:
        raise UsageError("truncate", got=str(width), want="a width of at least 1")
    if not batch.rows:
        return replace(batch, x=np.empty((0, width), np.float32))
    if batch.width < width:
        raise MismatchError(batch.source, got=f"vectors of width {batch.width}", want=f"at least {width}, to truncate")
    x = batch.x[:, :width]
    norms = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))[:, None]
    stored = Stored(batch.stored.scale, batch.stored.width or batch.width)
    keep = np.flatnonzero(norms > 0)
    if len(keep) < batch.rows:
        return truncated(_without_zeros(batch, keep, width), width)
    return replace(batch, x=(x / norms).astype(np.float32), stored=stored)


def _without_zeros(batch: Batch, keep: np.ndarray[tuple[int], np.dtype[np.int64]], width: int) -> Batch:
    lost = batch.rejected.get("zero", 0) + batch.rows - len(keep)
    first = batch.first_rejected.get("zero", f"{batch.source}, a row that is zero in its first {width} dimensions")
    return replace(
        pick(batch, keep),
        rejected={**batch.rejected, "zero": lost},
        first_rejected={**batch.first_rejected, "zero": first},
    )
