"""What an outcome did around the onsets of alarms, beside like panes without one.

An outcome that follows its own season or trend moves around any date. So what it did around each onset is compared with
what it did around other dates at the same place of the season: the mean of those is taken off, and sets of them, as
many and as far apart as the events are, say how large a change comes about by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.records import StudyState

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

AFTER = 6
LEVEL = 0.05
FEWEST_EVENTS = 5
FEWEST_CONTROLS = 3
FEWEST_PANES = 60
PRESENT = 0.5
SWEEPS = 6
WEEK, DAY = 7 * 86_400.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Studied:
    """What a ``Study`` says of one outcome, without its names."""

    state: StudyState
    events: int
    controls: int = 0
    after: int = 0
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    before: float = float("nan")
    offsets: tuple[int, ...] = ()
    curve: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()


def study(
    numerators: Float64,
    denominators: Float64,
    onsets: Int,
    alarmed: Bool,
    harmful: Int,
    *,
    moments: Float64 | None = None,
    step: float | None = None,
    after: int = AFTER,
    placebos: int = 1999,
    seed: int = 0,
) -> tuple[Studied, ...]:
    """Did outcomes get worse when alarms began, more than at other dates?

    Parameters
    ----------
    numerators, denominators : float64 arrays, shape (T, m)
        Sums of each outcome by pane, in order; a denominator of 0 is a missing pane.
    onsets : int64 array, shape (k,)
        The panes in which alarms began. One that comes within twice ``after`` panes of the last that counts is part of
        that event: its baseline would be what the first did.
    alarmed : bool array, shape (T,)
        Panes with an alarm; a control has none from ``after`` panes before it to ``after`` panes on.
    harmful : int array, shape (m,)
        +1 where it is harm that the outcome rises, -1 that it falls.
    moments : float64 array, shape (T,), optional
        When each pane began, in epoch seconds; NaN where that is not known.
    step : float, optional
        Length of a pane in seconds. With ``moments``, controls and placebos are at the same hour of the week; where
        the history has too few of those, of the day; else anywhere.
    after : int
        Panes from an onset on whose rate is compared with that of as many before it.
    placebos : int
        Sets of other dates that are drawn.
    seed : int

    Returns
    -------
    tuple of Studied, one for each outcome
        ``p`` is one-sided, in the harmful direction; ``before`` two-sided, for the last half of the baseline against
        what was before it. A history in which the outcome moved before the onsets is a ``pre-trend``, whatever came
        after. Fewer than five events are an ``anecdote`` and have no p. Effect and curve are means over events, weighed
        by how well both windows are known.

    Raises
    ------
    DataError
        Where the arrays do not belong together.

    Notes
    -----
    A placebo set has one date for each event, at the same place of the season, no two nearer than events may be; all
    sets are equally likely, and that of the events is one of them. So p is uniform where alarms have nothing to do with
    the outcome, however it depends on its past. The weights are 1 / (a + b h),
    h = 1 / D0 + 1 / D1 from the denominators of both windows, a and b fitted to the squares of all changes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rate, onsets = np.full((300, 1), 0.9), np.arange(20, 290, 30)
    >>> for onset in onsets: rate[onset : onset + 6] -= 0.1
    >>> good, rows = rng.binomial(200, rate).astype(float), np.full((300, 1), 200.0)
    >>> done = study(good, rows, onsets, rate[:, 0] < 0.9, np.array([-1]))
    >>> done[0].state, done[0].events, round(done[0].effect, 1), done[0].p
    ('effect', 9, -0.1, 0.0005)
    """
    panes, outcomes = _checked(numerators, denominators, onsets, alarmed, harmful, moments, after)
    events, merged = apart(np.unique(np.asarray(onsets, np.int64)), 2 * after)
    clean = _quiet(np.asarray(alarmed, np.bool_), onsets, after)
    told = f"{merged} of {merged + len(events)} onsets came within {2 * after} panes of another and are part of it"
    out = []
    for j in range(outcomes):
        windows = _Windows(np.asarray(numerators[:, j], float), np.asarray(denominators[:, j], float), after)
        known = events[np.isfinite(windows.change[events])] if panes else events
        reasons = [told] * bool(merged)
        if len(known) < len(events):
            reasons.append(f"{len(events) - len(known)} events lack panes before or after them")
        phase, matched = _phases(moments, step, panes, known, np.isfinite(windows.change) & clean)
        rng = np.random.default_rng([seed, 41, j])
        out.append(_studied(windows, known, clean, phase, int(harmful[j]), placebos, rng, (*reasons, matched)))
    return tuple(out)


def _checked(
    numerators: Float64,
    denominators: Float64,
    onsets: Int,
    alarmed: Bool,
    harmful: Int,
    moments: Float64 | None,
    after: int,
) -> tuple[int, int]:
    if numerators.ndim != 2 or numerators.shape != denominators.shape or after < 1:
        got = f"{numerators.shape} and {denominators.shape}, {after} panes after an onset"
        raise DataError("outcomes by pane", got=got, want="numerators and denominators of one shape, and at least 1")
    panes, outcomes = numerators.shape
    wanted = {"alarmed panes": (len(alarmed), panes), "harmful directions": (len(harmful), outcomes)}
    wanted["moments"] = (panes if moments is None else len(moments), panes)
    for what, (got, want) in wanted.items():
        if got != want:
            raise DataError(what, got=f"{got}", want=f"{want}")
    if len(onsets) and (np.min(onsets) < 0 or np.max(onsets) >= panes):
        raise DataError("onsets", got=f"{np.min(onsets)} to {np.max(onsets)}", want=f"panes 0 to {panes - 1}")
    return panes, outcomes


def apart(onsets: Int, least: int) -> tuple[Int, int]:
    """The onsets that count, no two nearer than ``least`` panes, first come; and how many are part of another.

    Examples
    --------
    >>> apart(np.array([3, 5, 14, 16, 30]), 12)
    (array([ 3, 16, 30]), 2)
    """
    kept: list[int] = []
    for onset in np.asarray(onsets, np.int64).tolist():
        if not kept or onset - kept[-1] >= least:
            kept.append(onset)
    return np.array(kept, np.int64), len(onsets) - len(kept)


def _quiet(alarmed: Bool, onsets: Int, after: int) -> Bool:
    """Panes without an alarm from ``after`` panes before them to as many on, (T,)."""
    loud = alarmed.copy()
    loud[np.asarray(onsets, np.int64)] = True
    total = np.concatenate([np.zeros(after), np.cumsum(np.concatenate([[0], loud, np.zeros(after)]))])
    panes = np.arange(len(alarmed))
    return total[panes + 2 * after] - total[panes] == 0


class _Windows:
    """Rates over windows around every pane of one outcome, all (T,); NaN where half of a window's panes are missing, or
    it reaches beyond the history.

    ``change`` is the rate of the ``after`` panes from it on less that of as many before; ``early`` that of the last
    half of those before less that of ``after`` panes before that; ``noise`` is 1 / D before + 1 / D after.
    """

    def __init__(self, numerators: Float64, denominators: Float64, after: int) -> None:
        self.after, self.half = after, (after + 1) // 2
        there = (denominators > 0) & np.isfinite(numerators)
        self.numerators, self.denominators = np.where(there, numerators, 0.0), np.where(there, denominators, 0.0)
        self._sums = [
            np.concatenate([[0.0], np.cumsum(x)]) for x in (self.numerators, self.denominators, there.astype(float))
        ]
        (self.base, before), (ahead, behind) = self._rate(-after, 0), self._rate(0, after)
        self.change = ahead - self.base
        self.early = self._rate(-self.half, 0)[0] - self._rate(-self.half - after, -self.half)[0]
        with np.errstate(divide="ignore"):
            self.noise = 1 / before + 1 / behind

    def _rate(self, start: int, stop: int) -> tuple[Float64, Float64]:
        """Rate and denominator of the panes from ``start`` to ``stop`` about each pane."""
        panes = np.arange(len(self.numerators))
        low, high = (np.clip(panes + offset, 0, len(panes)) for offset in (start, stop))
        n, d, present = (total[high] - total[low] for total in self._sums)
        inside = (panes + start >= 0) & (panes + stop <= len(panes))
        enough = inside & (present >= PRESENT * (stop - start))
        return np.divide(n, d, out=np.full(len(panes), np.nan), where=enough & (d > 0)), d

    def at(self, offset: int) -> Float64:
        """The rate so many panes on, less that of the baseline, (T,)."""
        panes = np.arange(len(self.numerators)) + offset
        inside = (panes >= 0) & (panes < len(self.numerators))
        place = np.where(inside, panes, 0)
        d = np.where(inside, self.denominators[place], 0.0)
        return np.divide(self.numerators[place], d, out=np.full(len(d), np.nan), where=d > 0) - self.base


def _phases(moments: Float64 | None, step: float | None, panes: int, events: Int, quiet: Bool) -> tuple[Int, str]:
    """The place of each pane in the longest season in which every event has controls, int64 (T,); and what to say."""
    nothing = np.zeros(panes, np.int64)
    if moments is None or step is None or not np.isfinite(moments).any():
        return nothing, "controls are from any time: when panes began is not known"
    if step >= WEEK:
        return nothing, ""
    for length, name in ((WEEK, "week"), (DAY, "day")):
        if step >= length:
            continue
        phase = np.where(np.isfinite(moments), np.mod(moments, length) // step, -1).astype(np.int64)
        if all((quiet & (phase == phase[event])).sum() >= FEWEST_CONTROLS for event in events):
            return phase, "" if name == "week" else "controls are at the same hour of the day: too few of the week"
    return nothing, "controls are from any time: too few at the same hour"


def _studied(
    windows: _Windows,
    events: Int,
    clean: Bool,
    phase: Int,
    harmful: int,
    placebos: int,
    rng: np.random.Generator,
    reasons: tuple[str, ...],
) -> Studied:
    after, change = windows.after, windows.change
    dates, reasons = np.isfinite(change), tuple(r for r in reasons if r)
    controls = dates & clean & np.isin(phase, phase[events])
    if not len(events) or dates.sum() < FEWEST_PANES or controls.sum() < FEWEST_CONTROLS:
        why = "no alarm began in it" if not len(events) else f"{int(dates.sum())} panes, {int(controls.sum())} controls"
        return Studied("not enough history", len(events), int(controls.sum()), after, reasons=(*reasons, why))
    weight = _weights(change, windows.noise, dates)
    share = weight[events] / weight[events].sum()
    effect = float(share @ _less_controls(change, phase, controls)[events])
    offsets = tuple(range(-after, after))
    curve = tuple(_mean_curve(windows.at(k), events, share, phase, clean) for k in offsets)
    found = (len(events), int(controls.sum()), after, effect)
    if len(events) < FEWEST_EVENTS:
        few = f"{len(events)} event{'s' * (len(events) != 1)}: an anecdote"
        return Studied("anecdote", *found, offsets=offsets, curve=curve, reasons=(*reasons, few))
    every = placebo_dates(events, phase, dates, 2 * after, placebos, rng)
    p = _rank(harmful * change, phase, every, weight, dates)
    early = np.isfinite(windows.early)
    begun = float("nan")
    if early[events].sum() >= FEWEST_EVENTS:
        begun = min(1.0, 2 * min(_rank(sign * windows.early, phase, every, weight, early) for sign in (1, -1)))
    alike = float((dates & clean).sum())
    low, high = _interval(change, phase, events, controls, alike, effect, weight, placebos, 2 * after, rng)
    state: StudyState = "effect" if p <= LEVEL else "no effect"
    if begun <= LEVEL:
        state, reasons = "pre-trend", (*reasons, "the outcome moved before the alarms began")
    elif high * harmful < 0 and low * harmful < 0:
        reasons = (*reasons, "the outcome got better")
    return Studied(state, *found, low, high, p, begun, offsets, curve, reasons)


def _weights(change: Float64, noise: Float64, dates: Bool) -> Float64:
    """How well each date's change is known, (T,): natural noise, and that of the rows."""
    from scipy.optimize import nnls

    square = (change[dates] - change[dates].mean()) ** 2
    scale = float(noise[dates].mean())
    (natural, rows), _ = nnls(np.stack([np.ones(len(square)), noise[dates] / scale], axis=1), square)
    variance = natural + rows * np.where(dates, noise, scale) / scale
    return 1 / np.where(variance > 0, variance, 1.0)


