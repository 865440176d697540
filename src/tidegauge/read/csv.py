"""CSV and TSV, also gzipped: one column per dimension, or one column of lists written as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegauge.errors import DataError
from tidegauge.read.failure import failing
from tidegauge.read.quoted import fields
from tidegauge.read.table import (
    Frame,
    Kind,
    Layout,
    TableReader,
    arrow_frames,
    arrow_kinds,
    is_dimension,
    no_rows,
    resolve,
    side_names,
)
from tidegauge.read.text import Line, open_bytes
from tidegauge.records import Columns

BLOCK_BYTES: Final = 8 << 20
"""Bytes that are parsed at once; a single row may not be longer."""

_AROUND: Final = "[] \n\r\t"


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How the file is written."""

    path: Path
    delimiter: str
    header: bool

    @property
    def source(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class CsvRows:
    """How the rows of a CSV source are read: what its fields are called, and the types of those that are needed."""

    source: str
    layout: Layout
    names: tuple[str, ...]
    types: Mapping[str, Any]
    delimiter: str

    def frame(self, block: Sequence[Line]) -> Frame:
        """Read rows as columns; `DataError` where one has another number of fields, or text for a number."""
        with failing(self.source, "CSV"):
            table = _table(block, self.names, self.types, self.delimiter)
        if table.num_rows != len(block):
            raise DataError(self.source, got=f"{table.num_rows} rows", want=f"{len(block)}")
        return _with_lists({name: table.column(name) for name in self.layout.names}, self.layout, self.source, 0)


def open_csv(path: Path, columns: Columns) -> TableReader:
    """Open a CSV or TSV file, with a header row, or without one if its first row is all numbers.

    Raises `DataError` where the columns cannot be told (see `table.resolve`), and while reading where a row has another
    number of fields, or text stands where a number should.
    """
    source = str(path)
    with failing(source, "CSV"):
        dialect = _dialect(path)
        sample = next(_located(dialect, {}), None)
    if sample is None or not sample.num_rows:
        return no_rows(source)
    layout = resolve(_kinds(sample, columns, source), columns, source)
    types = _types(sample.schema, layout)

    def frames(size: int, skip: int) -> Iterator[Frame]:
        stream = arrow_frames(_located(dialect, types), layout, size, source=source, kind="CSV", skip=skip)
        return _parsed(stream, layout, source, skip)

    return TableReader(source, layout, frames)


def csv_rows(sample: Sequence[Line], names: Sequence[str], columns: Columns, source: str, delimiter: str) -> CsvRows:
    """Tell from some rows of fields of these names how all are to be read.

    Raises `DataError` where the columns cannot be told (see `table.resolve`).

    Examples
    --------
    >>> csv_rows([Line(2, b"1,0.5,a")], ["x0", "x1", "key"], Columns(id="key"), "a.csv", ",").layout.vector
    ('x0', 'x1')
    """
    with failing(source, "CSV"):
        table = _table(
            [line for line in sample if len(fields(line.data, delimiter)) == len(names)], names, {}, delimiter
        )
    layout = resolve(_kinds(table, columns, source), columns, source)
    return CsvRows(source, layout, tuple(names), _types(table.schema, layout), delimiter)


def parse_vector(text: str) -> list[float] | None:
    """Read a list written as text, with commas or spaces, with or without brackets; None for empty text.

    Raises `ValueError` where something in it is no number.

    Examples
    --------
    >>> parse_vector("[0.5, 1]"), parse_vector("0.5 1"), parse_vector("")
    ([0.5, 1.0], [0.5, 1.0], None)
    """
    return [float(number) for number in text.strip(_AROUND).replace(",", " ").split()] or None


def _dialect(path: Path) -> _Dialect:
    with open_bytes(path) as stream:
        line = stream.readline(BLOCK_BYTES)
    delimiter = delimiter_of(path)
    return _Dialect(path, delimiter, not is_data(fields(line, delimiter)))


def delimiter_of(path: Path) -> str:
    """What stands between two fields, by the file's name."""
    return "\t" if ".tsv" in path.suffixes else ","


def is_data(first: list[str]) -> bool:
    """Whether a first row is numbers rather than names; 0, 1, 2, ... are names.

    Examples
    --------
    >>> is_data(["0.5", "1"]), is_data(["x0", "x1"]), is_data(["0", "1"])
    (True, False, False)
    """
    names = [str(i) for i in range(len(first) + 1)]
    return first not in (names[:-1], names[1:]) and all(_is_number(field) for field in first)


def _table(rows: Iterable[Line], names: Sequence[str], types: Mapping[str, Any], delimiter: str) -> Any:
    import pyarrow as pa
    import pyarrow.csv as pc

    data = b"".join(row.data for row in rows)
    return pc.read_csv(
        pa.BufferReader(data),
        read_options=pc.ReadOptions(column_names=list(names), use_threads=False, block_size=len(data) + 1),
        parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pc.ConvertOptions(column_types=dict(types), include_columns=list(types)),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _record_batches(dialect: _Dialect, types: Mapping[str, Any]) -> Iterator[Any]:
    """All columns with the types that the first block suggests, or only those of `types`."""
    import pyarrow.csv as pc

    with open_bytes(dialect.path) as stream:
        reader = pc.open_csv(
            stream,
            read_options=pc.ReadOptions(block_size=BLOCK_BYTES, autogenerate_column_names=not dialect.header),
            parse_options=pc.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            convert_options=pc.ConvertOptions(column_types=dict(types), include_columns=list(types)),
        )
        yield from reader


def _kinds(sample: Any, columns: Columns, source: str) -> dict[str, Kind]:
    kinds = arrow_kinds(sample.schema, source)
    for name, kind in kinds.items():
        if kind == "other" and _holds_lists(sample.column(name), named=name == columns.vector):
            kinds[name] = "list"
        elif kind == "other" and name not in side_names(columns) and is_dimension(name, kinds):
            # Text in some row of it: read as numbers, the row will be named.
            kinds[name] = "number"
    return kinds


def _holds_lists(column: Any, *, named: bool) -> bool:
    """Whether a column of text is lists of numbers, judged by its first value; a named one is taken at its word."""
    from pyarrow import types

    if not types.is_string(column.type):
        return False
    first = next((str(text) for text in column if text.as_py()), "").strip()
    try:
        return named or (first.startswith("[") and parse_vector(first) is not None)
    except ValueError:
        return False


def _types(schema: Any, layout: Layout) -> dict[str, Any]:
    """The type of every column that is read, fixed: what later blocks hold must not change it."""
    import pyarrow as pa

    types: dict[str, Any] = {name: pa.string() for name in layout.names}
    if not layout.packed:
        types.update(dict.fromkeys(layout.vector, pa.float64()))
    for name in layout.columns.outcomes:
        boolean = pa.types.is_boolean(schema.field(name).type)
        types[name] = pa.bool_() if boolean else pa.float64()
    time = layout.columns.time
    if time is not None and arrow_kinds(schema, "")[time] == "number":
        types[time] = pa.float64()
    return types


def _located(dialect: _Dialect, types: Mapping[str, Any]) -> Iterator[Any]:
    """Record batches; where a value does not convert, the error says in which row."""
    import pyarrow as pa

    try:
        yield from _record_batches(dialect, types)
    except pa.ArrowInvalid:
        numeric = {name for name, kind in types.items() if pa.types.is_floating(kind)}
        _raise_first_text(dialect, numeric)
        raise


def _raise_first_text(dialect: _Dialect, numeric: set[str]) -> None:
    """Look again, slowly, for the first row that has the wrong number of fields, or text for a number."""
    import pyarrow.csv as pc

    empty = set(pc.ConvertOptions().null_values)
    with io.TextIOWrapper(open_bytes(dialect.path), encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=dialect.delimiter)
        first = next(rows)
        names = first if dialect.header else [f"f{i}" for i in range(len(first))]
        for number, row in enumerate((fields for fields in rows if fields), 1 if dialect.header else 2):
            where = f"{dialect.source}, row {number}"
            if len(row) != len(names):
                raise DataError(where, got=f"{len(row)} fields", want=f"{len(names)} fields")
            for name, field in zip(names, row, strict=True):
                if name in numeric and field not in empty and not _is_number(field):
                    raise DataError(f"{where}, column {name}", got=repr(field[:60]), want="a number")


def _parsed(frames: Iterator[Frame], layout: Layout, source: str, given: int) -> Iterator[Frame]:
    for frame in frames:
        yield _with_lists(frame, layout, source, given)
        given += len(frame[layout.vector[0]])


def _with_lists(frame: Frame, layout: Layout, source: str, given: int) -> Frame:
    """Replace the column of lists as text by lists of numbers; `given` rows went before, for messages."""
    if not layout.packed:
        return frame
    name = layout.vector[0]
    texts = frame[name]
    lists = lists_fast(texts)
    if lists is None:
        where = (f"{source}, row {given + i + 1}, column {name}" for i in range(len(texts)))
        lists = [_parse(text, at) for text, at in zip(texts.to_pylist(), where, strict=True)]
    return {**frame, name: lists}


def lists_fast(texts: Any) -> Any:
    """The lists by Arrow, ten times faster than `parse_vector`, or None where one needs a closer look."""
    import pyarrow as pa
    from pyarrow import compute

    spaced = compute.call_function("replace_substring", [texts], compute.ReplaceSubstringOptions(",", " "))
    bare = compute.call_function("utf8_trim", [spaced], compute.TrimOptions(_AROUND))
    words = compute.call_function("utf8_split_whitespace", [bare]).combine_chunks()
    try:
        return pa.ListArray.from_arrays(words.offsets, words.values.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None


def _parse(text: str, where: str) -> list[float] | None:
    try:
        return parse_vector(text)
    except ValueError:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        hint = "NumPy shortened the list: write it whole" if "..." in text else ""
        raise DataError(where, got=repr(shown), want="a list of numbers", hint=hint) from None
