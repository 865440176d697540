"""Which regions gained, lost, or grew wider: the scans read cell by cell, with family-wise p-values from the
same null.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis
from tidegauge.comparison.evidence import Evidence, Shown
from tidegauge.numeric.codebook import squared_distances
from tidegauge.records import Region
from tidegauge.score.parts import Float64, Sums, cell_distances, cell_rows, rows
from tidegauge.score.scans import mass_z, penalised, spread_z
from tidegauge.score.shift import directional_sd

SHOWN = 5
EXAMPLES = 3
LEVEL = 2


def changed_traffic(e: Evidence, alpha: float) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """Cells that gained and cells that lost traffic, strongest first, none inside another that is shown."""
    z = mass_z(e.basis, e.window, e.reference)
    p = family_wise(penalised(z, e.basis, e.window, e.reference), e.null["mass_scan"])
    chosen = _apart(e.basis, z, p, alpha)
    gained = tuple(region(e, c, z[c], p[c], e.shown_after) for c in chosen if z[c] > 0)
    lost = tuple(region(e, c, z[c], p[c], e.shown_before) for c in chosen if z[c] < 0)
    return gained[:SHOWN], lost[:SHOWN]


def changed_spread(e: Evidence, alpha: float) -> tuple[Region, ...]:
    """Cells whose rows lie wider or closer than before, strongest first."""
    z = spread_z(e.basis, e.window, e.reference)
    p = family_wise(penalised(z, e.basis, e.window, e.reference), e.null["spread_scan"])
    return tuple(region(e, c, z[c], p[c], e.shown_after) for c in _apart(e.basis, z, p, alpha)[:SHOWN])


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
        return tuple(region(e, int(level[i]), float(z[level[i]]), float("nan"), e.shown_after) for i in places)

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


def region(e: Evidence, cell: int, z: float, p: float, shown: Shown) -> Region:
    """A cell for people: shares, width, place on the picture, and the rows nearest to its centre."""
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
        tuple(shown.example(i) for i in _nearest(e.basis, shown, centre)),
    )


def cell_name(basis: Basis, cell: int) -> str:
    """``"cell 7 of 64"``, its number on its level; the cell that holds everything is ``"all rows"``."""
    for level in basis.ancestors:
        if level.min() <= cell <= level.max():
            count = int(level.max() - level.min()) + 1
            return "all rows" if count == 1 else f"cell {cell - int(level.min()) + 1} of {count}"
    return f"cell {cell}"


def _share(basis: Basis, sums: Sums, cell: int) -> float:
    return float(cell_rows(basis, sums)[cell] / rows(sums))


def _width_ratio(e: Evidence, cell: int) -> float:
    means = []
    for sums in (e.reference, e.window):
        n = cell_rows(e.basis, sums)[cell]
        means.append(float(cell_distances(e.basis, sums)[0][cell] / n) if n > 0 else float("nan"))
    return means[1] / means[0] if means[0] > 0 else float("nan")


def _nearest(basis: Basis, shown: Shown, centre: npt.NDArray[np.float32]) -> list[int]:
    if not len(shown.x):
        return []
    distance = squared_distances(shown.x - basis.centre, centre[None])[:, 0]
    return np.argsort(distance, kind="stable")[:EXAMPLES].tolist()


def shift_in_sd(e: Evidence, gap: Float64) -> float:
    """Length of the mean's shift, its sampling noise removed, in standard deviations along its own direction."""
    noise = e.basis.variance * float(1 / rows(e.window) + 1 / rows(e.reference))
    length = np.sqrt(max(float(gap @ gap) - noise, 0.0))
    return float(length / max(directional_sd(e.basis, gap), 1e-30))
