"""How far apart a history's weeks are by themselves: what an effect should exceed to be of interest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tidegauge.alarm.season import WEEK
from tidegauge.alarm.tally import Layout
from tidegauge.records import Tally

FEWEST = 0.5
"""Share of the panes of the fullest week that a week must have to count."""


def largest_between(tallies: Sequence[Tally], layout: Layout) -> float | None:
    """The largest drift from one week of a history to the next, in per cent of the traffic, sampling noise taken off.

    Parameters
    ----------
    tallies : sequence of Tally
        In the order of time; those without a moment are passed over.
    layout : Layout

    Returns
    -------
    float or None
        None where no two weeks follow each other.
    """
    weeks: defaultdict[int, list[Tally]] = defaultdict(list)
    for tally in tallies:
        if tally.moment is not None:
            weeks[int(tally.moment // WEEK)].append(tally)
    most = max(map(len, weeks.values()), default=0)
    full = sorted(week for week, some in weeks.items() if len(some) >= FEWEST * most)
    features = layout.blocks["features"]
    means = {week: np.mean([t.values[features] for t in weeks[week]], axis=0, dtype=np.float64) for week in full}
    # One row's noise over n panes of r rows each, as their mean is not weighted by rows.
    noise = {week: float(np.mean([1 / max(t.rows, 1) for t in weeks[week]])) / len(weeks[week]) for week in full}
    found = [
        float(layout.weights @ ((means[b] - means[a]) ** 2 - layout.noise[features] * (noise[a] + noise[b])))
        for a, b in pairwise(full)
        if b == a + 1
    ]
    return 100 * float(np.sqrt(max(*found, 0.0))) / layout.anchor if found else None
