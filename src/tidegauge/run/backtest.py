"""What a budget would have done: the panes that are kept, gone through again. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.calibration import FEWEST_PANES, Calibration
from tidegauge.alarm.panes import Panes, Reading, needed, series_of
from tidegauge.alarm.policy import Terms, advance
from tidegauge.alarm.run_length import Achieved
from tidegauge.alarm.tally import Tallier
from tidegauge.contracts import Store
from tidegauge.errors import DataError, UsageError
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, Alarm, Annotation, Part, Tally, Window
from tidegauge.run.alarms import MOST_PANES, OUTSIDE, Lookout, pace, well, without_outliers
from tidegauge.run.moved import moved
from tidegauge.spec import Alarms, StreamSpec
from tidegauge.spec.alarms import Budget

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Learned = Literal["before", "cross-fitted"]

MOST_FOLDS, WORK = 8, 16_000
"""Parts of a span that is cross-fitted; panes that are learned from, over all parts, beyond which parts are fewer."""
MOST_GAPS = 200
"""Gaps whose reason is looked up."""
EXPLAINED, EXPLAINED_PANES = 3, 48
"""Alarms of which it is said what moved; panes of sketches that are read for each."""
RAREST = 1e6
"""Panes beyond which a run length is no longer told."""
AROUND = 3
"""How many times as many false alarms, and as few, the budgets beside that of the settings allow."""


class TooShort(DataError):
    """A history that nothing can be learned from yet."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm that a budget would have raised, as it was at its end; ``rarity``, panes of unchanged traffic between
    two that are as loud, RAREST at most; the ``annotations`` and the ids of the alarms on record that overlap it.
    """

    alarm: Alarm
    rarity: float
    annotations: tuple[Annotation, ...] = ()
    recorded: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """Where it was resolved, or spoke last where it lasts."""
        return _end(self.alarm)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a budget would have done.

    Attributes
    ----------
    budget : Budget
    promise : float
        The mean run length without a false alarm, in panes, that is this segment's share of the budget.
    thresholds : tuple of float
        In sd, one for each fold.
    achieved : Achieved
        What the thresholds are known to hold, in panes.
    firm : bool
        Whether what was learned from is at least as long as the promise.
    expected : float
        Alarms that unchanged traffic raises in as many panes, by the budget.
    raised : tuple of Raised
        By opening.
    """

    budget: Budget
    promise: float
    thresholds: tuple[float, ...]
    achieved: Achieved
    firm: bool
    expected: float
    raised: tuple[Raised, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Panes that were not judged, and ``why``."""

    since: int
    until: int
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """The panes of a span under several budgets, the first of which is the one in question.

    Attributes
    ----------
    since, until : int
        Seconds, or rows where panes are of rows.
    latest, whole : bool
        Whether the span ends where the history does; whether the history reaches back as far as was asked.
    shared : bool
        Whether other streams or segments have a part in the budgets.
    learned : {"before", "cross-fitted"}
        From the panes before the span; or each fold of the span from all the others, and from those outside of it.
    known, unmarked : int
        Panes that taught, at least; and panes that did not, as they stand out although nobody marked them.
    folds : tuple of int
        Where each fold begins.
    tried : tuple of Tried
    starts : int64 array, shape (n,)
        Of the panes that were judged.
    statistic : float64 array, shape (n,)
        In sd; begun anew where an alarm of the first budget is resolved.
    drift, normal : float64 array, shape (n,)
        Of each pane by itself, and of the season then, from the reference, in per cent of the traffic.
    annotations, gaps, recorded
        Of the span; ``recorded`` are the alarms of drift on record.
    """

    spec: StreamSpec
    segment: str
    reference: str
    since: int
    until: int
    latest: bool
    whole: bool
    shared: bool
    min_effect: float
    learned: Learned
    known: int
    unmarked: int
    folds: tuple[int, ...]
    tried: tuple[Tried, ...]
    starts: Int = field(repr=False)
    statistic: Float64 = field(repr=False)
    drift: Float64 = field(repr=False)
    normal: Float64 = field(repr=False)
    annotations: tuple[Annotation, ...] = ()
    gaps: tuple[Gap, ...] = ()
    recorded: tuple[Alarm, ...] = ()


def around(budget: Budget) -> tuple[Budget, ...]:
    """A budget, one that allows three times as many false alarms, and one that allows a third.

    Examples
    --------
    >>> [str(each) for each in around(Budget.parse("1 in 90d"))]
    ['1 in 90d', '1 in 30d', '1 in 270d']
    """
    shorter = replace(budget, length=max(budget.length // AROUND, 1))
    return tuple(dict.fromkeys((budget, shorter, replace(budget, length=budget.length * AROUND))))


def backtest(
    store: Store,
    monitor: Monitor,
    settings: Alarms,
    *,
    budgets: Sequence[Budget] = (),
    streams: int = 1,
    segment: str = ALL,
    since: int | None = None,
    until: int | None = None,
    min_effect: float | None = None,
) -> Backtest:
    """Go through the panes of a span under each budget.

    Parameters
    ----------
    store : Store
        Only read.
    monitor : Monitor
        Of the stream, under the reference in force.
    settings : Alarms
    budgets : sequence of Budget
        The first is the one in question; that of the settings and those around it where there are none.
    streams : int
        Streams that share a budget.
    segment : str
    since, until : int, optional
        Seconds, or rows where panes are of rows; all that is kept where None.
    min_effect : float, optional
        Smallest drift of interest, in per cent of the traffic; that of the settings where None.

    Returns
    -------
    Backtest

    Raises
    ------
    TooShort
        Where too few panes are kept in which all was well.
    UsageError
        Where a budget in time cannot be told for panes of rows.
    """
    spec, reference = monitor.spec, monitor.reference
    every = store.tallies(
        spec.name, reference=reference.hash, length=spec.pane.length, segment=segment, newest=MOST_PANES
    )
    first, last = _cut(every, since, until)
    span = every[first:last]
    alarms = store.alarms(spec.name)
    annotations = store.annotations(spec.name)
    lookout, tallier = Lookout(spec, settings, streams), Tallier(reference)
    learned, bounds, taught, unmarked = _taught(every, first, last, well(every, alarms, annotations), spec, tallier)
    history = _History(every, first, last, bounds, [lookout.learned(some, tallier) for some in taught])
    segments, rate = len(store.state(spec.name).segments), pace(every)
    low = span[0].key.start if since is None or first == 0 else since
    high = span[-1].key.end if until is None or last == len(every) else until
    notes = tuple(each for each in annotations if each.since < high and low < each.until)
    recorded = tuple(each for each in alarms if _of(each, span[0]) and each.onset < high and low < _end(each))
    least = spec.alarm.min_effect if min_effect is None else min_effect
    chosen = tuple(dict.fromkeys(budgets)) or around(settings.budget)
    promises = [_promise(spec, settings, each, streams, segment, segments, rate) for each in chosen]
    explain = _Explained(store, monitor)
    tried: list[Tried] = []
    fresh: list[int] = []
    for budget, promise in zip(chosen, promises, strict=True):
        thresholds = [calibration.threshold(promise) for calibration in history.calibrations]
        raised, anew = history.replayed(
            [Terms(each, least, spec.alarm.critical, spec.alarm.calm) for each in thresholds]
        )
        fresh = fresh or anew
        told = explain.all(raised, most=EXPLAINED if not tried else 0)
        found = [
            Raised(
                each,
                history.rarity(each),
                tuple(note for note in notes if note.since < _end(each) and each.onset < note.until),
                tuple(other.id for other in recorded if other.onset < _end(each) and each.onset < _end(other)),
            )
            for each in told
        ]
        tried.append(history.tried(budget, promise, tuple(found)))
    drift, normal = history.drifts()
    return Backtest(
        spec,
        segment,
        reference.hash,
        low,
        high,
        latest=last == len(every),
        whole=since is None or first > 0,
        shared=streams > 1 or (spec.alarm.segments and segments > 0),
        min_effect=least,
        learned=learned,
        known=min(each.panes for each in history.calibrations),
        unmarked=unmarked,
        folds=tuple(span[begin].key.start for begin in bounds[:-1]),
        tried=tuple(tried),
        starts=np.array([tally.key.start for tally in span], np.int64),
        statistic=history.statistic(fresh),
        drift=drift,
        normal=normal,
        annotations=notes,
        gaps=_gaps(store, spec, reference.hash, segment, low, high, span),
        recorded=recorded,
    )


def _cut(every: Sequence[Tally], since: int | None, until: int | None) -> tuple[int, int]:
    """Which tallies a span holds: those that begin at ``since`` or later and end at ``until`` or earlier."""
    starts = [tally.key.start for tally in every]
    first = 0 if since is None else int(np.searchsorted(starts, since))
    ends = [tally.key.end for tally in every]
    last = len(every) if until is None else int(np.searchsorted(ends, until, side="right"))
    return first, max(last, first)


def _taught(
    every: Sequence[Tally], first: int, last: int, known: Sequence[Tally], spec: StreamSpec, tallier: Tallier
) -> tuple[Learned, list[int], list[list[Tally]], int]:
    """How the span is judged: where its folds begin and end, the panes that teach each, and how many were set aside."""
    span, starts = last - first, [tally.key.start for tally in every]
    what = f"backtest of {spec.name}"
    if len(known) < FEWEST_PANES:
        got = f"{len(known)} panes of history in which all was well"
        raise TooShort(what, got=got, want=f"at least {FEWEST_PANES}", hint=_hint(spec))
    if not span:
        raise TooShort(what, got="no pane in this span", want="some that were closed and judged")
    before = [tally for tally in known if tally.key.start < starts[first]]
    if len(before) >= max(span, FEWEST_PANES):
        good = without_outliers(before, tallier.layout)
        if len(good) >= FEWEST_PANES:
            return "before", [0, span], [good], len(before) - len(good)
    good = without_outliers(known, tallier.layout)
    # Few parts of a long history teach as much as many do, and the time that this takes grows with them.
    folds = min(int(np.clip((WORK + span) // max(len(good), 1), 2, MOST_FOLDS)), span)
    bounds = np.linspace(0, span, folds + 1).astype(int).tolist()
    taught: list[list[Tally]] = []
    for begin, end in pairwise(bounds):
        inside = set(starts[first + begin : first + end])
        taught.append([tally for tally in good if tally.key.start not in inside])
    fewest = min(map(len, taught))
    if fewest < FEWEST_PANES:
        got = f"{fewest} panes of history beside those that are judged"
        raise TooShort(what, got=got, want=f"at least {FEWEST_PANES} in which all was well", hint=_hint(spec))
    return "cross-fitted", bounds, taught, len(known) - len(good)


def _hint(spec: StreamSpec) -> str:
    if not spec.alarm.enabled:
        return "The stream's alarms are switched off, so that none is kept"
    return "They come with time, or by 'tidegauge backfill'"


class _History:
    """The span, fold by fold, each under what was learned elsewhere."""

    def __init__(
        self, every: Sequence[Tally], first: int, last: int, bounds: Sequence[int], calibrations: list[Calibration]
    ) -> None:
        self.calibrations, self._bounds = calibrations, list(bounds)
        self._span = every[first:last]
        self._starts = np.array([tally.key.start for tally in self._span], np.int64)
        self._fold = np.repeat(np.arange(len(calibrations)), np.diff(bounds))
        self._lead: list[int] = []
        self._panes: list[Panes] = []
        loudest: list[Float64] = []
        self._lengths = calibrations[0].detector.lengths
        for (begin, end), calibration in zip(pairwise(bounds), calibrations, strict=True):
            lead = max(first + begin - needed(calibration), 0)
            some, detector = every[lead : first + end], calibration.detector
            innovations = detector.innovations(series_of(some, detector.layout))
            by_length = detector.scores(innovations).max(2)[first + begin - lead :]
            room = max(len(each.detector.lengths) for each in calibrations)
            padded = np.full((end - begin, room), -np.inf)
            padded[:, : by_length.shape[1]] = by_length
            self._lengths = max(self._lengths, detector.lengths, key=len)
            self._lead.append(lead - first)
            self._panes.append(Panes(some, calibration))
            loudest.append(padded)
        self._loudest = np.concatenate(loudest)
        self._read: dict[tuple[int, int], Reading] = {}

    def reading(self, place: int, fresh: int) -> Reading:
        """What a pane of the span says, by windows that begin at ``fresh`` or later."""
        if (place, fresh) not in self._read:
            fold = int(self._fold[place])
            self._read[place, fresh] = self._panes[fold].reading(place - self._lead[fold], fresh)
        return self._read[place, fresh]

    def replayed(self, terms: Sequence[Terms]) -> tuple[list[Alarm], list[int]]:
        """The alarms that would have been raised, each as it was at its end, and the place from which on the windows
        that are read at each pane begin; ``terms`` are those of each fold.

        The detector begins with the span, as if it had been switched on then.
        """
        loud = self._loudest.max(1) >= np.array([each.threshold for each in terms])[self._fold]
        alarms, lasting = list[Alarm](), None
        anew, first, fresh = list[int](), 0, int(self._starts[0])
        for place, key in enumerate(tally.key for tally in self._span):
            anew.append(first)
            # A pane that no window makes loud opens nothing: most need not be read.
            if lasting is None and not loud[place]:
                continue
            now = terms[int(self._fold[place])]
            lasting, change = advance(lasting, self.reading(place, fresh), now, at=float(key.end))
            if change == "resolved" and lasting is not None:
                alarms.append(lasting)
                lasting, fresh = None, key.end
                first = place + 1
        return ([*alarms, lasting] if lasting is not None else alarms), anew

    def statistic(self, anew: Sequence[int]) -> Float64:
        """The loudest score at every pane, of windows that begin at ``anew`` or later, float64 (n,)."""
        room = np.arange(len(self._span)) - np.array(anew, np.int64) + 1
        fits = np.array(self._lengths)[None] <= room[:, None]
        return np.where(fits, self._loudest, -np.inf).max(1)

    def rarity(self, alarm: Alarm) -> float:
        """Panes of unchanged traffic between two alarms that are as loud at their peaks."""
        place = int(np.searchsorted(self._starts, alarm.opened)) - 1
        calibration = self.calibrations[int(self._fold[place])]
        return calibration.law.achieved(min(alarm.value, calibration.threshold(RAREST))).panes

    def tried(self, budget: Budget, promise: float, raised: tuple[Raised, ...]) -> Tried:
        """What a budget did, with what is known of it."""
        known = [calibration.achieved(promise) for calibration in self.calibrations]
        achieved = Achieved(
            float(np.median([each.panes for each in known])),
            min(each.low for each in known),
            max(each.high for each in known),
            known[0].level,
        )
        firm = all(calibration.firm(promise) for calibration in self.calibrations)
        expected = len(self._span) / promise
        thresholds = tuple(calibration.threshold(promise) for calibration in self.calibrations)
        return Tried(budget, promise, thresholds, achieved, firm, expected, raised)

    def drifts(self) -> tuple[Float64, Float64]:
        """Distance of each pane's features from the reference, and that of the season then, in per cent."""
        own: list[Float64] = []
        normal: list[Float64] = []
        for (begin, end), calibration in zip(pairwise(self._bounds), self.calibrations, strict=True):
            detector = calibration.detector
            layout, features = detector.layout, detector.layout.blocks["features"]
            some = series_of(self._span[begin:end], layout)
            noise = layout.noise[features] / some.rows[:, None]
            squared = (some.values[:, features] ** 2 - noise) @ layout.weights
            own.append(100 * np.sign(squared) * np.sqrt(np.abs(squared)) / layout.anchor)
            season = detector.normal.season.at(some.moments)[:, features]
            normal.append(100 * np.sqrt(season**2 @ layout.weights) / layout.anchor)
        return np.concatenate(own), np.concatenate(normal)


class _Explained:
    """Says what moved, of the loudest alarms from the sketches that are kept, of the others from the score alone."""

    def __init__(self, store: Store, monitor: Monitor) -> None:
        self._store, self._monitor = store, monitor

    def all(self, alarms: Sequence[Alarm], most: int) -> list[Alarm]:
        loudest = sorted(alarms, key=lambda alarm: -alarm.value)[:most]
        return [self._one(alarm, looks=alarm in loudest) for alarm in alarms]

    def _one(self, alarm: Alarm, *, looks: bool) -> Alarm:
        length = self._monitor.spec.pane.length
        until = min(alarm.updated, max(alarm.opened, alarm.onset + EXPLAINED_PANES * length))
        parts: tuple[Part, ...] = ()
        if looks:
            since = max(alarm.onset, until - EXPLAINED_PANES * length)
            parts = self._store.sketches(
                alarm.stream, reference=alarm.reference, length=length, since=since, until=until
            )
        return replace(alarm, **moved(parts, self._monitor, alarm))


def _promise(
    spec: StreamSpec,
    settings: Alarms,
    budget: Budget,
    streams: int,
    segment: str,
    segments: int,
    rate: float | None,
) -> float:
    """The share of a budget in panes."""
    lookout = Lookout(spec, settings.model_copy(update={"budget": budget}), streams)
    promise = lookout.panes_promised(segment, segments, rate)
    if promise is None:
        want = "panes, such as '1 in 5000 panes'"
        raise UsageError("--budget", got=f"'{budget}' for panes of rows without event times", want=want)
    return promise


def _of(alarm: Alarm, tally: Tally) -> bool:
    key = tally.key
    return alarm.kind == "drift" and alarm.segment == key.segment and alarm.reference == key.reference


def _end(alarm: Alarm) -> int:
    return alarm.updated if alarm.resolved is None else alarm.resolved


def _gaps(
    store: Store, spec: StreamSpec, reference: str, segment: str, since: int, until: int, span: Sequence[Tally]
) -> tuple[Gap, ...]:
    """Where panes of the span were not judged."""
    ends = [since, *(tally.key.end for tally in span)]
    starts = [*(tally.key.start for tally in span), until]
    found = [(end, start) for end, start in zip(ends, starts, strict=True) if end < start]
    out: list[Gap] = []
    for number, (end, start) in enumerate(found):
        windows = (
            store.windows(spec.name, length=spec.pane.length, since=end, until=start, segment=segment)
            if number < MOST_GAPS
            else ()
        )
        panes = ceil((start - end) / spec.pane.length)
        out.append(Gap(end, start, _why(windows, reference, panes)))
    return tuple(out)


def _why(windows: Sequence[Window], reference: str, panes: int) -> str:
    said = {"no rows"} if len(windows) < panes else set[str]()
    for window in windows:
        if window.key.reference != reference:
            said.add("another reference")
        elif window.state in OUTSIDE:
            said.add(window.state)
        else:
            said.add("not kept" if window.rows else "no rows")
    return " and ".join(sorted(said))
