"""How much of the queries' traffic the documents cover, and where they do not.

A query is covered where documents are about: one as near as the nearest of nearly all queries was at the reference, or
a fair number of them in its cell. Both speak of documents as they are now, so that coverage falls when an index loses
content, though the queries are what they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError, MismatchError, UsageError
from tidegauge.numeric.codebook import fine_cells, fit_cells, squared_distances
from tidegauge.numeric.ranks import wilson
from tidegauge.records import Contribution, Coverage, Example, StrArray

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

FAR_SHARE = 0.05
SCARCE = 0.1
MOST_CELLS = 256
MOST_QUERIES = 50_000
MOST_FITTED = 4_000
QUERY_BLOCK, DOCUMENT_BLOCK = 1024, 8192

FEWEST_IN_GAP = 10
MOST_GAPS = 8
REACH = 0.75
EXAMPLES = 5
ENRICHED = 3.0
Z95 = 1.959964


def coverage(
    queries: Float32,
    documents: Float32,
    *,
    before: tuple[Float32, Float32] | None = None,
    by: Literal["similarity", "cells"] | None = None,
    ids: StrArray | None = None,
    texts: StrArray | None = None,
    seed: int = 0,
) -> Coverage:
    """How much of the queries' traffic the documents cover, and whether that has fallen.

    Parameters
    ----------
    queries : float32 array, shape (n, d)
        The window's. Of more than 50,000 a random part is used.
    documents : float32 array, shape (m, d)
        The current snapshot's; read in blocks, so that memory does not grow with n times m.
    before : pair of float32 arrays, shapes (n0, d) and (m0, d), optional
        Queries and documents of the reference.
    by : str, optional
        ``similarity``: a query is covered where the cosine of its nearest document is not below that of all but 5 % of
        the reference's queries with the reference's documents; the default where there is ``before``, without which a
        similarity means nothing. ``cells``: where its cell, in a codebook fitted on all four, has at least a tenth of
        the documents that a cell had on average before; half of the rows fit the codebook, and the others are judged.
        It sees lost content the better, and queries that are strange everywhere the worse.
    ids, texts : str arrays, shape (n,), optional
        Of the queries, for examples; else their numbers, ``row 1`` and so on.
    seed : int

    Returns
    -------
    Coverage
        ``p`` is one-sided, and exact where queries are independent: by similarity it compares the ranks of both sides
        (no query sets a threshold and is judged by it), by cells it is Fisher's. The interval counts the noise of the
        threshold in. ``gaps`` are where the queries lie that are not covered, those first that cost the most coverage:
        their shares and their covered rates on both sides; ``new`` where there was less than a third of the traffic.

    Raises
    ------
    DataError, MismatchError, UsageError

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> topics = 4 * rng.standard_normal((10, 16))
    >>> def about(topic): return (topics[topic] + rng.standard_normal((len(topic), 16))).astype(np.float32)
    >>> queries0, documents0, queries = (about(rng.integers(10, size=n)) for n in (400, 2000, 400))
    >>> coverage(queries, documents0, before=(queries0, documents0)).p > 0.05
    True
    >>> found = coverage(queries, about(rng.integers(8, size=1600)), before=(queries0, documents0))
    >>> round(found.before, 2), found.share < 0.85, found.p < 1e-6, found.gaps[0].kind
    (0.95, True, True, 'within')
    """
    by = by or ("similarity" if before else "cells")
    if by == "similarity" and before is None:
        want = "the reference's queries and documents, or by cells"
        raise UsageError("coverage by similarity", got="a window alone", want=want)
    _check([queries, documents, *(before or ())])
    rng = np.random.default_rng([seed, 31])
    kept = _some(len(queries), MOST_QUERIES, rng)
    then = None if before is None else _unit(before[0][_some(len(before[0]), MOST_QUERIES, rng)])
    now = _unit(queries[kept])
    if before is not None and then is not None and by == "similarity":
        judged = _by_similarity((then, before[1]), (now, documents))
    else:
        judged = _by_cells(None if before is None or then is None else (then, before[1]), (now, documents), rng)
    rows = kept[judged.rows]
    old = None if then is None else (then[judged.rows_before], judged.covered_before)
    gaps = _gaps(now[judged.rows], judged.covered, old, _Named(rows, ids, texts), seed)
    return Coverage(*judged.figures, len(queries), len(documents), gaps, by)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Which of the judged rows are covered, on both sides; share, low, high, before and p."""

    rows: Int
    covered: Bool
    rows_before: Int
    covered_before: Bool
    figures: tuple[float, float, float, float, float]


