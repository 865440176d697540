"""What alarms a budget would have raised over panes that are kept: plainly, a pane at a time."""

from __future__ import annotations

from collections.abc import Sequence

from tidegauge.alarm.calibration import Calibration
from tidegauge.alarm.panes import Panes
from tidegauge.alarm.policy import Terms, advance
from tidegauge.records import Alarm, Tally


def replay(tallies: Sequence[Tally], calibration: Calibration, terms: Terms) -> list[Alarm]:
    """Go through panes as they came, and return the alarms that would have been raised, each as it was at its end.

    Parameters
    ----------
    tallies : sequence of Tally
        Of one segment, oldest first.
    calibration : Calibration
    terms : Terms
    """
    panes, alarms = Panes(tallies, calibration), list[Alarm]()
    lasting: Alarm | None = None
    fresh: int | None = None
    for place, key in enumerate(panes.keys):
        lasting, change = advance(lasting, panes.reading(place, fresh), terms, at=float(key.end))
        if change == "resolved" and lasting is not None:
            fresh, done = key.end, lasting
            alarms.append(done)
            lasting = None
    return [*alarms, lasting] if lasting is not None else alarms
