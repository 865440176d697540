"""Calibration as a person asks for it: from all the history that there is, and what was left out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegauge.alarm.calibration import FEWEST_PANES
from tidegauge.alarm.weeks import largest_between
from tidegauge.contracts import Store
from tidegauge.errors import UsageError
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, PaneKey
from tidegauge.run.alarms import MOST_PANES, Lookout, sorted_out
from tidegauge.run.lead import leading

STOOD_OUT = "stood out"
"""Why panes that nobody marked were left out."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of a segment: panes of history that were ``used``, those ``left_out`` by what is known of them,
    whether it was calibrated ``anew``, and the largest change ``between_weeks`` in per cent of the traffic, None where
    there are no two weeks.
    """

    segment: str
    used: int
    left_out: Mapping[str, int]
    anew: bool
    between_weeks: float | None = None


def calibrate(
    store: Store, lookout: Lookout, monitor: Monitor, *, segment: str | None = None, at: float
) -> list[Learned]:
    """Learn anew, all rows first, then each segment.

    Where the history is too short, what is in force stays in force.

    Parameters
    ----------
    store : Store
    lookout : Lookout
    monitor : Monitor
        Under the reference in force.
    segment : str, optional
        This one alone, empty for all rows; all of them where None.
    at : float
        Epoch seconds by the clock.

    Raises
    ------
    UsageError
        Where the stream raises no alarms, or another process leads it at the moment.
    """
    name = lookout.spec.name
    if not lookout.watches:
        got = "a snapshot" if lookout.spec.kind == "snapshot" else "alarms switched off"
        raise UsageError(f"stream {name}", got=got, want="a stream that raises alarms")
    with leading(store, name) as desk:
        if desk.state.reference != monitor.reference.hash:
            raise UsageError(f"stream {name}", got="another reference just now", want="one", hint="Try again")
        if segment is None:
            segments = (ALL, *(desk.state.segments if lookout.spec.alarm.segments else ()))
        else:
            segments = (segment,)
        out: list[Learned] = []
        for each in segments:
            key = PaneKey(name, desk.state.reference, monitor.spec.pane.length, 0, each)
            tallies = desk.tallies(length=key.length, segment=each, newest=MOST_PANES)
            history, why = sorted_out(tallies, desk.alarms(), desk.annotations())
            made = lookout.teach(desk, monitor, key, history, at) if len(history) >= FEWEST_PANES else None
            between = largest_between(history, lookout.layout(monitor)) if made is not None else None
            used = len(history) if made is None else made.panes
            left_out = {**why, STOOD_OUT: len(history) - used} if used < len(history) else dict(why)
            out.append(Learned(each, used, left_out, made is not None, between))
        return out
