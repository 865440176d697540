"""A file can be read from any row on, and from any byte of text on."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.read.test_formats import ROWS, SIDES, WRITERS, grid, sides
from tidegauge.gate import concat
from tidegauge.read.files import open_file
from tidegauge.read.quoted import fields, whole_rows
from tidegauge.read.text import Line, LineSplitter
from tidegauge.records import Columns


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_can_leave_out_its_first_rows(kind: str, tmp_path: Path) -> None:
    columns = Columns() if kind == "npy" else SIDES
    path = WRITERS[kind](tmp_path / "a", grid("f4"), {} if kind == "npy" else sides())
    whole = concat(open_file(path, columns).batches(100))
    for skip in (1, 6, 7, 8, 14, ROWS - 1):
        batch = concat(open_file(path, columns).batches(4, skip))
        np.testing.assert_array_equal(batch.x, whole.x[skip:])
        assert [batch.ids is None, *list(batch.ids if batch.ids is not None else [])] == [
            whole.ids is None,
            *list(whole.ids[skip:] if whole.ids is not None else []),
        ]
    for skip in (ROWS, ROWS + 9):
        assert list(open_file(path, columns).batches(4, skip)) == []


def test_a_fortran_archive_can_leave_out_its_first_rows(tmp_path: Path) -> None:
    x = np.arange(1, 21, dtype=np.float32).reshape(10, 2)
    np.savez(tmp_path / "a.npz", np.asfortranarray(x))
    assert concat(open_file(tmp_path / "a.npz", Columns()).batches(3, 4)).x.tolist() == x[4:].tolist()


def test_rows_keep_their_numbers_and_their_width(tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": [[1.0, 2.0], [3.0, 4.0], [5.0], None]}), tmp_path / "a.parquet")
    (batch,) = open_file(tmp_path / "a.parquet", Columns()).batches(10, 2, 2)
    assert {reason: at.rpartition(", ")[2] for reason, at in batch.first_rejected.items()} == {
        "width": "row 3",
        "null": "row 4",
    }


def test_row_groups_that_are_left_out_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"v": grid("f4").tolist()}), path, row_group_size=7)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    begin = min(offset for offset in (chunk.data_page_offset, chunk.dictionary_page_offset) if offset)
    data[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(data))
    assert concat(open_file(path, Columns()).batches(4, 7)).rows == ROWS - 7


@given(st.lists(st.binary(max_size=12).map(lambda part: part.replace(b"x", b"\n"))), st.binary(max_size=5))
def test_lines_are_the_same_however_they_come(pieces: list[bytes], before: bytes) -> None:
    """The slow way: all bytes at once."""
    split = LineSplitter(len(before), before.count(b"\n"))
    lines = [line for piece in pieces for line in split.push(piece)]
    whole = b"".join(pieces)
    want = whole.split(b"\n")
    assert [line.data for line in lines] == [part + b"\n" for part in want[:-1]]
    assert split.rest.data == want[-1]
    for line in [*lines, split.rest]:
        assert (before + whole)[line.end - len(line.data) : line.end] == line.data
        assert line.number == 1 + (before + whole)[: line.end - len(line.data)].count(b"\n")
        assert line.newlines == (before + whole)[: line.end].count(b"\n")


TEXT = st.text(st.sampled_from('ab",\t\n é'), max_size=8)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers()), min_size=1), st.sampled_from(",\t"), st.data())
def test_rows_of_csv_are_told_apart(rows: list[tuple[str, str, int]], delimiter: str, data: st.DataObject) -> None:
    """Whatever the csv module writes is one row again, and what is cut off is left for later."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([("name", "text", "n"), *rows])
    written = text.getvalue().encode()
    cut = data.draw(st.integers(0, len(written)))
    split = LineSplitter()
    found = list(whole_rows(split.push(written[:cut]), delimiter, final=False))
    last = found[-1] if found else Line(1, b"")
    split = LineSplitter(last.end, last.newlines)
    found += whole_rows([*split.push(written[last.end :]), split.rest], delimiter, final=True, count=3)
    assert [fields(row.data, delimiter) for row in found] == [
        ["name", "text", "n"],
        *([first, second, str(number)] for first, second, number in rows),
    ]
    assert b"".join(row.data for row in found) == written


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        ([b"a,b\n", b'"c,d\n', b"e,f\n"], [b"a,b\n", b'"c,d\n', b"e,f\n"]),
        ([b"a,b\n", b'"c,d\n', b'e,"f"\n', b"g,h\n"], [b"a,b\n", b'"c,d\n', b'e,"f"\n', b"g,h\n"]),
        ([b"a,b\n", b'c,5" pipe\n', b"e,f\n"], [b"a,b\n", b'c,5" pipe\n', b"e,f\n"]),
        ([b"a,b\n", b'c,"d\n', b'e"\n', b"\n", b"f,g"], [b"a,b\n", b'c,"d\ne"\n', b"f,g"]),
    ],
)
def test_a_stray_quote_costs_its_own_row(lines: list[bytes], want: list[bytes]) -> None:
    given_ = [Line(number, line) for number, line in enumerate(lines, 1)]
    assert [row.data for row in whole_rows(given_, ",", final=True)] == want
