"""Which pane each row belongs to, and which rows come too late or from the future."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

WEEK = 7 * 86_400
MONDAY = 4 * 86_400
"""1970-01-05: windows of whole weeks begin on Mondays, all others count from 1970-01-01 UTC."""


def start_of(moment: float, length: int) -> int:
    """Start of the window of ``length`` seconds that holds a moment, in seconds since 1970-01-01 UTC.

    Examples
    --------
    >>> start_of(3_700.5, 3600), start_of(0, WEEK) - MONDAY
    (3600, -604800)
    """
    return int(starts_of(np.array([moment]), length)[0])


def starts_of(times: Float64, length: int) -> Int:
    """Start of the window that holds each moment, int64 (n,)."""
    origin = MONDAY if length % WEEK == 0 else 0
    return (np.floor((times - origin) / length) * length + origin).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """How rows arrive: the ``starts`` of their panes, int64 (n,); which are ``late`` or from the ``future``; and the
    latest event time after them, None where there was none yet.
    """

    starts: Int
    late: Bool
    future: Bool
    watermark: float | None


def arrive(
    times: Float64,
    length: int,
    *,
    lateness: int,
    watermark: float | None,
    settled: int | None = None,
    latest: float = np.inf,
) -> Arrival:
    """Give each row its pane of ``length`` seconds, in the order in which rows come.

    A row is from the future where its time lies beyond ``latest``; it then moves nothing. A row is late where its pane
    ended ``lateness`` or more before the latest event time that came ahead of it, or is settled. As every row is held
    against the rows ahead of it and nothing else, it does not matter how the rows are cut into batches.

    Examples
    --------
    >>> found = arrive(np.array([10.0, 500.0, 20.0, 9e9]), 60, lateness=120, watermark=None, latest=1e6)
    >>> found.starts[:3].tolist(), found.late.tolist(), found.future.tolist(), found.watermark
    ([0, 480, 0], [False, False, True, False], [False, False, False, True], 500.0)
    """
    starts, future = starts_of(times, length), times > latest
    known = -np.inf if watermark is None else watermark
    reached = np.maximum.accumulate(np.concatenate([[known], np.where(future, -np.inf, times)]))
    late = ~future & (starts + length + lateness <= reached[:-1])
    if settled is not None:
        late |= ~future & (starts + length <= settled)
    return Arrival(starts, late, future, None if np.isneginf(reached[-1]) else float(reached[-1]))


def rows_arrive(rows: int, length: int, seen: int) -> Int:
    """Start of the pane of ``length`` rows of each of the next rows, after ``seen`` of them, int64 (rows,).

    Examples
    --------
    >>> rows_arrive(4, 3, seen=1).tolist()
    [0, 0, 3, 3]
    """
    return (np.arange(seen, seen + rows, dtype=np.int64) // length) * length


def closable(watermark: float | None, length: int, lateness: int) -> int | None:
    """Until when panes of ``length`` seconds can be closed: no row may still come for them.

    Examples
    --------
    >>> closable(1000.0, 60, lateness=120), closable(None, 60, lateness=0)
    (840, None)
    """
    return None if watermark is None else start_of(watermark - lateness, length)
