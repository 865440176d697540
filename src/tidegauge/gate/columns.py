"""One column of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegauge.errors import DataError
from tidegauge.gate.arrays import Array, check_numeric, to_numpy
from tidegauge.gate.arrow import arrow_numbers, arrow_of_pandas, as_arrow, check_arrow_numeric, chunked, is_pandas
from tidegauge.gate.place import Place
from tidegauge.gate.values import as_floats


def as_numbers(column: Any, *, source: str = "column", first_row: int = 0) -> Array:
    """Read one column as a numeric array of shape (n,); what is missing becomes NaN.

    Raises `DataError`, naming the row, where the column holds text or anything else that is no number.

    Examples
    --------
    >>> as_numbers([1, None, True])
    array([ 1., nan,  1.])
    """
    return read_numbers(column, Place(source, first_row))


def read_numbers(column: Any, place: Place, *, boolean: bool = True) -> Array:
    """A numeric (n,) array of a column, in its own dtype where nothing is missing."""
    arrow = arrow_of_pandas(column) if is_pandas(column) else as_arrow(column)
    if arrow is not None:
        arrow = chunked(arrow)
        check_arrow_numeric(arrow.type, place.source, boolean=boolean)
        return arrow_numbers(arrow)
    array = plain(column)
    if array.ndim != 1:
        raise DataError(place.source, got=f"shape {array.shape}", want="one value per row")
    if array.dtype == object:
        return as_floats(array, place.row)
    if array.dtype == bool and boolean:
        return array.astype(np.float64)
    check_numeric(array.dtype, place.source)
    return array


def plain(column: Any) -> Array:
    """A column as a numpy array; text stays Python objects, so that one long text does not widen all."""
    if is_pandas(column):
        return column.to_numpy()
    array = to_numpy(column)
    return array.astype(object) if array.dtype.kind in "US" else array
