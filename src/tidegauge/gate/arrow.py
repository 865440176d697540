"""Arrow columns, of whatever speaks its protocol; ``pyarrow`` is imported only when such a thing comes in."""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegauge.errors import DataError
from tidegauge.gate.arrays import Array


def is_pandas(x: Any) -> bool:
    """Whether it is a data frame or series, by what it can do: pandas need not be installed."""
    return hasattr(x, "iloc") and hasattr(x, "to_numpy")


def arrow_of_pandas(series: Any) -> Any:
    """A pandas column that Arrow holds already, such as lists read from Parquet with ``dtype_backend="pyarrow"``."""
    return series.array.__arrow_array__() if hasattr(series.dtype, "pyarrow_dtype") else None


def as_arrow(x: Any) -> Any:
    """A pyarrow ChunkedArray of anything that speaks the Arrow PyCapsule protocol, else None."""
    stream = hasattr(x, "__arrow_c_stream__")
    if is_pandas(x) or not (stream or hasattr(x, "__arrow_c_array__")):
        return None
    import pyarrow as pa

    return chunked(pa.chunked_array(x) if stream else pa.array(x))


def chunked(arrow: Any) -> Any:
    """A ChunkedArray of plain storage: extension types such as fixed-shape tensors are only names for it."""
    import pyarrow as pa

    chunks = arrow.chunks if isinstance(arrow, pa.ChunkedArray) else [arrow]
    if isinstance(arrow.type, pa.BaseExtensionType):
        return chunked(pa.chunked_array([chunk.storage for chunk in chunks], type=arrow.type.storage_type))
    return pa.chunked_array(chunks, type=arrow.type)


def is_list(kind: Any) -> bool:
    """Whether an Arrow type is one of lists, of any layout."""
    import pyarrow as pa

    tests = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, test)(kind) for test in tests if hasattr(pa.types, test))


def check_arrow_numeric(kind: Any, what: str, *, boolean: bool = False) -> None:
    """Raise `DataError` about `what` where an Arrow type does not hold real numbers."""
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = [pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null]
    if not any(test(kind) for test in tests) and not (boolean and pa.types.is_boolean(kind)):
        hint = "Pass only the column of vectors" if is_list(kind) else ""
        raise DataError(what, got=f"type {kind}", want="real numbers", hint=hint)


def arrow_numbers(arrow: Any) -> Array:
    """A numeric column as a numpy array, in its own dtype where nothing is missing, else with NaN."""
    import pyarrow as pa

    plain = pa.types.is_floating(arrow.type) or (pa.types.is_integer(arrow.type) and not arrow.null_count)
    if not plain:
        arrow = arrow.cast(pa.float64(), safe=False)
    return arrow.to_numpy()


def arrow_values(arrow: Any) -> Array:
    """A numpy array of a column, exact: integers with gaps must not pass through floats.

    Dictionaries go by way of Python values: pyarrow 26 loses their nulls in ``to_numpy``, and cannot cast them to
    ``string_view``.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(arrow.type) or (pa.types.is_integer(arrow.type) and arrow.null_count):
        return np.array(arrow.to_pylist(), dtype=object)
    return arrow.to_numpy()
