"""JSON lines, also gzipped: one object per line, with a list field or one field per dimension."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tidegauge.errors import DataError
from tidegauge.read.failure import failing, guarded
from tidegauge.read.table import Frame, Kind, Layout, TableReader, no_rows, resolve
from tidegauge.read.text import open_bytes
from tidegauge.records import Columns

MAX_LINE_BYTES: Final = 64 << 20
"""Longest line that is read: a file without line ends must not fill the memory."""

BLOCK_BYTES: Final = 16 << 20
"""Bytes after which lines are parsed, even if there are fewer than a batch takes."""

SAMPLE_ROWS: Final = 200
"""Rows by which the fields are told; a named field must occur in one of them."""

Row = dict[str, Any]
Line = tuple[int, bytes]


def open_jsonl(path: Path, columns: Columns) -> TableReader:
    """Open a file of JSON lines; blank lines are skipped, and a field that a line lacks is missing there.

    Raises `DataError`, naming the line, where one is not a JSON object.
    """
    source = str(path)
    with failing(source, "JSON lines"):
        sample = _rows(islice(_lines(path), SAMPLE_ROWS), source)
    if not sample:
        return no_rows(source)
    layout = resolve(_kinds(sample), columns, source)
    schema = _schema(sample, layout)

    def frames(size: int) -> Iterator[Frame]:
        for block in _blocks(guarded(_lines(path), source, "JSON lines"), size):
            yield _parsed_fast(block, schema) or _parsed(block, layout.names, source)

    return TableReader(source, layout, frames)


def _lines(path: Path) -> Iterator[Line]:
    """Lines that are not blank, with their numbers."""
    with open_bytes(path) as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if line.strip():
                yield number, line


def _blocks(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    block: list[Line] = []
    length = 0
    for line in lines:
        block.append(line)
        length += len(line[1])
        if len(block) == size or length >= BLOCK_BYTES:
            yield block
            block, length = [], 0
    if block:
        yield block


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


def _parsed_fast(block: list[Line], schema: Any) -> Frame | None:
    """The block by Arrow, twenty times faster, or None where it does not take every line as the schema says."""
    import pyarrow as pa
    import pyarrow.json as pj

    if schema is None:
        return None
    data = b"".join(line for _, line in block)
    read = pj.ReadOptions(use_threads=False, block_size=len(data) + 1)
    parse = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        table = pj.read_json(pa.BufferReader(data), read_options=read, parse_options=parse)
        table.validate(full=True)
    except pa.ArrowException:
        return None
    return {name: table.column(name) for name in schema.names} if table.num_rows == len(block) else None


def _parsed(block: list[Line], names: list[str], source: str) -> Frame:
    rows = _rows(block, source)
    return {name: [row.get(name) for row in rows] for name in names}


def _rows(lines: Iterable[Line], source: str) -> list[Row]:
    return [_row(line, f"{source}, line {number}") for number, line in lines]


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


def _kinds(sample: list[Row]) -> dict[str, Kind]:
    names = dict.fromkeys(name for row in sample for name in row)
    return {name: _common(row.get(name) for row in sample) for name in names}


def _common(values: Iterable[Any]) -> Kind:
    kinds: set[Kind] = {_kind(value) for value in values}
    kinds.discard("empty")
    return "empty" if not kinds else kinds.pop() if len(kinds) == 1 else "other"


def _kind(value: Any) -> Kind:
    if value is None or value == []:
        return "empty"
    if isinstance(value, list):
        return "list" if _kind(value[0]) in ("number", "empty") else "other"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "other"
