"""CSV and TSV, also gzipped: one column per dimension, or one column of lists written as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegauge.errors import DataError
from tidegauge.read.failure import failing
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
from tidegauge.read.text import open_bytes
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

    def frames(size: int) -> Iterator[Frame]:
        stream = arrow_frames(_located(dialect, types), layout, size, source=source, kind="CSV")
        return _parsed(stream, layout, source)

    return TableReader(source, layout, frames)


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
        line = stream.readline(BLOCK_BYTES).decode("utf-8-sig", errors="replace")
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    return _Dialect(path, delimiter, not _is_data(next(csv.reader([line], delimiter=delimiter), [])))


def _is_data(fields: list[str]) -> bool:
    """Whether a first row is numbers rather than names; 0, 1, 2, ... are names."""
    names = [str(i) for i in range(len(fields) + 1)]
    return fields not in (names[:-1], names[1:]) and all(_is_number(field) for field in fields)


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


def _parsed(frames: Iterator[Frame], layout: Layout, source: str) -> Iterator[Frame]:
    """Replace the column of lists as text by lists of numbers."""
    given = 0
    for frame in frames:
        if not layout.packed:
            yield frame
            continue
        name = layout.vector[0]
        texts = frame[name]
        lists = _lists_fast(texts)
        if lists is None:
            where = (f"{source}, row {given + i + 1}, column {name}" for i in range(len(texts)))
            lists = [_parse(text, at) for text, at in zip(texts.to_pylist(), where, strict=True)]
        given += len(texts)
        yield {**frame, name: lists}


def _lists_fast(texts: Any) -> Any:
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
