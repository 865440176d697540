"""A span of a stream against the reference in force, as two files are compared."""

from __future__ import annotations

from typing import Final

from tidegauge.comparison import compare
from tidegauge.comparison.conclude import relabelled
from tidegauge.contracts import Store
from tidegauge.errors import DataError
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, Comparison, rows_aside
from tidegauge.run.history import span
from tidegauge.spec import StreamSpec
from tidegauge.window.moment import moment

EVER: Final = -(10**11)
"""Before all times that are kept."""


def compared(store: Store, monitor: Monitor, first: int, last: int, segment: str = ALL) -> Comparison:
    """Compare the rows of a span with the reference: verdict, scores, what moved, with examples.

    Parameters
    ----------
    store : Store
        Only read.
    monitor : Monitor
        Of the stream, under the reference in force.
    first, last : int
        Where the span begins and ends: seconds, or rows where panes are of rows. Of a snapshot it is its present
        content, whatever they are.
    segment : str
        Of one segment; of all rows where ``ALL``.

    Raises
    ------
    DataError
        Where the span has no rows under the reference in force.
    """
    spec = monitor.spec
    sketch, label = span(store, monitor, first, last, segment), span_said(spec, first, last, segment)
    if not sketch.rows:
        lost = rows_aside(sketch.rejected)
        got = f"no row, and {lost:,} that were set aside" if lost else "no row"
        hint = f"'tidegauge history {spec.name}' shows what is there"
        raise DataError(label, got=got, want="some under the reference in force", hint=hint)
    sketch.source = label
    known = [each for each in spec.declared if each.name in sketch.outcomes]
    result = compare(monitor.reference, sketch, alpha=spec.alpha, min_effect=spec.min_effect, outcomes=known)
    return relabelled(result, "reference", label)


def span_said(spec: StreamSpec, first: int, last: int, segment: str) -> str:
    """What the side is called that is judged.

    Examples
    --------
    >>> span_said(StreamSpec(name="queries"), 0, 3600, "de")
    'queries/de, 1970-01-01 00:00 to 1970-01-01 01:00'
    """
    name = f"{spec.name}/{segment}" if segment else spec.name
    if spec.kind == "snapshot":
        return f"{name}, now"
    if spec.pane.unit == "rows":
        return f"{name}, rows {first + 1:,} to {last:,}"
    return f"{name}, until {moment(last)}" if first < EVER // 10 else f"{name}, {moment(first)} to {moment(last)}"
