"""Decomposition from sketches alone: sums by cell are all that is left of a stream's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis
from tidegauge.outcome.decompose import FEWEST_DAYS, CellSums, Units, cell_sums, decompose
from tidegauge.outcome.groups import of_cells
from tidegauge.records import Decomposition, Outcome
from tidegauge.sketch.sketch import Sketch

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

DAY = 86_400
GUESS = "Rows are taken as independent; neither sessions nor 30 days are known."
HALF_GUESS = "Days of the window are resampled; the reference's rows are taken as independent."


def decompose_panes(
    basis: Basis,
    before: Sequence[Sketch],
    after: Sequence[Sketch],
    outcome: Outcome,
    *,
    named: Mapping[str, Bool] | None = None,
    seed: int = 0,
) -> Decomposition | None:
    """Where the change of an outcome lies, of panes under one reference; None where a side does not have it.

    Parameters
    ----------
    basis : Basis
        The reference's.
    before, after : sequence of Sketch
        Panes of both sides; what is before may be the reference's own sums, as one. Where a side has 30 days, its days
        are resampled (a pane counts for the day on which it began); else its rows are taken as independent, which is a
        guess.
    outcome : Outcome
    named : mapping of name to bool array, shape (2 * fine,)
        Fine cells, ordinary then novel, that are a new cluster of that name.
    seed : int

    Examples
    --------
    >>> from tidegauge import Batch, Reference
    >>> rng = np.random.default_rng(0)
    >>> def batch(rows, rate):
    ...     x = rng.standard_normal((rows, 3)).astype(np.float32)
    ...     success = np.stack([rng.random(rows) < rate, np.ones(rows)], axis=1).astype(float)
    ...     return Batch(x, outcomes={"success": success})
    >>> reference = Reference.fit(batch(600, 0.9))
    >>> d = decompose_panes(reference.basis, [reference.base], [reference.sketch(batch(400, 0.5))], Outcome("success"))
    >>> d.guess, -0.5 < d.within.change < -0.3
    (True, True)
    """
    sides = [[pane for pane in panes if outcome.name in pane.outcomes] for panes in (before, after)]
    if not all(sides):
        return None
    told = [PaneSide(basis, tuple(panes), outcome) for panes in sides]
    groups, place = of_cells(basis, told[0].rows, told[1].rows, named)
    known = [side.days is not None for side in told]
    first, second = (side.measured(place, len(groups)) for side in told)
    note = "" if all(known) else HALF_GUESS if known[1] else GUESS
    return decompose(
        outcome,
        first,
        second,
        groups,
        resampled="days" if known[1] else "rows",
        guess=not all(known),
        note=note,
        seed=seed,
    )


@dataclass(frozen=True)
class PaneSide:
    """Panes of one side that have the outcome."""

    basis: Basis
    panes: tuple[Sketch, ...]
    outcome: Outcome

    @cached_property
    def values(self) -> Float64:
        """Numerators and denominators, float64 (panes, 2, 2 * fine)."""
        return np.stack([fine_sums(self.basis, pane, self.outcome.name) for pane in self.panes])

    @cached_property
    def sample(self) -> Float64:
        """Numerators and denominators of the kept rows that have it, float64 (k, 2)."""
        kept = [pane.uniform.outcomes[self.outcome.name] for pane in self.panes if pane.uniform.outcomes]
        every = np.concatenate([np.zeros((0, 2)), *kept])
        return every[every[:, 1] > 0]

    @property
    def row(self) -> float:
        """Mean denominator of a row that has it: of the kept rows, else at least 1."""
        if len(self.sample):
            return float(self.sample[:, 1].mean())
        return max(1.0, float(self.values[:, 1].sum()) / max(sum(pane.rows for pane in self.panes), 1))

    @property
    def rows(self) -> Float64:
        """Rows that have it, float64 (2 * fine,)."""
        return self.values[:, 1].sum(0) / self.row

    @cached_property
    def days(self) -> Int | None:
        """The day on which each pane began, where all are known and there are enough."""
        begun = [pane.times[0] for pane in self.panes if pane.times is not None]
        days = np.floor_divide(np.array(begun, np.float64), DAY).astype(np.int64)
        return days if len(days) == len(self.panes) and len(np.unique(days)) >= FEWEST_DAYS else None

    def measured(self, place: Int, groups: int) -> Units | CellSums:
        """The outcome by group, day by day where days are known."""
        group = np.tile(place, len(self.panes))
        day = np.arange(len(self.panes)) if self.days is None else self.days
        entries = self.values.transpose(0, 2, 1).reshape(-1, 2)
        units = Units(entries, group, np.repeat(day, len(place)), groups, self.row)
        if self.days is not None:
            return units
        return cell_sums(self.outcome, units.totals, float(self.rows.sum()), self.sample)


def fine_sums(basis: Basis, sketch: Sketch, name: str) -> Float64:
    """Numerators and denominators of an outcome in the fine cells, ordinary then novel, float64 (2, 2 * fine)."""
    return sketch.outcomes[name][:, np.concatenate([basis.fine, basis.fine + len(basis.centres)])]
