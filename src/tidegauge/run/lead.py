"""The lead of a stream: what only one process may do at a time, now, after a while, or a refusal in words."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tidegauge.contracts import Desk, Store
from tidegauge.errors import StoreError, UsageError

TRIES, PAUSE = 50, 0.2
"""How often, and how many seconds apart, the lead is asked for by one who can wait."""


@contextmanager
def leading(store: Store, stream: str) -> Generator[Desk]:
    """Hold the lead of a stream, in one transaction; ``UsageError`` where another process has it."""
    with store.leading(stream) as desk:
        if desk is None:
            raise UsageError(f"stream {stream}", got="another process at it", want="it free", hint="Try again")
        yield desk


@contextmanager
def waited_for(store: Store, stream: str) -> Generator[Desk]:
    """Hold the lead of a stream, once it is free; a transient ``StoreError`` where another process has it for long."""
    for _ in range(TRIES):
        with store.leading(stream) as desk:
            if desk is not None:
                yield desk
                return
        threading.Event().wait(PAUSE)
    hint = "Try again: what was done counts once"
    raise StoreError(f"stream {stream}", got="another process at it", want="it free", hint=hint, transient=True)
