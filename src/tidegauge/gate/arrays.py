"""Sequences, tensors and arrays as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError

Array = npt.NDArray[Any]


def to_numpy(x: Any) -> Array:
    """Read sequences, tensors and arrays as one numpy array: of objects where the rows differ in length."""
    x = off_device(x)
    if isinstance(x, np.ma.MaskedArray):
        return np.ma.filled(x.astype(np.float64), np.nan)
    if not hasattr(x, "__array__") and not isinstance(x, Sequence) and isinstance(x, Iterable):
        x = list(x)
    try:
        array = np.asarray(x)
    except (ValueError, TypeError):
        array = as_objects([off_device(row) for row in x])
    if array.dtype.kind in "US" and isinstance(x, Sequence) and array.ndim:
        # One word among numbers makes numpy turn all into text; as objects, the row that holds it can be named.
        return as_objects(list(x))
    if array.dtype.name.startswith(("bfloat16", "float8")):
        return array.astype(np.float32)
    return array


def off_device(x: Any) -> Any:
    """Bring a torch tensor to host memory, in a dtype that numpy has; leave everything else as it is."""
    if not (hasattr(x, "detach") and hasattr(x, "cpu")):
        return x
    tensor = x.detach().cpu()
    return tensor.float() if "bfloat16" in str(tensor.dtype) else tensor


def check_numeric(dtype: np.dtype[Any], what: str) -> None:
    """Raise `DataError` about `what` where a dtype does not hold real numbers."""
    if dtype.kind in "fiu":
        return
    kind = "text" if dtype.kind in "UST" else f"dtype {dtype.name}"
    raise DataError(what, got=kind, want="real numbers")


def as_objects(values: list[Any]) -> npt.NDArray[np.object_]:
    """An array of objects of shape (n,), whatever the values are."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def joined(parts: list[Array]) -> Array:
    """Arrays one below the other; one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
