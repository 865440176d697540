"""What is kept of a file that was read: how it looked, and where to go on."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from tidegauge.errors import DataError
from tidegauge.records import Position

PREFIX_BYTES: Final = 64 << 10
"""Most bytes at the beginning of a file by which it is known again."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a file looks from outside."""

    size: int
    mtime_ns: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Look at a file; `OSError` where it is gone."""
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns)

    def quiet(self, seconds: float) -> bool:
        """Whether it has not changed for so long."""
        return time.time() - self.mtime_ns / 1e9 >= seconds


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was read, as it looked then.

    Attributes
    ----------
    size, mtime_ns : int
        As of `Look`.
    prefix, digest : int and str
        Length and digest of the beginning by which the file is known again; both stay as they were at first.
    done : bool
        Whether nothing of it was left.
    width : int
        The width of its vectors; 0 where none was admitted yet.
    offset, newlines : int
        Of text: bytes and line ends that were read.
    sample : int
        Of text: bytes of the file by which its columns were told at first, and always are.
    """

    size: int
    mtime_ns: int
    prefix: int
    digest: str
    done: bool = False
    width: int = 0
    offset: int = 0
    newlines: int = 0
    sample: int = 0

    @classmethod
    def first(cls, look: Look, start: bytes) -> Self:
        """The mark of a file of which nothing was read, and which starts like this."""
        return cls(look.size, look.mtime_ns, len(start), digest(start))

    @classmethod
    def read(cls, position: Position) -> Self:
        """Read the mark of a position.

        Raises `DataError` where it is none.

        Examples
        --------
        >>> mark = Mark(120, 0, 120, "af")
        >>> Mark.read(Position("a.npy", 10, mark.text())) == mark
        True
        """
        try:
            return cls(**json.loads(position.mark))
        except (ValueError, TypeError):
            got, want = f"the position {position.mark[:40]!r}", "one that was kept for a file"
            raise DataError(position.source, got=got, want=want) from None

    def text(self) -> str:
        """The mark as JSON."""
        return json.dumps(asdict(self))


def digest(*parts: bytes) -> str:
    """A short digest of bytes.

    Examples
    --------
    >>> digest(b"ti", b"de") == digest(b"tide")
    True
    """
    whole = hashlib.blake2b(digest_size=8)
    for part in parts:
        whole.update(part)
    return whole.hexdigest()
