"""Spans as people ask for them: ``7d`` back from the newest row, a date, or rows."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Final

from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from tidegauge.records import StreamState
    from tidegauge.spec import StreamSpec

_TIMES: Final = "a span such as '7d', or a date such as 2026-11-23 or 2026-11-23T14:00"
_ROWS: Final = "a row number, or a number of rows such as '5000 rows'"


def bounds(
    stream: StreamSpec, state: StreamState, since: str | None, until: str | None, length: int
) -> tuple[int | None, int | None]:
    """Where a span begins and ends, widened to whole windows of ``length``; None where it is not said.

    Spans are counted back from the newest event time, of a snapshot from now, or from the newest row.
    """
    first = None if since is None else _place("--since", since, stream, state)
    last = None if until is None else _place("--until", until, stream, state)
    if first is not None and last is not None and first >= last:
        raise UsageError("--since", got=f"{since!r}, which is not before {until!r}", want="a beginning before the end")
    return (
        None if first is None else floor(first, length, stream),
        None if last is None else ceil(last, length, stream),
    )


def floor(place: float, length: int, stream: StreamSpec) -> int:
    """Start of the window of ``length`` that holds a place."""
    from tidegauge.window.panes import start_of

    if stream.kind == "snapshot":
        return int(place)
    return start_of(place, length) if stream.pane.unit == "seconds" else int(place) // length * length


def ceil(place: float, length: int, stream: StreamSpec) -> int:
    """End of the window of ``length`` that holds all before a place."""
    start = floor(place, length, stream)
    return start if start >= place else start + max(length, 1)


def newest(stream: StreamSpec, state: StreamState) -> float:
    """The newest event time, now for a snapshot, or the rows so far; ``UsageError`` where there is none."""
    if stream.kind == "snapshot":
        return time.time()
    if stream.pane.unit == "rows":
        return float(state.seen)
    if state.watermark is None:
        raise UsageError(f"stream {stream.name}", got="no row yet", want="rows to count back from")
    return state.watermark


def _place(option: str, text: str, stream: StreamSpec, state: StreamState) -> float:
    back = _back(text, stream)
    if back is not None:
        return newest(stream, state) - back
    if _in_rows(stream):
        if text.replace(",", "").isdecimal():
            return float(int(text.replace(",", "")) - 1)
        raise UsageError(option, got=repr(text), want=_ROWS)
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(option, got=repr(text), want=_TIMES) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _back(text: str, stream: StreamSpec) -> int | None:
    """The length of a span; None where the text is none."""
    from tidegauge.spec import Pane

    try:
        pane = Pane.parse(text)
    except ValueError:
        return None
    return pane.length if (pane.unit == "rows") is _in_rows(stream) else None


def _in_rows(stream: StreamSpec) -> bool:
    return stream.kind == "stream" and stream.pane.unit == "rows"


def length_of(option: str, text: str, stream: StreamSpec) -> int:
    """Read the length of a window of a stream."""
    from tidegauge.spec.length import read_length

    unit = stream.pane.unit
    try:
        return read_length(text, unit)
    except ValueError:
        want = "a span such as '1h'" if unit == "seconds" else "a number of rows such as '1000 rows'"
        raise UsageError(option, got=repr(text), want=want) from None


def usual_length(stream: StreamSpec) -> int:
    """The length of windows that is shown where none is said: the shortest above the pane; 0 of a snapshot."""
    if stream.kind == "snapshot":
        return 0
    kept = (stream.pane.length, *stream.windows)
    return kept[min(1, len(kept) - 1)]


def kept_length(option: str, text: str, stream: StreamSpec, *, hint: str = "") -> int:
    """Read the length of windows of a stream that are kept."""
    from tidegauge.spec import length_text

    kept, length = (stream.pane.length, *stream.windows), length_of(option, text, stream)
    if length not in kept:
        want = f"one of {', '.join(length_text(each, stream.pane.unit) for each in kept)}"
        raise UsageError(option, got=repr(text), want=want, hint=hint)
    return length