def _check(sets: Sequence[Float32]) -> None:
    names = ("queries", "documents", "queries before", "documents before")
    for name, x in zip(names, sets, strict=False):
        if x.ndim != 2 or not len(x):
            raise DataError(name, got=f"shape {x.shape}", want="at least one row")
        if x.shape[1] != sets[0].shape[1]:
            want = f"width {sets[0].shape[1]}, as of the queries"
            raise MismatchError(name, got=f"vectors of width {x.shape[1]}", want=want)


def _some(rows: int, most: int, rng: np.random.Generator) -> Int:
    return np.arange(rows) if rows <= most else np.sort(rng.choice(rows, most, replace=False))


def _unit(x: Float32) -> Float32:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.float32(1e-30))


def nearest_similarity(queries: Float32, documents: Float32) -> Float32:
    """Cosine of each query with its nearest document, (n,); in blocks, of which one at a time is in memory.

    Examples
    --------
    >>> found = nearest_similarity(np.eye(2, dtype=np.float32), np.array([[3, 0], [3, 3]], np.float32))
    >>> [round(each, 3) for each in found.tolist()]
    [1.0, 0.707]
    """
    queries = _unit(queries)
    best = np.full(len(queries), -np.inf, np.float32)
    for start in range(0, len(documents), DOCUMENT_BLOCK):
        block = _unit(documents[start : start + DOCUMENT_BLOCK]).T
        for row in range(0, len(queries), QUERY_BLOCK):
            some = slice(row, row + QUERY_BLOCK)
            np.maximum(best[some], (queries[some] @ block).max(1), out=best[some])
    return best


def _by_similarity(before: tuple[Float32, Float32], after: tuple[Float32, Float32]) -> _Judged:
    old, new = (nearest_similarity(queries, documents) for queries, documents in (before, after))
    n, m = len(old), len(new)
    place = int(np.ceil(FAR_SHARE * n))
    floor = np.sort(old)[place - 1]
    below = int((new < floor).sum())
    share, share_before = 1 - below / m, 1 - place / (n + 1)  # of n rows, the k-th has k / (n + 1) of the others below
    low, high = wilson(share / (1 / n + 1 / m), 1 / (1 / n + 1 / m))
    figures = (share, low, high, share_before, exceedance_p(place, below, n, m))
    return _Judged(np.arange(m), new >= floor, np.arange(n), old >= floor, figures)


def exceedance_p(place: int, below: int, before: int, after: int) -> float:
    """How often at least ``below`` of ``after`` values lie below the ``place``-th smallest of ``before`` others, where
    all are alike: exact, whatever their distribution.

    Examples
    --------
    >>> exceedance_p(1, 0, 19, 5), round(exceedance_p(1, 1, 19, 1), 3)
    (1.0, 0.05)
    """
    from scipy.stats import hypergeom

    if below == 0:
        return 1.0
    return float(hypergeom.cdf(place - 1, before + after, before, below + place - 1))


