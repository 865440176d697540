"""The one door for arrays: anything array-like becomes finite float32 rows, or rows set aside with a reason.

Rows are numbered from 1 in every message, as a person counts the data rows of a file (a header is not a row).
Nothing is ever unpickled, the caller's memory is never written to, and a `Batch` never shares it. ``pyarrow`` is
imported only when something that speaks the Arrow protocol comes in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Real
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.records import Batch, StrArray

MAX_REJECTED: Final = 0.05
"""Largest share of rows that `check_rejected` lets pass as set aside."""

REASONS: Final = ("null", "width", "nan", "inf", "overflow", "zero")
"""Why a row is set aside; a row that has several faults counts for the first of these."""

LATEST_SECONDS: Final = 1e11
"""Plain numbers beyond this (the year 5138) are no epoch seconds, but some finer unit."""

Array = npt.NDArray[Any]
Rows = list[Array | None]


class Counted(Protocol):
    """What carries counts of admitted and rejected rows: a `Batch`, or a `Side`."""

    @property
    def source(self) -> str:
        """Where the rows came from."""
        ...

    @property
    def rows(self) -> int:
        """Number of admitted rows."""
        ...

    @property
    def rejected(self) -> Mapping[str, int]:
        """Rows set aside, by reason."""
        ...

    @property
    def first_rejected(self) -> Mapping[str, str]:
        """Where the first of each reason stands."""
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a row stands, for messages."""

    source: str
    first_row: int = 0

    def row(self, index: int) -> str:
        return f"{self.source}, row {self.first_row + index + 1}"

    def part(self, name: str) -> _Place:
        return _Place(f"{self.source}, {name}", self.first_row)


# ---------------------------------------------------------------------------------------------------- public functions


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
    return _convert(x, _Place(source))


def as_numbers(column: Any, *, source: str = "column", first_row: int = 0) -> Array:
    """Read one column as a numeric array of shape (n,); what is missing becomes NaN.

    Raises `DataError`, naming the row, where the column holds text or anything else that is no number.

    Examples
    --------
    >>> as_numbers([1, None, True])
    array([ 1., nan,  1.])
    """
    return _numbers(column, _Place(source, first_row))


def admit(
    x: Any,
    *,
    width: int | None = None,
    ids: Any = None,
    texts: Any = None,
    times: Any = None,
    sessions: Any = None,
    segments: Any = None,
    outcomes: Mapping[str, Any] | None = None,
    source: str = "array",
    first_row: int = 0,
) -> Batch:
    """Admit the rows of `x` that can be measured, and set the others aside by reason, side columns in step.

    A row is set aside as ``null`` (no vector, or an empty one), ``width`` (other than `width`, or else than the most
    common width), ``nan``, ``inf``, ``overflow`` (finite, but it or its squared length is beyond float32) or ``zero``
    (zero in every dimension).

    Returns a batch of float32 (admitted, d); admitted and rejected rows add up to n. Raises `DataError` where something
    is no number or no time, or where a side column is not n long.

    Parameters
    ----------
    x : array-like of n rows
        See `as_array`.
    width : int, optional
        The width that every row must have.
    ids, texts, sessions, segments : columns of n values, optional
        Read as text. A missing text or segment is ``""``; a missing id or session is named after its row.
    times : column of n values, optional
        Timestamps, ISO 8601 text, or epoch seconds; without a time zone they are UTC.
    outcomes : mapping of name to column, optional
        Each (n,) numbers or booleans, or (n, 2) numerators and denominators; a missing value has denominator 0.
    source, first_row : str and int
        Where the rows came from, and how many rows of it went before, for messages.

    Examples
    --------
    >>> batch = admit([[1.0, 2.0], [0.0, 0.0], [3.0, float("nan")]], ids=["a", "b", "c"], source="queries.csv")
    >>> batch.x.shape, list(batch.ids), dict(batch.rejected)
    ((1, 2), ['a'], {'nan': 1, 'zero': 1})
    >>> batch.first_rejected["nan"]
    'queries.csv, row 3'
    """
    place = _Place(source, first_row)
    vectors, codes = _examine(_convert(x, place), width)
    keep = codes == 0
    rejected, first = _tally(codes, place)

    def side(values: Any, name: str, parse: _Parser) -> Any:
        return None if values is None else parse(_pick(values, keep, place.part(name)))

    return Batch(
        x=vectors,
        ids=side(ids, "ids", _names),
        texts=side(texts, "texts", _texts),
        times=side(times, "times", _seconds),
        sessions=side(sessions, "sessions", _names),
        segments=side(segments, "segments", _texts),
        outcomes={name: side(values, f"outcome {name}", _outcome) for name, values in (outcomes or {}).items()},
        rejected=rejected,
        first_rejected=first,
        source=source,
    )


