"""Bytes of a text file, gzipped or not."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Final

GZIP_MAGIC: Final = b"\x1f\x8b"


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
