"""Columns of a table without vectors, rows in blocks: what cannot be read of it is left out and counted."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.gate.arrays import as_objects
from tidegauge.gate.place import Place
from tidegauge.gate.sides import Picked, known_seconds_of
from tidegauge.gate.values import as_number, is_missing
from tidegauge.read.csv import delimiter_of, is_data
from tidegauge.read.failure import failing, guarded
from tidegauge.read.faults import Faults
from tidegauge.read.files import expand, format_of
from tidegauge.read.parquet import open_file, record_batches
from tidegauge.read.table import Layout, arrow_frames
from tidegauge.read.text import MAX_LINE_BYTES, open_bytes
from tidegauge.records import Columns

BLOCK_ROWS: Final = 16_384
"""Rows that are read at a time."""

_MISSING: Final = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none"})
_TRUTH: Final = {"true": 1.0, "false": 0.0}

Row = tuple[int, Sequence[Any]]
"""The number of a row, counted from 1, and its values."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive rows of one source, all columns of one length; ``first_row`` rows of it came before.

    Rows are named by their numbers, or by what they have in the column ``named`` where they have no order.
    """

    source: str
    first_row: int
    columns: Mapping[str, Sequence[Any]]
    named: str = ""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))

    def at(self, index: int) -> str:
        """Name a row, counted from 0 within the block."""
        if self.named:
            value = self.columns[self.named][index]
            return f"{self.source}, {self.named} {'missing' if is_missing(value) else str(value)[:60]}"
        return Place(self.source, self.first_row).row(index)


def blocks(
    path: str | PathLike[str], names: Sequence[str], faults: Faults, *, size: int = BLOCK_ROWS
) -> Iterator[Block]:
    r"""Read columns of CSV, Parquet or JSON lines: of a file, a folder or a pattern (see `files.expand`).

    Rows that are ``malformed`` (another number of fields, no JSON object) are left out and counted.

    Raises
    ------
    DataError
        Where there is nothing to read, a file is damaged or in another format, or a column is not there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.csv")
    ...     _ = file.write_text("day,good\n2026-01-01,5\n2026-01-02,6,7\n2026-01-03,8\n")
    ...     faults = Faults()
    ...     [(block.first_row, block.columns["good"]) for block in blocks(file, ["good"], faults)]
    [(0, ['5']), (2, ['8'])]
    >>> faults.listed()[0].count
    1
    """
    for file in expand(path):
        source = str(file)
        with failing(source, "readable"), file.open("rb") as stream:
            start = stream.read(16)
        if not start:
            raise DataError(source, got="an empty file (0 bytes)", want="rows")
        kind = format_of(file, start).name
        if kind == "Parquet":
            yield from _of_parquet(file, names, size)
        elif kind in _ROWS:
            rows = guarded(_ROWS[kind](file, names, faults), source, kind)
            yield from _in_blocks(rows, names, source, size)
        else:
            raise DataError(source, got=f"a {kind} file", want="CSV, Parquet or JSON lines")


def numbers(values: Sequence[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Numbers, float64 (n,), NaN where there is none; and which of the values are there but no numbers, bool (n,).

    Examples
    --------
    >>> numbers(["5", "", "many", True])
    (array([ 5., nan, nan,  1.]), array([False, False,  True, False]))
    """
    try:
        plain = np.array(values, np.float64)
    except (ValueError, TypeError, OverflowError):  # one of them needs a closer look
        pass
    else:
        if plain.ndim == 1:
            return plain, np.zeros(len(plain), np.bool_)
    found = [_number(value) for value in values]
    wrong = np.array([number is None for number in found], np.bool_)
    return np.array([np.nan if number is None else number for number in found], np.float64), wrong


def seconds(values: Sequence[Any], source: str = "column") -> npt.NDArray[np.float64]:
    """Epoch seconds, UTC, float64 (n,), of timestamps, dates, ISO 8601 text, or numbers; NaN where there is none.

    Examples
    --------
    >>> seconds(["1970-01-02", "60", "soon"]).tolist()
    [86400.0, 60.0, nan]
    """
    given = as_objects([_plain_number(each) for each in values])
    return known_seconds_of(Picked(given, np.arange(len(given)), Place(source)))