def check_rejected(counted: Counted, limit: float = MAX_REJECTED) -> None:
    """Raise `DataError` where more than the share `limit` of the rows given was set aside, or every row was.

    Examples
    --------
    >>> check_rejected(admit([[1.0], [0.0]], source="a.npy"))
    Traceback (most recent call last):
    tidegauge.errors.DataError: a.npy: got 1 of 2 rows set aside (50.0 %): 1 zero (first: a.npy, row 2), want at most \
5 %. Repair the rows, or leave them out
    """
    lost = sum(counted.rejected.values())
    given = lost + counted.rows
    if not lost or (counted.rows and lost <= limit * given):
        return
    reasons = "; ".join(
        f"{count} {reason} (first: {counted.first_rejected.get(reason, 'unknown')})"
        for reason, count in counted.rejected.items()
    )
    got = f"{lost} of {given} rows set aside ({100 * lost / given:.1f} %): {reasons}"
    hint = "Repair the rows, or leave them out"
    raise DataError(counted.source, got=got, want=f"at most {100 * limit:g} %", hint=hint)


def concat(batches: Iterable[Batch], *, source: str | None = None) -> Batch:
    """Join batches into one, in order; counts add, and the first rejected row of each reason stays the first.

    Raises `DataError` where there is no batch, where widths differ, or where only some of them have a side column.

    Examples
    --------
    >>> concat([admit([[1.0, 2.0]]), admit([[3.0, 4.0]])]).x.shape
    (2, 2)
    """
    every = list(batches)
    # A batch without an admitted row knows its width only if it was told, so that it cannot contradict the others.
    parts = [batch for batch in every if batch.rows] or every[:1]
    if not parts:
        raise DataError(source or "batches", got="no rows", want="at least one row")
    first = parts[0]
    for part in parts:
        _check_alike(first, part)
    joined = {name: _join_side([getattr(part, name) for part in parts]) for name in _SIDES}
    return Batch(
        x=_joined([part.x for part in parts]),
        **joined,
        outcomes={name: _joined([part.outcomes[name] for part in parts]) for name in first.outcomes},
        rejected=_added(every),
        first_rejected={reason: at for batch in reversed(every) for reason, at in batch.first_rejected.items()},
        source=source or first.source,
    )


def head(batch: Batch, rows: int) -> Batch:
    """Return the first `rows` admitted rows of a batch; its counts of rejected rows stay.

    Examples
    --------
    >>> head(admit([[1.0], [2.0], [3.0]]), 2).rows
    2
    """
    return pick(batch, slice(0, rows))


def pick(batch: Batch, rows: npt.NDArray[np.int64] | slice) -> Batch:
    """Return these admitted rows of a batch, in this order; its counts of rejected rows stay.

    Examples
    --------
    >>> pick(admit([[1.0], [2.0], [3.0]]), np.array([2, 0])).x.ravel().tolist()
    [3.0, 1.0]
    """
    sides: dict[str, Any] = {name: getattr(batch, name) for name in _SIDES}
    return Batch(
        x=batch.x[rows],
        **{name: None if values is None else values[rows] for name, values in sides.items()},
        outcomes={name: values[rows] for name, values in batch.outcomes.items()},
        rejected=batch.rejected,
        first_rejected=batch.first_rejected,
        source=batch.source,
    )


# ------------------------------------------------------------------------------------------------------ joining batches

_SIDES: Final = ("ids", "texts", "times", "sessions", "segments")


def _check_alike(first: Batch, part: Batch) -> None:
    if part.width != first.width:
        raise DataError(part.source, got=f"width {part.width}", want=f"width {first.width} as in {first.source}")
    has, wants = _side_names(part), _side_names(first)
    if has != wants:
        raise DataError(part.source, got=f"side columns {has}", want=f"{wants} as in {first.source}")


def _side_names(batch: Batch) -> list[str]:
    return [name for name in _SIDES if getattr(batch, name) is not None] + sorted(batch.outcomes)


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _join_side(parts: list[Array | None]) -> Any:
    return _joined([part for part in parts if part is not None]) if parts[0] is not None else None


