"""Vectors stored in eight bits.

An int8 vector is taken to be ``round(x * 127)``, symmetric about zero, and is divided by 127, unless another scale is
stated. Nothing is learnt from the data, so that the same bytes mean the same vector in every batch, file and window.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from tidegauge.errors import DataError, UsageError
from tidegauge.gate.arrays import Array
from tidegauge.gate.place import Place
from tidegauge.gate.vectors import Rows
from tidegauge.records import Batch

INT8_SCALE: Final = 1 / 127
"""What int8 vectors are multiplied by, unless it is said otherwise."""


def scale_of(rows: Array | Rows, scale: float, place: Place) -> float:
    """What these rows are to be multiplied by: `scale` if they are int8, 0 (nothing) if they are of a wider type.

    Raises `DataError` for uint8, which leaves open what stands for zero, and where only some of the rows are int8.

    Examples
    --------
    >>> scale_of(np.array([[127, -64]], np.int8), INT8_SCALE, Place("a.npy")) == INT8_SCALE
    True
    >>> scale_of(np.array([[0, 255]], np.uint8), INT8_SCALE, Place("a.npy"))
    Traceback (most recent call last):
    tidegauge.errors.DataError: a.npy: got uint8 vectors, want float or int8 ones. Subtract what stands for zero and \
save them as int8; packed binary vectors (1 bit a dimension) cannot be measured
    """
    if not 0 < scale < np.inf:
        raise UsageError("scale", got=f"{scale:g}", want="a number above 0")
    kinds: set[np.dtype[Any]]
    kinds = {rows.dtype} if isinstance(rows, np.ndarray) else {row.dtype for row in rows if row is not None}
    if np.dtype(np.uint8) in kinds:
        hint = (
            "Subtract what stands for zero and save them as int8; packed binary vectors (1 bit a dimension) cannot be "
            "measured"
        )
        raise DataError(place.source, got="uint8 vectors", want="float or int8 ones", hint=hint)
    if np.dtype(np.int8) not in kinds:
        return 0.0
    if len(kinds) > 1:
        raise DataError(place.source, got="some rows of int8", want="all rows of one type")
    return scale


def rounded_like(batch: Batch, scale: float) -> Batch:
    """Round float vectors as int8 ones of this scale are: beside such, rounding is then no difference between the two.

    Vectors that are int8 already, or were truncated and made unit length since, stay as they are.

    Examples
    --------
    >>> batch = Batch(np.array([[0.1, 0.26]], np.float32))
    >>> rounded_like(batch, 0.25).x.tolist()
    [[0.0, 0.25]]
    """
    if batch.stored.scale or batch.stored.width or not scale:
        return batch
    return replace(batch, x=np.rint(batch.x / np.float32(scale)) * np.float32(scale))
