"""What people ask of the history: a span as one sketch, and windows that slide."""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.contracts import Store
from tidegauge.errors import UsageError
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, PaneKey, Part, StreamState, Window
from tidegauge.sketch.sketch import Sketch
from tidegauge.window.ladder import cover, slides


def check_segment(state: StreamState, segment: str) -> None:
    """Refuse a segment that a stream does not have."""
    if segment and segment not in state.segments:
        known = ", ".join(state.segments) or "none: the stream has no segments"
        raise UsageError("--segment", got=repr(segment), want=f"one of {known}")


def span(store: Store, monitor: Monitor, since: int, until: int, segment: str = ALL) -> Sketch:
    """The rows of a span of time, or of rows: closed windows, the longest first, and what is still open.

    Of a snapshot, its present content, whatever the span. Windows that lie across the ends of the span are left out.
    """
    chosen = [part for part in parts(store, monitor, since, until) if segment in (ALL, part.key.segment)]
    return monitor.sum(chosen)


def parts(store: Store, monitor: Monitor, since: int, until: int, *, longest: int | None = None) -> Iterator[Part]:
    """The parts that make up a span, by start: of the longest windows that fit in, of at most ``longest`` if said."""
    spec, reference = monitor.spec, monitor.reference.hash
    unsettled = [stored.part for stored in store.parts(spec.name) if stored.part.key.reference == reference]
    if spec.kind == "snapshot":
        generation = store.state(spec.name).generation
        yield from (part for part in unsettled if part.key.start == generation)
        return
    available = {
        length: sorted(
            {
                w.key.start
                for w in store.windows(spec.name, length=length, since=since, until=until)
                if w.key.reference == reference
            }
        )
        for length in (spec.pane.length, *spec.windows)
        if length <= (longest or length) or length == spec.pane.length
    }
    for length, start in cover(available, since, until):
        yield from store.sketches(spec.name, reference=reference, length=length, since=start, until=start + length)
    yield from (part for part in unsettled if since <= part.key.start and part.key.end <= until)


def sliding(
    store: Store, monitor: Monitor, length: int, step: int, since: int, until: int, segment: str = ALL
) -> Iterator[Window]:
    """Windows of ``length`` that begin every ``step``, re-merged from what is kept; those without rows are left out.

    Neither is stored: a sum is cheap, and a difference would not be exact.
    """
    for start in slides(since, until, length, step):
        sketch = span(store, monitor, start, start + length, segment)
        if sketch.seen or sketch.rejected:
            key = PaneKey(monitor.spec.name, monitor.reference.hash, length, start, segment)
            yield monitor.judge(key, sketch)