def _added(batches: Sequence[Batch]) -> dict[str, int]:
    totals = {reason: sum(batch.rejected.get(reason, 0) for batch in batches) for reason in REASONS}
    return {reason: count for reason, count in totals.items() if count}


# ------------------------------------------------------------------------------------- vectors: from outside to numbers


def _convert(x: Any, place: _Place) -> Array | Rows:
    if isinstance(x, str | bytes | Mapping):
        hint = "To read a file, use tidegauge.read.open_source" if isinstance(x, str) else ""
        raise DataError(place.source, got=f"a {type(x).__name__}", want="rows of numbers", hint=hint)
    if _is_pandas(x):
        return _from_pandas(x, place)
    arrow = _arrow(x)
    return _from_arrow(arrow, place) if arrow is not None else _from_numpy(_to_numpy(x), place)


def _to_numpy(x: Any) -> Array:
    """Read sequences, tensors and arrays as one numpy array: of objects where the rows differ in length."""
    x = _off_device(x)
    if isinstance(x, np.ma.MaskedArray):
        return np.ma.filled(x.astype(np.float64), np.nan)
    if not hasattr(x, "__array__") and not isinstance(x, Sequence) and isinstance(x, Iterable):
        x = list(x)
    try:
        array = np.asarray(x)
    except (ValueError, TypeError):
        array = _objects([_off_device(row) for row in x])
    if array.dtype.kind in "US" and isinstance(x, Sequence) and array.ndim:
        # One word among numbers makes numpy turn all into text; as objects, the row that holds it can be named.
        return _objects(list(x))
    if array.dtype.name.startswith(("bfloat16", "float8")):
        return array.astype(np.float32)
    return array


def _off_device(x: Any) -> Any:
    """Bring a torch tensor to host memory, in a dtype that numpy has; leave everything else as it is."""
    if not (hasattr(x, "detach") and hasattr(x, "cpu")):
        return x
    tensor = x.detach().cpu()
    return tensor.float() if "bfloat16" in str(tensor.dtype) else tensor


def _from_numpy(array: Array, place: _Place) -> Array | Rows:
    if array.ndim and len(array) == 0 and array.ndim < 2:
        return np.empty((0, 0), np.float32)
    if array.dtype == object and array.ndim in (1, 2):
        return [_row(value, place, i) for i, value in enumerate(array)]
    _check_numeric(array.dtype, place.source)
    if array.ndim != 2:
        raise _shape_error(array.shape, place.source)
    return array


def _row(value: Any, place: _Place, index: int) -> Array | None:
    """One row of an object array: its numbers, or None where it is missing."""
    if _missing(value):
        return None
    row = _to_numpy(value) if not isinstance(value, str | bytes | Mapping) else np.asarray(value)
    if row.dtype == object and row.ndim == 1:
        return _floats(row, lambda j: f"{place.row(index)}, dimension {j + 1}")
    _check_numeric(row.dtype, place.row(index))
    if row.ndim != 1:
        raise DataError(place.row(index), got=f"a row of shape {row.shape}", want="a one-dimensional row of numbers")
    return row


def _check_numeric(dtype: np.dtype[Any], what: str) -> None:
    if dtype.kind in "fiu":
        return
    kind = "text" if dtype.kind in "UST" else f"dtype {dtype.name}"
    raise DataError(what, got=kind, want="real numbers")


def _shape_error(shape: tuple[int, ...], what: str) -> DataError:
    hints = {0: "", 1: "If each number is a row, reshape to (n, 1); if all are one row, to (1, n)"}
    hint = hints.get(len(shape), "Reshape to (n, -1)")
    return DataError(what, got=f"{len(shape)} dimensions, shape {shape}", want="two: rows and dimensions", hint=hint)


# -------------------------------------------------------------------------------------------------------- pandas, Arrow


def _is_pandas(x: Any) -> bool:
    return hasattr(x, "iloc") and hasattr(x, "to_numpy")


def _from_pandas(x: Any, place: _Place) -> Array | Rows:
    if x.ndim == 2 and x.shape[1] == 1 and x.iloc[:, 0].dtype == object:
        x = x.iloc[:, 0]
    if x.ndim == 2:
        return _stack([(str(name), x.iloc[:, j]) for j, name in enumerate(x.columns)], place)
    arrow = _arrow_of_pandas(x)
    return _from_numpy(x.to_numpy(), place) if arrow is None else _from_arrow(arrow, place)


def _arrow_of_pandas(series: Any) -> Any:
    """A pandas column that Arrow holds already, such as lists read from Parquet with ``dtype_backend="pyarrow"``."""
    return series.array.__arrow_array__() if hasattr(series.dtype, "pyarrow_dtype") else None


