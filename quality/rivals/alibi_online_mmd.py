"""Alibi Detect: MMDDriftOnline with the PyTorch backend, asked row by row about a stream that begins anew.

Windows of WINDOW rows. Its thresholds come from bootstraps of independent reference rows, of which it needs more than
rows in the run length promised; ERT is what that affords. The detector is configured once for the same reference.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from alibi_detect.cd import MMDDriftOnline
from answer import serve

WINDOW, ERT, BOOTSTRAPS = 50, 2000, 5000


@cache
def detector(reference: bytes, width: int, seed: int) -> MMDDriftOnline:
    """The detector of a reference."""
    torch.manual_seed(seed)
    rows = np.frombuffer(reference, np.float32).reshape(-1, width)
    return MMDDriftOnline(rows, ERT, WINDOW, backend="pytorch", n_bootstraps=BOOTSTRAPS, verbose=False)


@cache
def said(reference: bytes, stream: bytes, width: int, seed: int) -> tuple[int, float]:
    """The row of the first alarm, from 1, 0 where there is none; the largest statistic of full windows."""
    known, first, largest = detector(reference, width, seed), 0, -np.inf
    known.reset_state()
    for row, x in enumerate(np.frombuffer(stream, np.float32).reshape(-1, width), 1):
        found = known.predict(x, return_test_stat=True)["data"]
        first = first or row * int(found["is_drift"])
        if row >= WINDOW:
            largest = max(largest, float(found["test_stat"]))
    return first, largest


def first_alarm(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> tuple[float, bool]:
    """When it fires first."""
    row, _ = said(before.tobytes(), after.tobytes(), before.shape[1], seed)
    return row, row > 0


def largest(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> tuple[float, None]:
    """How loud it gets."""
    return said(before.tobytes(), after.tobytes(), before.shape[1], seed)[1], None


def promised(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> tuple[float, None]:
    """The run length that it is asked for, in rows."""
    return float(ERT), None


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve({"first alarm": first_alarm, "largest": largest, "promised": promised})
