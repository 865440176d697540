"""Who and what: the share of the drift, and of an outcome's loss, that sits in each value of a row's property."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError, UsageError
from tidegauge.numeric.fourier import fourier, frequencies, median_distance
from tidegauge.records import NONE, OTHER, Explained, Outcome, StrArray

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Str = npt.NDArray[np.str_]
Int = npt.NDArray[np.int64]

FREQUENCIES = 256
CHUNK = 4096
FEWEST = 10
MOST_VALUES = 12
DRAWS = 199
BEYOND = 0.99

LENGTHS = (10, 20, 40, 80, 160, 320)

LEARNED_FROM = 20_000
STEPS = 20


def explained(
    name: str,
    values: tuple[StrArray, StrArray],
    vectors: tuple[Float32, Float32] | None = None,
    outcome: tuple[Outcome, Float64, Float64] | None = None,
    *,
    seed: int = 0,
) -> tuple[Explained, ...]:
    """How much of the drift and of an outcome's loss sits in the rows of each value of a property.

    Parameters
    ----------
    name : str
        The property: ``segment``, ``language``, ``length``, ``client``.
    values : pair of str arrays, shapes (n,) and (m,)
        The property of every row, before and after. Values with fewer than ten rows on both sides together, and all
        but the twelve most frequent ones, are taken together.
    vectors : pair of float32 arrays, shapes (n, d) and (m, d), optional
        The same rows' vectors; without them ``drift`` is NaN.
    outcome : Outcome and float64 arrays, shapes (n, 2) and (m, 2), optional
        The same rows' numerators and denominators; without them ``loss`` is NaN.
    seed : int
        Fixes the random features.

    Returns
    -------
    tuple of Explained
        Largest share of the drift first (of the loss, where there is no drift to explain). Over all values ``drift``
        adds up to 1, and so does ``loss``; a negative share works against the whole. Both are NaN where what is to be
        explained is not beyond chance, or is no loss.

    Raises
    ------
    DataError
        Where the arrays are not of the same rows.

    Notes
    -----
    Drift is the gap g between the mean features of both sides, f those of the whole before: a value with shares s and
    mean features f0 and f1 has ``<g, s1 (f1 - f) - s0 (f0 - f)> / <g, g>`` of it. Pairs of a row with itself are left
    out, so that noise does not count. Loss is ``s1 (r1 - r) - s0 (r0 - r)`` over the whole, with rates r for features:
    what a decomposition by this property says, mix, within and new together.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = (rng.standard_normal((400, 4)).astype(np.float32) for _ in range(2))
    >>> y[:100] += 3
    >>> tongues = np.full(400, "en"), np.repeat(["de", "en"], [100, 300])
    >>> [(e.value, abs(round(e.drift, 1))) for e in explained("language", tongues, (x, y))]
    [('de', 1.0), ('en', 0.0)]
    """
    _check(values, vectors, outcome)
    names, (one, two) = _coded(values)
    rows = [np.bincount(codes, minlength=len(names)) for codes in (one, two)]
    share = [count / max(count.sum(), 1) for count in rows]
    drift = np.full(len(names), np.nan) if vectors is None else _drift_shares(one, two, len(names), vectors, seed)
    loss = np.full(len(names), np.nan) if outcome is None else _loss_shares(one, two, len(names), outcome)
    lead = drift if np.isfinite(drift).any() else loss
    order = np.argsort(-np.where(np.isnan(lead), share[1] - share[0], lead), kind="stable")
    what = "" if outcome is None else outcome[0].name
    return tuple(
        Explained(name, names[k], float(share[0][k]), float(share[1][k]), float(drift[k]), float(loss[k]), what)
        for k in order.tolist()
    )


def _check(
    values: tuple[StrArray, StrArray],
    vectors: tuple[Float32, Float32] | None,
    outcome: tuple[Outcome, Float64, Float64] | None,
) -> None:
    sides = [] if vectors is None else [("vectors", vectors)]
    sides += [] if outcome is None else [("outcomes", outcome[1:])]
    for what, arrays in sides:
        for label, array, each in zip(("before", "after"), arrays, values, strict=True):
            if len(array) != len(each):
                got = f"{len(each)} rows"
                raise DataError(f"the property's values {label}", got=got, want=f"{len(array)}, as of the {what}")


def _coded(values: tuple[StrArray, StrArray]) -> tuple[list[str], tuple[Int, Int]]:
    """Names of the values, and each row's place among them; rare ones are taken together as the last."""
    both = np.concatenate([np.asarray(side).astype(np.str_) for side in values])
    both = np.where(both == "", NONE, both)
    found, codes, counts = np.unique(both, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    kept = [k for k in order[:MOST_VALUES].tolist() if counts[k] >= FEWEST and found[k] != OTHER]
    place = np.full(len(found), len(kept))
    place[kept] = np.arange(len(kept))
    codes = place[codes]
    names = [str(found[k]) for k in kept] + [OTHER] * bool(len(kept) < len(found))
    return names, (codes[: len(values[0])], codes[len(values[0]) :])


def _drift_shares(one: Int, two: Int, count: int, vectors: tuple[Float32, Float32], seed: int) -> Float64:
    """Each value's share of the squared distance of the mean features, NaN where that is not beyond chance."""
    n, m = len(one), len(two)
    out = np.full(count, np.nan)
    if min(n, m) < FEWEST:
        return out
    first, second = _features(vectors, seed)
    sums = [_sums(codes, count, x) for codes, x in ((one, first), (two, second))]
    if not _beyond_chance(first, second, np.random.default_rng([seed, 22])):
        return out
    normal = sums[0].sum(0) / n
    rows = [np.bincount(codes, minlength=count).astype(np.float64) for codes in (one, two)]
    parts = (sums[1] - rows[1][:, None] * normal) / m - (sums[0] - rows[0][:, None] * normal) / n
    gap = sums[1].sum(0) / m - normal
    lengths = [1 - float((total.sum(0) / k) @ (total.sum(0) / k)) for total, k in zip(sums, (n, m), strict=True)]
    noise = lengths[1] * rows[1] / m / (m - 1) + lengths[0] * rows[1] / m / (n - 1)
    along = parts @ gap - noise
    whole = float(along.sum())
    return along / whole if whole > 0 else out


def _features(vectors: tuple[Float32, Float32], seed: int) -> tuple[Float32, Float32]:
    """Random features of both sides at the median distance of all rows, float32 (n, 512) each."""
    rng = np.random.default_rng([seed, 21])
    both = [np.asarray(side, np.float32) for side in vectors]
    some = [side[np.sort(rng.choice(len(side), min(len(side), 500), replace=False))] for side in both]
    centre = both[0].mean(0, dtype=np.float64).astype(np.float32)
    bandwidth = median_distance(np.concatenate(some) - centre, rng)
    weights = frequencies(both[0].shape[1], FREQUENCIES, bandwidth, rng)
    first, second = (
        np.concatenate([fourier((side[i : i + CHUNK] - centre) @ weights) for i in range(0, len(side), CHUNK)])
        for side in both
    )
    return first, second


def _sums(codes: Int, count: int, x: Float32) -> Float64:
    """Sum of the rows of each code, (count, k)."""
    return np.stack([x[codes == k].sum(0, dtype=np.float64) for k in range(count)])


def _beyond_chance(first: Float32, second: Float32, rng: np.random.Generator) -> bool:
    """Whether the distance of the means is larger than that of 99 % of random splits of all rows."""
    n, m = len(first), len(second)
    both = np.concatenate([first, second])
    both = both - both.mean(0)
    observed = float(np.linalg.norm(both[n:].mean(0)))
    drawn = np.empty(DRAWS)
    for k in range(DRAWS):
        drawn[k] = np.linalg.norm(both[rng.permutation(n + m)[:m]].mean(0))
    return observed > float(np.quantile(drawn, BEYOND))


def _loss_shares(one: Int, two: Int, count: int, outcome: tuple[Outcome, Float64, Float64]) -> Float64:
    """Each value's share of the change of the rate; NaN where it is no loss, or within two standard errors of none."""
    sides = [
        np.stack([np.bincount(codes, values[:, k], count) for k in (0, 1)]).astype(np.float64)
        for codes, values in ((one, outcome[1]), (two, outcome[2]))
    ]
    totals = [side.sum(1) for side in sides]
    out = np.full(count, np.nan)
    if any(total[1] <= 0 for total in totals):
        return out
    whole = [float(total[0] / total[1]) for total in totals]
    change, error = whole[1] - whole[0], _error(outcome[1], whole[0]) + _error(outcome[2], whole[1])
    worse = -change if outcome[0].harmful == "falls" else change
    return change_of(sides[0], sides[1]) / change if worse > 2 * np.sqrt(error) else out


def _error(values: Float64, rate: float) -> float:
    """Squared standard error of a rate over independent rows."""
    return float(((values[:, 0] - rate * values[:, 1]) ** 2).sum()) / float(values[:, 1].sum()) ** 2


def change_of(before: Float64, after: Float64) -> Float64:
    """What each group adds to the change of the whole rate, all kinds of change together, adding up to it exactly.

    Parameters
    ----------
    before, after : float64 arrays, shape (2, k)
        Numerators and denominators by group.

    Examples
    --------
    >>> change_of(np.array([[9.0, 0.0], [10.0, 0.0]]), np.array([[4.5, 1.0], [5.0, 5.0]])).round(9).tolist()
    [0.0, -0.35]
    """
    normal = before[0].sum() / before[1].sum()
    lead = [(side[0] - side[1] * normal) / side[1].sum() for side in (before, after)]
    return lead[1] - lead[0]


def lengths_of(texts: Iterable[str]) -> Str:
    """The length of each text as one of a few buckets, (n,).

    Counted in characters, which unlike words exist in every language.

    Examples
    --------
    >>> lengths_of(["set alarm", "", "what is the weather in Bonn"]).tolist()
    ['1 to 10 characters', '', '21 to 40 characters']
    """
    lows = [1, *(high + 1 for high in LENGTHS)]
    named = [f"{low} to {high} characters" for low, high in zip(lows, LENGTHS, strict=False)]
    named = np.array(["", *named, f"over {LENGTHS[-1]} characters"])
    lengths = np.fromiter((len(text.strip()) for text in texts), np.int64)
    return named[np.where(lengths == 0, 0, 1 + np.searchsorted(LENGTHS, lengths))]


def languages_of(texts: Sequence[str]) -> Str:
    """The language of each text as an ISO 639 code, (n,): give the texts of both sides at once.

    Needs the extra ``language`` (py3langid, which carries its model: nothing is downloaded). How frequent each language
    is among these texts is learned from them all, by expectation maximisation: a short text that might be in several
    languages is then put down to the one that is about. An empty text has ``""``.

    Raises
    ------
    UsageError
        Where the extra is not installed.

    Examples
    --------
    >>> languages_of(["what is the weather in Berlin", "wie wird das Wetter in Berlin", ""]).tolist()
    ['en', 'de', '']
    """
    identifier = _identifier()
    labels = {label: k for k, label in enumerate(identifier.labels)}
    distinct, inverse = np.unique(np.asarray([" ".join(text.split()) for text in texts], np.str_), return_inverse=True)
    likely = np.zeros((len(distinct), len(labels)), np.float32)
    for row, text in enumerate(distinct.tolist()):
        if text:
            for label, probability in identifier.rank(text):
                likely[row, labels[label]] = probability
    counts = np.bincount(inverse, minlength=len(distinct)).astype(np.float64) * (likely.sum(1) > 0)
    best = (likely * _frequencies(likely, counts)).argmax(1)
    return np.where(distinct == "", "", np.array(list(labels))[best])[inverse]


@cache
def _identifier() -> Any:
    """The model, read once."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        hint = "pip install 'tidegauge[language]', or name a column that holds the language"
        raise UsageError("language", got="no py3langid", want="the extra that tells languages", hint=hint) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _frequencies(likely: Float32, counts: Float64) -> Float64:
    """How frequent each language is, from how likely it is for every text and how often that comes, (k,)."""
    most = np.argsort(-counts, kind="stable")[:LEARNED_FROM]
    likely, counts = likely[most], counts[most]
    share = np.full(likely.shape[1], 1 / likely.shape[1])
    for _ in range(STEPS):
        each = likely * share
        each *= (counts / np.maximum(each.sum(1), 1e-30))[:, None]
        share = each.sum(0) / max(float(counts.sum()), 1e-30)
    return share