def _arrow(x: Any) -> Any:
    """A pyarrow ChunkedArray of anything that speaks the Arrow PyCapsule protocol, else None."""
    stream = hasattr(x, "__arrow_c_stream__")
    if _is_pandas(x) or not (stream or hasattr(x, "__arrow_c_array__")):
        return None
    import pyarrow as pa

    return _chunked(pa.chunked_array(x) if stream else pa.array(x))


def _chunked(arrow: Any) -> Any:
    """A ChunkedArray of plain storage: extension types such as fixed-shape tensors are only names for it."""
    import pyarrow as pa

    chunks = arrow.chunks if isinstance(arrow, pa.ChunkedArray) else [arrow]
    if isinstance(arrow.type, pa.BaseExtensionType):
        return _chunked(pa.chunked_array([chunk.storage for chunk in chunks], type=arrow.type.storage_type))
    return pa.chunked_array(chunks, type=arrow.type)


def _from_arrow(arrow: Any, place: _Place) -> Array | Rows:
    import pyarrow as pa

    if pa.types.is_struct(arrow.type):
        columns = [(field.name, column) for field, column in zip(arrow.type, arrow.flatten(), strict=True)]
        if len(columns) == 1 and _is_list(columns[0][1].type):
            return _from_arrow(columns[0][1], place)
        return _stack(columns, place)
    if _is_list(arrow.type):
        parts = [_from_lists(chunk, place) for chunk in arrow.chunks]
        return _join_rows(parts or [_from_lists(pa.array([], arrow.type), place)])
    if pa.types.is_null(arrow.type):
        return [None for _ in range(len(arrow))]
    _check_arrow_numeric(arrow.type, place.source)
    raise _shape_error((len(arrow),), place.source)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    tests = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, test)(kind) for test in tests if hasattr(pa.types, test))


def _from_lists(array: Any, place: _Place) -> Array | Rows:
    """The rows of one Arrow list array, without a copy where every list has the same length."""
    import pyarrow.compute as pc

    lengths: Array = pc.call_function("list_value_length", [array]).fill_null(-1).to_numpy(zero_copy_only=False)
    flat = _numbers(array.flatten(), place, boolean=False)
    if not len(lengths):
        return np.empty((0, getattr(array.type, "list_size", 0)), flat.dtype)
    if lengths[0] > 0 and bool((lengths == lengths[0]).all()):
        return flat.reshape(len(lengths), -1)
    ends = np.cumsum(np.maximum(lengths, 0))
    return [None if n < 0 else flat[end - n : end] for n, end in zip(lengths.tolist(), ends.tolist(), strict=True)]


def _join_rows(parts: list[Array | Rows]) -> Array | Rows:
    grids = [part for part in parts if isinstance(part, np.ndarray)]
    if len(grids) == len(parts) and len({grid.shape[1] for grid in grids}) == 1:
        return _joined(grids)
    return [row for part in parts for row in part]


def _stack(columns: Sequence[tuple[str, Any]], place: _Place) -> Array:
    """One row per position, one dimension per named column."""
    if not columns:
        raise DataError(place.source, got="a table without columns", want="one numeric column per dimension")
    named = [(column, place.part(f"column {name}")) for name, column in columns]
    return np.stack([_numbers(column, at, boolean=False) for column, at in named], axis=1)


# ------------------------------------------------------------------------------------------------------- single columns


def _numbers(column: Any, place: _Place, *, boolean: bool = True) -> Array:
    """A numeric (n,) array of a column, in its own dtype where nothing is missing."""
    arrow = _arrow_of_pandas(column) if _is_pandas(column) else _arrow(column)
    if arrow is not None:
        arrow = _chunked(arrow)
        _check_arrow_numeric(arrow.type, place.source, boolean=boolean)
        return _arrow_floats(arrow)
    array = _plain(column)
    if array.ndim != 1:
        raise DataError(place.source, got=f"shape {array.shape}", want="one value per row")
    if array.dtype == object:
        return _floats(array, place.row)
    if array.dtype == bool and boolean:
        return array.astype(np.float64)
    _check_numeric(array.dtype, place.source)
    return array


def _arrow_floats(arrow: Any) -> Array:
    import pyarrow as pa

    plain = pa.types.is_floating(arrow.type) or (pa.types.is_integer(arrow.type) and not arrow.null_count)
    if not plain:
        arrow = arrow.cast(pa.float64(), safe=False)
    return arrow.to_numpy()


