"""Groups over which an outcome's change is summed: the cells of a codebook, each twice, or the values of a property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis

Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

FEWEST = 20.0
EMPTY_BEFORE = 10.0
EVERYTHING = "all rows"
REST = ", the rest"
SMALL = "all small cells"


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """What each of g groups is called, and how its change counts.

    Attributes
    ----------
    names : tuple of str
        Of each group; groups of one name are told as one.
    new : bool array, shape (g,)
        Whether it counts as new: measured against the reference's mean rate, not against its own.
    twin : int64 array, shape (g,)
        Of the novel half of a cell, the group of its ordinary half; else -1.
    named : bool array, shape (g,)
        Whether a person knows it by that name: such a group is told where there is room, a cell only where its change
        is beyond chance.
    """

    names: tuple[str, ...]
    new: Bool
    twin: Int
    named: Bool

    def __len__(self) -> int:
        return len(self.names)


def of_values(before: Sequence[str], after: Sequence[str]) -> tuple[Groups, Int, Int]:
    """One group for each value of a property, and the group of every row; values that are not before are new.

    Examples
    --------
    >>> groups, _, after = of_values(["en", "en", "de"], ["fr", "en"])
    >>> groups.names, groups.new.tolist(), after.tolist()
    (('de', 'en', 'fr'), [False, False, True], [2, 1])
    """
    names, place = np.unique(np.array([*before, *after], np.str_), return_inverse=True)
    first, second = place[: len(before)], place[len(before) :]
    new = np.bincount(first, minlength=len(names)) == 0
    groups = Groups(tuple(map(str, names)), new, np.full(len(names), -1), np.ones(len(names), np.bool_))
    return groups, first.astype(np.int64), second.astype(np.int64)


def of_cells(
    basis: Basis, before: Float64, after: Float64, named: Mapping[str, Bool] | None = None
) -> tuple[Groups, Int]:
    """Groups of the fine cells, and the group of each, ordinary then novel, int64 (2 * fine,).

    An ordinary cell in which fewer than FEWEST rows are to be expected on either side is counted with what else is
    small in the next larger one; one that holds ten times the share that it held before is new. Every novel half has a
    group of its own, told by the name of one that is large enough.

    Parameters
    ----------
    basis : Basis
    before, after : float64 arrays, shape (2 * fine,)
        Rows that have the outcome in every fine cell, ordinary then novel.
    named : mapping of name to bool array, shape (2 * fine,)
        Which fine cells, ordinary then novel, are a new cluster of that name; the first name that has a cell keeps it.
    """
    fine = basis.ancestors.shape[1]
    ordinary, novel = (_owners(basis, before[half], after[half]) for half in (slice(0, fine), slice(fine, None)))
    nodes, home = np.unique(ordinary, return_inverse=True)
    fresh = _appeared(home, before[:fine], after[:fine])

    def whole(node: int) -> bool:
        return cell_name(basis, int(node)) == EVERYTHING

    names = [_name(basis, int(node), ordinary) for node in nodes]
    around = ["far from every cell" if whole(node) else f"far from {_name(basis, int(node), novel)}" for node in novel]
    extra = list(named or {})
    groups = Groups(
        (*names, *around, *extra),
        np.concatenate([fresh, np.ones(fine + len(extra), np.bool_)]),
        np.concatenate([np.full(len(names), -1), np.where(fresh[home], -1, home), np.full(len(extra), -1)]),
        np.arange(len(names) + fine + len(extra)) >= len(names) + fine,
    )
    place = np.concatenate([home, len(names) + np.arange(fine)]).astype(np.int64)
    for i in reversed(range(len(extra))):
        place[(named or {})[extra[i]]] = len(names) + fine + i
    return groups, place


def _appeared(home: Int, before: Float64, after: Float64) -> Bool:
    """Groups of ordinary cells that hold traffic now, and (almost) none before."""
    shares = [np.bincount(home, side) / max(float(side.sum()), 1.0) for side in (before, after)]
    return (shares[1] > 0) & (shares[1] >= EMPTY_BEFORE * shares[0])


def _owners(basis: Basis, before: Float64, after: Float64) -> Int:
    """The smallest cell around each fine one in which enough rows are expected, of those not in one yet, (fine,)."""
    sides = [float(before.sum()), float(after.sum())]
    expected = (before + after) * min(sides) / max(sum(sides), 1.0)
    owner = np.full(len(before), -1, np.int64)
    for level in basis.ancestors[::-1]:
        free = owner < 0
        held = np.bincount(level[free], expected[free], len(basis.centres))
        enough = free & (held[level] >= FEWEST)
        owner[enough] = level[enough]
    owner[owner < 0] = basis.ancestors[0][owner < 0]
    return owner


def _name(basis: Basis, node: int, owner: Int) -> str:
    whole = bool((owner[(basis.ancestors == node).any(0)] == node).all())
    name = cell_name(basis, node)
    if name == EVERYTHING:
        return name if whole else SMALL
    return name if whole else name + REST


def cell_name(basis: Basis, cell: int) -> str:
    """``"cell 7 of 64"``, its number on its level; the cell that holds everything is ``"all rows"``."""
    for level in basis.ancestors:
        if level.min() <= cell <= level.max():
            count = int(level.max() - level.min()) + 1
            return EVERYTHING if count == 1 else f"cell {cell - int(level.min()) + 1} of {count}"
    return f"cell {cell}"
