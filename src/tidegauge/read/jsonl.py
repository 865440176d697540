"""JSON lines, also gzipped: one object per line, with a list field or one field per dimension."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tidegauge.errors import DataError
from tidegauge.read.failure import failing, guarded
from tidegauge.read.table import Frame, Kind, Layout, TableReader, is_dimension, no_rows, resolve, side_names
from tidegauge.read.text import MAX_LINE_BYTES, Line, open_bytes
from tidegauge.records import Columns

BLOCK_BYTES: Final = 16 << 20
"""Bytes after which lines are parsed, even if there are fewer than a batch takes."""

FAST_ROWS: Final = 32
"""Rows from which on it pays to call Arrow."""

SAMPLE_ROWS: Final = 200
"""Rows by which the fields are told; a named field must occur in one of them."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JsonRows:
    """How the rows of JSON lines are read: which fields, and what Arrow is told of them."""

    source: str
    layout: Layout
    schema: Any

    def frame(self, block: Sequence[Line]) -> Frame:
        """Read lines as columns; `DataError` names the first that is no JSON object."""
        return _parsed_fast(block, self.schema) or _parsed(block, self.layout.names, self.source)


def open_jsonl(path: Path, columns: Columns) -> TableReader:
    """Open a file of JSON lines; blank lines are skipped, and a field that a line lacks is missing there.

    Raises `DataError`, naming the line, where one is not a JSON object.
    """
    source = str(path)
    with failing(source, "JSON lines"):
        sample = list(islice(_lines(path), SAMPLE_ROWS))
    if not sample:
        return no_rows(source)
    rows = json_rows(sample, columns, source)

    def frames(size: int, skip: int) -> Iterator[Frame]:
        lines = islice(guarded(_lines(path), source, "JSON lines"), skip, None)
        return map(rows.frame, blocks(lines, size))

    return TableReader(source, rows.layout, frames)


def json_rows(sample: Iterable[Line], columns: Columns, source: str) -> JsonRows:
    """Tell from some lines how all are to be read.

    Raises `DataError` where one of them is no JSON object, or the columns cannot be told (see `table.resolve`).

    Examples
    --------
    >>> json_rows([Line(1, b'{"v": [1, 2]}')], Columns(), "a.jsonl").layout.vector
    ('v',)
    """
    rows = _rows(sample, source)
    layout = resolve(_kinds(rows, columns), columns, source)
    return JsonRows(source, layout, _schema(rows, layout))


def is_object(line: bytes) -> bool:
    """Whether a line is one whole JSON object.

    Examples
    --------
    >>> is_object(b'{"v": [1]}'), is_object(b'{"v": [1')
    (True, False)
    """
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def blocks(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """Lines in lots of `size`, or of fewer where they are long."""
    block: list[Line] = []
    length = 0
    for line in lines:
        block.append(line)
        length += len(line.data)
        if len(block) == size or length >= BLOCK_BYTES:
            yield block
            block, length = [], 0
    if block:
        yield block


def _lines(path: Path) -> Iterator[Line]:
    """Lines that are not blank, with their numbers."""
    with open_bytes(path) as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if line.strip():
                yield Line(number, line)


def _schema(sample: list[Row], layout: Layout) -> Any:
    """The Arrow schema of the fields that are read, or None where the sample has one that Arrow cannot hold."""
    import pyarrow as pa

    real = {*layout.columns.outcomes, *(() if layout.packed else layout.vector)}
    plain = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64(), list: pa.list_(pa.float64())}
    fields: dict[str, Any] = {}
    for name in layout.names:
        kinds: set[type] = {type(row[name]) for row in sample if row.get(name) is not None}
        if kinds <= {int, float} and (name in real or float in kinds):
            kinds = {float}
        if len(kinds) != 1 or not kinds <= plain.keys():
            return None
        fields[name] = plain[kinds.pop()]
    return pa.schema(fields)


def _parsed_fast(block: Sequence[Line], schema: Any) -> Frame | None:
    """The block by Arrow, twenty times faster, or None where it is short, or not every line is as the schema says."""
    import pyarrow as pa
    import pyarrow.json as pj

    if schema is None or len(block) < FAST_ROWS:
        return None
    data = b"".join(line.data for line in block)
    read = pj.ReadOptions(use_threads=False, block_size=len(data) + 1)
    parse = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        table = pj.read_json(pa.BufferReader(data), read_options=read, parse_options=parse)
        table.validate(full=True)
    except pa.ArrowException:
        return None
    return {name: table.column(name) for name in schema.names} if table.num_rows == len(block) else None


def _parsed(block: Sequence[Line], names: list[str], source: str) -> Frame:
    rows = _rows(block, source)
    return {name: [row.get(name) for row in rows] for name in names}


def _rows(lines: Iterable[Line], source: str) -> list[Row]:
    return [_row(line.data, f"{source}, line {line.number}") for line in lines]


def _row(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        got = f"malformed JSON ({error})"
        if len(line) >= MAX_LINE_BYTES:
            got = f"a line of more than {MAX_LINE_BYTES} bytes"
        raise DataError(where, got=got, want="one JSON object", hint=_hint(line)) from None
    if not isinstance(row, dict):
        raise DataError(where, got=f"a JSON {type(row).__name__}", want="one JSON object", hint=_hint(line))
    return row


def _hint(line: bytes) -> str:
    return "Write one object per line, not one array of all" if line.lstrip().startswith(b"[") else ""


def _kinds(sample: list[Row], columns: Columns) -> dict[str, Kind]:
    names = dict.fromkeys(name for row in sample for name in row)
    found: dict[str, Counter[Kind]] = {name: Counter(_kind(row.get(name)) for row in sample) for name in names}
    kinds: dict[str, Kind] = {name: _common(each) for name, each in found.items()}
    for name, each in found.items():
        if kinds[name] == "other" and each["number"] and name not in side_names(columns) and is_dimension(name, kinds):
            # Text in some row of it: read as numbers, the row will be named.
            kinds[name] = "number"
    return kinds


def _common(found: Counter[Kind]) -> Kind:
    """The kind of a field: the only one, or lists where most are; those that are none will be named."""
    kinds: list[Kind] = [kind for kind in found if kind != "empty"]
    if 2 * found["list"] > sum(found[kind] for kind in kinds):
        return "list"
    return "empty" if not kinds else kinds[0] if len(kinds) == 1 else "other"


def _kind(value: Any) -> Kind:
    if value is None or value == []:
        return "empty"
    if isinstance(value, list):
        return "list" if _kind(value[0]) in ("number", "empty") else "other"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "other"