def _by_cells(
    before: tuple[Float32, Float32] | None, after: tuple[Float32, Float32], rng: np.random.Generator
) -> _Judged:
    """Half of the smaller side's queries, and as many of the other's, fit the codebook; the rest are judged."""
    sides = [after] if before is None else [before, after]
    fitted = min(MOST_FITTED, *(max(len(queries) // 2, 1) for queries, _ in sides))
    split = [rng.permutation(len(queries)) for queries, _ in sides]
    parts = [queries[order[:fitted]] for (queries, _), order in zip(sides, split, strict=True)]
    parts += [_unit(documents[_some(len(documents), MOST_FITTED, rng)]) for _, documents in sides]
    pooled = np.concatenate(parts)
    centres = fit_cells(pooled, fine_cells(len(pooled), MOST_CELLS), int(rng.integers(2**31)))
    held = [_counts(documents, centres) for _, documents in sides]
    covers = [there >= _needed(held[0]) for there in held]
    judged = [np.sort(order[fitted:]) if len(order) > fitted else order for order in split]
    covered = [covers[i][_cells(sides[i][0][judged[i]], centres)] for i in range(len(sides))]
    share = float(covered[-1].mean())
    low, high = wilson(share * len(covered[-1]), len(covered[-1]))
    if before is None:
        nothing = np.zeros(0, np.int64)
        figures = (share, low, high, float("nan"), float("nan"))
        return _Judged(judged[0], covered[0], nothing, nothing > 0, figures)
    p = fallen_p(*((float(c.sum()), float(len(c))) for c in covered))
    return _Judged(judged[1], covered[1], judged[0], covered[0], (share, low, high, float(covered[0].mean()), p))


def _cells(x: Float32, centres: Float32) -> Int:
    blocks = range(0, len(x), DOCUMENT_BLOCK)
    return np.concatenate([squared_distances(_unit(x[i : i + DOCUMENT_BLOCK]), centres).argmin(1) for i in blocks])


def _counts(x: Float32, centres: Float32) -> Float64:
    return np.bincount(_cells(x, centres), minlength=len(centres)).astype(np.float64)


def _needed(documents: Float64) -> float:
    """Documents that a cell must have to be covered: a tenth of the average one's, and one at least."""
    return max(1.0, SCARCE * float(documents.mean()))


def fallen_p(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Fisher's one-sided p that a share, as (count, rows), has fallen.

    Examples
    --------
    >>> round(fallen_p((95, 100), (80, 100)), 3), fallen_p((80, 100), (95, 100)) > 0.99
    (0.001, True)
    """
    from scipy.stats import hypergeom

    (yes0, n), (yes1, m) = ((round(a), round(b)) for a, b in (before, after))
    return float(hypergeom.cdf(yes1, n + m, yes0 + yes1, m)) if n and m else float("nan")


def coverage_of_cells(
    queries: Float64,
    documents: Float64,
    *,
    before: tuple[Float64, Float64] | None = None,
) -> Coverage:
    """The share of the query traffic in cells that have documents, from counts: what sums of a stream can tell.

    Parameters
    ----------
    queries, documents : float64 arrays, shape (c,)
        Rows of the window, and of the current snapshot, in each cell of one codebook.
    before : pair of float64 arrays, shape (c,), optional
        The same at the reference.

    Returns
    -------
    Coverage
        A cell is covered where it has a tenth of the documents that a cell had on average before (now, where that is
        not known), and one at least. ``p`` is Fisher's, one-sided, and takes queries as independent.

    Raises
    ------
    DataError
        Where the cells are not the same, or a side has no rows.

    Examples
    --------
    >>> queries, documents = np.array([50.0, 30, 20]), np.array([400.0, 300, 300])
    >>> lost = np.array([400.0, 300, 5])
    >>> found = coverage_of_cells(queries, lost, before=(queries, documents))
    >>> found.before, found.share, found.p < 0.001, found.gaps[0].group
    (1.0, 0.8, True, 'cell 3')
    """
    sums = [queries, documents, *(before or ())]
    for counts in sums:
        if counts.shape != queries.shape or counts.ndim != 1:
            raise DataError("cells", got=f"{counts.shape} counts", want=f"{queries.shape}, the same cells on all sides")
    if any(float(counts.sum()) <= 0 for counts in (queries, *(before or ())[:1])):
        raise DataError("queries by cell", got="no rows", want="at least one")
    needed = _needed(documents if before is None else before[1])
    total = float(queries.sum())
    covered = documents >= needed
    share = float(queries[covered].sum()) / total
    low, high = wilson(share * total, total)
    then, p, old = float("nan"), float("nan"), None
    if before is not None:
        all_before = float(before[0].sum())
        old = before[1] >= needed
        kept = float(before[0][old].sum())
        then, p = kept / all_before, fallen_p((kept, all_before), (share * total, total))
    sides = [(queries, covered)] if before is None or old is None else [(before[0], old), (queries, covered)]
    one = [f"cell {k + 1}" for k in range(len(queries))]
    counts = [np.stack([side, side * there]) for side, there in sides]
    gaps = _ranked(counts[0] if before is not None else None, counts[-1], one, [()] * len(one))
    return Coverage(share, low, high, then, p, round(total), round(float(documents.sum())), gaps)


@dataclass(frozen=True, slots=True, eq=False)
class _Named:
    """What the rows are called."""

    rows: Int
    ids: StrArray | None
    texts: StrArray | None

    def example(self, row: int) -> Example:
        at = int(self.rows[row])
        name = f"row {at + 1}" if self.ids is None else str(self.ids[at])
        return Example(name, "" if self.texts is None else str(self.texts[at]))


def _gaps(
    x: Float32, covered: Bool, before: tuple[Float32, Bool] | None, named: _Named, seed: int
) -> tuple[Contribution, ...]:
    """Where the rows lie that are not covered: balls around the middles of groups of them."""
    bare = np.flatnonzero(~covered)
    if len(bare) < FEWEST_IN_GAP:
        return ()
    some = bare[_some(len(bare), MOST_FITTED, np.random.default_rng([seed, 32]))]
    centres = fit_cells(x[some], max(1, min(MOST_GAPS, len(some) // (2 * FEWEST_IN_GAP))), seed)
    apart = squared_distances(x[some], centres)
    home, examples, reach = apart.argmin(1), [], np.zeros(len(centres))
    for k in range(len(centres)):
        inside = np.flatnonzero(home == k)
        nearest = inside[np.argsort(apart[inside, k], kind="stable")]
        examples.append(tuple(named.example(int(some[row])) for row in nearest[:EXAMPLES]))
        reach[k] = np.quantile(apart[inside, k], REACH) if len(inside) else 0.0
    counts = [_inside(side, there, centres, reach) for side, there in ([before] if before else []) + [(x, covered)]]
    return _ranked(counts[0] if before else None, counts[-1], [""] * len(centres), examples)


def _inside(x: Float32, covered: Bool, centres: Float32, reach: Float64) -> Float64:
    """Rows in each ball, and those of them that are covered, float64 (2, k + 1); the last are in none."""
    apart = squared_distances(x, centres)
    home = apart.argmin(1)
    home = np.where(apart[np.arange(len(x)), home] <= reach[home] * (1 + 1e-6), home, len(centres))
    return np.stack([np.bincount(home[keep], minlength=len(centres) + 1) for keep in (home >= 0, covered)]).astype(
        np.float64
    )


def _ranked(
    before: Float64 | None, after: Float64, names: Sequence[str], examples: Sequence[tuple[Example, ...]]
) -> tuple[Contribution, ...]:
    """The groups that take the most from coverage, from rows and covered rows by group (2, k or k + 1); those without a
    name are gaps, numbered.
    """
    sides = [after] if before is None else [before, after]
    totals = [float(side[0].sum()) for side in sides]
    bare = [(side[0] - side[1])[: len(names)] / total for side, total in zip(sides, totals, strict=True)]
    lost = bare[-1] - (0.0 if before is None else bare[0])
    error = np.sqrt(sum(u * (1 - u) / total for u, total in zip(bare, totals, strict=True)))
    out: list[Contribution] = []
    for k in map(int, np.argsort(-lost, kind="stable")[:MOST_GAPS]):
        if lost[k] <= 0:
            break
        share, rate = _share_and_rate(after, k)
        share0, rate0 = (float("nan"), float("nan")) if before is None else _share_and_rate(before, k)
        out.append(
            Contribution(
                "new" if ENRICHED * share0 < share else "within",
                names[k] or f"gap {len(out) + 1}",
                -float(lost[k]),
                -float(lost[k] + Z95 * error[k]),
                -float(lost[k] - Z95 * error[k]),
                share0,
                share,
                rate0,
                rate,
                tuple(examples[k]),
            )
        )
    return tuple(out)


def _share_and_rate(side: Float64, k: int) -> tuple[float, float]:
    rows, covered = float(side[0, k]), float(side[1, k])
    return rows / float(side[0].sum()), covered / rows if rows else float("nan")