def _plain_number(value: Any) -> Any:
    """The number that a text is, else the value itself: ISO 8601 can be read into digits, and seconds are meant."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _number(value: Any) -> float | None:
    """One number; NaN where it is missing, None where it is no number."""
    if not isinstance(value, str):
        return as_number(value)
    word = value.strip().casefold()
    if word in _MISSING:
        return np.nan
    if word in _TRUTH:
        return _TRUTH[word]
    try:
        return float(word)
    except ValueError:
        return None


def _in_blocks(rows: Iterable[Row], names: Sequence[str], source: str, size: int) -> Iterator[Block]:
    """Rows that follow each other, in lots."""
    held: list[Sequence[Any]] = []
    first = 0
    for number, row in rows:
        if held and (len(held) == size or number != first + len(held) + 1):
            yield _block(held, names, source, first)
            held = []
        if not held:
            first = number - 1
        held.append(row)
    if held:
        yield _block(held, names, source, first)


def _block(held: Sequence[Sequence[Any]], names: Sequence[str], source: str, first: int) -> Block:
    return Block(source, first, {name: [row[i] for row in held] for i, name in enumerate(names)})


def _of_parquet(path: Path, names: Sequence[str], size: int) -> Iterator[Block]:
    source = str(path)
    with failing(source, "Parquet"), open_file(path) as file:
        _check_names(names, file.schema_arrow.names, source)
    layout = Layout(tuple(dict.fromkeys(names)), False, Columns())
    first = 0
    for frame in arrow_frames(record_batches(path, layout.names, size, 0), layout, size, source=source, kind="Parquet"):
        with failing(source, "Parquet"):
            block = Block(source, first, {name: _values(column) for name, column in frame.items()})
        yield block
        first += block.rows


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # As microseconds in UTC: Python has nothing finer, and need not know every time zone.
        column = column.cast(pa.timestamp("us", "UTC" if column.type.tz else None), safe=False)
    return column.to_pylist()


def _csv(path: Path, names: Sequence[str], faults: Faults) -> Iterator[Row]:
    source = str(path)
    rows = csv.reader(_texts(path), delimiter=delimiter_of(path))
    header = next(rows, [])
    if is_data(header):
        raise DataError(source, got="a first row of numbers", want="one of names")
    _check_names(names, header, source)
    places = [header.index(name) for name in names]
    number = 0
    for row in rows:
        if not row:
            continue
        number += 1
        if len(row) != len(header):
            faults.note("malformed", f"{source}, row {number}")
        else:
            yield number, [row[place] for place in places]


def _texts(path: Path) -> Iterator[str]:
    with open_bytes(path) as stream:
        encoding = "utf-8-sig"
        while line := stream.readline(MAX_LINE_BYTES):
            yield line.decode(encoding)
            encoding = "utf-8"


def _jsonl(path: Path, names: Sequence[str], faults: Faults) -> Iterator[Row]:
    source = str(path)
    known: dict[str, None] = {}
    number = 0
    for line in _texts(path):
        if not line.strip():
            continue
        number += 1
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            faults.note("malformed", f"{source}, row {number}")
            continue
        known.update(dict.fromkeys(row))
        yield number, [row.get(name) for name in names]
    if number:
        # An object may lack a field; a field that all lack is a wrong name.
        _check_names(names, list(known), source)


_ROWS: Final[dict[str, Callable[[Path, Sequence[str], Faults], Iterator[Row]]]] = {"CSV": _csv, "JSON lines": _jsonl}


def _check_names(names: Sequence[str], known: Sequence[str], source: str) -> None:
    for name in names:
        if known.count(name) != 1:
            shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            got = f"{known.count(name)} columns {name}" if name in known else f"no column {name}"
            raise DataError(source, got=got, want=f"one of {shown}" if shown else "columns with names")
