"""Bytes of a pipe, which can be waited for."""

from __future__ import annotations

import os
import threading
from queue import Empty, Queue
from typing import Final

PIECE_BYTES: Final = 1 << 18
MOST_PIECES: Final = 64


class Pipe:
    """A file descriptor that a thread reads ahead, by a bounded number of bytes; Arrow can read it as a file.

    Examples
    --------
    >>> there, here = os.pipe()
    >>> pipe = Pipe(there)
    >>> pipe.wait(0.01), os.write(here, b"tide"), pipe.wait(10), pipe.read(2), pipe.piece()
    (False, 4, True, b'ti', b'de')
    >>> os.close(here)
    >>> pipe.piece()
    b''
    """

    closed = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pieces: Queue[bytes | OSError] = Queue(MOST_PIECES)
        self._left = b""
        self._thread: threading.Thread | None = None
        self.ended = False

    def wait(self, seconds: float) -> bool:
        """Wait until there are bytes, or the end; return whether there are."""
        if self._left or self.ended:
            return True
        self._start()
        try:
            self._take(seconds)
        except Empty:
            return False
        return True

    def piece(self) -> bytes:
        """Return the bytes that are there, or wait for some; nothing at the end."""
        if not self._left and not self.ended:
            self._start()
            self._take(None)
        piece, self._left = self._left, b""
        return piece

    def peek(self) -> bytes:
        """Return the bytes that are there as `piece` does, and leave them."""
        self._left = self.piece()
        return self._left

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes; fewer only at the end."""
        parts: list[bytes] = []
        while size and (piece := self.piece()):
            part = piece if size < 0 else piece[:size]
            self._left = piece[len(part) :]
            parts.append(part)
            size -= len(part) if size > 0 else 0
        return b"".join(parts)

    def close(self) -> None:
        """Do nothing: the descriptor is not ours to close."""

    def _take(self, seconds: float | None) -> None:
        piece = self._pieces.get(timeout=seconds)
        if isinstance(piece, OSError):
            self.ended = True
            raise piece
        self._left, self.ended = piece, not piece

    def _start(self) -> None:
        if self._thread is None:
            # Not to be waited for when the program ends: it may be blocked until somebody writes.
            self._thread = threading.Thread(target=self._run, name="tidegauge-pipe", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        # The descriptor itself, as Python's own buffer around it would be locked when the program ends.
        piece = b"?"
        while piece:
            try:
                piece = os.read(self._descriptor, PIECE_BYTES)
            except OSError as error:
                return self._pieces.put(error)
            self._pieces.put(piece)
        return None
