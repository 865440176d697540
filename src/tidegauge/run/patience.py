"""Waiting for a store that cannot be written for the moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tidegauge.errors import StoreError

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 60.0

T = TypeVar("T")


def patiently(act: Callable[[], T], stop: threading.Event, waiting: Callable[[str], None] = lambda _: None) -> T:
    """Do what needs the store, again where it may help, longer and longer apart, until told to stop.

    ``waiting`` hears why at the first pause, and at every pause once they are a minute long.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return act()
        except StoreError as error:
            if not error.transient:
                raise
            if pause in (FIRST_PAUSE, LONGEST_PAUSE):
                waiting(str(error))
            if stop.wait(pause):
                raise
            pause = min(2 * pause, LONGEST_PAUSE)
