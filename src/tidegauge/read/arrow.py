"""Arrow IPC: files (also called Feather version 2) and streams, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tidegauge.read.failure import failing
from tidegauge.read.table import Frame, TableReader, arrow_frames, arrow_kinds, resolve
from tidegauge.records import Columns

FILE_MAGIC: Final = b"ARROW1"


def open_arrow(path: Path, columns: Columns) -> TableReader:
    """Open an Arrow IPC file or stream; what it holds tells which.

    Raises `DataError` where the file is damaged, or the columns cannot be told (see `table.resolve`).
    """
    source = str(path)
    with failing(source, "Arrow"):
        schema = _open(path, None).schema
    layout = resolve(arrow_kinds(schema, source), columns, source)
    fields = sorted(schema.get_field_index(name) for name in layout.names)

    def frames(size: int) -> Iterator[Frame]:
        return arrow_frames(_record_batches(path, fields), layout, size, source=source, kind="Arrow")

    with failing(source, "Arrow"):
        rows = _count(path, schema)
    return TableReader(source, layout, frames, rows=rows)


def _open(path: Path, fields: Sequence[int] | None) -> Any:
    import pyarrow as pa
    from pyarrow import ipc

    options = ipc.IpcReadOptions(included_fields=None if fields is None else list(fields))
    mapped = pa.memory_map(str(path))
    start = mapped.read(len(FILE_MAGIC))
    mapped.seek(0)
    return (ipc.open_file if start == FILE_MAGIC else ipc.open_stream)(mapped, options=options)


def _record_batches(path: Path, fields: Sequence[int]) -> Iterator[Any]:
    reader = _open(path, fields)
    count = getattr(reader, "num_record_batches", None)
    yield from reader if count is None else map(reader.get_batch, range(count))


def _count(path: Path, schema: Any) -> int | None:
    """Number of rows of a file, by a column that is not nested; a stream tells only when it is read."""
    flat = [i for i, field in enumerate(schema) if not field.type.num_fields]
    reader = _open(path, (flat or [0])[:1])
    count = getattr(reader, "num_record_batches", None)
    return None if count is None else sum(reader.get_batch(i).num_rows for i in range(count))
