"""Which regions gained, lost, or grew wider: the scans read cell by cell, with family-wise p-values from the
same null.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis, nearest_cell
from tidegauge.comparison.evidence import Evidence, Shown
from tidegauge.numeric.codebook import squared_distances
from tidegauge.outcome.groups import EVERYTHING, cell_name
from tidegauge.records import Example, Region
from tidegauge.score.parts import Float64, Sums, cell_distances, cell_rows, rows
from tidegauge.score.scans import mass_z, penalised, spread_z
from tidegauge.score.shift import directional_sd

SHOWN = 5
EXAMPLES = 3
FEWEST_SHOWN = 30
EMPTY_BEFORE = 10.0
LEVEL = 2


def changed_traffic(e: Evidence, alpha: float) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """Cells that gained and cells that lost traffic, strongest first, none inside another that is shown."""
    z = mass_z(e.basis, e.window, e.reference)
    p = family_wise(penalised(z, e.basis, e.window, e.reference), e.null["mass_scan"])
    chosen = _apart(e.basis, z, p, alpha)
    gained = [c for c in chosen if z[c] > 0][:SHOWN]
    lost = [c for c in chosen if z[c] < 0][:SHOWN]
    return (
        tuple(region(e, c, z[c], p[c], newcomers(e, c)) for c in gained),
        tuple(region(e, c, z[c], p[c], _central(e, e.shown_before, c)) for c in lost),
    )


def new_cells(e: Evidence, alpha: float) -> list[tuple[int, float]]:
    """Cells that hold traffic now and (almost) none before, with their family-wise p."""
    z = mass_z(e.basis, e.window, e.reference)
    p = family_wise(penalised(z, e.basis, e.window, e.reference), e.null["mass_scan"])
    shares = [(c, _share(e.basis, e.reference, c), _share(e.basis, e.window, c)) for c in _apart(e.basis, z, p, alpha)]
    return [(c, float(p[c])) for c, before, after in shares if after >= EMPTY_BEFORE * before]


def changed_spread(e: Evidence, alpha: float) -> tuple[Region, ...]:
    """Cells whose rows lie wider or closer than before, strongest first."""
    z = spread_z(e.basis, e.window, e.reference)
    p = family_wise(penalised(z, e.basis, e.window, e.reference), e.null["spread_scan"])
    chosen = [c for c in _apart(e.basis, z, p, alpha) if cell_name(e.basis, c) != EVERYTHING][:SHOWN]
    return tuple(region(e, c, z[c], p[c], _central(e, e.shown_after, c)) for c in chosen)


def pointed_at(e: Evidence, gap: Float64) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """The two cells that the mean moved towards, and the two that it moved away from, by the cosine of their
    directions.
    """
    level = np.unique(e.basis.ancestors[min(LEVEL, len(e.basis.ancestors) - 1)])
    share = cell_rows(e.basis, e.reference)[level] / rows(e.reference)
    level = level[(share > 0) | (cell_rows(e.basis, e.window)[level] > 0)]
    directions = e.basis.centres[level].astype(np.float64)
    lengths = np.linalg.norm(directions, axis=1) * max(float(np.linalg.norm(gap)), 1e-30)
    cosine = directions @ gap / np.maximum(lengths, 1e-30)
    order = np.argsort(-cosine)
    z = mass_z(e.basis, e.window, e.reference)

    def named(places: npt.NDArray[np.int64]) -> tuple[Region, ...]:
        cells = [int(level[i]) for i in places]
        return tuple(region(e, c, float(z[c]), float("nan"), _along(e, c, gap)) for c in cells)

    return named(order[:2][cosine[order[:2]] > 0]), named(order[::-1][:2][cosine[order[::-1][:2]] < 0])


def family_wise(statistics: Float64, null_maximum: Float64) -> Float64:
    """P-value of each cell against the largest of all cells on unchanged data (Westfall and Young, 1993)."""
    ordered = np.sort(null_maximum)
    above = len(ordered) - np.searchsorted(ordered, statistics - 1e-9)
    return (1 + above) / (1 + len(ordered))


def _apart(basis: Basis, z: Float64, p: Float64, alpha: float) -> list[int]:
    """Significant cells, strongest first, leaving out relatives of one already chosen."""
    fine_of = [set(np.flatnonzero((basis.ancestors == c).any(0)).tolist()) for c in range(len(basis.centres))]
    chosen: list[int] = []
    for c in np.lexsort((-np.abs(z), p)):
        if p[c] <= alpha and all(not (fine_of[c] & fine_of[other]) for other in chosen):
            chosen.append(int(c))
    return chosen


def region(e: Evidence, cell: int, z: float, p: float, examples: tuple[Example, ...]) -> Region:
    """A cell for people: shares, width, place on the picture, and rows that show what it is about."""
    centre = e.basis.centres[cell]
    before, after = (_share(e.basis, sums, cell) for sums in (e.reference, e.window))
    place = centre @ e.axes
    return Region(
        cell_name(e.basis, cell),
        before,
        after,
        _width_ratio(e, cell),
        float(z),
        float(p),
        (float(place[0]), float(place[1])),
        examples,
    )


def _share(basis: Basis, sums: Sums, cell: int) -> float:
    return float(cell_rows(basis, sums)[cell] / rows(sums))


def _width_ratio(e: Evidence, cell: int) -> float:
    means = []
    for sums in (e.reference, e.window):
        n = cell_rows(e.basis, sums)[cell]
        means.append(float(cell_distances(e.basis, sums)[0][cell] / n) if n > 0 else float("nan"))
    return means[1] / means[0] if means[0] > 0 else float("nan")


def members(e: Evidence, shown: Shown, cell: int) -> npt.NDArray[np.int64]:
    """Which of the shown rows lie in a cell."""
    if not len(shown.x):
        return np.empty(0, np.int64)
    leaf = nearest_cell(e.basis, shown.x)
    return np.flatnonzero((e.basis.ancestors[:, leaf] == cell).any(0))


def newcomers(e: Evidence, cell: int) -> tuple[Example, ...]:
    """Window rows nearest to the mean of what a cell gained: rows about its centre may well be the old ones."""
    after, before = members(e, e.shown_after, cell), members(e, e.shown_before, cell)
    if not len(after):
        return ()
    share_after, share_before = (_share(e.basis, sums, cell) for sums in (e.window, e.reference))
    point = e.shown_after.x[after].mean(0)
    if len(before) and share_after > share_before:
        old = e.shown_before.x[before].mean(0)
        point = (share_after * point - share_before * old) / (share_after - share_before)
    return closest(
        e.shown_after, after, squared_distances(e.shown_after.x[after] - point, np.zeros_like(point)[None])[:, 0]
    )


def _along(e: Evidence, cell: int, gap: Float64) -> tuple[Example, ...]:
    """Window rows of a cell that lie farthest along a direction."""
    inside = members(e, e.shown_after, cell)
    y = e.shown_after.x[inside] - e.basis.centre
    cosine = (y @ gap.astype(np.float32)) / np.maximum(np.linalg.norm(y, axis=1), 1e-30)
    return closest(e.shown_after, inside, -cosine)


def _central(e: Evidence, shown: Shown, cell: int) -> tuple[Example, ...]:
    """Rows nearest to a cell's centre."""
    inside = members(e, shown, cell)
    y = shown.x[inside] - e.basis.centre
    return closest(shown, inside, squared_distances(y, e.basis.centres[cell][None])[:, 0])


