"""Ours, through the same door as the peers: the panel of two samples at .05, in a process of its own.

There is nothing to repair. The statistic is -log p; the members' own p break its ties (by less than one step of p).
"""

from __future__ import annotations

import math

import numpy as np
from answer import serve

from tidegauge.comparison.two_samples import decide_two_samples

DRAWS = {"statistic": 299, "default": 999}
TIE = 1e-4


def panel(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> tuple[float, bool | None] | None:
    """How small p is, and whether it fires."""
    if ask == "repaired":
        return None
    found = decide_two_samples(before, after, alpha=0.05, seed=seed, draws=DRAWS[ask])
    tie = -TIE * sum(map(math.log, found.members.values())) / len(found.members)
    return tie - math.log(found.p), None if ask == "statistic" else found.p <= 0.05 + 1e-9


if __name__ == "__main__":
    serve({"tidegauge": panel})
