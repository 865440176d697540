"""Rows of numbers, of anything array-like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tidegauge.errors import DataError
from tidegauge.gate.arrays import Array, check_numeric, joined, to_numpy
from tidegauge.gate.arrow import arrow_of_pandas, as_arrow, check_arrow_numeric, is_list, is_pandas
from tidegauge.gate.columns import read_numbers
from tidegauge.gate.place import Place
from tidegauge.gate.values import as_floats, is_missing

Rows = list[Array | None]


def as_array(x: Any, *, source: str = "array") -> Array | Rows:
    """Read anything array-like as numbers, without judging the rows.

    Takes numpy arrays, nested sequences, torch tensors (also on a GPU, or bfloat16), pandas, polars and Arrow columns
    of lists, and data frames or Arrow tables with one numeric column per dimension.

    Returns
    -------
    numeric array of shape (n, d), or a list of n one-dimensional numeric arrays where the widths differ or a row is
    missing (None). The array may share the caller's memory: do not write to it.

    Raises
    ------
    DataError
        Where `x` does not hold numbers, or has one or more than two dimensions.

    Examples
    --------
    >>> as_array([[1, 2], [3, 4]]).shape
    (2, 2)
    >>> as_array([[1, 2], None])[1] is None
    True
    """
    return convert(x, Place(source))


def convert(x: Any, place: Place) -> Array | Rows:
    """See `as_array`."""
    if isinstance(x, str | bytes | Mapping):
        hint = "To read a file, use tidegauge.read.open_source" if isinstance(x, str) else ""
        raise DataError(place.source, got=f"a {type(x).__name__}", want="rows of numbers", hint=hint)
    if is_pandas(x):
        return _from_pandas(x, place)
    arrow = as_arrow(x)
    return _from_arrow(arrow, place) if arrow is not None else _from_numpy(to_numpy(x), place)


def _from_numpy(array: Array, place: Place) -> Array | Rows:
    if array.ndim and len(array) == 0 and array.ndim < 2:
        return np.empty((0, 0), np.float32)
    if array.dtype == object and array.ndim in (1, 2):
        return [_row(value, place, i) for i, value in enumerate(array)]
    check_numeric(array.dtype, place.source)
    if array.ndim != 2:
        raise _shape_error(array.shape, place.source)
    return array


def _row(value: Any, place: Place, index: int) -> Array | None:
    """One row of an object array: its numbers, or None where it is missing."""
    if is_missing(value):
        return None
    row = to_numpy(value) if not isinstance(value, str | bytes | Mapping) else np.asarray(value)
    if row.dtype == object and row.ndim == 1:
        return as_floats(row, lambda j: f"{place.row(index)}, dimension {j + 1}")
    check_numeric(row.dtype, place.row(index))
    if row.ndim != 1:
        raise DataError(place.row(index), got=f"a row of shape {row.shape}", want="a one-dimensional row of numbers")
    return row


def _shape_error(shape: tuple[int, ...], what: str) -> DataError:
    hints = {0: "", 1: "If each number is a row, reshape to (n, 1); if all are one row, to (1, n)"}
    hint = hints.get(len(shape), "Reshape to (n, -1)")
    return DataError(what, got=f"{len(shape)} dimensions, shape {shape}", want="two: rows and dimensions", hint=hint)


def _from_pandas(x: Any, place: Place) -> Array | Rows:
    if x.ndim == 2 and x.shape[1] == 1 and x.iloc[:, 0].dtype == object:
        x = x.iloc[:, 0]
    if x.ndim == 2:
        return _stack([(str(name), x.iloc[:, j]) for j, name in enumerate(x.columns)], place)
    arrow = arrow_of_pandas(x)
    return _from_numpy(x.to_numpy(), place) if arrow is None else _from_arrow(arrow, place)


def _from_arrow(arrow: Any, place: Place) -> Array | Rows:
    import pyarrow as pa

    if pa.types.is_struct(arrow.type):
        columns = [(field.name, column) for field, column in zip(arrow.type, arrow.flatten(), strict=True)]
        if len(columns) == 1 and is_list(columns[0][1].type):
            return _from_arrow(columns[0][1], place)
        return _stack(columns, place)
    if is_list(arrow.type):
        parts = [_from_lists(chunk, place) for chunk in arrow.chunks]
        return _join_rows(parts or [_from_lists(pa.array([], arrow.type), place)])
    if pa.types.is_null(arrow.type):
        return [None for _ in range(len(arrow))]
    check_arrow_numeric(arrow.type, place.source)
    raise _shape_error((len(arrow),), place.source)


def _from_lists(array: Any, place: Place) -> Array | Rows:
    """The rows of one Arrow list array, without a copy where every list has the same length."""
    import pyarrow.compute as pc

    lengths: Array = pc.call_function("list_value_length", [array]).fill_null(-1).to_numpy(zero_copy_only=False)
    flat = read_numbers(array.flatten(), place, boolean=False)
    if not len(lengths):
        return np.empty((0, getattr(array.type, "list_size", 0)), flat.dtype)
    if lengths[0] > 0 and bool((lengths == lengths[0]).all()):
        return flat.reshape(len(lengths), -1)
    ends = np.cumsum(np.maximum(lengths, 0))
    return [None if n < 0 else flat[end - n : end] for n, end in zip(lengths.tolist(), ends.tolist(), strict=True)]


def _join_rows(parts: list[Array | Rows]) -> Array | Rows:
    grids = [part for part in parts if isinstance(part, np.ndarray)]
    if len(grids) == len(parts) and len({grid.shape[1] for grid in grids}) == 1:
        return joined(grids)
    return [row for part in parts for row in part]


def _stack(columns: Sequence[tuple[str, Any]], place: Place) -> Array:
    """One row per position, one dimension per named column."""
    if not columns:
        raise DataError(place.source, got="a table without columns", want="one numeric column per dimension")
    named = [(column, place.part(f"column {name}")) for name, column in columns]
    return np.stack([read_numbers(column, at, boolean=False) for column, at in named], axis=1)
