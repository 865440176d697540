"""Windows, events and followed clusters of a stream, as lines for people and as objects for JSON. Pure functions."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tidegauge.records import ALL, Event, FollowedCluster, Measured, OutcomeUnit, Score, StreamState, Window
from tidegauge.report.formats import clean, drift_value, p_clause, percent, plain
from tidegauge.spec import Spec, StreamSpec, length_text
from tidegauge.window.moment import ABSENT, moment

Unit = Literal["seconds", "rows", "snapshot"]
"""What starts and lengths are counted in; those of a snapshot are moments, and it has no length."""

WINDOW, EVENT, CLUSTER = "tidegauge.window/1", "tidegauge.event/1", "tidegauge.cluster/1"

_BARS = "▁▂▃▄▅▆▇█"
_OF_WINDOWS = ("corrupt", "cluster born", "cluster gone")
"""Events that are told by the start of a window; all others by a moment."""


def unit_of(stream: StreamSpec) -> Unit:
    """What a stream's windows are counted in."""
    return "snapshot" if stream.kind == "snapshot" else stream.pane.unit


def unit_in(spec: Spec, state: StreamState) -> Unit:
    """What a recorded stream is counted in, whether the settings know it or not."""
    if state.kind == "snapshot":
        return "snapshot"
    if state.pane:
        return "rows" if state.pane.endswith("rows") else "seconds"
    return "seconds" if state.stream not in spec.streams else spec.streams[state.stream].pane.unit


def length_said(length: int, unit: Unit) -> str:
    """Say the length of a window; ``now`` for the present content of a snapshot.

    Examples
    --------
    >>> length_said(3600, "seconds"), length_said(500, "rows"), length_said(0, "snapshot")
    ('1h', '500 rows', 'now')
    """
    return "now" if unit == "snapshot" else length_text(length, unit)


def start_said(start: int, unit: Unit) -> str:
    """Say where a window begins.

    Examples
    --------
    >>> start_said(3600, "seconds"), start_said(2000, "rows")
    ('1970-01-01 01:00 UTC', 'row 2,001')
    """
    return f"row {start + 1:,}" if unit == "rows" else f"{moment(start)} UTC"


def end_said(end: int, unit: Unit) -> str:
    """Say until where windows are closed.

    Examples
    --------
    >>> end_said(2000, "rows")
    'row 2,000'
    """
    return f"row {end:,}" if unit == "rows" else start_said(end, unit)


def measure_said(window: Window) -> str:
    """Say how much a window drifted, and how surely; nothing where nothing was scored."""
    if window.drift is None:
        return ""
    drift = window.drift
    low, high = (drift_value(each).removesuffix("%").rstrip() for each in (drift.low, drift.high))
    said = f"drift {drift_value(drift.value)} ({low} to {high})"
    return plain(said if window.p is None else f"{said}, {p_clause(window.p)}").replace("\u00a0", " ")


def window_line(window: Window, unit: Unit) -> str:
    """Say a window in one line.

    Examples
    --------
    >>> from tidegauge.records import PaneKey
    >>> few = Window(PaneKey("queries", "ab", 3600, 7200, "de"), 12, "insufficient data", ("50 are needed",))
    >>> window_line(few, "seconds")
    '1970-01-01 02:00 UTC  1h  queries/de  12 rows  insufficient data: 50 are needed'
    """
    key = window.key
    name = key.stream if key.segment == ALL else f"{key.stream}/{clean(key.segment, 40)}"
    parts = (start_said(key.start, unit), length_said(key.length, unit), name, _content(window))
    return "  ".join(part for part in parts if part)


def content_line(window: Window, unit: Unit) -> str:
    """Say a window whose stream and length are known."""
    return f"{start_said(window.key.start, unit)}  {_content(window)}"


def _content(window: Window) -> str:
    reasons = f": {'; '.join(clean(reason, 300) for reason in window.reasons)}" if window.reasons else ""
    parts = (f"{window.rows:,} rows", f"{window.state}{reasons}", measure_said(window))
    return "  ".join(part for part in parts if part)


def rate_said(measured: Measured, unit: OutcomeUnit) -> str:
    """Say what an outcome was.

    Examples
    --------
    >>> from tidegauge.records import PaneKey
    >>> rate_said(Measured(PaneKey("queries", "", 300, 0), "success", 30, 40), "share")
    '75.0 % (30 / 40)'
    """
    value = f"{100 * measured.rate:.1f} %" if unit == "share" else f"{measured.rate:.4g}"
    return f"{value} ({measured.numerator:,.6g} / {measured.denominator:,.6g})"


