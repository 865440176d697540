"""Association over time: does an outcome get worse when there is more drift, beyond what each does by itself?

Trend, season and annotated events come off both series by weighted regression; what is left is prewhitened by an
autoregression of its own; the largest correlation over the lags, in the harmful direction, is compared with that of the
drift's own innovations in another order. docs/decisions/0014-association.md has the reasons and the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.numeric.autoregression import LONGEST_GAP, fit_autoregressions, innovations
from tidegauge.numeric.multiple import benjamini_hochberg
from tidegauge.numeric.surrogates import reordered
from tidegauge.records import LinkState

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

FEWEST_PANES, FEWEST_FREE = 60, 40
"""Panes that have both; and those that must be left when one is taken off for every column of season and events."""
LEVEL, DISCOVERY = 0.05, 0.10
"""Level of one test; false discovery rate among all that were asked."""
MOST_TREND, PANES_A_BEND = 6, 20
"""Degree of the trend at most, and panes for each: it follows a wave of which less than two periods are seen."""
MOST_PAST, PANES_A_PAST, GAPPED_PAST, REFITS, BLOCK = 12, 10, 4, 2, 4.0
CARRIES = 0.22
"""Share of an association that one pane may carry; where one carries more, the association must stand without it."""
EVENT = range(-1, 3)
"""Panes that are left out with it: an event is no sharper than what is taken off around it."""
AFTERMATH = 2
"""Panes after the edge of an event that are no evidence either."""
LINE, NEIGHBOURS, PLAIN_PAST = 0.01, 10, 2
"""Level at which a period stands out of those beside it, so many on each side, when little of the past is taken off."""
UNEQUAL = 0.2
"""Relative deviation of 1 / denominator from which noise that goes with it is told from all other."""
HOUR, DAY, WEEK = 3600, 86_400, 604_800
Z95 = 1.96

NOT_ENOUGH = "not enough history for an association: {panes} panes have both, and {wanted} are wanted"
NOT_FREE = "not enough history for an association: season and known events take {taken} of {panes} panes"
CONSTANT = "{which} did not change"
ONE_EVENT = (
    "what ties them is one pane, as where both step at once: "
    "one event, which the event study and the decomposition judge"
)
REPEATS = "both repeat every {period:.3g} panes, which could not be taken off as a season"


@dataclass(frozen=True, slots=True)
class Association:
    """Whether an outcome goes with drift: as ``tidegauge.Link`` has it, for one outcome, asked by itself.

    Attributes
    ----------
    state : LinkState
        At level .05 by itself; ``discovered`` settles it among many.
    panes : int
        Panes that have both drift and the outcome.
    lag : int or None
        Panes by which the outcome follows drift, where the association is largest.
    strength : float
        Correlation of the innovations at that lag; above 0 where more drift goes with harm.
    slope, low, high : float
        Change of the outcome, in its own unit, that goes with one more of drift's unit, and its 95 % interval.
    p : float
        One-sided, in the harmful direction, over all lags.
    reasons : tuple of str
        Why it cannot be told.
    """

    state: LinkState
    panes: int
    lag: int | None = None
    strength: float = float("nan")
    slope: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    reasons: tuple[str, ...] = ()


def associate(
    drift: Float64,
    numerators: Float64,
    denominators: Float64,
    harmful: Float64,
    *,
    moments: Float64 | None = None,
    step: float | None = None,
    events: Float64 | None = None,
    rows: Float64 | None = None,
    lags: int = 7,
    surrogates: int = 1999,
    seed: int = 0,
) -> tuple[Association, ...]:
    """Ask of each outcome whether it gets worse with drift, up to some panes later.

    Parameters
    ----------
    drift : float64 array, shape (T,)
        By pane, in order; NaN where there is none.
    numerators, denominators : float64 array, shape (T, m)
        Of every outcome; a denominator of 0 where it was not measured.
    harmful : float64 array, shape (m,)
        +1 where it is harm that the outcome rises, -1 that it falls.
    moments : float64 array, shape (T,), optional
        Middles of the panes in epoch seconds; without them no season can be taken off.
    step : float, optional
        Length of a pane in seconds. With all moments known, panes that are left out are missing ones.
    events : float64 array, shape (T, k), optional
        A column per annotation, 1 in the panes that it covers. What begins or ends there is no evidence.
    rows : float64 array, shape (T,), optional
        Rows behind each pane's drift, whose noise goes with 1 / rows.
    lags : int
        Largest lag asked.
    surrogates : int
        Orders drawn of the drift's innovations.
    seed : int

    Returns
    -------
    tuple of Association, one an outcome

    Raises
    ------
    DataError
        Where the shapes do not go together.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drift, noise = rng.gamma(2, 1, 200), rng.normal(0, 0.05, (200, 2))
    >>> noise[3:, 0] -= 0.05 * drift[:-3]
    >>> first, second = associate(drift, 80 * (0.9 + noise), np.full((200, 2), 80.0), np.array([-1.0, -1.0]))
    >>> first.state, first.lag, round(first.slope, 2), second.state
    ('associated', 3, -0.05, 'not associated')
    """
    panes = _panes(drift, numerators, denominators, harmful, moments, step, events, rows)
    there = (panes.denominators > 0) & np.isfinite(panes.numerators)
    rates = np.where(there, panes.numerators / np.where(there, panes.denominators, 1), 0.0)
    seen = np.isfinite(panes.drift)
    both = (seen[:, None] & there).sum(0)
    columns = _columns(panes, step)
    taken = columns.shape[1] - _degree(len(seen)) - 1
    found = [
        _unasked(int(n), taken, _varies(panes.drift[seen]), _varies(rates[there[:, j], j])) for j, n in enumerate(both)
    ]
    asked = np.flatnonzero([each is None for each in found])
    if not len(asked):
        return tuple(each for each in found if each)
    one = _left(np.where(seen, panes.drift, 0.0)[:, None], seen[:, None], columns, panes.rows[:, None])
    others = _left(rates[:, asked], there[:, asked], columns, panes.denominators[:, asked])
    known = one.known[:, 0] & ~_edges(panes.events)
    e = _centred(one.innovations[:, :1], known[:, None])[:, 0]
    u = _centred(others.innovations, others.known) * panes.harmful[asked]
    if known.sum() < FEWEST_FREE:
        few = Association(
            "not enough history",
            int(known.sum()),
            reasons=(NOT_FREE.format(taken=int(seen.sum() - known.sum()), panes=int(seen.sum())),),
        )
        return tuple(each or few for each in found)
    free = np.sqrt(1 - columns.shape[1] / both[asked])
    lag, correlations, (whole, values) = _tested(e, known, u, lags, surrogates, seed, free)
    periods = _shared_periods(one, others)
    slopes = _slopes(one, known, others, lag, columns.shape[1])
    for k, j in enumerate(asked.tolist()):
        reasons: tuple[str, ...] = ()
        if np.isfinite(periods[k]):
            reasons = (REPEATS.format(period=periods[k]),)
        elif whole[k] <= LEVEL < values[k]:
            reasons = (ONE_EVENT,)
        state = "cannot tell" if reasons else "associated" if values[k] <= LEVEL else "not associated"
        slope, low, high = slopes[k].tolist()
        strength, p = float(correlations[k]), float(values[k])
        found[j] = Association(state, int(both[j]), int(lag[k]), strength, slope, low, high, p, reasons)
    return tuple(each for each in found if each)


def discovered(found: Sequence[Association], rate: float = DISCOVERY) -> tuple[tuple[Association, float], ...]:
    """What is associated among all that were asked, each with its q, at this false discovery rate.

    One that cannot be told counts as asked and is never discovered; one that was not asked has no q.

    Examples
    --------
    >>> some = [Association("associated", 90, p=p) for p in (0.001, 0.04, 0.06)]
    >>> [(each.state, round(q, 3)) for each, q in discovered(some, 0.05)]
    [('associated', 0.003), ('not associated', 0.06), ('not associated', 0.06)]
    """
    q = benjamini_hochberg(np.array([1.0 if each.reasons and each.p == each.p else each.p for each in found]))
    return tuple((_settled(each, float(at), rate), float(at)) for each, at in zip(found, q, strict=True))


def _settled(each: Association, q: float, rate: float) -> Association:
    if each.reasons:
        return each
    return replace(each, state="associated" if q <= rate else "not associated")


@dataclass(frozen=True, slots=True, eq=False)
class _Panes:
    """What came, checked; on a grid without holes where the moments are known."""

    drift: Float64
    numerators: Float64
    denominators: Float64
    harmful: Float64
    moments: Float64
    events: Bool
    rows: Float64


def _panes(
    drift: Float64,
    numerators: Float64,
    denominators: Float64,
    harmful: Float64,
    moments: Float64 | None,
    step: float | None,
    events: Float64 | None,
    rows: Float64 | None,
) -> _Panes:
    n, m = len(drift), len(harmful)
    moments = np.full(n, np.nan) if moments is None else np.asarray(moments, np.float64)
    covered = np.zeros((n, 0), np.bool_) if events is None else np.asarray(events) > 0
    rows = np.ones(n) if rows is None else np.asarray(rows, np.float64)
    shapes = (drift.shape, numerators.shape, denominators.shape, moments.shape, rows.shape, covered.shape[:1])
    wanted = ((n,), (n, m), (n, m), (n,), (n,), (n,))
    if shapes != wanted:
        raise DataError("series to associate", got=f"shapes {shapes}", want=f"shapes {wanted}")
    place = np.arange(n)
    if step and n and np.isfinite(moments).all():
        apart = np.rint(np.diff(moments) / step).astype(np.int64)
        if (apart < 1).any():
            raise DataError("moments of panes", got="two in one pane, or not in order", want="one pane after the other")
        place = np.concatenate([[0], np.cumsum(np.minimum(apart, LONGEST_GAP))])

    def spread(x: Float64, fill: float) -> Float64:
        out = np.full((place[-1] + 1 if n else 0, *x.shape[1:]), fill)
        out[place] = x
        return out

    return _Panes(
        spread(drift, np.nan),
        spread(numerators, 0.0),
        spread(denominators, 0.0),
        np.asarray(harmful, np.float64),
        spread(moments, np.nan),
        spread(covered.astype(np.float64), 0.0) > 0,
        spread(rows, 0.0),
    )


def _varies(x: Float64) -> bool:
    return bool(len(x) and np.ptp(x) > 1e-12 * np.abs(x).max())


def _unasked(both: int, taken: int, drifts: bool, varies: bool) -> Association | None:
    """What to say of an outcome without a test; None where it is tested."""
    if both < FEWEST_PANES:
        reason = NOT_ENOUGH.format(panes=both, wanted=FEWEST_PANES)
        return Association("not enough history", both, reasons=(reason,))
    if both - taken < FEWEST_FREE:
        return Association("not enough history", both, reasons=(NOT_FREE.format(taken=taken, panes=both),))
    if not (drifts and varies):
        which = "the outcome" if drifts else "drift"
        return Association("cannot tell", both, reasons=(CONSTANT.format(which=which),))
    return None


def _degree(panes: int) -> int:
    return min(MOST_TREND, panes // PANES_A_BEND)


def _columns(panes: _Panes, step: float | None) -> Float64:
    """What is taken off both: a trend, seasons of which two turns were seen, events; float64 (T, k)."""
    n = len(panes.drift)
    trend = np.polynomial.legendre.legvander(np.linspace(-1, 1, n), _degree(n))
    parts = [trend, *_seasons(panes.moments, step), *_levels(panes.events)]
    whole = np.column_stack(parts).astype(np.float64)
    return whole[:, whole.any(0)]


def _seasons(moments: Float64, step: float | None) -> list[Bool]:
    """The hour of the day and the day of the week from two turns on, the hour of the week from three."""
    known = np.isfinite(moments)
    if step is None or known.sum() < 2:
        return []
    span, bucket = float(np.ptp(moments[known])) + step, max(step, HOUR)
    seen = np.where(known, moments, 0.0)
    if span >= 3 * WEEK and bucket <= DAY:
        factors = [(seen % WEEK) // bucket]
    else:
        factors = [(seen % DAY) // bucket] if span >= 2 * DAY and bucket <= DAY / 2 else []
        factors += [(seen % WEEK) // max(DAY, bucket)] if span >= 2 * WEEK and bucket <= WEEK / 2 else []
    return [(factor[:, None] == np.unique(factor[known])[1:]) & known[:, None] for factor in factors]


def _levels(events: Bool) -> list[Bool]:
    """Steps where events begin, and the level while a longer one lasts; the levels alone where steps are too many."""
    begins = events & ~np.vstack([np.zeros_like(events[:1]), events[:-1]])
    at = np.unique(np.flatnonzero(begins.any(1)))
    steps = np.arange(len(events))[:, None] >= at
    long = events[:, events.sum(0) > AFTERMATH + 2]
    return [long, steps] if len(at) <= len(events) // 20 else [long]


def _edges(events: Bool) -> Bool:
    """Panes in which an event begins, the first after it, and the aftermath of both."""
    before = np.vstack([np.zeros_like(events[:1]), events])
    edge = (before[1:] != before[:-1]).any(1)
    return np.convolve(edge, np.ones(AFTERMATH + 1))[: len(edge)] > 0


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """What is left of series: ``rest`` without the columns, and standardised innovations; 0 where not known. ``noise``
    is the standard deviation of an innovation, up to a factor.
    """

    rest: Float64
    present: Bool
    innovations: Float64
    known: Bool
    noise: Float64


def _left(x: Float64, present: Bool, columns: Float64, counts: Float64) -> _Left:
    """Take off the columns, then the past; where counts differ much, again with weights by what noise they make."""
    noise = np.ones(x.shape)
    inverse = np.where(present, 1 / np.where(counts > 0, counts, 1), 0.0)
    mean = inverse.sum(0) / present.sum(0)
    uneven = np.sqrt((present * (inverse - mean) ** 2).sum(0) / present.sum(0)) > UNEQUAL * mean
    if uneven.any():
        _, out, known = _whitened(x, present, noise, columns)
        noise = np.where(uneven, _noise(out, known, inverse), 1.0)
    rest, out, known = _whitened(x, present, noise, columns)
    return _Left(rest, present, out / noise, known, noise)


def _whitened(x: Float64, present: Bool, noise: Float64, columns: Float64) -> tuple[Float64, Float64, Bool]:
    """What is left without the columns, its innovations, and where they are known."""
    rest = _without(x, present / noise**2, columns)
    for _ in range(REFITS):
        rest = _trend_again(rest, present, noise, columns[:, : _degree(len(x)) + 1])
    return rest, *_innovations(rest, present, _longest(len(x)))


def _longest(panes: int) -> int:
    return min(MOST_PAST, panes // PANES_A_PAST)


def _trend_again(rest: Float64, present: Bool, noise: Float64, trend: Float64) -> Float64:
    """What is left when the trend is fitted anew to innovations (generalised least squares): where each pane goes on
    from the last, a fit to the panes themselves takes much of it for trend.
    """
    n, m = rest.shape
    past = _past(rest, present, _longest(n))
    out, known = innovations(rest, present, past)
    k = trend.shape[1]
    wide, _ = innovations(np.repeat(trend, m, axis=1), np.tile(present, k), np.tile(past, k))
    filtered = np.where(known[:, None], wide.reshape(n, k, m), 0.0) / noise[:, None]
    system = np.einsum("tkm,tlm->mkl", filtered, filtered)
    system += 1e-9 * np.trace(system, axis1=1, axis2=2)[:, None, None] / k * np.eye(k)
    aimed = np.einsum("tkm,tm->mk", filtered, out / noise)
    more = np.linalg.solve(system, aimed[:, :, None])[:, :, 0]
    return np.where(present, rest - trend @ more.T, 0.0)


def _innovations(rest: Float64, present: Bool, past: int) -> tuple[Float64, Bool]:
    return innovations(rest, present, _past(rest, present, past))


def _past(rest: Float64, present: Bool, most: int) -> Float64:
    return fit_autoregressions(rest, present, most if present.all() else min(most, GAPPED_PAST))


def _without(x: Float64, weights: Float64, columns: Float64) -> Float64:
    """Residuals of a weighted regression of each series on the columns; 0 where the weight is."""
    k = columns.shape[1]
    alike = bool((weights == weights[:, :1]).all())
    fitted = np.empty_like(x)
    for j in range(1 if alike else x.shape[1]):
        some = slice(None) if alike else slice(j, j + 1)
        weighted = columns * weights[:, j, None]
        system = weighted.T @ columns
        system[np.diag_indices(k)] += 1e-9 * np.trace(system) / k
        fitted[:, some] = columns @ np.linalg.solve(system, weighted.T @ x[:, some])
    return np.where(weights > 0, x - fitted, 0.0)


def _noise(out: Float64, known: Bool, inverse: Float64) -> Float64:
    """Standard deviation of innovations as the root of natural + per_row / count, over its mean, float64 (T, m)."""
    weight = np.where(known, 1 / np.where(known, inverse, 1.0) ** 2, 0.0)
    weight /= weight.sum(0)
    square = out**2
    apart = inverse - (weight * inverse).sum(0)
    slope = (weight * apart * square).sum(0) / np.maximum((weight * apart**2).sum(0), 1e-300)
    total = (known * square).sum(0) / known.sum(0)
    mean = (known * inverse).sum(0) / known.sum(0)
    per_row = np.clip(slope, 0, total / np.maximum(mean, 1e-300))
    natural = np.maximum(total - per_row * mean, 0)
    return np.sqrt(np.maximum((natural + per_row * inverse) / np.maximum(total, 1e-300), 1e-3))


def _centred(x: Float64, known: Bool) -> Float64:
    mean = np.where(known, x, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, x - mean, 0.0)


def _sooner(x: Float64, lag: int) -> Float64:
    """A series some panes sooner, 0 after its end."""
    return np.concatenate([x[lag:], np.zeros_like(x[:lag])])


def _tested(
    e: Float64, known: Bool, u: Float64, lags: int, surrogates: int, seed: int, free: Float64
) -> tuple[Int, Float64, tuple[Float64, Float64]]:
    """The lag and the correlation of each outcome, (m,), and p of the largest over the lags, (m,): as it is, and
    without the pane that carries most of it, where that is much.
    """
    shuffled = np.zeros((surrogates, len(e)))
    shuffled[:, known] = e[known][reordered(int(known.sum()), surrogates, BLOCK, seed)]
    power, m = e @ e / known.sum(), u.shape[1]
    z, scales, pairs = (np.empty((lags + 1, m)) for _ in range(3))
    largest = np.full((surrogates, m), -np.inf)
    for lag in range(lags + 1):
        ahead = _sooner(u, lag)
        scales[lag] = 1 / np.sqrt(np.maximum(power * (ahead[known] ** 2).sum(0), 1e-300))
        pairs[lag] = (known[:, None] & (ahead != 0)).sum(0)
        z[lag] = e @ ahead * scales[lag]
        np.maximum(largest, shuffled @ (ahead * scales[lag]), out=largest)
    best, each = z.argmax(0), np.arange(m)
    ahead = np.stack([_sooner(e_u, int(lag)) for e_u, lag in zip(u.T, best, strict=True)], axis=1)
    products = e[:, None] * ahead
    carrier = products.argmax(0)
    alone = products[carrier, each] > CARRIES * np.maximum(products.sum(0), 1e-300)
    less, without = z.copy(), np.ones(m)
    padded, ahead = np.pad(e, (-EVENT[0], EVENT[-1])), np.pad(u, ((-EVENT[0], EVENT[-1] + lags), (0, 0)))
    for pane in EVENT:
        at = carrier + pane - EVENT[0]
        less -= padded[at] * ahead[at + np.arange(lags + 1)[:, None], each] * scales
        without -= padded[at] ** 2 / (e @ e)
    without = np.maximum(without, 1e-9)
    kept = np.where(alone, np.minimum(less.max(0) / np.sqrt(without), z.max(0)), z.max(0))
    whole, values = (((largest >= top * free - 1e-9).sum(0) + 1) / (surrogates + 1) for top in (z.max(0), kept))
    strength = np.clip(z[best, each] / np.sqrt(np.maximum(pairs[best, each], 1)), -1, 1)
    return best, strength, (whole, values)


def _shared_periods(one: _Left, others: _Left) -> Float64:
    """The period in panes that stands out of both drift and an outcome, float64 (m,); NaN where none does."""
    (at, drifts), (where, repeats) = _lines(one), _lines(others)
    shared = drifts[0] & repeats & (np.abs(where - at[0]) <= 1)
    return np.where(shared, len(one.rest) / where, np.nan)


def _lines(left: _Left) -> tuple[Int, Bool]:
    """The frequency, in turns of the history, that stands out most of those beside it; and whether it does."""
    out, _ = _innovations(left.rest, left.present, PLAIN_PAST)
    power = np.abs(np.fft.rfft(out, axis=0)[2:]) ** 2
    beside = np.pad(power, ((NEIGHBOURS, NEIGHBOURS), (0, 0)), mode="reflect")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(beside, 2 * NEIGHBOURS + 1, axis=0), axis=2) / np.log(2)
    ratio = power / np.maximum(usual, 1e-300)
    return ratio.argmax(0) + 2, np.exp(-ratio.max(0)) * len(power) < LINE


def _slopes(one: _Left, known: Bool, others: _Left, lag: Int, taken: int) -> Float64:
    """Slope and its 95 % interval of each outcome on drift at its lag, float64 (m, 3).

    The noise is an autoregression, fitted in turn with the slope (Cochrane and Orcutt, 1949); errors are robust
    against unequal noise.
    """
    first = int(lag.max())
    panes = np.arange(first, len(one.rest))[:, None] - lag
    drift, outcome, scale = one.rest[panes, 0], others.rest[first:], others.noise[first:]
    present = others.present[first:] & one.present[panes, 0]
    used, noise = known[panes], outcome
    slope = spread = np.zeros(len(lag))
    for _ in range(3):
        past = _past(noise, present, _longest(len(noise)))
        (x, there), (y, _) = innovations(drift, present, past), innovations(outcome, present, past)
        there &= used
        x, y = np.where(there, x / scale, 0.0), y / scale
        power = np.maximum((x**2).sum(0), 1e-300)
        slope = (x * y).sum(0) / power
        errors = (y - slope * x) / (1 - np.minimum(x**2 / power, 0.9))
        count = there.sum(0)
        fitted = taken + (past != 0).sum(0) + 1
        spread = np.sqrt((x**2 * errors**2).sum(0) * count / np.maximum(count - fitted, 1)) / power
        noise = np.where(present, outcome - slope * drift, 0.0)
    return np.stack([slope, slope - Z95 * spread, slope + Z95 * spread], axis=1)
