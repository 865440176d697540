"""Where an outcome's change lies: moved traffic, groups that got worse, and what is new; exact to rounding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidegauge.outcome.groups import Groups
from tidegauge.records import ChangeKind, Contribution, Decomposition, Outcome, Resampled

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

KINDS: tuple[ChangeKind, ...] = ("mix", "within", "new")
DRAWS = 1000
NAMED = 8
CLEAR = 3.0
WORTH = 0.1
THIN = 5.0
MOST_GROWTH = 10.0
FEWEST_DAYS = 30
ENOUGH_SAMPLE = 30
REST = "everything else"
ALL = "all"
CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class Units:
    """An outcome of one side, entry by entry; entries of one unit (a session, a day, a row) are resampled together.

    Attributes
    ----------
    values : float64 array, shape (n, 2)
        Numerators and denominators.
    group, unit : int64 arrays, shape (n,)
        The group of each entry, and its unit.
    groups : int
        How many groups there are.
    row : float
        Mean denominator of a row that has the outcome.
    """

    values: Float64
    group: Int
    unit: Int
    groups: int
    row: float = 1.0

    @cached_property
    def totals(self) -> Float64:
        """Numerators and denominators, float64 (2, g)."""
        return np.stack([np.bincount(self.group, self.values[:, j], self.groups) for j in (0, 1)]).astype(np.float64)

    @property
    def count(self) -> float:
        """Units that have the outcome."""
        return float(len(np.unique(self.unit[self.values[:, 1] > 0])))

    def draws(self, rng: np.random.Generator, count: int) -> Float64:
        """Totals where every unit comes as often as a Poisson variable of mean 1 says (Hanley and MacGibbon, 2006)."""
        from scipy.sparse import coo_array

        has = self.values[:, 1] > 0
        units, unit = np.unique(self.unit[has], return_inverse=True)
        place = np.concatenate([self.group[has], self.group[has] + self.groups])
        shape = (len(units), 2 * self.groups)
        summed = coo_array((self.values[has].T.ravel(), (np.tile(unit, 2), place)), shape=shape).tocsr()
        step = max(1, CHUNK // max(len(units), 1))
        out = np.empty((count, 2 * self.groups))
        for start in range(0, count, step):
            weights = rng.poisson(1.0, (min(step, count - start), len(units))).astype(np.float64)
            out[start : start + step] = (summed.T @ weights.T).T
        return out.reshape(count, 2, self.groups)


@dataclass(frozen=True, eq=False)
class CellSums:
    """An outcome of one side of which only the sums by group are known: its rows are taken as independent.

    Attributes
    ----------
    totals : float64 array, shape (2, g)
        Numerators and denominators.
    row : float
        Mean denominator of a row.
    variance : float64 array, shape (g,)
        Of a row's numerator about its group's rate; NaN where nothing is known of it.
    """

    totals: Float64
    row: float
    variance: Float64

    @property
    def count(self) -> float:
        """Rows."""
        return float(self.totals[1].sum() / self.row)

    def draws(self, rng: np.random.Generator, count: int) -> Float64:
        """Totals of as many rows in each group as a Poisson variable says, their numerators normal about its rate."""
        rows = rng.poisson(self.totals[1] / self.row, (count, self.totals.shape[1])).astype(np.float64)
        denominators = rows * self.row
        rate = self.totals[0] / np.where(self.totals[1] > 0, self.totals[1], 1.0)
        noise = np.sqrt(rows * self.variance) * rng.standard_normal(rows.shape)
        return np.stack([rate * denominators + noise, denominators], axis=1)


def cell_sums(outcome: Outcome, totals: Float64, rows: float, sample: Float64 | None = None) -> CellSums:
    """What is known of a side by its sums, and by a fair sample of its rows where there is one.

    Parameters
    ----------
    outcome : Outcome
    totals : float64 array, shape (2, g)
    rows : float
        Rows that have the outcome.
    sample : float64 array, shape (k, 2), optional
        Numerators and denominators of some rows. Without enough of them, a share is taken as that of single trials, a
        count as Poisson, and of a number nothing is known.
    """
    row = float(totals[1].sum()) / max(rows, 1.0) or 1.0
    rate = totals[0] / np.where(totals[1] > 0, totals[1], 1.0)
    shape = {"share": rate * (1 - rate), "count": np.maximum(rate, 0), "number": np.ones_like(rate)}[outcome.unit]
    has = np.zeros((0, 2)) if sample is None else sample[sample[:, 1] > 0]
    if len(has) < ENOUGH_SAMPLE:
        return CellSums(totals, row, shape * row if outcome.unit != "number" else np.full_like(rate, np.nan))
    mean = float(has[:, 0].sum() / has[:, 1].sum())
    typical = {"share": mean * (1 - mean), "count": max(mean, 0.0), "number": 1.0}[outcome.unit]
    seen = float(((has[:, 0] - mean * has[:, 1]) ** 2).mean())
    return CellSums(totals, row, shape * (seen / typical if typical > 0 else row))


def parts(before: Float64, after: Float64, groups: Groups, thin: tuple[float, float] = (0.0, 0.0)) -> Float64:
    """What each group adds to the change of the rate, as mix, within and new; all of it adds up to the change.

    With shares w of the denominator and rates r on both sides, and R the rate before: an ordinary group adds
    w1 (r1 - R) - w0 (r0 - R), of which (w0 + w1) / 2 (r1 - r0) is within, and the rest,
    (w1 - w0) ((r0 + r1) / 2 - R), is mix. A group in which one side has less than its ``thin`` denominator has one
    rate, the pooled one: within weighs by 2 w0 w1 / (w0 + w1), and mix is (w1 - w0) times the pooled rate less R. So a
    group that one side does not have takes the other side's rate, and is all mix.

    What a new group adds is new. Of the novel half of a cell this holds only beyond what it would be had it done as the
    ordinary half did (grown as much, its rate changed as much): that much is mix and within.

    Parameters
    ----------
    before, after : float64 arrays, shape (..., 2, g)
        Numerators and denominators by group.
    groups : Groups
    thin : tuple of float
        Denominators, before and after.

    Returns
    -------
    float64 array, shape (..., 3, g)

    Examples
    --------
    >>> groups = Groups(("old", "other", "new"), np.array([False, False, True]), np.full(3, -1), np.ones(3, bool))
    >>> before, after = np.array([[40.0, 30, 0], [50, 50, 0]]), np.array([[32.0, 24, 2], [40, 40, 20]])
    >>> parts(before, after, groups).sum(1).round(3).tolist()
    [0.0, 0.0, -0.12]
    """
    (n0, d0), (n1, d1) = ((np.moveaxis(side, -2, 0)) for side in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        whole0, whole1 = d0.sum(-1, keepdims=True), d1.sum(-1, keepdims=True)
        mean = n0.sum(-1, keepdims=True) / whole0
        w0, w1 = d0 / whole0, d1 / whole1
        lead0, lead1 = n0 / whole0 - w0 * mean, n1 / whole1 - w1 * mean
        both = (d0 > 0) & (d1 > 0)
        fell = np.where(both, n1 / np.where(both, d1, 1) - n0 / np.where(both, d0, 1), 0.0)
        few = (d0 < thin[0]) | (d1 < thin[1])
        weight = np.where(few & both, 2 * w0 * w1 / np.where(both, w0 + w1, 1), (w0 + w1) / 2)
        growth = np.where(few | ~both, 1.0, np.minimum(w1 / np.where(both, w0, 1), MOST_GROWTH))
    within = np.where(groups.new, 0.0, weight * fell)
    mix = np.where(groups.new, 0.0, lead1 - lead0 - within)
    new = np.where(groups.new, lead1 - lead0, 0.0)
    halves = np.flatnonzero(groups.twin >= 0)
    if len(halves):
        twin = groups.twin[halves]
        g, f = growth[..., twin], np.where(few, 0.0, fell)[..., twin]
        old, share = lead0[..., halves], w0[..., halves]
        told = g * (old + share * f)  # what the half would add, had it done as its twin
        inside = (1 + g) / 2 * share * f
        new[..., halves] = lead1[..., halves] - told
        to_twin = np.zeros((len(halves), len(groups)))
        to_twin[np.arange(len(halves)), twin] = 1
        within += inside @ to_twin
        mix += (told - old - inside) @ to_twin
    return np.stack([mix, within, new], axis=-2)


def decompose(
    outcome: Outcome,
    before: Units | CellSums,
    after: Units | CellSums,
    groups: Groups,
    *,
    by: str = "clusters",
    resampled: Resampled = "sessions",
    guess: bool = False,
    note: str = "",
    seed: int = 0,
    draws: int = DRAWS,
) -> Decomposition | None:
    """Where the change of an outcome lies, with 95 % intervals by resampling; None where a side does not have it.

    Parameters
    ----------
    outcome : Outcome
    before, after : Units or CellSums
        Both sides, over the same groups.
    groups : Groups
    by : str
        What the groups are.
    resampled, guess, note
        What the units are, whether to take them as independent is a guess, and what else to say.
    seed, draws : int
        Fixes the resampling, and how often it is done.

    Examples
    --------
    >>> groups = Groups(("a", "b"), np.array([False, False]), np.full(2, -1), np.ones(2, bool))
    >>> rows = np.arange(200)
    >>> good = np.stack([rows % 10 > 0, np.ones(200)], axis=1).astype(float)
    >>> poor = np.stack([rows % 10 > 3, np.ones(200)], axis=1).astype(float)
    >>> d = decompose(Outcome("success"), *(Units(v, rows % 2, rows, 2) for v in (good, poor)), groups)
    >>> round(d.change, 3), round(d.within.change, 3), round(d.mix.change, 3)
    (-0.3, -0.3, 0.0)
    """
    first, second = before.totals, after.totals
    if not (first[1].sum() > 0 and second[1].sum() > 0):
        return None
    thin = (THIN * before.row, THIN * after.row)
    rng = np.random.default_rng([seed, 12])
    drawn = [before.draws(rng, draws), after.draws(rng, draws)]
    names, place = np.unique(np.array(groups.names), return_inverse=True)
    as_named = np.eye(len(names))[place]
    seen = parts(first, second, groups, thin) @ as_named
    noise = parts(drawn[0], drawn[1], groups, thin) @ as_named
    width = _width(min(before.count, after.count))
    teller = _Teller(names, as_named, groups, first, second, noise, width)
    change = float(second[0].sum() / second[1].sum() - first[0].sum() / first[1].sum())
    half = width * _spread(noise.sum((-2, -1)))
    mix, within, new = (teller.contribution(kind, seen[i].sum(), None, ALL) for i, kind in enumerate(KINDS))
    return Decomposition(
        outcome,
        by,
        float(first[0].sum() / first[1].sum()),
        float(second[0].sum() / second[1].sum()),
        change,
        change - half,
        change + half,
        mix,
        within,
        new,
        _told(outcome, seen, teller),
        resampled,
        guess,
        note,
    )


def _width(units: float) -> float:
    """How many standard errors a 95 % interval reaches, by Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.975, max(units - 1, 1)))


