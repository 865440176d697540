"""Closing what is due: done by one leader, in one transaction, whoever wrote the parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tidegauge.comparison.followed import follow
from tidegauge.contracts import Desk, Store
from tidegauge.errors import ArtefactError
from tidegauge.gate import is_outcome_name
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, NONE, Event, Measured, PaneKey, Part, StoredPart, Window
from tidegauge.run.alarms import MOST_PANES, Lookout
from tidegauge.sketch.outcomes import outcome_totals
from tidegauge.sketch.sketch import Sketch
from tidegauge.window.ladder import closing
from tidegauge.window.moment import moment

MOST_PARTS = 16
"""Parts of one open pane and segment that are kept apart; beyond them they are added up."""

EVER = -(10**12)


def settle(
    store: Store, monitor: Monitor, *, at: float, whole: bool = False, lookout: Lookout | None = None
) -> tuple[Window, ...]:
    """Close every pane and window that is due, and let those go that have had their time.

    Parameters
    ----------
    store : Store
    monitor : Monitor
        Of the stream, under the reference in force.
    at : float
        Epoch seconds by the clock: the present content of a snapshot is judged as of then.
    whole : bool
        Close what is still open as well, as before another reference comes into force.
    lookout : Lookout, optional
        Raises alarms; none are where it is None.

    Returns
    -------
    tuple of Window
        What was closed: panes, then windows made of them. Nothing where another process is at it, or where the
        reference is no longer in force or panes are cut otherwise.
    """
    with store.leading(monitor.spec.name) as desk:
        if desk is None or desk.state.reference != monitor.reference.hash:
            return ()
        if desk.state.pane not in ("", str(monitor.spec.pane)):
            return ()
        return close(desk, monitor, at=at, whole=whole, lookout=lookout)


def close(
    desk: Desk, monitor: Monitor, *, at: float, whole: bool = False, lookout: Lookout | None = None
) -> tuple[Window, ...]:
    """Close what is due within a transaction that is held already."""
    if monitor.spec.kind == "snapshot":
        return _judge_present(desk, monitor, at)
    state, open_parts = desk.state, desk.parts()
    until = monitor.closable(state)
    if whole:
        until = max([part.part.key.end for part in open_parts], default=until)
    if until is None or (state.settled is not None and until <= state.settled):
        _compact(desk, monitor, open_parts)
        return ()
    due = [part for part in open_parts if part.part.key.end <= until]
    windows = list(_close_panes(desk, monitor, due, lookout, at))
    desk.drop([part.id for part in due])
    _compact(desk, monitor, [part for part in open_parts if part.part.key.end > until])
    child = monitor.spec.pane.length
    for length in monitor.spec.windows:
        windows += _close_windows(desk, monitor, child, length, until)
        child = length
    _expire(desk, monitor, until, at)
    desk.update(replace(desk.state, settled=until, version=desk.state.version + 1))
    return tuple(windows)


def _judge_present(desk: Desk, monitor: Monitor, at: float) -> tuple[Window, ...]:
    """Judge what a snapshot holds now."""
    _compact(desk, monitor, desk.parts())
    parts = [stored.part for stored in desk.parts() if stored.part.key.start == desk.state.generation]
    if not parts:
        return ()
    key = PaneKey(monitor.spec.name, monitor.reference.hash, 0, int(at), ALL)
    groups = _by_segment(parts)
    windows = [monitor.judge(key, monitor.sum(parts))]
    if [segment for segment, _ in groups] != [ALL]:
        windows += [monitor.judge(replace(key, segment=segment), monitor.sum(some)) for segment, some in groups]
    for window in windows:
        desk.keep(window, None)
    return tuple(windows)


def _close_panes(
    desk: Desk, monitor: Monitor, due: Sequence[StoredPart], lookout: Lookout | None, at: float
) -> Iterator[Window]:
    length = monitor.spec.pane.length
    for start, parts in _by_start(part.part for part in due):
        # A pane that was closed early, and goes on under the same reference, adds to what is kept of it.
        kept = desk.sketches(length=length, since=start, until=start + length)
        closed = _keep(desk, monitor, length, start, [*kept, *parts], finest=True)
        if lookout is not None:
            lookout.closed(desk, monitor, closed, at)
        yield from (window for window, _ in closed)


def _close_windows(desk: Desk, monitor: Monitor, child: int, length: int, until: int) -> Iterator[Window]:
    settled, calendar = desk.state.settled, monitor.spec.pane.unit == "seconds"
    since = EVER if settled is None else settled - length
    children = [w.key.start for w in desk.windows(length=child, since=since, until=until) if w.key.segment == ALL]
    # Where the reference was in force before, what is kept stays: the panes that it was made of may have expired.
    kept = {w.key.start for w in desk.windows(length=length, since=since, until=until)}
    for start in closing(children, child, length, settled, until, calendar=calendar):
        if start in kept:
            continue
        parts = desk.sketches(length=child, since=start, until=start + length)
        yield from (window for window, _ in _keep(desk, monitor, length, start, parts, finest=False))


def _keep(
    desk: Desk, monitor: Monitor, length: int, start: int, parts: Iterable[Part], *, finest: bool
) -> list[tuple[Window, Sketch]]:
    """Add up parts by segment, judge each and all together, and keep what they say."""
    key = PaneKey(monitor.spec.name, monitor.reference.hash, length, start, ALL)
    closed: list[tuple[Window, Sketch]] = []
    groups, total = _by_segment(parts), monitor.empty()
    segmented = groups[0][0] != ALL
    for segment, some in groups:
        sketch = _sum(desk, monitor, some)
        total += sketch
        if segmented:
            window = monitor.judge(replace(key, segment=segment), sketch)
            desk.keep(window, sketch.to_bytes())
            closed.append((window, sketch))
    window = monitor.judge(key, total)
    desk.keep(window, None if segmented else total.to_bytes())
    closed.append((window, total))
    _measure(desk, monitor, closed)
    _follow(desk, monitor, key, total, finest=finest)
    return closed


def _measure(desk: Desk, monitor: Monitor, closed: Iterable[tuple[Window, Sketch]]) -> None:
    """Keep what outcomes were; that of a ready series is what the series says."""
    ready = {name for name, each in monitor.spec.outcomes.items() if each.source}
    desk.measure(
        [
            Measured(window.key, name, numerator, denominator)
            for window, sketch in closed
            for name, (numerator, denominator) in outcome_totals(monitor.reference.basis, sketch).items()
            if denominator > 0 and name not in ready and is_outcome_name(name)
        ]
    )


def _sum(desk: Desk, monitor: Monitor, parts: Sequence[Part]) -> Sketch:
    """The sum of parts; bytes that cannot be read are named, their rows counted as lost, and the others used."""

    def damaged(part: Part, error: ArtefactError) -> None:
        key = part.key
        lost = f"{part.rows:,} rows of {_named(key, monitor)} were lost: their bytes are damaged ({error})."
        desk.note(Event(key.stream, "corrupt", float(key.start), lost, float(key.end)))

    return monitor.sum(parts, damaged)


def _follow(desk: Desk, monitor: Monitor, key: PaneKey, sketch: Sketch, *, finest: bool) -> None:
    """Follow new clusters on windows of one length: the shortest above the pane, or the pane where there is none."""
    if finest is bool(monitor.spec.windows) or (not finest and key.length != monitor.spec.windows[0]):
        return
    found = follow(monitor.reference, sketch, key, desk.clusters(), seed=monitor.reference.seed)
    for cluster in found.clusters:
        desk.follow(cluster)
    for event in found.events:
        desk.note(event)


def _compact(desk: Desk, monitor: Monitor, parts: Iterable[StoredPart]) -> None:
    """Add up the parts of open panes that became many."""
    groups: defaultdict[tuple[PaneKey, bool], list[StoredPart]] = defaultdict(list)
    for stored in parts:
        groups[stored.part.key, stored.part.removed].append(stored)
    for (key, removed), many in groups.items():
        if len(many) < MOST_PARTS:
            continue
        total = _sum(desk, monitor, [replace(stored.part, removed=False) for stored in many])
        desk.drop([stored.id for stored in many])
        desk.put(Part(key, total.seen, total.to_bytes(), removed))


def _expire(desk: Desk, monitor: Monitor, until: int, at: float) -> None:
    spec = monitor.spec
    for length in (spec.pane.length, *spec.windows):
        desk.expire(length, until - spec.keep_for(length))
        desk.expire_measured(length, until - spec.keep_for(length))
    desk.expire_places((at if desk.state.watermark is None else desk.state.watermark) - spec.late)
    desk.expire_tallies(spec.pane.length, until - MOST_PANES * spec.pane.length)
    if spec.pane.unit == "seconds":
        desk.expire_batches(until - spec.keep_for(spec.pane.length))


def _named(key: PaneKey, monitor: Monitor) -> str:
    if monitor.spec.kind == "snapshot":
        return "the snapshot"
    return f"the window from {moment(key.start) if monitor.spec.pane.unit == 'seconds' else f'row {key.start + 1:,}'}"


def _by_start(parts: Iterable[Part]) -> list[tuple[int, list[Part]]]:
    groups: defaultdict[int, list[Part]] = defaultdict(list)
    for part in parts:
        groups[part.key.start].append(part)
    return sorted(groups.items())


def _by_segment(parts: Iterable[Part]) -> list[tuple[str, list[Part]]]:
    """Parts by segment: ``ALL`` alone, or segments that have names, as where segments were introduced meanwhile."""
    groups: defaultdict[str, list[Part]] = defaultdict(list)
    for part in parts:
        groups[part.key.segment].append(part)
    if ALL in groups and len(groups) > 1:
        groups[NONE] += groups.pop(ALL)
    return sorted(groups.items())
