"""Tending a stream whose rows come by themselves: what is due is closed, silence is noted, ready series are read."""

from __future__ import annotations

import threading

from tidegauge.run.patience import patiently
from tidegauge.run.recorder import Recorder
from tidegauge.run.series import ReadySeries
from tidegauge.run.watch import Progress, Tell, note_silence, read_series


def tend(recorder: Recorder, stop: threading.Event, wake: threading.Event, tell: Tell, *, poll: float) -> None:
    """Look after a stream until told to stop.

    Parameters
    ----------
    recorder : Recorder
    stop : threading.Event
        Wakes nobody by itself: set ``wake`` after it.
    wake : threading.Event
        Set where rows landed, so that what they make due is closed at once.
    tell : callable
        Hears of everything that was done.
    poll : float
        Seconds between two looks where nothing lands.
    """
    name, series = recorder.spec.name, ReadySeries(recorder.store, recorder.spec)

    def waiting(why: str) -> None:
        tell(Progress(name, waiting=why))

    while not stop.is_set():
        woken = wake.wait(poll)
        wake.clear()
        windows = patiently(recorder.settle, stop, waiting)
        if windows:
            tell(Progress(name, windows=windows))
        if not woken and not stop.is_set():
            read_series(recorder, series, stop, tell)
            note_silence(recorder, stop, tell)