def _spread(draws: Float64) -> float:
    kept = draws[np.isfinite(draws)]
    return float(kept.std(ddof=1)) if len(kept) > len(draws) / 2 and len(kept) > 1 else float("nan")


@dataclass(frozen=True, eq=False)
class _Teller:
    """Makes contributions of names (k,), given what groups they hold and how their parts (B, 3, k) vary."""

    names: npt.NDArray[np.str_]
    as_named: Float64
    groups: Groups
    before: Float64
    after: Float64
    noise: Float64
    width: float

    def contribution(self, kind: ChangeKind, change: float, which: Int | None, group: str) -> Contribution:
        """One kind of change of some of the names, or of all."""
        at = KINDS.index(kind)
        chosen = np.arange(len(self.names)) if which is None else which
        half = self.width * _spread(self.noise[:, at][:, chosen].sum(-1))
        member = (self.as_named[:, chosen].sum(1) > 0) & (self.groups.new == (kind == "new"))
        (n0, d0), (n1, d1) = (side[:, member].sum(1) for side in (self.before, self.after))
        return Contribution(
            kind,
            group,
            float(change),
            float(change - half),
            float(change + half),
            float(d0 / self.before[1].sum()),
            float(d1 / self.after[1].sum()),
            float(n0 / d0) if d0 > 0 else float("nan"),
            float(n1 / d1) if d1 > 0 else float("nan"),
        )