def _less_controls(values: Float64, phase: Int, controls: Bool) -> Float64:
    """The values less the mean of the controls at the same place of the season, (T,)."""
    rows = int(phase.max()) + 2
    count = np.bincount(phase[controls] + 1, minlength=rows)
    total = np.bincount(phase[controls] + 1, values[controls], minlength=rows)
    mean = np.divide(total, count, out=np.full(rows, np.nan), where=count > 0)
    return values - mean[phase + 1]


def _mean_curve(values: Float64, events: Int, share: Float64, phase: Int, clean: Bool) -> float:
    less = _less_controls(values, phase, np.isfinite(values) & clean)[events]
    known = np.isfinite(less)
    return float(share[known] @ less[known] / share[known].sum()) if known.any() else float("nan")


def placebo_dates(events: Int, phase: Int, dates: Bool, least: int, count: int, rng: np.random.Generator) -> Int:
    """Sets of dates like that of the events, int64 (count + 1, k); the first row is the events.

    Every date is at the place of the season of its event, and no two of a set are nearer than ``least`` panes. A chain
    that moves one date at a time leads away from the events, and as many as are wanted begin where it ends: so the
    events are one of the sets, and all are alike (Besag and Clifford, 1989).

    Examples
    --------
    >>> sets = placebo_dates(np.array([2, 9]), np.arange(20) % 2, np.ones(20, bool), 4, 200, np.random.default_rng(0))
    >>> bool((sets[:, 0] % 2 == 0).all()), int(np.abs(sets[:, 0] - sets[:, 1]).min()), len(np.unique(sets[:, 1]))
    (True, 5, 10)
    """
    free = [np.flatnonzero(dates & (phase == phase[event])) for event in events]
    away = _moved(events[None], free, least, rng)
    return np.concatenate([events[None], _moved(np.repeat(away, count, axis=0), free, least, rng)])


