"""Where the change of each outcome lies, by the clusters that a comparison names."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidegauge.basis import project
from tidegauge.comparison.clusters import Ball, Group
from tidegauge.comparison.evidence import Evidence
from tidegauge.comparison.outcomes import outcome_of
from tidegauge.comparison.regions import closest
from tidegauge.comparison.settings import Settings
from tidegauge.numeric.codebook import squared_distances
from tidegauge.outcome.decompose import ALL, FEWEST_DAYS, REST, Units, decompose
from tidegauge.outcome.groups import Groups, of_cells
from tidegauge.outcome.panes import GUESS, PaneSide, decompose_panes, fine_sums
from tidegauge.records import Contribution, Decomposition, Example, Resampled
from tidegauge.sketch.pieces import cell_index

Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

CHUNK = 4096
FEWEST = 3
MOSTLY = 0.5
BLOCKS = "Blocks of successive rows are taken as independent; neither sessions nor 30 days are known."


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Which fine cell each row that may be shown lies in, ordinary then novel, int64 (n,), in [0, 2 * fine)."""

    before: Int
    after: Int


def decompositions(e: Evidence, named: tuple[Group, ...], settings: Settings) -> tuple[Decomposition, ...]:
    """One for each outcome that both sides have."""
    if not e.outcomes:
        return ()
    cells = Cells(_cells(e, e.shown_before.x), _cells(e, e.shown_after.x))
    of = _by_rows if e.sketches is None else _by_sums
    found = (of(e, each.name, cells, named, settings) for each in e.outcomes)
    return tuple(each for each in found if each is not None)


def _by_rows(
    e: Evidence, name: str, cells: Cells, named: tuple[Group, ...], settings: Settings
) -> Decomposition | None:
    """Of two samples: rows of a named new cluster are its own group, wherever they lie."""
    shown = (e.shown_before, e.shown_after)
    values = [s.measured[name] for s in shown]
    outcome = outcome_of(name, settings.outcomes, values)
    size = 2 * e.basis.ancestors.shape[1]
    counts = [
        np.bincount(c, v[:, 1] > 0, size).astype(np.float64)
        for c, v in zip((cells.before, cells.after), values, strict=True)
    ]
    names = {group.cluster.name: np.zeros(size, np.bool_) for group in named}
    groups, place = of_cells(e.basis, counts[0], counts[1], names)
    first = len(groups) - len(named)
    homes = [
        _claimed(place[cells.before], [group.before(e, shown[0]) for group in named], first),
        _claimed(place[cells.after], [group.after(e, shown[1]) for group in named], first),
    ]
    units, resampled, note = independent(e)
    sides = [Units(v, home, unit, len(groups), _row(v)) for v, home, unit in zip(values, homes, units, strict=True)]
    d = decompose(
        outcome,
        sides[0],
        sides[1],
        groups,
        resampled=resampled,
        guess=resampled == "rows",
        note=note,
        seed=settings.seed,
    )
    return None if d is None else _shown_by(e, d, groups, homes, named)


def _claimed(home: Int, clusters: list[Int], first: int) -> Int:
    """The group of each row: of the first cluster that has it, else its cell's."""
    home = home.copy()
    for i in reversed(range(len(clusters))):
        home[clusters[i]] = first + i
    return home


def _row(values: Float64) -> float:
    has = values[:, 1] > 0
    return float(values[has, 1].mean()) if has.any() else 1.0


def independent(e: Evidence) -> tuple[tuple[Int, Int], Resampled, str]:
    """What is independent, on both sides, what it is called, and what to say of it."""
    before, after = e.shown_before, e.shown_after
    if e.unit == "session":
        return (before.group, after.group), "sessions", ""
    if before.days is not None and after.days is not None:
        days = (before.days, after.days)
        if all(len(np.unique(side)) >= FEWEST_DAYS for side in days):
            return days, "days", ""
    return (before.group, after.group), "rows", GUESS if e.unit == "row" else BLOCKS


def _by_sums(
    e: Evidence, name: str, cells: Cells, named: tuple[Group, ...], settings: Settings
) -> Decomposition | None:
    """Of sketches: a named new cluster is the cells, ordinary or novel, of which it holds most of the shown rows."""
    assert e.sketches is not None
    values = [fine_sums(e.basis, sketch, name).T for sketch in e.sketches]
    outcome = outcome_of(name, settings.outcomes, values)
    names = _cells_of(e, cells, named)
    d = decompose_panes(e.basis, e.sketches[:1], e.sketches[1:], outcome, named=names, seed=settings.seed)
    if d is None:
        return None
    before, after = (PaneSide(e.basis, (sketch,), outcome) for sketch in e.sketches)
    groups, place = of_cells(e.basis, before.rows, after.rows, names)
    return _shown_by(e, d, groups, [place[cells.before], place[cells.after]], named)


def _cells_of(e: Evidence, cells: Cells, named: tuple[Group, ...]) -> dict[str, Bool]:
    fine = e.basis.ancestors.shape[1]
    held = np.bincount(cells.after, minlength=2 * fine)
    found: dict[str, Bool] = {}
    for group in named:
        if isinstance(group.place, Ball):
            rows = np.bincount(cells.after[group.after(e, e.shown_after)], minlength=2 * fine)
            inside = (rows >= FEWEST) & (rows >= MOSTLY * held)
        else:
            inside = np.tile((e.basis.ancestors == group.place).any(0), 2)
        if inside.any():
            found[group.cluster.name] = inside
    return found


def _cells(e: Evidence, x: Float32) -> Int:
    """The fine cell of each row, ordinary then novel, (n,)."""
    fine, count = e.basis.fine, len(e.basis.centres)
    found = [np.empty(0, np.int64)]
    for start in range(0, len(x), CHUNK):
        place = cell_index(project(e.basis, x[start : start + CHUNK]), count)[:, -1]
        found.append(np.where(place < count, place - fine[0], place - count - fine[0] + len(fine)))
    return np.concatenate(found)


def _shown_by(
    e: Evidence, d: Decomposition, groups: Groups, homes: list[Int], named: tuple[Group, ...]
) -> Decomposition:
    """The same, with rows that show what each named group is."""
    clusters = {group.cluster.name: group.cluster.examples for group in named}
    names = np.array(groups.names)

    def told(c: Contribution) -> Contribution:
        if c.group in (REST, ALL):
            return c
        return replace(c, examples=clusters.get(c.group) or _central(e, names, homes, c.group))

    return replace(d, groups=tuple(told(c) for c in d.groups))


def _central(e: Evidence, names: npt.NDArray[np.str_], homes: list[Int], group: str) -> tuple[Example, ...]:
    """Rows of a group nearest to its middle: the window's, or else the reference's."""
    for shown, home in ((e.shown_after, homes[1]), (e.shown_before, homes[0])):
        inside = np.flatnonzero(names[home] == group)
        if len(inside):
            x = shown.x[inside]
            return closest(shown, inside, squared_distances(x - x.mean(0), np.zeros((1, x.shape[1]), np.float32))[:, 0])
    return ()
