"""Telling of alarms beside whatever else goes on: once, or again and again until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from tidegauge.contracts import Clock, Store
from tidegauge.deliver import deliver, drop, repeat
from tidegauge.errors import StoreError
from tidegauge.run.answer import wake
from tidegauge.run.patience import patiently
from tidegauge.spec import Alarms

POLL = 2.0
"""Seconds between two looks at the outbox."""

Tell = Callable[[str], None]


def deliver_once(store: Store, settings: Alarms, *, clock: Clock, stop: threading.Event, tell: Tell) -> int:
    """Drop what nobody is to hear, send what is due, refresh every Alertmanager; return how many messages arrived."""
    drop(store, settings, tell=tell)
    wake(store, settings, at=clock())
    arrived = deliver(store, settings, clock=clock, stop=stop, tell=tell)
    repeat(store, settings, clock=clock, stop=stop, tell=tell)
    return arrived


def keep_delivering(store: Store, settings: Alarms, *, clock: Clock, stop: threading.Event, tell: Tell) -> None:
    """Do that again and again; a store that is busy is waited for, and what was not sent by the end stays there."""
    refreshed = float("-inf")

    def waiting(why: str) -> None:
        tell(f"messages wait: {why}")

    try:
        patiently(partial(drop, store, settings, tell=tell), stop, waiting)
        while not stop.is_set():
            patiently(lambda: wake(store, settings, at=clock()), stop, waiting)
            patiently(partial(deliver, store, settings, clock=clock, stop=stop, tell=tell), stop, waiting)
            if time.monotonic() - refreshed >= settings.repeat:
                refreshed = time.monotonic()
                patiently(partial(repeat, store, settings, clock=clock, stop=stop, tell=tell), stop, waiting)
            stop.wait(POLL)
    except StoreError as error:
        if not (error.transient and stop.is_set()):
            raise
