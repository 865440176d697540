"""Ready series of outcomes: read again as panes go by, and kept beside what the rows say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np

from tidegauge.contracts import Desk, Store
from tidegauge.errors import DataError, StoreError, TidegaugeError
from tidegauge.gate.outcomes import FAULTS, faults_of
from tidegauge.read.series import Fault, PrometheusSeries, Series, SeriesPoint, TableSeries
from tidegauge.records import ALL, Event, Measured, PaneKey
from tidegauge.run.lead import waited_for
from tidegauge.spec import StreamSpec
from tidegauge.window.moment import moment
from tidegauge.window.panes import start_of
from tidegauge.window.segments import assign

AGAIN = 86_400
"""Seconds before the newest pane that are read again, as points may come late or be corrected."""
MOST_POINTS = 1_000_000
"""Points of a series that are read at once."""

Sums = dict[tuple[int, str], tuple[float, float]]


@dataclass
class Summed:
    """Numerators and denominators of a series by pane and segment, the points that count, and those left out."""

    sums: Sums = field(default_factory=dict[tuple[int, str], tuple[float, float]])
    points: int = 0
    faults: tuple[Fault, ...] = ()


def open_series(spec: StreamSpec, name: str) -> Series:
    """Open the source of an outcome that is a ready series.

    Raises
    ------
    DataError
        Where a file or database is not there, or lacks a column; a Prometheus is not asked yet.
    UsageError
        Where a setting cannot be used.
    """
    outcome = spec.outcomes[name]
    if outcome.is_prometheus:
        from tidegauge.deliver.secret import read_secret

        return PrometheusSeries(
            outcome.source.removeprefix("prometheus+"),
            outcome.numerator,
            outcome.denominator,
            step=spec.pane.length,
            segment_label=outcome.segment,
            token=partial(read_secret, outcome.token) if outcome.token else None,
        )
    return TableSeries(
        outcome.source,
        time=outcome.time or "time",
        numerator=outcome.numerator or name,
        denominator=outcome.denominator,
        segment=outcome.segment,
        table=outcome.table,
    )


class ReadySeries:
    """The ready series of a stream, of panes of time.

    Parameters
    ----------
    store : Store
    spec : StreamSpec

    Attributes
    ----------
    names : tuple of str
        The outcomes that are ready series.
    """

    def __init__(self, store: Store, spec: StreamSpec) -> None:
        self._store, self._spec = store, spec
        self.names = tuple(name for name, each in spec.outcomes.items() if each.source)
        self._open: dict[str, Series] = {}
        self._until: dict[str, int] = {}
        self._known: dict[str, set[str]] = {name: set() for name in self.names}

    def read(self, at: float, *, since: float | None = None) -> tuple[Event, ...]:
        """Read what has become whole since the last time, and a day before it, in place of what is kept of it.

        A source that does not answer is read again the next time. What goes wrong is told and kept once, until it goes
        well.

        Parameters
        ----------
        at : float
            Epoch seconds by the clock.
        since : float, optional
            From when on to read, where that is not a day before the newest pane.

        Returns
        -------
        tuple of Event
            What went wrong that was not told before.
        """
        until = start_of(at, self._spec.pane.length)
        said: list[str] = []
        for name in self.names:
            if since is None and self._until.get(name) == until:
                continue
            try:
                found = self._read(name, since, until, at)
            except StoreError:
                raise
            except TidegaugeError as error:
                said += self._new(name, {"": f"could not be read: {' '.join(str(error).split())}"})
            else:
                self._until[name] = until
                said += self._new(name, {fault.reason: f"points were left out: {fault}" for fault in found.faults})
        events = tuple(Event(self._spec.name, "source", at, each) for each in said)
        if events:
            with waited_for(self._store, self._spec.name) as desk:
                for event in events:
                    desk.note(event)
        return events

    def _read(self, name: str, since: float | None, until: int, at: float) -> Summed:
        if name not in self._open:
            self._open[name] = open_series(self._spec, name)
        source, length = self._open[name], self._spec.pane.length
        first = self._first(name, until) if since is None else start_of(since, length)
        known = self._store.state(self._spec.name).segments
        found = summed(source.points(first, until), self._spec, name, at, known)
        with waited_for(self._store, self._spec.name) as desk:
            keep(desk, self._spec, name, found.sums, until)
        found.faults = (*source.faults(), *found.faults)
        return found

    def _first(self, name: str, until: int) -> int:
        """From when on to read: a day before the newest pane, or all that is kept of the stream."""
        stream, length = self._spec.name, self._spec.pane.length
        kept = self._store.measured(stream, reference="", length=length, outcome=name)
        if kept:
            return start_of(kept[-1].key.start - AGAIN, length)
        windows = self._store.windows(stream, length=length)
        return windows[0].key.start if windows else start_of(until - self._spec.keep_for(length), length)

    def _new(self, name: str, told: dict[str, str]) -> Iterator[str]:
        """What was not told before; what is over may be told again when it comes back."""
        for reason in told.keys() - self._known[name]:
            yield f"Outcome {name}: {told[reason]}."
        self._known[name] = set(told)


def summed(
    points: Iterable[SeriesPoint], spec: StreamSpec, name: str, at: float, known: tuple[str, ...] = ()
) -> Summed:
    """Sum the points of a series by pane and segment; what is out of its unit or of the future is left out, and
    counted.

    Where the series has segments, as many as the stream may have are told apart, and all rows are their sum.

    Raises
    ------
    DataError
        Where there are more points than a million.
    """
    given = list(islice(points, MOST_POINTS + 1))
    if len(given) > MOST_POINTS:
        raise DataError(f"outcome {name}", got=f"more than {MOST_POINTS:,} points", want="fewer, or a later beginning")
    found = Summed()
    if not given:
        return found
    codes = faults_of(np.array([(point.numerator, point.denominator) for point in given]), spec.units[name])
    segments = np.array([point.segment for point in given], np.str_)
    if (segments != ALL).any():
        segments = assign(segments, known, spec.segments)[0]
    sums: defaultdict[tuple[int, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    aside: Counter[str] = Counter()
    first: dict[str, str] = {}
    for point, code, segment in zip(given, codes.tolist(), segments.tolist(), strict=True):
        future = point.at > at + spec.future
        if future or code:
            reason = "of the future" if future else FAULTS[code - 1]
            aside[reason] += 1
            first.setdefault(reason, f"{moment(point.at)} UTC")
        elif point.denominator > 0:
            found.points += 1
            for each in dict.fromkeys((str(segment), ALL)):
                key = start_of(point.at, spec.pane.length), each
                numerator, denominator = sums[key]
                sums[key] = numerator + point.numerator, denominator + point.denominator
    found.sums = dict(sums)
    found.faults = tuple(Fault(reason, count, first[reason]) for reason, count in aside.items())
    return found


def keep(desk: Desk, spec: StreamSpec, name: str, sums: Sums, until: int) -> None:
    """Keep what panes say in place of what is kept of them, and make the longer windows of it that are whole."""
    child = spec.pane.length
    desk.measure([_measured(spec.name, child, name, *each) for each in sums.items()])
    starts = {start for start, _ in sums}
    for length in spec.windows:
        starts = {start_of(start, length) for start in starts}
        for start in sorted(each for each in starts if each + length <= until):
            inside = desk.measured(reference="", length=child, outcome=name, since=start, until=start + length)
            whole: Sums = {}
            for each in inside:
                numerator, denominator = whole.get((start, each.key.segment), (0.0, 0.0))
                whole[start, each.key.segment] = numerator + each.numerator, denominator + each.denominator
            desk.measure([_measured(spec.name, length, name, *both) for both in whole.items()])
        child = length


def _measured(stream: str, length: int, name: str, at: tuple[int, str], sums: tuple[float, float]) -> Measured:
    start, segment = at
    return Measured(PaneKey(stream, "", length, start, segment), name, *sums)