def _moved(sets: Int, free: Sequence[Int], least: int, rng: np.random.Generator) -> Int:
    """Sets after some sweeps in which each date in turn goes to one offered at random, where that fits."""
    sets = sets.copy()
    for _ in range(SWEEPS):
        for k in rng.permutation(len(free)).tolist():
            offered = free[k][rng.integers(len(free[k]), size=len(sets))]
            distance = np.abs(sets - offered[:, None])
            distance[:, k] = least
            sets[:, k] = np.where((distance >= least).all(1), offered, sets[:, k])
    return sets


def _rank(values: Float64, phase: Int, sets: Int, weight: Float64, dates: Bool) -> float:
    """The share of sets, the first among them, whose weighed mean is as small as the first's, or as large."""
    less = np.where(dates, _less_controls(values, phase, dates), 0.0)
    w = np.where(dates, weight, 0.0)
    mean = (w * less)[sets].sum(1) / np.maximum(w[sets].sum(1), 1e-300)
    return float((mean >= mean[0] - 1e-9 * np.abs(mean).max()).mean())


def _interval(
    change: Float64,
    phase: Int,
    events: Int,
    controls: Bool,
    alike: float,
    effect: float,
    weight: Float64,
    count: int,
    least: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """The effect on these events, give or take what sets of controls differ by, the noise of their own mean, and that
    few controls know their spread badly (Student).
    """
    from scipy.stats import norm, t

    allowed = controls.copy()
    allowed[events] = True
    sets = placebo_dates(events, phase, allowed, least, count, rng)[1:]
    less = np.where(allowed, _less_controls(change, phase, controls), 0.0)
    held = controls[sets]
    w = weight[sets] * held
    mean = (w * less[sets]).sum(1) / np.maximum(w.sum(1), 1e-300)
    mean = (mean * np.sqrt(held.mean(1)))[held.any(1)]  # as much noise as so many dates have as there are events
    if len(mean) < count / 2:
        return float("nan"), float("nan")
    independent = max(min(float(controls.sum()), alike / least), 2.0)
    few = float(t.ppf(1 - LEVEL / 2, independent) / norm.ppf(1 - LEVEL / 2))
    own = np.sqrt(1 + len(events) / independent)
    each = max(float(controls.sum()) / len(np.unique(phase[events])), 2.0)  # its own mean is taken off each
    low, high = np.quantile(mean, (LEVEL / 2, 1 - LEVEL / 2)) * own * few * np.sqrt(each / (each - 1))
    return effect - float(high), effect - float(low)
