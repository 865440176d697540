"""Parquet: only the columns that are needed, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tidegauge.read.failure import failing
from tidegauge.read.table import Frame, TableReader, arrow_frames, arrow_kinds, resolve
from tidegauge.records import Columns


def open_parquet(path: Path, columns: Columns) -> TableReader:
    """Open a Parquet file.

    Raises `DataError` where the file is damaged, or the columns cannot be told (see `table.resolve`).
    """
    import pyarrow.parquet as pq

    source = str(path)
    with failing(source, "Parquet"):
        file = pq.ParquetFile(path, memory_map=True)
        schema = file.schema_arrow
    layout = resolve(arrow_kinds(schema, source), columns, source)

    def frames(size: int) -> Iterator[Frame]:
        stream = file.iter_batches(batch_size=size, columns=layout.names)
        return arrow_frames(stream, layout, size, source=source, kind="Parquet")

    return TableReader(source, layout, frames, rows=file.metadata.num_rows)
