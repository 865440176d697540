"""The lead of a stream: what only one process may do at a time, or a refusal in words."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tidegauge.contracts import Desk, Store
from tidegauge.errors import UsageError


@contextmanager
def leading(store: Store, stream: str) -> Generator[Desk]:
    """Hold the lead of a stream, in one transaction; ``UsageError`` where another process has it."""
    with store.leading(stream) as desk:
        if desk is None:
            raise UsageError(f"stream {stream}", got="another process at it", want="it free", hint="Try again")
        yield desk
