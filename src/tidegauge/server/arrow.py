"""Arrow IPC streams from whoever sends them: looked at before they are trusted.

pyarrow unpacks compressed buffers as it reads them, to whatever size they claim. So compression is found in the
messages' own headers first (https://arrow.apache.org/docs/format/Columnar.html), and refused: gzip is unpacked within
bounds instead.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from tidegauge.errors import DataError

_DICTIONARY, _ROWS = 2, 3
_HEADER_TYPE, _HEADER, _DATA, _COMPRESSION = 1, 2, 1, 3
_PREFIX: Final = b"\xff\xff\xff\xff"


def read_table(body: bytes) -> Any:
    """Read a stream as a ``pyarrow.Table`` whose buffers lie in ``body``.

    Raises
    ------
    DataError
        Where it is no whole, valid stream, or is compressed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows, sink = pa.table({"id": ["a", "b"]}), pa.BufferOutputStream()
    >>> with pa.ipc.new_stream(sink, rows.schema) as stream:
    ...     stream.write_table(rows)
    >>> read_table(sink.getvalue().to_pybytes()).num_rows
    2
    """
    import pyarrow as pa

    try:
        _check_plain(body)
        table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, struct.error, IndexError, OSError, ValueError, MemoryError, OverflowError) as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError("body", got=f"what is no valid Arrow IPC stream ({said})", want="a whole one") from None
    return table


def _check_plain(body: bytes) -> None:
    """Refuse a stream of which any message is compressed, or is not there."""
    at, end = 0, len(body)
    while at < end:
        if body[at : at + 4] == _PREFIX:
            at += 4
        (size,) = struct.unpack_from("<i", body, at)
        at += 4
        if size == 0:
            return
        if size < 0 or at + size > end:
            raise ValueError("a message is cut off")
        length = _check_message(body[at : at + size])
        at += size + length
        if at > end:
            raise ValueError("a message is cut off")


def _check_message(message: bytes) -> int:
    """The length of a message's body, which is a whole number of eight bytes."""
    table = struct.unpack_from("<I", message, 0)[0]
    place = _field(message, table, 3)
    length = struct.unpack_from("<q", message, place)[0] if place else 0
    if length < 0:
        raise ValueError("a message of negative length")
    kind_at, header_at = _field(message, table, _HEADER_TYPE), _field(message, table, _HEADER)
    kind = message[kind_at] if kind_at else 0
    if header_at and kind in (_DICTIONARY, _ROWS):
        rows = header_at + struct.unpack_from("<I", message, header_at)[0]
        if kind == _DICTIONARY:
            data = _field(message, rows, _DATA)
            if not data:
                raise ValueError("a dictionary without data")
            rows = data + struct.unpack_from("<I", message, data)[0]
        if _field(message, rows, _COMPRESSION):
            hint = "Send it uncompressed, with Content-Encoding: gzip if it is to be small"
            raise DataError("body", got="compressed Arrow buffers", want="plain ones", hint=hint)
    return length + -length % 8


def _field(message: bytes, table: int, number: int) -> int:
    """Where a field of a FlatBuffers table lies; 0 where it is not there."""
    rows = table - struct.unpack_from("<i", message, table)[0]
    if rows < 0:
        raise ValueError("a table outside its message")
    (size,) = struct.unpack_from("<H", message, rows)
    entry = 4 + 2 * number
    if entry + 2 > size:
        return 0
    (offset,) = struct.unpack_from("<H", message, rows + entry)
    return table + offset if offset else 0
