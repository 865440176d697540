"""A file mapped into memory, of which only what is being read stays there."""

from __future__ import annotations

import mmap
from pathlib import Path


class Mapped:
    """A file as a read-only buffer.

    What was read stays in memory until `release`; without it, a reader of a large file would seem to need, and on a
    machine with a limit would be charged for, as much memory as the file is long.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.bin")
    ...     _ = file.write_bytes(b"tide")
    ...     mapped = Mapped(file)
    ...     mapped.release()
    ...     bytes(mapped.buffer[:2])
    b'ti'
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as stream:
            self.buffer = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def release(self) -> None:
        """Give the memory back; what is read again is fetched again."""
        # Not every system has the advice, and where it lacks, memory is given back only under pressure.
        if hasattr(mmap, "MADV_DONTNEED"):
            self.buffer.madvise(mmap.MADV_DONTNEED)