def event_line(event: Event, unit: Unit) -> str:
    """Say an event in one line.

    Examples
    --------
    >>> event_line(Event("queries", "silence", 60.0, "No row."), "seconds")
    '1970-01-01 00:01 UTC  queries  silence: No row.'
    """
    at = start_said(int(event.at), unit if event.kind in _OF_WINDOWS else "seconds")
    return f"{at}  {event.stream}  {event.kind}: {clean(event.text, 400)}"


def cluster_lines(cluster: FollowedCluster, unit: Unit) -> list[str]:
    """Say a followed cluster: when it came and went, its share over time, and examples."""
    shares = [_share(each.inside, each.sampled) for each in cluster.shares]
    known = [share for share in shares if share is not None]
    gone = "there still" if cluster.gone is None else f"gone {start_said(cluster.gone, unit)}"
    head = f"{clean(cluster.name, 60)}: born {start_said(cluster.born, unit)}, {gone}"
    lines = [head]
    if known:
        said = f"{percent(known[-1])} at last, {percent(max(known))} at most, {percent(cluster.before)} before"
        lines.append(f"  share  {sparkline(shares)}  {plain(said)}")
    lines += [f'  "{clean(example.text or example.id, 100)}"' for example in cluster.examples[:3]]
    return lines


def sparkline(values: Sequence[float | None], width: int = 48) -> str:
    """Draw the newest values as bars, zero to their largest; a gap where one is missing.

    Examples
    --------
    >>> sparkline([0.0, 0.5, None, 1.0])
    '▁▅ █'
    """
    some = values[-width:]
    top = max((value for value in some if value is not None), default=0.0)
    last = len(_BARS) - 1
    return "".join(
        " " if value is None else _BARS[min(last, math.floor(value / top * last + 0.5)) if top > 0 else 0]
        for value in some
    )


def window_json(window: Window, unit: Unit) -> dict[str, Any]:
    """A window as an object; figures that cannot be given are null."""
    key, drift = window.key, window.drift
    figures = None
    if drift is not None:
        figures = {name: finite(getattr(drift, name)) for name in ("value", "low", "high", "level", "detectable")}
    return {
        "schema": WINDOW,
        "stream": key.stream,
        "segment": key.segment,
        "reference": key.reference,
        "length": length_said(key.length, unit),
        "start": place_json(key.start, unit),
        "end": place_json(key.end, unit),
        "rows": window.rows,
        "state": window.state,
        "reasons": list(window.reasons),
        "drift": figures,
        "p": None if window.p is None else finite(window.p),
        "aside": dict(window.aside),
        "duplicates": window.duplicates,
        "first_time": None if window.first_time is None else iso(window.first_time),
        "last_time": None if window.last_time is None else iso(window.last_time),
        "scores": _scores_json(window.scores),
    }


def _scores_json(scores: Sequence[Score]) -> Mapping[str, Mapping[str, float | None]]:
    figures = ("value", "z", "p", "effect")
    return {score.name: {name: finite(getattr(score, name)) for name in figures} for score in scores}


def event_json(event: Event, unit: Unit) -> dict[str, Any]:
    """An event as an object."""
    told = unit if event.kind in _OF_WINDOWS else "seconds"
    return {
        "schema": EVENT,
        "stream": event.stream,
        "kind": event.kind,
        "at": place_json(event.at, told),
        "until": None if event.until is None else place_json(event.until, told),
        "text": event.text,
    }


def cluster_json(cluster: FollowedCluster, unit: Unit) -> dict[str, Any]:
    """A followed cluster as an object; its centre is left out."""
    return {
        "schema": CLUSTER,
        "stream": cluster.stream,
        "reference": cluster.reference,
        "name": cluster.name,
        "born": place_json(cluster.born, unit),
        "gone": None if cluster.gone is None else place_json(cluster.gone, unit),
        "share_before": finite(cluster.before),
        "p": finite(cluster.p),
        "shares": [
            {"start": place_json(each.start, unit), "inside": each.inside, "sampled": each.sampled}
            for each in cluster.shares
        ],
        "examples": [{"id": example.id, "text": example.text} for example in cluster.examples],
    }


def place_json(place: float, unit: Unit) -> str | int:
    """A start or end: the moment as ISO 8601, or the number of rows before it."""
    return int(place) if unit == "rows" else iso(place)


def iso(seconds: float) -> str:
    """A moment as ISO 8601 in UTC.

    Examples
    --------
    >>> iso(3600), iso(0.25), iso(1e30)
    ('1970-01-01T01:00:00Z', '1970-01-01T00:00:00.250000Z', 'n/a')
    """
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return ABSENT


def finite(value: float) -> float | None:
    """A figure that JSON can hold."""
    return float(value) if math.isfinite(value) else None


def _share(inside: int, sampled: int) -> float | None:
    return inside / sampled if sampled else None
