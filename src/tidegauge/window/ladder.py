"""Windows from panes: which close, which panes make up a span, and what has had its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidegauge.window.panes import start_of


def closing(
    starts: Iterable[int], child: int, length: int, settled: int | None, until: int, *, calendar: bool = True
) -> list[int]:
    """Starts of the windows of ``length`` that close when ``until`` is settled, and that hold one of these children.

    ``starts`` are those of closed windows of length ``child``; what ended at or before ``settled`` is closed already.
    Lengths are seconds of the ``calendar``, where weeks begin on Mondays, or else rows.

    Examples
    --------
    >>> closing([0, 300, 3600, 7200], 300, 3600, settled=None, until=7200)
    [0, 3600]
    >>> closing([3600, 7200], 300, 3600, settled=7200, until=10800)
    [7200]
    """
    parent = start_of if calendar else _multiple
    parents = {parent(start, length) for start in starts if start + child <= until}
    return sorted(p for p in parents if p + length <= until and (settled is None or p + length > settled))


def _multiple(start: int, length: int) -> int:
    return start // length * length


def cover(available: Mapping[int, Sequence[int]], since: int, until: int) -> list[tuple[int, int]]:
    """The fewest windows, as (length, start), that make up a span: long ones first, shorter ones at its ends.

    ``available`` holds the starts of the closed windows by length. What no window covers is left out: there the stream
    was silent, or the windows have expired.

    Examples
    --------
    >>> cover({300: [0, 300, 3600, 7200], 3600: [3600]}, 0, 7500)
    [(300, 0), (300, 300), (3600, 3600), (300, 7200)]
    """
    chosen: list[tuple[int, int]] = []
    for length in sorted(available, reverse=True):
        for start in available[length]:
            inside = since <= start and start + length <= until
            if inside and not any(s < start + length and start < s + n for n, s in chosen):
                chosen.append((length, start))
    return sorted(chosen, key=lambda each: each[1])


def slides(since: int, until: int, length: int, step: int) -> list[int]:
    """Starts of the sliding windows of ``length``, ``step`` apart, that fit between two moments.

    Examples
    --------
    >>> slides(0, 600, 300, 150)
    [0, 150, 300]
    """
    first = -(-since // step) * step
    return list(range(first, until - length + 1, step))