def _check_arrow_numeric(kind: Any, what: str, *, boolean: bool = False) -> None:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = [pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null]
    if not any(test(kind) for test in tests) and not (boolean and pa.types.is_boolean(kind)):
        hint = "Pass only the column of vectors" if _is_list(kind) else ""
        raise DataError(what, got=f"type {kind}", want="real numbers", hint=hint)


def _plain(column: Any) -> Array:
    """A column as a numpy array; text stays Python objects, so that one long text does not widen all."""
    if _is_pandas(column):
        return column.to_numpy()
    array = _to_numpy(column)
    return array.astype(object) if array.dtype.kind in "US" else array


def _floats(values: Array, at: Callable[[int], str]) -> npt.NDArray[np.float64]:
    """Object values, one by one; `at` names the place of one that is no number."""
    numbers = np.empty(len(values), np.float64)
    for i, value in enumerate(values):
        number = _number(value)
        if number is None:
            raise DataError(at(i), got=_shown(value), want="a real number, or nothing")
        numbers[i] = number
    return numbers


def _number(value: Any) -> float | None:
    if _missing(value):
        return math.nan
    if not isinstance(value, Real | Decimal | np.bool_) or isinstance(value, np.timedelta64):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _missing(value: Any) -> bool:
    # pandas need not be installed, so that its two missing values are known by name.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# -------------------------------------------------------------------------------------------------- which rows are kept


def _examine(rows: Array | Rows, width: int | None) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """The admitted rows as owned float32, and for every row given 0 or 1 + the index of its reason."""
    codes = np.zeros(len(rows), np.int8)
    grid = _grid(rows, width, codes)
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = grid.astype(np.float32, order="C", copy=False)
    faults = _faults(grid, vectors)
    if faults is None:
        return (vectors.copy() if vectors is grid or vectors.base is not None else vectors), codes
    codes[codes == 0] = faults
    return vectors[faults == 0], codes


def _grid(rows: Array | Rows, width: int | None, codes: npt.NDArray[np.int8]) -> Array:
    """The rows that are there and have the right width, as one array; the others get their code."""
    if isinstance(rows, np.ndarray):
        if rows.shape[1] and width in (None, rows.shape[1]):
            return np.asarray(rows)
        codes[:] = _code("width" if rows.shape[1] else "null")
        return np.empty((0, width or 0), np.float32)
    lengths = np.fromiter((0 if row is None else len(row) for row in rows), np.int64, len(rows))
    wanted = width if width is not None else _most_common(lengths)
    codes[lengths != wanted] = _code("width")
    codes[lengths == 0] = _code("null")
    kept = [row for row, code in zip(rows, codes.tolist(), strict=True) if row is not None and not code]
    return np.stack(kept) if kept else np.empty((0, wanted), np.float32)


def _code(reason: str) -> int:
    return REASONS.index(reason) + 1


def _most_common(lengths: npt.NDArray[np.int64]) -> int:
    """The most common width above zero; of equally common ones, the one that comes first."""
    values, first, counts = np.unique(lengths[lengths > 0], return_index=True, return_counts=True)
    return int(values[np.lexsort((first, -counts))[0]]) if len(values) else 0


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def _faults(grid: Array, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int8] | None:
    """A code for each row, or None where all are clean.

    One pass over clean data: a row's sum of squares is positive and finite unless the row is suspect, and only suspect
    rows are looked at closely.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)
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
        faults[suspects[rows]] = _code(reason)
    return faults if faults.any() else None


def _tally(codes: npt.NDArray[np.int8], place: _Place) -> tuple[dict[str, int], dict[str, str]]:
    counts = np.bincount(codes, minlength=len(REASONS) + 1)[1:]
    rejected = {reason: int(count) for reason, count in zip(REASONS, counts, strict=True) if count}
    return rejected, {reason: place.row(int(np.argmax(codes == _code(reason)))) for reason in rejected}


# --------------------------------------------------------------------------------------------------------- side columns


@dataclass(frozen=True, slots=True)
class _Picked:
    """The values of a side column that go with admitted rows; `rows` are their positions among the rows given."""

    values: Array
    rows: npt.NDArray[np.intp]
    place: _Place

    def at(self, index: int) -> str:
        return self.place.row(int(self.rows[index]))


_Parser = Callable[[_Picked], Array]


def _pick(column: Any, keep: npt.NDArray[np.bool_], place: _Place) -> _Picked:
    arrow = _arrow(column)
    if arrow is None and _is_pandas(column):
        arrow = _arrow_of_pandas(column)
    values = _plain(column) if arrow is None else _arrow_values(arrow)
    if not values.ndim or len(values) != len(keep):
        got = f"{len(values)} values" if values.ndim else "one value"
        raise DataError(place.source, got=got, want=f"{len(keep)}, one per row")
    return _Picked(values[keep], np.flatnonzero(keep), place)


def _arrow_values(arrow: Any) -> Array:
    """A numpy array of a column, exact: integers with gaps must not pass through floats.

    Dictionaries go by way of Python values: pyarrow 26 loses their nulls in ``to_numpy``, and cannot cast them to
    ``string_view``.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(arrow.type) or (pa.types.is_integer(arrow.type) and arrow.null_count):
        return np.array(arrow.to_pylist(), dtype=object)
    return arrow.to_numpy()


