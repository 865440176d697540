"""Tending a stream whose rows come by themselves: what is due is closed, silence is noted, ready series are read."""

from __future__ import annotations

import threading

from tidegauge.run.patience import patiently
from tidegauge.run.recorder import Recorder
from tidegauge.run.series import ReadySeries
from tidegauge.run.watch import Progress, Tell, note_silence, read_series


def tend(recorder: Recorder, stop: threading.Event, tell: Tell, *, poll: float) -> None:
    """Look after a stream until told to stop.

    Parameters
    ----------
    recorder : Recorder
    stop : threading.Event
    tell : callable
        Hears of everything that was done.
    poll : float
        Seconds between two looks: whoever lands rows closes what they make due, so that little is left to do.
    """
    name, series = recorder.spec.name, ReadySeries(recorder.store, recorder.spec)

    def waiting(why: str) -> None:
        tell(Progress(name, waiting=why))

    while not stop.wait(poll):
        windows = patiently(recorder.settle, stop, waiting)
        if windows:
            tell(Progress(name, windows=windows))
        read_series(recorder, series, stop, tell)
        note_silence(recorder, stop, tell)
