"""Bytes of a text file, gzipped or not, and the lines of bytes that come piece by piece."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Final, NamedTuple

GZIP_MAGIC: Final = b"\x1f\x8b"

MAX_LINE_BYTES: Final = 64 << 20
"""Longest line that is read: a file without line ends must not fill the memory."""

SHOWN_BYTES: Final = 1000
"""What is kept of a line that is longer."""


class Line(NamedTuple):
    """A line with its number, counted from 1, and the bytes of the file up to its end."""

    number: int
    data: bytes
    end: int = 0

    @property
    def newlines(self) -> int:
        """Number of line ends up to its own."""
        return self.number - 1 + self.data.count(b"\n")


class LineSplitter:
    r"""Bytes that come piece by piece, as lines; of one that is too long only the beginning is kept.

    Parameters
    ----------
    offset, newlines : int
        Bytes and line ends that came before.

    Examples
    --------
    >>> split = LineSplitter()
    >>> split.push(b"one\ntw"), split.push(b"o\nth"), split.rest
    ([Line(number=1, data=b'one\n', end=4)], [Line(number=2, data=b'two\n', end=8)],
     Line(number=3, data=b'th', end=10))
    """

    def __init__(self, offset: int = 0, newlines: int = 0) -> None:
        self._end, self._newlines = offset, newlines
        self._parts: list[bytes] = []
        self._length = 0

    def push(self, data: bytes) -> list[Line]:
        """Return the lines that these bytes end."""
        *ended, rest = data.split(b"\n")
        lines = [self._ended(part) for part in ended]
        self._hold(rest)
        return lines

    @property
    def rest(self) -> Line:
        """The bytes after the last line end, as a line."""
        return Line(self._newlines + 1, b"".join(self._parts), self._end + self._length)

    def _ended(self, part: bytes) -> Line:
        self._hold(part)
        self._end += self._length + 1
        self._newlines += 1
        line = Line(self._newlines, b"".join((*self._parts, b"\n")), self._end)
        self._parts, self._length = [], 0
        return line

    def _hold(self, part: bytes) -> None:
        self._length += len(part)
        self._parts.append(part)
        if self._length > MAX_LINE_BYTES:
            self._parts = [b"".join(self._parts)[:SHOWN_BYTES]]


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a file for reading bytes, through gzip where it begins like that, whatever it is called.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.csv")
    ...     _ = file.write_bytes(gzip.compress(b"x0"))
    ...     with open_bytes(file) as stream:
    ...         stream.read()
    b'x0'
    """
    with path.open("rb") as stream:
        packed = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return io.BufferedReader(gzip.GzipFile(path)) if packed else path.open("rb")
