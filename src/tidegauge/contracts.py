"""The Protocols by which floors know each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from tidegauge.records import Batch


class Reader(Protocol):
    """A source of rows. ``batches`` may be called once; ``rows`` is the total where the source knows it."""

    source: str

    @property
    def rows(self) -> int | None:
        """Total number of rows, or None where only reading would tell."""
        ...

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield gated batches of at most ``size`` rows, in the source's own order."""
        ...
