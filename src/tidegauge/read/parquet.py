"""Parquet: only the columns that are needed, some rows of a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tidegauge.read.failure import failing, guarded
from tidegauge.read.table import Frame, TableReader, arrow_frames, arrow_kinds, resolve
from tidegauge.records import Columns

BUFFER_BYTES: Final = 1 << 20
"""Bytes of a column that are read at once."""


def open_parquet(path: Path, columns: Columns) -> TableReader:
    """Open a Parquet file.

    Raises `DataError` where the file is damaged, or the columns cannot be told (see `table.resolve`); damage to the
    values themselves shows while reading, and names the row group, counted from 1.
    """
    source = str(path)
    with failing(source, "Parquet"), open_file(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    layout = resolve(arrow_kinds(schema, source), columns, source)

    def frames(size: int, skip: int) -> Iterator[Frame]:
        group, left = _place(path, skip) if skip else (0, 0)
        stream = record_batches(path, layout.names, size, group)
        return arrow_frames(stream, layout, size, source=source, kind="Parquet", skip=left)

    return TableReader(source, layout, frames, rows=lambda: rows)


def open_file(path: Path) -> Any:
    """Open a Parquet file as pyarrow has it, to be closed again."""
    import pyarrow.parquet as pq

    # Without buffering, all that a row group has of a column would be held at once.
    return pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)


def _place(path: Path, skip: int) -> tuple[int, int]:
    """The row group that row `skip` (counted from 0) lies in, and how many rows of it come before."""
    with failing(str(path), "Parquet"), open_file(path) as file:
        group = 0
        while group < file.num_row_groups and skip >= (rows := file.metadata.row_group(group).num_rows):
            group, skip = group + 1, skip - rows
    return group, skip


def record_batches(path: Path, names: Sequence[str], size: int, first: int) -> Iterator[Any]:
    """Record batches of at most `size` rows of these columns, from row group `first` on; damage names the row group."""
    with open_file(path) as file:
        for group in range(first, file.num_row_groups):
            stream = file.iter_batches(size, row_groups=[group], columns=list(names))
            yield from guarded(stream, f"{path}, row group {group + 1}", "Parquet")
