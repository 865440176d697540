"""What is promised of false alarms and what is known to be held, as lines for people and as objects for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tidegauge.report.windows import finite
from tidegauge.run.alarms import LONG
from tidegauge.run.promise import FEWEST_PANES, Promise
from tidegauge.spec.alarms import Budget

_UNITS = ((365 * 86_400, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


def long(panes: float, pane: float | None) -> str:
    """Say how long so many panes are: in time, or in panes where it is not known how fast they come.

    Examples
    --------
    >>> long(2016, 3600), long(24, 3600), long(4803, None), long(1, None)
    ('84 days', '24 hours', '4,803 panes', '1 pane')
    """
    number, name = _said(panes, pane)
    return f"{number} {name}".removesuffix("s") if number == "1" else f"{number} {name}"


def achieved_said(promise: Promise) -> str:
    """Say the mean run length that a threshold is known to hold, with its interval; nothing where there is none.

    Examples
    --------
    >>> from tidegauge.alarm.run_length import Achieved
    >>> achieved_said(Promise("", 2160, 3600, 1000, 1000, 4.7, Achieved(2016, 840, 4800)))
    'achieved about one in 84 days (35 to 200)'
    """
    achieved = promise.achieved
    if achieved is None:
        return ""
    size, _ = _unit(achieved.panes, promise.pane)
    low, high = (_number(each * (promise.pane or 1) / size) for each in (achieved.low, achieved.high))
    return f"achieved about one in {long(achieved.panes, promise.pane)} ({low} to {high})"


def achieved_panes(promise: Promise) -> str:
    """The same in panes."""
    achieved = promise.achieved
    if achieved is None:
        return ""
    return f"{_number(achieved.panes)} ({_number(achieved.low)} to {_number(achieved.high)})"


def promised_said(promise: Promise, budget: Budget) -> str:
    """Say a segment's share of the budget.

    Examples
    --------
    >>> promised_said(Promise("", 4320, 3600), Budget.parse("1 in 90d"))
    'one false alarm in 180 days (4,320 panes), as its share of 1 in 90d'
    >>> promised_said(Promise("", None, None), Budget.parse("1 in 90d"))
    'no alarms of drift: rows have no times, so that 1 in 90d cannot be told in panes'
    """
    if promise.panes is None:
        return f"no alarms of drift: rows have no times, so that {budget} cannot be told in panes"
    in_time = promise.pane is not None
    said = long(promise.panes, promise.pane) + (f" ({_number(promise.panes)} panes)" if in_time else "")
    length = budget.length / budget.false_alarms
    whole = promise.panes if budget.unit == "panes" else promise.panes * (promise.pane or 1)
    share = "" if abs(whole - length) < 0.005 * length else f", as its share of {budget}"
    return f"one false alarm in {said}{share}"


def learned_said(promise: Promise) -> str:
    """Say what taught the calibration, and how long all is provisional.

    Examples
    --------
    >>> learned_said(Promise("", 2160, 3600, 0, 37))
    'calibrated from the reference alone; provisional: 37 of 2,160 panes, 88 days more'
    >>> learned_said(Promise("de", 2160, 3600, None, 37))
    'not calibrated yet: 37 of the 128 panes that are needed'
    >>> learned_said(Promise("", 2160, 3600, 2160, 2500))
    'calibrated from 2,160 panes'
    """
    if promise.learned is None:
        return f"not calibrated yet: {promise.known:,} of the {FEWEST_PANES} panes that are needed"
    by = f"from {promise.learned:,} panes" if promise.learned else "from the reference alone"
    if promise.firm or promise.panes is None:
        return f"calibrated {by}"
    more = f"{long(promise.missing, promise.pane)} more" if promise.missing else "enough for the next calibration"
    wanted = _number(min(promise.panes, LONG))
    return f"calibrated {by}; provisional: {promise.known:,} of {wanted} panes, {more}"


def promise_line(promise: Promise, budget: Budget) -> str:
    """Say all of it in one line."""
    said = (promised_said(promise, budget), achieved_said(promise), learned_said(promise))
    if promise.panes is None:
        said = said[:1]
    return "; ".join(each for each in said if each)


def segments_lines(promises: Sequence[Promise]) -> Iterator[str]:
    """Say of the segments how many raise alarms, and which are the least certain to."""
    segments = [each for each in promises if each.segment and each.panes is not None]
    if not segments:
        return
    known = [each for each in segments if each.learned is not None]
    least = max(segments, key=lambda each: each.panes or 0)
    yield f"segments: {len(known):,} of {len(segments):,} calibrated, one false alarm in {_each(least)} each"


def _each(promise: Promise) -> str:
    return long(promise.panes or 0, promise.pane)


def promise_json(promise: Promise) -> dict[str, Any]:
    """What is promised of a segment, and held, as an object."""
    achieved = promise.achieved
    figures = None
    if achieved is not None:
        figures = {name: finite(getattr(achieved, name)) for name in ("panes", "low", "high", "level")}
    return {
        "segment": promise.segment,
        "promised_panes": promise.panes,
        "pane_seconds": promise.pane,
        "threshold": None if promise.threshold is None else finite(promise.threshold),
        "achieved": figures,
        "learned_panes": promise.learned,
        "known_panes": promise.known,
        "provisional": not promise.firm,
        "missing_panes": promise.missing,
    }


def _said(panes: float, pane: float | None) -> tuple[str, str]:
    size, name = _unit(panes, pane)
    return _number(panes * (pane or 1) / size), name


def _unit(panes: float, pane: float | None) -> tuple[float, str]:
    """The largest unit of which there are two or more."""
    if pane is None:
        return 1, "panes"
    return next((each for each in _UNITS if panes * pane >= 2 * each[0] * 0.999), _UNITS[-1])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"
