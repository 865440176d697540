"""Outcomes by id from tables of their own, in bounded lots, as the gate takes them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidegauge.errors import DataError
from tidegauge.gate import admit_outcomes
from tidegauge.read.faults import Faults
from tidegauge.read.late import LateRows, late_rows

NAMES = ("id", "clicks", "shown", "success", "at")
ROWS: list[tuple[Any, ...]] = [
    ("q1", 2, 5, True, "2026-01-01"),
    ("q2", None, 5, False, None),
    ("q3", 7, None, None, "2026-01-01T00:00:01"),
    (None, 1, 1, True, "soon"),
]
WANTED = {"clicked": ("clicks", "shown"), "success": ("success", "")}


def csv(folder: Path) -> Path:
    lines = [",".join("" if value is None else str(value) for value in row) for row in [NAMES, *ROWS]]
    (folder / "a.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode("utf-8-sig")))
    return folder / "a.csv.gz"


def jsonl(folder: Path) -> Path:
    lines = [json.dumps({n: v for n, v in zip(NAMES, row, strict=True) if v is not None}) for row in ROWS]
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "a.jsonl"


def parquet(folder: Path) -> Path:
    columns = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


@pytest.mark.parametrize("made", [csv, jsonl, parquet])
def test_every_kind_of_table_gives_the_same_rows(tmp_path: Path, made: Any) -> None:
    faults = Faults()
    [rows] = late_rows(made(tmp_path), "id", WANTED, time_column="at", faults=faults)
    assert list(rows.ids) == ["q1", "q2", "q3", ""]
    np.testing.assert_array_equal(rows.outcomes["clicked"], [[2, 5], [0, 0], [7, np.nan], [1, 1]])
    np.testing.assert_array_equal(rows.outcomes["success"], [[1, 1], [0, 1], [0, 0], [1, 1]])
    assert all(each.dtype == np.float64 for each in rows.outcomes.values())
    np.testing.assert_array_equal(rows.times, [1767225600, np.nan, 1767225601, np.nan])
    assert faults.listed() == ()
    # The gate takes them as they are, and names what is wrong with them by the row.
    units = {"clicked": "share", "success": "share"}
    late = admit_outcomes(rows.ids, rows.outcomes, units=units, times=rows.times, source=rows.source)
    assert dict(late.unfit) == {"outcome clicked without a denominator": 1}
    assert late.first_unfit["outcome clicked without a denominator"] == f"{rows.source}, row 3"


def test_rows_come_in_lots_that_name_their_places(tmp_path: Path) -> None:
    lines = [f"q{i},{i % 2}" for i in range(1000)]
    lines[500] = "q500,1,what?"
    lines[700] = "q700,maybe"
    lines[701] = "q701,perhaps"
    (tmp_path / "a.csv").write_text("id,success\n" + "\n".join(lines))
    faults = Faults()
    lots: list[LateRows] = list(late_rows(tmp_path / "a.csv", "id", ["success"], faults=faults, size=300))
    assert [(lot.first_row, len(lot.ids)) for lot in lots] == [(0, 300), (300, 200), (501, 300), (801, 199)]
    for lot in lots:
        assert list(lot.ids) == [f"q{lot.first_row + i}" for i in range(len(lot.ids))]
        assert lot.times is None
    found = np.concatenate([lot.outcomes["success"] for lot in lots])
    wanted = np.array([[i % 2, 1] for i in range(1000)], float)
    wanted[[700, 701]] = 0
    np.testing.assert_array_equal(found, np.delete(wanted, 500, axis=0))
    assert [str(fault) for fault in faults.listed()] == [
        f"1 malformed (first: {tmp_path / 'a.csv'}, row 501)",
        f"2 not a number (first: {tmp_path / 'a.csv'}, row 701, column success)",
    ]


def test_ids_are_text_as_beside_vectors(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([2**62 + 1, None, 7]), "success": [1, 1, 1]}), tmp_path / "a.parquet")
    [rows] = late_rows(tmp_path / "a.parquet", "id", ["success"])
    assert list(rows.ids) == [str(2**62 + 1), "", "7"]
    (tmp_path / "b.jsonl").write_text('{"id": 7.0, "success": 1}\n{"id": "Zürich", "success": 0.5}\n')
    [rows] = late_rows(tmp_path / "b.jsonl", "id", ["success"])
    assert list(rows.ids) == ["7", "Zürich"]
    assert rows.outcomes["success"].tolist() == [[1, 1], [0.5, 1]]


def test_columns_must_be_there(tmp_path: Path) -> None:
    for made in (csv, jsonl, parquet):
        with pytest.raises(DataError, match=r"no column click, want one of id, clicks, shown"):
            list(late_rows(made(tmp_path), "id", {"clicked": ("click", "shown")}))


def test_only_the_lots_asked_for_are_held(tmp_path: Path) -> None:
    """Fifty times the rows take no more memory."""
    import tracemalloc

    peaks: list[int] = []
    for rows in (2_000, 100_000):
        file = tmp_path / f"{rows}.csv"
        file.write_text("id,success\n" + "".join(f"query-{i:08},1\n" for i in range(rows)))
        tracemalloc.start()
        assert sum(len(lot.ids) for lot in late_rows(file, "id", ["success"], size=1_000)) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
