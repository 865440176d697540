"""What ties a stream's outcomes to its drift: windows, outcomes, alarms and annotations on one grid of time.

Nothing is kept: the same store gives the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tidegauge.contracts import Store
from tidegauge.errors import DataError, UsageError
from tidegauge.monitor import Monitor
from tidegauge.outcome.associate import FEWEST_PANES, Association, associate, discovered
from tidegauge.outcome.event_study import study
from tidegauge.outcome.impact import impact
from tidegauge.records import (
    ALL,
    Alarm,
    Annotation,
    AnnotationKind,
    Impact,
    Link,
    Measured,
    Outcome,
    Study,
)
from tidegauge.run.alarms import OUTSIDE
from tidegauge.run.baseline import monitor_of
from tidegauge.run.change import Changed, changed
from tidegauge.spec import Spec, StreamSpec

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

LAGS = 7
AFTER = 6
"""Windows after an onset over which the event study looks."""
LONG = 7 * 86_400
"""Seconds of history that show days and weeks, where windows are of time."""
MOST_WINDOWS = 20_000
EVENTS: tuple[AnnotationKind, ...] = ("deploy", "holiday", "campaign", "incident")
"""Kinds of annotations that are taken off drift and outcomes alike."""


class NoWindows(DataError):
    """A stream of which no window is kept under the reference in force."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What an outcome did, window by window: sums float64 (T,), a denominator of 0 where it was not measured."""

    segment: str
    outcome: Outcome
    numerators: Float64 = field(repr=False)
    denominators: Float64 = field(repr=False)

    @property
    def rates(self) -> Float64:
        """Numerator over denominator, NaN where there is none, float64 (T,)."""
        there = self.denominators > 0
        return np.where(there, self.numerators / np.where(there, self.denominators, 1.0), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Linked:
    """What ties the outcomes of a stream to its drift.

    Attributes
    ----------
    segment : str
        The one that was asked for; all rows, and then every segment, where it is ``ALL``.
    reference : str
        Hash of the one in force.
    length : int
        Of a window, in seconds or rows.
    starts : int64 array, shape (T,)
        Of the windows, without a hole.
    drift : mapping of segment to float64 array, shape (T,)
        In per cent of the traffic, NaN where nothing was scored.
    courses, links, studies : tuples
        By segment, all rows first, then by outcome as the settings declare them.
    changed : Changed
        Two windows, and where the change of each outcome between them lies.
    found : Impact
        The answer, in one sentence.
    alarms, annotations : tuples
        Of the span.
    """

    spec: StreamSpec
    segment: str
    reference: str
    length: int
    lags: int
    starts: Int = field(repr=False)
    drift: Mapping[str, Float64] = field(repr=False)
    courses: tuple[Course, ...] = field(repr=False)
    links: tuple[Link, ...]
    studies: tuple[Study, ...]
    changed: Changed
    found: Impact
    alarms: tuple[Alarm, ...] = ()
    annotations: tuple[Annotation, ...] = ()

    @property
    def since(self) -> int:
        """Where the first window begins."""
        return int(self.starts[0])

    @property
    def until(self) -> int:
        """Where the last window ends."""
        return int(self.starts[-1]) + self.length

    @property
    def known(self) -> bool:
        """Whether anything can be told: an association was tested, or a change was decomposed."""
        tested = any(link.state in ("associated", "not associated") for link in self.links)
        return self.found.state != "not enough data" and (tested or bool(self.changed.decompositions))

    @property
    def harmed(self) -> bool:
        """Whether an outcome is harmed, by drift or without it."""
        associated = any(link.state == "associated" for link in self.links)
        return associated or self.found.state in ("harmful drift", "failure without drift")


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """Drift and outcomes on one time, and what happened in it, before anything is asked of them; as in ``Linked``."""

    spec: StreamSpec
    segment: str
    length: int
    starts: Int = field(repr=False)
    drift: Mapping[str, Float64] = field(repr=False)
    courses: tuple[Course, ...] = field(repr=False)
    alarms: tuple[Alarm, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def since(self) -> int:
        """Where the first window begins."""
        return int(self.starts[0])

    @property
    def until(self) -> int:
        """Where the last window ends."""
        return int(self.starts[-1]) + self.length


def courses(
    store: Store, spec: StreamSpec, reference: str, *, since: int | None, length: int, segment: str = ALL
) -> Courses:
    """Put drift and outcomes of one segment on one time; ``NoWindows`` where no window of this length is kept."""
    grid = _gathered(store, spec, reference, spec.declared, since, None, length, segment, of_segments=False)
    return Courses(
        spec,
        segment,
        grid.length,
        grid.starts,
        grid.drift,
        grid.courses,
        _alarms(store, grid),
        _annotations(store, grid),
    )


def link(
    store: Store,
    monitor: Monitor,
    *,
    since: int | None = None,
    until: int | None = None,
    length: int | None = None,
    outcomes: Sequence[str] = (),
    segment: str = ALL,
    lags: int = LAGS,
    documents: Monitor | None = None,
    seed: int = 0,
) -> Linked:
    """Ask which outcomes of a stream go with its drift, and where the newest change of each lies.

    Parameters
    ----------
    store : Store
        Only read.
    monitor : Monitor
        Of the stream, under the reference in force.
    since, until : int, optional
        Seconds, or rows where panes are of rows; all that is kept where None.
    length : int, optional
        Of a window; ``best_length`` where None.
    outcomes : sequence of str
        Names; all that the settings declare where there are none.
    segment : str
        Of one segment alone; of all rows and of every segment where ``ALL``.
    lags : int
        Most windows by which an outcome may follow.
    documents : Monitor, optional
        Of the snapshot that answers this stream's queries.
    seed : int

    Raises
    ------
    UsageError
        Where the settings declare no such outcome, or none.
    NoWindows
        Where no window of this length is kept.
    """
    spec = monitor.spec
    asked = chosen(spec, outcomes)
    grid = _gathered(store, spec, monitor.reference.hash, asked, since, until, length, segment)
    alarms, annotations = _alarms(store, grid), _annotations(store, grid)
    events = event_columns(annotations, grid.starts, grid.length)
    links = _links(grid, events, lags, seed)
    studies = _studies(grid, segment, alarms, seed)
    after, alarmed = _after(grid, alarms, segment)
    found = changed(
        store,
        monitor,
        asked,
        (grid.since, after[0]),
        after,
        segment=segment,
        alarmed=alarmed,
        documents=documents,
        seed=seed,
    )
    answer = impact(
        found.drifted,
        found.drift,
        found.decompositions,
        found.coverage,
        found.explained,
        tuple(each for each in links if each.segment == segment),
        tuple(each for each in studies if each.segment == segment),
    )
    return Linked(
        spec,
        segment,
        monitor.reference.hash,
        grid.length,
        lags,
        grid.starts,
        grid.drift,
        grid.courses,
        links,
        studies,
        found,
        answer,
        alarms,
        annotations,
    )


def documents_of(store: Store, spec: Spec, stream: StreamSpec) -> Monitor | None:
    """The chain of the snapshot that answers a stream's queries; None where it has none, or nothing is kept of it."""
    state = next((each for each in store.streams() if each.stream == stream.documents and each.reference), None)
    return None if state is None else monitor_of(store, spec.streams[stream.documents], state)


def chosen(spec: StreamSpec, names: Sequence[str]) -> tuple[Outcome, ...]:
    """The declared outcomes of these names, or all; ``UsageError`` where there is no such, or none at all."""
    declared = {each.name: each for each in spec.declared}
    if not declared:
        hint = f"Name their columns as columns.outcomes, or say [streams.{spec.name}.outcomes.NAME]"
        raise UsageError(f"stream {spec.name}", got="no outcome in the settings", want="at least one", hint=hint)
    for name in names:
        if name not in declared:
            raise UsageError("--outcome", got=repr(name), want=f"one of {', '.join(declared)}")
    return tuple(each for name, each in declared.items() if not names or name in names)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Windows of one length without a hole, and what is known of each by segment."""

    spec: StreamSpec
    reference: str
    length: int
    starts: Int
    moments: Float64
    drift: Mapping[str, Float64]
    rows: Mapping[str, Float64]
    courses: tuple[Course, ...]

    @property
    def since(self) -> int:
        return int(self.starts[0])

    @property
    def until(self) -> int:
        return int(self.starts[-1]) + self.length

    @property
    def step(self) -> float | None:
        return float(self.length) if self.spec.pane.unit == "seconds" else None


def _gathered(
    store: Store,
    spec: StreamSpec,
    reference: str,
    asked: Sequence[Outcome],
    since: int | None,
    until: int | None,
    length: int | None,
    segment: str,
    *,
    of_segments: bool = True,
) -> _Grid:
    if spec.kind == "snapshot":
        raise UsageError("stream", got=f"{spec.name!r}, a snapshot", want="a stream, which has windows")
    if length is None:
        length = best_length(store, spec, reference, since, until, segment)
    some = None if segment == ALL and of_segments else segment
    every = store.windows(spec.name, length=length, since=since, until=until, segment=some)
    windows = [each for each in every if each.key.reference == reference]
    if not windows:
        raise NoWindows(
            f"link of {spec.name}",
            got="no window under the reference in force",
            want="some that were closed",
            hint=f"'tidegauge history {spec.name}' shows what is kept",
        )
    last = max(each.key.start for each in windows)
    first = max(min(each.key.start for each in windows), last - (MOST_WINDOWS - 1) * length)
    starts = np.arange(first, last + 1, length, dtype=np.int64)
    place = {int(start): at for at, start in enumerate(starts)}
    segments = sorted({each.key.segment for each in windows})
    drift = {each: np.full(len(starts), np.nan) for each in segments}
    rows = {each: np.zeros(len(starts)) for each in segments}
    timed = spec.pane.unit == "seconds"
    moments = starts.astype(np.float64) + length / 2 if timed else np.full(len(starts), np.nan)
    for window in windows:
        at = place.get(window.key.start)
        if at is None:
            continue
        rows[window.key.segment][at] = window.rows
        if window.drift is not None and window.state not in OUTSIDE:
            drift[window.key.segment][at] = window.drift.value
        if not timed and window.first_time is not None and window.last_time is not None:
            moments[at] = (window.first_time + window.last_time) / 2
    kept = store.measured(spec.name, reference=reference, length=length, segment=some, since=first, until=last + length)
    courses = tuple(_course(kept, each, one, place) for each in segments for one in asked)
    return _Grid(spec, reference, length, starts, moments, drift, rows, courses)


def _course(kept: Sequence[Measured], segment: str, outcome: Outcome, place: Mapping[int, int]) -> Course:
    sums = np.zeros((2, len(place)))
    for each in kept:
        at = place.get(each.key.start)
        if at is not None and (each.key.segment, each.outcome) == (segment, outcome.name):
            sums[:, at] += each.numerator, each.denominator
    return Course(segment, outcome, sums[0], sums[1])


def best_length(
    store: Store, spec: StreamSpec, reference: str, since: int | None, until: int | None, segment: str
) -> int:
    """The length of windows that tells most: the shortest of which 60 are kept, over a week or more where panes are of
    time; the shortest of which 60 are where none is that long; else that of which most are.
    """
    counts: dict[int, int] = {}
    for length in (spec.pane.length, *spec.windows):
        some = store.windows(spec.name, length=length, since=since, until=until, segment=segment)
        mine = [each.key.start for each in some if each.key.reference == reference and each.drift is not None]
        counts[length] = len(mine)
        reach = max(mine) - min(mine) + length if mine else 0
        if len(mine) >= FEWEST_PANES and (spec.pane.unit == "rows" or reach >= LONG):
            return length
    enough = [length for length, count in counts.items() if count >= FEWEST_PANES]
    return min(enough) if enough else max(counts, key=lambda length: (counts[length], -length))


def event_columns(annotations: Sequence[Annotation], starts: Int, length: int) -> Float64:
    """A column for each event that people marked, 1 in the windows that it touches, float64 (T, k).

    Examples
    --------
    >>> marked = [("deploy", 130, 130), ("holiday", 0, 120), ("note", 0, 9)]
    >>> event_columns([Annotation("q", *each) for each in marked], np.arange(0, 240, 60), 60).T.tolist()
    [[0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]]
    """
    columns = [
        (starts < max(each.until, each.since + 1)) & (each.since < starts + length)
        for each in annotations
        if each.kind in EVENTS
    ]
    some = [column for column in columns if column.any() and not column.all()]
    return np.stack(some, axis=1).astype(np.float64) if some else np.zeros((len(starts), 0))


def _by_segment(grid: _Grid) -> list[tuple[str, list[Course]]]:
    return [(segment, [each for each in grid.courses if each.segment == segment]) for segment in grid.drift]


def _sums(courses: Sequence[Course]) -> tuple[Float64, Float64]:
    return np.stack([c.numerators for c in courses], axis=1), np.stack([c.denominators for c in courses], axis=1)


def _harmful(courses: Sequence[Course]) -> Float64:
    return np.array([1.0 if each.outcome.harmful == "rises" else -1.0 for each in courses])


def _links(grid: _Grid, events: Float64, lags: int, seed: int) -> tuple[Link, ...]:
    names: list[tuple[str, Outcome]] = []
    found: list[Association] = []
    for segment, courses in _by_segment(grid):
        numerators, denominators = _sums(courses)
        found += associate(
            grid.drift[segment],
            numerators,
            denominators,
            _harmful(courses),
            moments=grid.moments,
            step=grid.step,
            events=events,
            rows=grid.rows[segment],
            lags=lags,
            seed=seed,
        )
        names += [(segment, each.outcome) for each in courses]
    return tuple(
        Link(
            grid.spec.name,
            segment,
            outcome,
            a.state,
            a.panes,
            a.lag,
            a.strength,
            a.slope,
            a.low,
            a.high,
            a.p,
            q,
            a.reasons,
        )
        for (segment, outcome), (a, q) in zip(names, discovered(found), strict=True)
    )


def _studies(grid: _Grid, asked: str, alarms: Sequence[Alarm], seed: int) -> tuple[Study, ...]:
    out: list[Study] = []
    for segment, courses in _by_segment(grid):
        # Alarms of all rows are asked of what was asked for; a segment beside it, of its own.
        mine = [each for each in alarms if each.segment in ((segment, ALL) if segment == asked else (segment,))]
        onsets, alarmed = onsets_of(mine, grid.starts, grid.length)
        if not len(onsets):
            continue
        numerators, denominators = _sums(courses)
        found = study(
            numerators,
            denominators,
            onsets,
            alarmed,
            _harmful(courses).astype(np.int64),
            moments=grid.moments,
            step=grid.step,
            after=AFTER,
            seed=seed,
        )
        out += [
            Study(
                grid.spec.name,
                segment,
                course.outcome,
                s.state,
                s.events,
                s.controls,
                s.after,
                s.effect,
                s.low,
                s.high,
                s.p,
                s.before,
                s.offsets,
                s.curve,
                s.reasons,
            )
            for course, s in zip(courses, found, strict=True)
        ]
    return tuple(out)


def onsets_of(alarms: Sequence[Alarm], starts: Int, length: int) -> tuple[Int, Bool]:
    """Places of the windows in which alarms are likely to have begun, int64 (k,), and which windows an alarm touches.

    Two that began in one window are one.
    """
    alarmed = np.zeros(len(starts), np.bool_)
    onsets: set[int] = set()
    for alarm in alarms:
        inside = (starts < end_of(alarm)) & (alarm.onset < starts + length)
        alarmed |= inside
        if starts[0] <= alarm.onset < starts[-1] + length:
            onsets.add(int(np.searchsorted(starts, alarm.onset, side="right")) - 1)
    return np.array(sorted(onsets), np.int64), alarmed


def end_of(alarm: Alarm) -> int:
    """Where an alarm was resolved, or spoke last where it lasts."""
    return alarm.updated if alarm.resolved is None else alarm.resolved


def _alarms(store: Store, grid: _Grid) -> tuple[Alarm, ...]:
    """Alarms of drift in the span that nobody called noise, of this reference and these segments."""
    noise = {each.alarm for each in store.annotations(grid.spec.name) if each.kind == "noise"}
    return tuple(
        each
        for each in store.alarms(grid.spec.name)
        if each.kind == "drift"
        and each.reference == grid.reference
        and each.segment in (*grid.drift, ALL)
        and each.id not in noise
        and each.onset < grid.until
        and grid.since < end_of(each)
    )


def _annotations(store: Store, grid: _Grid) -> tuple[Annotation, ...]:
    told = store.annotations(grid.spec.name, since=grid.since, until=grid.until)
    return tuple(each for each in told if each.stream or grid.spec.pane.unit == "seconds")


def _after(grid: _Grid, alarms: Sequence[Alarm], segment: str) -> tuple[tuple[int, int], bool]:
    """The span whose change is looked into, and whether it is that of an alarm: of the one that lasts, or spoke last;
    else the newest quarter, and a week at most where panes are of time.
    """
    mine = [each for each in alarms if each.segment in (segment, ALL)]
    if mine:
        last = max(mine, key=lambda each: (each.lasts, each.updated))
        first = max(int(np.searchsorted(grid.starts, last.onset, side="right")) - 1, 0)
        end = grid.until if last.lasts else min(end_of(last), grid.until)
        return (int(grid.starts[first]), max(end, int(grid.starts[first]) + grid.length)), True
    newest = max(len(grid.starts) // 4, 1) * grid.length
    if grid.spec.pane.unit == "seconds":
        newest = min(newest, max(LONG // grid.length, 1) * grid.length)
    return (grid.until - newest, grid.until), False
