"""Arrow IPC: files (also called Feather version 2) and streams, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tidegauge.read.failure import failing
from tidegauge.read.mapped import Mapped
from tidegauge.read.table import Frame, TableReader, arrow_frames, arrow_kinds, resolve
from tidegauge.records import Columns

FILE_MAGIC: Final = b"ARROW1"


def open_arrow(path: Path, columns: Columns) -> TableReader:
    """Open an Arrow IPC file or stream; what it holds tells which.

    Raises `DataError` where the file is damaged, or the columns cannot be told (see `table.resolve`).
    """
    source = str(path)
    with failing(source, "Arrow"):
        mapped = Mapped(path)
        schema = _open(mapped).schema
    layout = resolve(arrow_kinds(schema, source), columns, source)

    def frames(size: int, skip: int) -> Iterator[Frame]:
        stream = _record_batches(mapped, layout.names)
        for frame in arrow_frames(stream, layout, size, source=source, kind="Arrow", skip=skip):
            yield frame
            mapped.release()

    def rows() -> int | None:
        with failing(source, "Arrow"):
            return _count(mapped)

    return TableReader(source, layout, frames, rows=rows)


def _open(mapped: Mapped, fields: Sequence[int] | None = None) -> Any:
    import pyarrow as pa
    from pyarrow import ipc

    options = ipc.IpcReadOptions(included_fields=None if fields is None else list(fields))
    is_file = mapped.buffer[: len(FILE_MAGIC)] == FILE_MAGIC
    return (ipc.open_file if is_file else ipc.open_stream)(pa.BufferReader(mapped.buffer), options=options)


def _record_batches(mapped: Mapped, names: Sequence[str]) -> Iterator[Any]:
    """Record batches of these columns: where they lie if they can be used as they are, else decompressed."""
    whole = _open(mapped)
    if _in_place(mapped, whole):
        batches = _batches(whole)
    else:
        batches = _batches(_open(mapped, sorted(whole.schema.get_field_index(name) for name in names)))
    for batch in batches:
        yield batch.select(list(names))


def _batches(reader: Any) -> Iterator[Any]:
    count = getattr(reader, "num_record_batches", None)
    return iter(reader) if count is None else map(reader.get_batch, range(count))


def _in_place(mapped: Mapped, reader: Any) -> bool:
    """Whether the arrays of a file lie in it as they are used; choosing fields would then copy them for nothing."""
    if not getattr(reader, "num_record_batches", 0):
        return False
    begin = np.frombuffer(mapped.buffer, np.uint8).ctypes.data
    try:
        columns = reader.get_batch(0).columns
    except OSError:  # what cannot be decompressed may not be needed
        return False
    parts = [part for column in columns for part in column.buffers() if part is not None]
    return all(begin <= part.address <= begin + len(mapped.buffer) for part in parts if part.size)


def _count(mapped: Mapped) -> int | None:
    """Number of rows, where it can be told without reading all of them."""
    whole = _open(mapped)
    count = getattr(whole, "num_record_batches", None)
    if count is None:
        return None
    if _in_place(mapped, whole):
        return sum(batch.num_rows for batch in _batches(whole))
    flat = [i for i, field in enumerate(whole.schema) if not field.type.num_fields]
    return sum(batch.num_rows for batch in _batches(_open(mapped, flat[:1]))) if flat else None