def farthest(e: Evidence, count: int) -> tuple[Example, ...]:
    """Window rows farthest from every cell."""
    if not len(e.shown_after.x):
        return ()
    y = e.shown_after.x - e.basis.centre
    near = squared_distances(y, e.basis.centres[e.basis.fine]).min(1)
    return closest(e.shown_after, np.arange(len(y)), -near)[:count]


def closest(shown: Shown, rows_: npt.NDArray[np.int64], key: npt.NDArray[np.floating]) -> tuple[Example, ...]:
    """Rows of smallest key, none whose text was shown already."""
    chosen: list[Example] = []
    for i in rows_[np.argsort(key, kind="stable")]:
        example = shown.example(int(i))
        if not example.text or all(example.text != other.text for other in chosen):
            chosen.append(example)
        if len(chosen) == EXAMPLES:
            break
    return tuple(chosen)


def shift_in_sd(e: Evidence, gap: Float64) -> float:
    """Length of the mean's shift, its sampling noise removed, in standard deviations of the reference along it.

    The rows of the reference that may be looked at give that deviation; without them the basis does.
    """
    length = float(np.linalg.norm(gap))
    noise = e.basis.variance * float(1 / rows(e.window) + 1 / rows(e.reference))
    if len(e.shown_before.x) >= FEWEST_SHOWN and length > 0:
        sd = float((e.shown_before.x @ (gap / length).astype(np.float32)).std(dtype=np.float64))
    else:
        sd = directional_sd(e.basis, gap)
    return float(np.sqrt(max(length**2 - noise, 0.0)) / max(sd, 1e-30))
