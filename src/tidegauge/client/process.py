"""Senders across the ends of processes: a fork, and the exit."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from typing import Final, Protocol

from tidegauge.client.wire import IMPORTING

EXIT_SECONDS: Final = 5.0


class Sending(Protocol):
    """What has threads and locks of its own."""

    def pause(self) -> None:
        """Stand still: a fork is about to copy everything."""
        ...

    def go_on(self) -> None:
        """Go on, in the process that was forked."""
        ...

    def begin_anew(self) -> None:
        """Forget, in the new process, all that is the other's to send."""
        ...

    def end(self, timeout: float) -> None:
        """Begin to close, and be done in this many seconds."""
        ...

    def ended(self, until: float) -> bool:
        """Wait for the end until a moment of the monotonic clock."""
        ...


_ALL: Final[weakref.WeakSet[Sending]] = weakref.WeakSet()
_paused: list[Sending] = []


def adopt(sending: Sending) -> None:
    """Have it taken through forks, and closed at exit."""
    _ALL.add(sending)


def _before() -> None:
    IMPORTING.acquire()
    _paused[:] = list(_ALL)
    for each in _paused:
        each.pause()


def _in_parent() -> None:
    for each in reversed(_paused):
        each.go_on()
    _paused.clear()
    IMPORTING.release()


def _in_child() -> None:
    for each in _paused:
        each.begin_anew()
    _paused.clear()
    IMPORTING.release()


def _at_exit() -> None:
    """All at once, in a time that is bounded."""
    until = time.monotonic() + EXIT_SECONDS
    every = list(_ALL)
    for each in every:
        each.end(EXIT_SECONDS)
    for each in every:
        each.ended(until)


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
atexit.register(_at_exit)