def _told(outcome: Outcome, seen: Float64, teller: _Teller) -> tuple[Contribution, ...]:
    """The largest contributions by name, and of each kind the sum of the rest; largest harm first.

    A group that no person named is told where its contribution is CLEAR standard errors, and a tenth of the whole.
    """
    size = np.abs(seen)
    least = WORTH * max(float(np.abs(seen.sum(1)).max()), abs(float(seen.sum())))
    named = teller.groups.named @ teller.as_named > 0
    told = (size > 0) & (named | ((size > CLEAR * teller.noise.std(0)) & (size >= least)))
    size = np.where(told, size, 0.0).ravel()
    largest = [int(i) for i in np.lexsort((np.arange(len(size)), -size.round(15)))[:NAMED] if size[i] > 0]
    out: list[Contribution] = []
    for at, kind in enumerate(KINDS):
        chosen = [i % seen.shape[1] for i in largest if i // seen.shape[1] == at]
        out += [teller.contribution(kind, seen[at, i], np.array([i]), str(teller.names[i])) for i in chosen]
        of_kind = (teller.groups.new == (kind == "new")) @ teller.as_named > 0
        rest = np.setdiff1d(np.flatnonzero(of_kind), chosen)
        if seen[at, rest].any():
            out.append(teller.contribution(kind, seen[at, rest].sum(), rest, REST if chosen else ALL))
    harm = -1.0 if outcome.harmful == "falls" else 1.0
    return tuple(sorted(out, key=lambda c: (c.group in (REST, ALL), -harm * c.change)))
