"""Outcomes as counters, from what a store keeps for a time only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import fsum

from tidegauge.contracts import Store
from tidegauge.records import Measured, StreamState
from tidegauge.spec import StreamSpec
from tidegauge.window.panes import start_of

Span = tuple[int, int]


def period(spec: StreamSpec, settled: int) -> Span:
    """The period that a stream is in, and until where of it panes are closed: (start, end), seconds or rows.

    A sum over what is kept would fall with every pane that is forgotten, and a counter that falls is taken for one that
    began again from nothing. So outcomes are counted from the start of a period, of half the time for which the longest
    windows are kept: nothing of it is forgotten before it is over, and then the count does begin again from nothing.

    Examples
    --------
    >>> spec = StreamSpec(name="queries", pane="5m", windows=[], keep={"pane": "2d"})
    >>> period(spec, 86_400 + 600), period(spec, 2 * 86_400)
    ((86400, 87000), (86400, 172800))
    """
    longest = max((spec.pane.length, *spec.windows))
    length = max(spec.keep_for(longest) // 2 // longest, 1) * longest
    # What closed last belongs to the period in which it lies, so that the last pane of a period is told.
    newest = settled - 1
    return (start_of(newest, length) if spec.pane.unit == "seconds" else newest // length * length), settled


def outcome_sums(
    store: Store, spec: StreamSpec, state: StreamState, outcome: str
) -> dict[str, tuple[float, float]] | None:
    """Numerators and denominators of an outcome over the present period, by segment.

    Of the longest windows that are whole, and of shorter ones where those are not: a few hundred records, however long
    the period is. Of the reference in force alone, so that a new one begins again from nothing.

    Returns
    -------
    mapping of segment to (numerator, denominator), or None
        None where a numerator is below 0 somewhere, as no counter can tell of that.
    """
    if state.settled is None:
        return {}
    open_spans, found = [period(spec, state.settled)], list[Measured]()
    for length in (*reversed(spec.windows), spec.pane.length):
        if not open_spans:
            break
        kept = store.measured(
            state.stream,
            reference=state.reference,
            length=length,
            outcome=outcome,
            since=open_spans[0][0],
            until=open_spans[-1][1],
        )
        inside = [each for each in kept if _is_within(open_spans, each.key.start, each.key.end)]
        found += inside
        open_spans = without(open_spans, [(each.key.start, each.key.end) for each in inside])
    sums = defaultdict[str, tuple[list[float], list[float]]](lambda: ([], []))
    for each in found:
        if each.numerator < 0:
            return None
        sums[each.key.segment][0].append(each.numerator)
        sums[each.key.segment][1].append(each.denominator)
    return {segment: (_rounded(above), _rounded(below)) for segment, (above, below) in sums.items()}


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of spans, which rise and do not touch, beside those that are taken.

    Examples
    --------
    >>> without([(0, 100)], [(20, 30), (30, 40), (20, 30)]), without([(0, 10), (50, 60)], [(0, 10)])
    ([(0, 20), (40, 100)], [(50, 60)])
    """
    left = list[Span]()
    holes = sorted(set(taken))
    for start, end in spans:
        reached = start
        for first, last in holes:
            if reached < last and first < end:
                if reached < first:
                    left.append((reached, first))
                reached = last
        if reached < end:
            left.append((reached, end))
    return left


def _is_within(spans: Iterable[Span], start: int, end: int) -> bool:
    return any(first <= start and end <= last for first, last in spans)


def _rounded(values: Iterable[float]) -> float:
    """A sum that does not depend on how its terms are grouped: by the last digits, a counter would seem to fall."""
    return float(f"{fsum(values):.12g}")
