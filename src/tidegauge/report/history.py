"""A stream over time, as lines for people, as an object for JSON, and as CSV: pure functions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tidegauge.records import Annotation, Event, FollowedCluster, Window, rows_aside
from tidegauge.report.alarms import annotation_json, annotation_line, mark
from tidegauge.report.windows import (
    Unit,
    cluster_json,
    cluster_lines,
    event_json,
    event_line,
    window_json,
    window_line,
)

SCHEMA = "tidegauge.history/1"

Span = tuple[int | None, int | None]


def within(clusters: Iterable[FollowedCluster], span: Span) -> tuple[FollowedCluster, ...]:
    """Those that were there within a span."""
    since, until = span
    return tuple(
        cluster
        for cluster in clusters
        if (until is None or cluster.born < until) and (since is None or cluster.gone is None or cluster.gone >= since)
    )


def lines(
    windows: Sequence[Window],
    clusters: Sequence[FollowedCluster] | None,
    events: Sequence[Event] | None,
    annotations: Sequence[Annotation],
    unit: Unit,
) -> Iterator[str]:
    """Say windows, and clusters and events where they are given."""
    if not windows:
        yield "no windows"
    for place, window in enumerate(windows):
        if place and windows[place - 1].key.reference != window.key.reference:
            yield f"-- from here on under reference {window.key.reference[:12]}"
        yield "  ".join(each for each in (window_line(window, unit), mark(window, annotations)) if each)
    if clusters is not None:
        yield ""
        yield "new clusters:" if clusters else "no new clusters"
        for cluster in clusters:
            yield from (f"  {line}" for line in cluster_lines(cluster, unit))
    if events is not None:
        yield ""
        yield "events:" if events else "no events"
        yield from (f"  {event_line(event, unit)}" for event in events)
        if annotations:
            yield ""
            yield "annotations:"
            yield from (f"  {annotation_line(annotation, unit)}" for annotation in annotations)


def to_dict(
    stream: str,
    windows: Sequence[Window],
    clusters: Sequence[FollowedCluster] | None,
    events: Sequence[Event] | None,
    annotations: Sequence[Annotation],
    unit: Unit,
) -> dict[str, Any]:
    """Windows, and clusters and events where they are given, as an object."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "stream": stream,
        "windows": [window_json(window, unit) for window in windows],
    }
    if clusters is not None:
        told["clusters"] = [cluster_json(cluster, unit) for cluster in clusters]
    if events is not None:
        told["events"] = [event_json(event, unit) for event in events]
        told["annotations"] = [annotation_json(annotation, unit) for annotation in annotations]
    return told


def to_csv(windows: Sequence[Window], unit: Unit) -> str:
    """One row a window; its figures are empty where nothing was scored."""
    plain = ("start", "end", "length", "segment", "reference", "rows", "state", "p", "duplicates")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*plain, "drift", "low", "high", "aside", "reasons"])
    for window in windows:
        told = window_json(window, unit)
        drift = told["drift"] or {}
        figures = [drift.get(name) for name in ("value", "low", "high")]
        row = [*(told[name] for name in plain), *figures, rows_aside(window.aside), "; ".join(window.reasons)]
        table.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