def _texts(picked: _Picked) -> StrArray:
    return _objects([_text(value) for value in picked.values])


def _names(picked: _Picked) -> StrArray:
    """Text that tells rows apart: without this, all rows that lack an id would count as the same one."""
    return _objects([_text(value) or picked.at(i) for i, value in enumerate(picked.values)])


def _objects(values: list[Any]) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if _missing(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    # Tables turn integers into floats as soon as one is missing; the id is still 7, not 7.0.
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _seconds(picked: _Picked) -> npt.NDArray[np.float64]:
    """Epoch seconds, UTC, of timestamps, dates, ISO 8601 text or numbers."""
    values = picked.values
    if values.dtype.kind == "M":
        seconds = _datetime_seconds(values)
    elif values.dtype.kind in "fiu":
        seconds = values.astype(np.float64)
    else:
        seconds = np.fromiter((_moment(value) for value in values), np.float64, len(values))
    bad = np.flatnonzero(~(np.abs(seconds) <= LATEST_SECONDS))
    if len(bad):
        raise _time_error(picked.at(int(bad[0])), values[bad[0]], float(seconds[bad[0]]))
    return seconds


def _datetime_seconds(values: Array) -> npt.NDArray[np.float64]:
    whole = values.astype("datetime64[s]")
    seconds = whole.astype(np.int64) + (values - whole) / np.timedelta64(1, "s")
    return np.where(np.isnat(values), np.nan, seconds)


def _moment(value: Any) -> float:
    """Epoch seconds of one value; NaN where it is no time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return math.nan
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        return math.nan if _missing(value) else _in_utc(value).timestamp()
    if isinstance(value, np.datetime64):
        return float(_datetime_seconds(np.array([value]))[0])
    number = None if isinstance(value, bool | np.bool_) else _number(value)
    return math.nan if number is None else number


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time_error(where: str, value: Any, seconds: float) -> DataError:
    shown = "no time" if _missing(value) or (isinstance(value, np.datetime64) and np.isnat(value)) else _shown(value)
    hint = ""
    if abs(seconds) > LATEST_SECONDS and math.isfinite(seconds):
        hint = "Plain numbers are seconds; this looks like milliseconds or finer: divide, or use a timestamp type"
    return DataError(where, got=shown, want="a timestamp, ISO 8601 text or epoch seconds", hint=hint)


def _outcome(picked: _Picked) -> npt.NDArray[np.float64]:
    """Numerator and denominator, float64 (n, 2); denominator 0 where the outcome is missing."""
    values = picked.values
    if values.ndim == 2 and values.shape[1] == 2:
        pairs = np.stack([_outcome_numbers(picked, values[:, j]) for j in (0, 1)], axis=1)
    elif values.ndim == 1:
        pairs = np.stack([_outcome_numbers(picked, values), np.ones(len(values))], axis=1)
    else:
        raise DataError(picked.place.source, got=f"shape {values.shape}", want="(n,) or (n, 2)")
    pairs[np.isnan(pairs).any(axis=1)] = 0.0
    bad = np.flatnonzero(np.isinf(pairs).any(axis=1) | (pairs[:, 1] < 0))
    if len(bad):
        want = "a finite value and a denominator of at least 0"
        raise DataError(picked.at(int(bad[0])), got=str(pairs[bad[0]].tolist()), want=want)
    return pairs


def _outcome_numbers(picked: _Picked, values: Array) -> npt.NDArray[np.float64]:
    numbers = _floats(values, picked.at) if values.dtype == object else _numbers(values, picked.place)
    return numbers.astype(np.float64)
