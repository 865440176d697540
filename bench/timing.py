"""Timings that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

PAUSE = 0.15


def ratio(ours: Callable[[], object], other: Callable[[], object], turns: int) -> tuple[float, float, float]:
    """Median over turns of ours / other, after one turn that is not counted; and the median seconds of each."""
    pairs = []
    for turn in range(turns + 1):
        pair = (seconds(ours), seconds(other))
        if turn:
            pairs.append(pair)
    return median(a / b for a, b in pairs), median(a for a, _ in pairs), median(b for _, b in pairs)


def seconds(work: Callable[[], object]) -> float:
    time.sleep(PAUSE)  # threads of the linear algebra spin for a while after their last product
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
