"""JSON lines, also gzipped: one object per line, with a list field or one field per dimension."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tidegauge.errors import DataError
from tidegauge.read.failure import failing, guarded
from tidegauge.read.table import Frame, Kind, TableReader, no_rows, resolve
from tidegauge.read.text import open_bytes
from tidegauge.records import Columns

MAX_LINE_BYTES: Final = 64 << 20
"""Longest line that is read: a file without line ends must not fill the memory."""

SAMPLE_ROWS: Final = 1000
"""Rows by which the fields are told; a named field must occur in one of them."""

Row = dict[str, Any]


def open_jsonl(path: Path, columns: Columns) -> TableReader:
    """Open a file of JSON lines; blank lines are skipped, and a field that a line lacks is missing there.

    Raises `DataError`, naming the line, where one is not a JSON object.
    """
    source = str(path)
    with failing(source, "JSON lines"):
        sample = list(islice(_rows(path), SAMPLE_ROWS))
    if not sample:
        return no_rows(source)
    layout = resolve(_kinds(sample), columns, source)
    return TableReader(source, layout, lambda size: _frames(path, layout.names, size))


def _frames(path: Path, names: list[str], size: int) -> Iterator[Frame]:
    rows = guarded(_rows(path), str(path), "JSON lines")
    while block := list(islice(rows, size)):
        yield {name: [row.get(name) for row in block] for name in names}


def _rows(path: Path) -> Iterator[Row]:
    with open_bytes(path) as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if line.strip():
                yield _row(line, f"{path}, line {number}")


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
