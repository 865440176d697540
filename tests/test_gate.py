"""The gate: whatever comes in, what leaves is finite float32, or counted."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidegauge.errors import DataError, MismatchError, UsageError
from tidegauge.gate import MAX_REJECTED, admit, as_array, as_numbers, check_rejected, concat, head, truncated
from tidegauge.records import Side, Stored

GRID = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, 8.0]])
BIG = float(np.finfo(np.float32).max)


class Tensor:
    """As much of torch as the gate may rely on: not readable before it is detached and on the host."""

    def __init__(self, values: Any, dtype: str = "torch.float32", ready: bool = False) -> None:
        self.values, self.dtype, self.ready = np.asarray(values, np.float32), dtype, ready

    def detach(self) -> Tensor:
        return Tensor(self.values, self.dtype, True)

    def cpu(self) -> Tensor:
        return self

    def float(self) -> Tensor:
        return Tensor(self.values, "torch.float32", self.ready)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if not self.ready or self.dtype == "torch.bfloat16":
            raise TypeError("no numpy without detach, cpu and float")
        return self.values


class OnlyArray:
    """Speaks the PyCapsule protocol and nothing else."""

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self._array.__arrow_c_array__(requested_schema)


def lists(kind: Any) -> pa.Array:
    return pa.array(GRID.astype(np.float32).tolist(), kind)


DOORS = {
    "nested lists": GRID.tolist(),
    "tuple of tuples": tuple(map(tuple, GRID.tolist())),
    "list of arrays": list(GRID),
    "generator": (row for row in GRID.tolist()),
    "fortran": np.asfortranarray(GRID),
    "big endian": GRID.astype(">f4"),
    "strided view": np.repeat(GRID, 2, axis=1)[:, ::2],
    "longdouble": GRID.astype(np.longdouble),
    "masked": np.ma.masked_array(GRID, mask=False),
    "objects": GRID.astype(object),
    "decimals": [[Decimal(str(v)) for v in row] for row in GRID.tolist()],
    "tensor": Tensor(GRID),
    "bfloat16 tensor": Tensor(GRID, "torch.bfloat16"),
    "list of tensors": [Tensor(row) for row in GRID],
    "pandas series": pd.Series(GRID.tolist(), index=[7, 3]),
    "pandas arrow series": pd.Series(GRID.tolist(), dtype=pd.ArrowDtype(pa.list_(pa.float32()))),
    "pandas frame": pd.DataFrame(GRID, columns=["a", "b", "c"], index=[7, 3]),
    "pandas nullable frame": pd.DataFrame(GRID).astype("Float64"),
    "pandas frame of lists": pd.DataFrame({"emb": GRID.tolist()}),
    "polars list": pl.Series(GRID.tolist()),
    "polars array": pl.Series(GRID.tolist(), dtype=pl.Array(pl.Float32, 3)),
    "polars frame": pl.DataFrame(GRID),
    "polars frame of lists": pl.DataFrame({"emb": GRID.tolist()}),
    "arrow list": lists(pa.list_(pa.float32())),
    "arrow large list": lists(pa.large_list(pa.float64())),
    "arrow list view": lists(pa.list_view(pa.float32())),
    "arrow fixed": lists(pa.list_(pa.float32(), 3)),
    "arrow fixed half": lists(pa.list_(pa.float16(), 3)),
    "arrow decimals": pa.array(
        [[Decimal(str(v)) for v in row] for row in GRID.tolist()], pa.list_(pa.decimal128(9, 3))
    ),
    "arrow tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(GRID.astype(np.float32)),
    "arrow chunks": pa.chunked_array([lists(pa.list_(pa.float32()))[:1], lists(pa.list_(pa.float32()))[1:]]),
    "arrow slice": pa.array([[9.0, 9.0, 9.0], *GRID.tolist()])[1:],
    "arrow table": pa.table({str(j): GRID[:, j] for j in range(3)}),
    "arrow record batch": pa.record_batch({str(j): GRID[:, j] for j in range(3)}),
    "capsule": OnlyArray(lists(pa.list_(pa.float32()))),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_gives_the_same_rows(door: str) -> None:
    batch = admit(DOORS[door])
    assert batch.x.dtype == np.float32
    assert batch.x.flags.c_contiguous
    np.testing.assert_array_equal(batch.x, GRID.astype(np.float32))
    assert not batch.rejected


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i2", "u2", "i4", "i8", "u8"])
def test_every_numeric_dtype_is_accepted(dtype: str) -> None:
    x = np.arange(1, 7).reshape(3, 2).astype(dtype)
    np.testing.assert_array_equal(admit(x).x, np.arange(1, 7).reshape(3, 2))


def in_doors(x: np.ndarray) -> list[Any]:
    """The same eight-bit rows through every door that keeps their type."""
    lists = pa.array(x.tolist(), pa.list_(pa.from_numpy_dtype(x.dtype)))
    return [x, list(x), lists, pl.Series(lists), pd.DataFrame(x), pa.table([lists], ["v"]), np.asfortranarray(x)]


def test_int8_is_divided_by_127_at_every_door() -> None:
    x = np.array([[127, -127, 1], [-128, 64, 0]], np.int8)
    for door in in_doors(x):
        batch = admit(door)
        np.testing.assert_allclose(batch.x, x / 127.0, rtol=1e-6)
        assert batch.x.dtype == np.float32
        assert batch.stored == Stored(scale=1 / 127)
    np.testing.assert_array_equal(admit(x, scale=0.25).x, x * 0.25)
    assert admit(x.astype(np.int16)).stored == Stored()
    assert x.tolist() == [[127, -127, 1], [-128, 64, 0]]


def test_int8_rows_are_set_aside_like_others() -> None:
    rows = pa.array([[3, 4], None, [0, 0], [1]], pa.list_(pa.int8()))
    batch = admit(rows, source="a.parquet")
    assert (batch.x.shape, dict(batch.rejected)) == ((1, 2), {"null": 1, "width": 1, "zero": 1})


def test_uint8_is_refused_at_every_door() -> None:
    for door in in_doors(np.array([[1, 2], [3, 255]], np.uint8)):
        with pytest.raises(DataError, match=r"a\.npy: got uint8 vectors, want float or int8 ones.*packed binary"):
            admit(door, source="a.npy")


def test_int8_beside_floats_in_one_array_is_refused() -> None:
    with pytest.raises(DataError, match="got some rows of int8, want all rows of one type"):
        admit([np.array([1, 2], np.int8), None, np.array([0.5, 1])])


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_a_scale_is_a_number_above_zero(scale: float) -> None:
    with pytest.raises(UsageError, match="scale: got"):
        admit(GRID, scale=scale)


def test_truncated_rows_are_of_unit_length() -> None:
    x = np.array([[3, 4, 9], [0, 0, 1], [-1e18, 0, 5], [1e-30, 1e-30, 0]], np.float32)
    batch = truncated(admit(x, ids=list("abcd"), outcomes={"y": [1, 2, 3, 4]}), 2)
    half = 2**-0.5
    np.testing.assert_allclose(batch.x, [[0.6, 0.8], [-1, 0], [half, half]], rtol=1e-6)
    assert (list(batch.ids), batch.outcomes["y"][:, 0].tolist()) == (["a", "c", "d"], [1, 3, 4])
    assert (batch.stored.width, dict(batch.rejected)) == (3, {"zero": 1})
    assert "zero in its first 2 dimensions" in batch.first_rejected["zero"]
    again = truncated(batch, 1)
    assert (again.stored.width, again.x.tolist(), again.rejected["zero"]) == (3, [[1], [-1], [1]], 1)


def test_truncation_knows_its_limits() -> None:
    with pytest.raises(MismatchError, match="got vectors of width 3, want at least 4"):
        truncated(admit(GRID), 4)
    with pytest.raises(UsageError, match="truncate: got 0"):
        truncated(admit(GRID), 0)
    assert truncated(admit(np.zeros((2, 3))), 2).x.shape == (0, 2)


finite = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements={"allow_nan": False, "allow_infinity": False, "min_value": -60000.0, "max_value": 60000.0},
)


@given(finite)
def test_any_finite_array_survives(x: np.ndarray) -> None:
    before = x.copy()
    batch = admit(x)
    there = x.astype(np.float32).any(axis=1)
    np.testing.assert_array_equal(batch.x, x.astype(np.float32)[there])
    assert batch.rejected.get("zero", 0) == (~there).sum()
    assert not np.shares_memory(batch.x, x)
    batch.x[:] = 7
    np.testing.assert_array_equal(x, before)


ROWS: dict[str, Any] = {
    "": [1.0, 2.0, 3.0],
    "null": None,
    "width": [1.0, 2.0],
    "nan": [1.0, float("nan"), float("inf")],
    "inf": [1.0, 2.0, float("-inf")],
    "overflow": [1.0, 1e39, 2.0],
    "zero": [0.0, -0.0, 0.0],
}


@given(st.lists(st.sampled_from(sorted(ROWS)), max_size=30), st.sampled_from(["list", "objects", "arrow", "chunks"]))
@settings(max_examples=150)
def test_any_mix_of_bad_rows_is_counted(reasons: list[str], door: str) -> None:
    rows = [ROWS[reason] for reason in reasons]
    ids = [f"id{i}" for i in range(len(rows))]
    x: Any = rows
    if door == "objects":
        x = np.empty(len(rows), object)
        x[:] = [None if row is None else np.array(row) for row in rows]
    elif door != "list":
        x = pa.array(rows, pa.list_(pa.float64()))
        x = pa.chunked_array([x[:3], x[3:]]) if door == "chunks" else x
    batch = admit(x, width=3, ids=ids, source="a.csv")
    assert batch.rows + sum(batch.rejected.values()) == len(rows)
    assert batch.rejected == {reason: reasons.count(reason) for reason in ROWS if reason and reason in reasons}
    assert batch.first_rejected == {r: f"a.csv, row {reasons.index(r) + 1}" for r in batch.rejected}
    assert list(batch.ids) == [name for name, reason in zip(ids, reasons, strict=True) if not reason]
    assert np.isfinite(batch.x).all()


def test_a_row_counts_for_the_first_of_its_faults() -> None:
    assert admit([[np.nan, 1e39], [np.inf, 1e39], [1.0, 2.0]]).rejected == {"nan": 1, "inf": 1}


@pytest.mark.parametrize("order", ["C", "F"])
def test_rectangular_bad_rows_are_set_aside(order: Any) -> None:
    x = np.asarray([[1, 2], [np.nan, 1], [np.inf, 1], [1e39, 1], [0, 0], [1e-60, 0], [3, 4]], order=order)
    batch = admit(x, first_row=100, source="b.npy")
    assert batch.rejected == {"nan": 1, "inf": 1, "overflow": 1, "zero": 2}
    assert batch.first_rejected["zero"] == "b.npy, row 105"
    np.testing.assert_array_equal(batch.x, [[1, 2], [3, 4]])


def test_large_and_tiny_finite_values_are_no_faults() -> None:
    x = np.array([[1e18, -1e18, 1e18], [1e-30, 0, 0], [1e-45, 0, 0]], np.float32)
    assert admit(x).rows == 3


def test_a_row_whose_squared_length_overflows_is_set_aside() -> None:
    x = np.array([[BIG, -BIG, BIG], [1e20, 0, 0], [1, 2, 3]], np.float32)
    assert admit(x).rejected == {"overflow": 2}


def test_float16_infinity_is_infinite() -> None:
    assert admit(np.array([[np.inf, 1], [1, 1]], np.float16)).rejected == {"inf": 1}


def test_integers_too_large_for_any_float_are_set_aside() -> None:
    assert admit([[10**400, 1], [1, 1]]).rejected == {"inf": 1}


def test_the_most_common_width_is_expected() -> None:
    batch = admit([[1.0], [1.0, 2.0], [3.0, 4.0], [], None])
    assert batch.width == 2
    assert batch.rejected == {"null": 2, "width": 1}


def test_a_whole_array_of_the_wrong_width_is_set_aside() -> None:
    batch = admit(GRID, width=5, ids=[1, 2])
    assert batch.x.shape == (0, 5)
    assert batch.rejected == {"width": 2}
    assert batch.ids is not None
    assert batch.ids.shape == (0,)


def test_missing_numbers_are_nan() -> None:
    assert admit(pa.array([[1.0, None], [1.0, 2.0]])).rejected == {"nan": 1}
    assert admit(pa.array([[1, None], [1, 2]])).rejected == {"nan": 1}
    assert admit(pd.DataFrame({"a": [1, 2], "b": pd.array([1, None], "Int64")})).rejected == {"nan": 1}
    assert admit([[1.0, None], [1.0, 2.0]]).rejected == {"nan": 1}
    assert admit(np.ma.masked_array(GRID, mask=[[1, 0, 0], [0, 0, 0]])).rejected == {"nan": 1}


def test_missing_rows_in_fixed_size_lists() -> None:
    x = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32(), 2))
    batch = admit(x, ids=["a", "b", "c"])
    assert batch.rejected == {"null": 1}
    assert batch.ids is not None
    assert batch.ids.tolist() == ["a", "c"]


@pytest.mark.parametrize(
    "empty", [[], np.empty((0, 4)), pa.array([], pa.list_(pa.float32(), 4)), pl.Series([], dtype=pl.List(pl.Float32))]
)
def test_no_rows_are_no_error(empty: Any) -> None:
    assert admit(empty, width=4).x.shape == (0, 4)
    assert admit(empty).rows == 0


def test_a_column_of_nulls_is_counted() -> None:
    assert admit(pa.nulls(3), width=2).rejected == {"null": 3}


def test_wide_rows() -> None:
    assert admit(np.ones((2, 8192), np.float32)).width == 8192


@pytest.mark.parametrize("writeable", [True, False])
def test_the_batch_never_shares_memory(writeable: bool) -> None:
    x = GRID.astype(np.float32)
    x.flags.writeable = writeable
    batch = admit(x)
    assert not np.shares_memory(batch.x, x)
    assert batch.x.flags.writeable
    arrow = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 3)
    assert not np.shares_memory(admit(arrow).x, arrow.flatten().to_numpy())


def test_as_array_copies_nothing_where_it_need_not() -> None:
    assert as_array(GRID) is GRID
    arrow = pa.FixedSizeListArray.from_arrays(pa.array(GRID.ravel()), 3)
    assert np.shares_memory(as_array(arrow), arrow.flatten().to_numpy())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("a.npy", "open_source"),
        (b"abc", "bytes"),
        ({"a": [1]}, "dict"),
        (5, "0 dimensions"),
        ([1.0, 2.0], r"reshape to \(n, 1\)"),
        (np.ones((2, 2, 2)), "3 dimensions"),
        ([["a", "b"]], "row 1, dimension 1: got 'a'"),
        (["[0.1, 0.2]"], "text"),
        ([[1.0, 2.0], [1.0, "b"]], "row 2, dimension 2: got 'b'"),
        (np.array([["a"]]), "text"),
        ([[1.0, 2.0], [1.0], ["a", "b", "c"]], "row 3, dimension 1: got 'a'"),
        pytest.param([[1.0], [1.0, object()]], "row 2, dimension 2", id="object"),
        ([[1.0], [[1.0], [2.0]]], "row 2.*shape"),
        (np.array([[True]]), "bool"),
        (np.array([[1j]]), "complex"),
        (np.array([["2024-01-01"]], "M8[D]"), "datetime"),
        (np.zeros(2, [("a", "f4")]), "void"),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), "column b"),
        (pd.DataFrame({"a": [True], "b": [1.0]}), "column a"),
        (pl.DataFrame({"a": ["x"], "emb": [[1.0]]}), "column a"),
        (pl.DataFrame({"a": [1], "emb": [[1.0]]}), "column emb.*only the column"),
        (pa.array([1.0, 2.0]), "reshape"),
        (pa.array(["x"]), "string"),
        (pa.array([["x"]]), "string"),
        (pa.array([[True]]), "bool"),
        (pa.table({}), "without columns"),
        (pl.Series([1.0]), "reshape"),
        (pd.Series([1.0]), "reshape"),
    ],
    ids=str,
)
def test_what_holds_no_vectors_is_refused(x: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"(?s)here.*{message}"):
        admit(x, source="here")


def test_pickles_are_never_opened() -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            raise AssertionError

    with pytest.raises(DataError, match="row 1"):
        admit(np.array([[Bomb()]], object))


# ------------------------------------------------------------------------------------------------------------- columns

STAMP = datetime(2024, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC)
SECONDS = STAMP.timestamp()
NAIVE = STAMP.replace(tzinfo=None)


@pytest.mark.parametrize(
    "times",
    [
        [SECONDS, SECONDS],
        [STAMP, NAIVE],
        [STAMP.isoformat(), "2024-03-01T12:30:00.250Z"],
        ["2024-03-01 12:30:00.250", "2024-03-01T14:30:00.250+02:00"],
        [STAMP.astimezone(timezone(timedelta(hours=5)))] * 2,
        np.array([NAIVE, NAIVE], "M8[ms]"),
        np.array([NAIVE, NAIVE], "M8[ns]"),
        pd.Series([pd.Timestamp(STAMP)] * 2),
        pd.Series([pd.Timestamp(NAIVE)] * 2),
        pd.DatetimeIndex([NAIVE, NAIVE]),
        pl.Series([NAIVE, NAIVE]),
        pl.Series([STAMP, STAMP]),
        pa.array([STAMP, STAMP], pa.timestamp("us", "Europe/Paris")),
        pa.array([NAIVE, NAIVE], pa.timestamp("ms")),
        pa.array([STAMP.isoformat()] * 2).dictionary_encode(),
        [np.datetime64(NAIVE), pd.Timestamp(STAMP)],
    ],
    ids=lambda times: type(times).__name__,
)
def test_times_become_epoch_seconds(times: Any) -> None:
    batch = admit(GRID, times=times)
    assert batch.times is not None
    assert batch.times.dtype == np.float64
    assert batch.times.tolist() == [SECONDS, SECONDS]


def test_dates_are_midnight_utc() -> None:
    midnight = datetime(2024, 3, 1, tzinfo=UTC).timestamp()
    day = date(2024, 3, 1)
    for times in ([day, "2024-03-01"], pa.array([day, day]), pa.array([day, day], pa.date64())):
        batch: Any = admit(GRID, times=times)
        assert batch.times.tolist() == [midnight] * 2


def test_times_before_the_epoch_keep_their_fraction() -> None:
    batch: Any = admit(GRID, times=np.array([-1500, -1], "M8[ms]"))
    np.testing.assert_allclose(batch.times, [-1.5, -0.001])


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("soon", "'soon'"),
        (None, "no time"),
        (float("nan"), "no time"),
        (pd.NaT, "no time"),
        (np.datetime64("NaT"), "no time"),
        (SECONDS * 1000, "looks like milliseconds"),
        (float("inf"), "inf"),
    ],
    ids=str,
)
def test_what_is_no_time_is_refused(time: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"a.csv, times, row 12: .*{message}"):
        admit(np.ones((3, 1)), times=[0, time, 1], first_row=10, source="a.csv")


@pytest.mark.parametrize("times", [np.array([1, 2], "m8[s]"), np.array([True, False])], ids=str)
def test_lengths_of_time_and_truth_are_no_times(times: Any) -> None:
    with pytest.raises(DataError, match="times, row 1"):
        admit(GRID, times=times)


def test_side_columns_of_rejected_rows_are_not_judged() -> None:
    batch = admit([[1.0], None], times=[5, "soon"], outcomes={"clicked": [1, float("inf")]})
    assert batch.times is not None
    assert batch.times.tolist() == [5.0]


UNTIMED = ["soon", None, float("nan"), pd.NaT, np.datetime64("NaT"), SECONDS * 1000, float("inf")]


@pytest.mark.parametrize("time", UNTIMED, ids=str)
def test_a_row_without_a_usable_time_can_be_set_aside(time: Any) -> None:
    """All columns stay in step, and a row that has another fault counts for that one."""
    batch = admit(
        [[1.0], [2.0], None, [4.0], [5.0]],
        times=[10, time, time, time, 50],
        ids=list("abcde"),
        texts=list("ABCDE"),
        sessions=list("vwxyz"),
        segments=list("klmno"),
        outcomes={"clicked": [1, float("inf"), "bad", 0, 0]},
        source="a.csv",
        first_row=10,
        strict_times=False,
    )
    assert batch.x.tolist() == [[1.0], [5.0]]
    assert dict(batch.rejected) == {"null": 1, "time": 2}
    assert batch.first_rejected == {"null": "a.csv, row 13", "time": "a.csv, row 12"}
    assert batch.times is not None
    assert batch.times.tolist() == [10.0, 50.0]
    sides: Any = (batch.ids, batch.texts, batch.sessions, batch.segments)
    assert ["".join(side) for side in sides] == ["ae", "AE", "vz", "ko"]
    assert batch.outcomes["clicked"].tolist() == [[1.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NAIVE, None], pa.timestamp("ms")),
        pd.Series([pd.Timestamp(STAMP), pd.NaT]),
        np.array([NAIVE, "NaT"], "M8[ms]"),
        [SECONDS, np.nan],
    ],
    ids=lambda times: type(times).__name__,
)
def test_missing_times_of_any_column_are_set_aside(times: Any) -> None:
    batch = admit(GRID, times=times, strict_times=False)
    assert batch.x.tolist() == GRID[:1].astype(np.float32).tolist()
    assert (batch.times.tolist(), dict(batch.rejected)) == ([SECONDS], {"time": 1})  # type: ignore[union-attr]


def test_without_a_usable_time_nothing_is_left() -> None:
    batch = admit(GRID, times=np.array([1, 2], "m8[s]"), ids=["a", "b"], strict_times=False)
    assert (batch.x.shape, dict(batch.rejected)) == ((0, 3), {"time": 2})
    assert batch.ids is not None
    assert len(batch.ids) == 0
    assert concat([batch, admit(GRID, times=[1, 2], ids=["a", "b"])]).rejected == {"time": 2}


def test_times_that_are_not_there_are_not_wanted() -> None:
    assert admit(GRID, strict_times=False).rows == 2


def test_arrow_nanoseconds_are_not_taken_for_numbers() -> None:
    times = pa.array([1_700_000_000_123_456_789] * 2, pa.timestamp("ns"))
    batch: Any = admit(GRID, times=times)
    assert batch.times[0] == pytest.approx(1_700_000_000.1234567, abs=1e-6)


@pytest.mark.parametrize(
    "column",
    [
        [7, 8],
        [7.0, 8.0],
        ["7", "8"],
        [b"7", b"8"],
        np.array([7, 8]),
        np.array(["7", "8"]),
        np.array([b"7", b"8"]),
        pd.Series([7, 8], dtype="Int64"),
        pd.Series(["7", "8"], dtype="category"),
        pl.Series(["7", "8"]),
        pl.Series(["7", "8"], dtype=pl.Categorical),
        pa.array(["7", "8"]).dictionary_encode(),
        pa.array(["7", "8"], pa.string_view()),
    ],
    ids=lambda column: type(column).__name__,
)
def test_ids_are_read_as_text(column: Any) -> None:
    batch = admit(GRID, ids=column, segments=column, texts=column, sessions=column)
    for values in (batch.ids, batch.segments, batch.texts, batch.sessions):
        assert values is not None
        assert values.tolist() == ["7", "8"]
        assert all(type(value) is str for value in values)


def test_large_integer_ids_stay_exact() -> None:
    ids = pa.array([2**60 + 1, None])
    batch = admit(GRID, ids=ids)
    assert batch.ids is not None
    assert batch.ids[0] == str(2**60 + 1)


@pytest.mark.parametrize(
    "column", [["a", None], pl.Series(["a", None]), pa.array(["a", None]).dictionary_encode(), pd.Series(["a", None])]
)
def test_a_missing_name_tells_rows_apart_and_a_missing_text_is_empty(column: Any) -> None:
    batch = admit(GRID, ids=column, sessions=column, segments=column, texts=column, source="a.csv")
    got = [values.tolist() for values in (batch.ids, batch.sessions, batch.segments, batch.texts) if values is not None]
    assert got == [["a", "a.csv, ids, row 2"], ["a", "a.csv, sessions, row 2"], ["a", ""], ["a", ""]]


@pytest.mark.parametrize("name", ["ids", "texts", "times", "sessions", "segments"])
def test_side_columns_must_be_as_long_as_the_rows(name: str) -> None:
    with pytest.raises(DataError, match=f"a.npy, {name}: got 3 values, want 2"):
        admit(GRID, source="a.npy", **{name: [1, 2, 3]})
    with pytest.raises(DataError, match="got one value"):
        admit(GRID, source="a.npy", **{name: "x"})


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([1, 0], [[1, 1], [0, 1]]),
        ([True, None], [[1, 1], [0, 0]]),
        ([0.5, float("nan")], [[0.5, 1], [0, 0]]),
        (np.array([True, False]), [[1, 1], [0, 1]]),
        (pd.Series([True, pd.NA], dtype="boolean"), [[1, 1], [0, 0]]),
        (pd.Series([1, pd.NA], dtype="Int64"), [[1, 1], [0, 0]]),
        (pl.Series([True, None]), [[1, 1], [0, 0]]),
        (pa.array([2.5, None]), [[2.5, 1], [0, 0]]),
        ([[3, 10], [0, 0]], [[3, 10], [0, 0]]),
        (np.array([[3, np.nan], [2, 5]]), [[0, 0], [2, 5]]),
    ],
    ids=str,
)
def test_outcomes_are_numerators_and_denominators(values: Any, want: list[list[float]]) -> None:
    outcome = admit(GRID, outcomes={"clicked": values}).outcomes["clicked"]
    assert outcome.dtype == np.float64
    np.testing.assert_array_equal(outcome, want)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, "yes"], "row 2.*'yes'"),
        (["yes", "no"], "row 1.*'yes'"),
        ([[1, 2, 3], [1, 2, 3]], "shape"),
        (np.array([1, 2], "M8[s]"), "real numbers"),
        ([1], "got 1 values, want 2"),
    ],
    ids=str,
)
def test_what_is_no_outcome_is_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"a.csv, outcome clicked.*{message}"):
        admit(GRID, outcomes={"clicked": values}, source="a.csv")


def test_one_column_of_numbers() -> None:
    np.testing.assert_array_equal(as_numbers(pa.array([1, None]).dictionary_encode()), [1, np.nan])
    assert as_numbers(pa.array([1.0, None], pa.float16())).dtype == np.float16
    with pytest.raises(DataError, match=r"a\.csv, row 12: got 'x'"):
        as_numbers([1, "x"], source="a.csv", first_row=10)


# ----------------------------------------------------------------------------------------------- counts and joining


def test_too_many_rejected_rows_raise() -> None:
    batch = admit([[1.0, 1.0]] * 18 + [[np.nan, 1.0], [0.0, 0.0]], source="q.csv")
    check_rejected(batch, 0.1)
    with pytest.raises(DataError, match=r"2 of 20 .*10.0 %.*1 nan .*q.csv, row 19.*1 zero .*row 20.*at most 5 %"):
        check_rejected(batch)
    assert MAX_REJECTED == 0.05


def test_no_admitted_row_raises_whatever_the_limit() -> None:
    with pytest.raises(DataError, match="1 of 1"):
        check_rejected(admit([[0.0]]), 1.0)
    check_rejected(admit([]), 0.0)


def test_a_side_can_be_checked_too() -> None:
    side = Side("before", "a.npy", rows=1, rejected={"nan": 1})
    with pytest.raises(DataError, match=r"a\.npy.*first: unknown"):
        check_rejected(side)


def test_concat_adds_up() -> None:
    first = admit([[1.0], [0.0]], ids=["a", "b"], outcomes={"y": [1, 0]}, source="a.csv")
    nothing = admit([None], ids=["c"], outcomes={"y": [1]}, source="b.csv")
    last = admit([[0.0], [2.0]], ids=["d", "e"], outcomes={"y": [1, 0]}, source="c.csv")
    batch = concat([nothing, first, last], source="all")
    assert batch.x.tolist() == [[1.0], [2.0]]
    assert batch.ids is not None
    assert batch.ids.tolist() == ["a", "e"]
    assert batch.outcomes["y"].tolist() == [[1, 1], [0, 1]]
    assert batch.rejected == {"null": 1, "zero": 2}
    assert batch.first_rejected == {"null": "b.csv, row 1", "zero": "a.csv, row 2"}
    assert batch.source == "all"


def test_concat_refuses_what_does_not_fit() -> None:
    with pytest.raises(DataError, match="no rows"):
        concat([])
    with pytest.raises(DataError, match=r"width 2.*width 1"):
        concat([admit([[1.0]]), admit([[1.0, 2.0]])])
    with pytest.raises(DataError, match="side columns"):
        concat([admit([[1.0]], ids=["a"]), admit([[1.0]])])
    assert concat([admit([None], source="a")]).rejected == {"null": 1}


def test_head_cuts_every_column() -> None:
    batch = head(admit(GRID, ids=["a", "b"], times=[1, 2], outcomes={"y": [1, 0]}), 1)
    assert batch.rows == 1
    assert batch.ids is not None
    assert len(batch.ids) == len(batch.outcomes["y"]) == 1
    assert batch.texts is None


def test_columns_of_the_same_name_are_all_dimensions() -> None:
    frame = pd.DataFrame(GRID, columns=["a", "a", "b"])
    np.testing.assert_array_equal(admit(frame).x, GRID)
    np.testing.assert_array_equal(admit(pa.Table.from_arrays(list(GRID.T), names=["a", "a", "b"])).x, GRID)


def test_the_gate_does_not_import_pyarrow() -> None:
    code = "import sys, tidegauge.gate as g; g.admit([[1.0]], ids=[1]); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_anything_with_an_array_method_is_read() -> None:
    assert admit(pd.Index([[1.0, 2.0], [3.0, 4.0]])).x.shape == (2, 2)
