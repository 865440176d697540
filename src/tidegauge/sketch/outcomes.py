"""Outcomes of a sketch: their totals, and those that come after it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis
from tidegauge.sketch.samples import Sample
from tidegauge.sketch.sketch import Sketch

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


def outcome_totals(basis: Basis, sketch: Sketch) -> dict[str, tuple[float, float]]:
    """Numerator and denominator of each outcome: sums over the fine cells, ordinary and novel.

    Examples
    --------
    >>> from tidegauge import Reference
    >>> from tidegauge.gate import admit
    >>> rows = np.random.default_rng(0).standard_normal((400, 4))
    >>> reference = Reference.fit(rows)
    >>> sketch = reference.sketch(admit(rows[:3], outcomes={"success": [1, 0, 1]}))
    >>> outcome_totals(reference.basis, sketch)
    {'success': (2.0, 3.0)}
    """
    fine = np.concatenate([basis.fine, basis.fine + len(basis.centres)])
    sums = {name: values[:, fine].sum(1) for name, values in sketch.outcomes.items()}
    return {name: (float(numerator), float(denominator)) for name, (numerator, denominator) in sums.items()}


def add_outcomes(sketch: Sketch, name: str, ids: Sequence[str], cells: Int, values: Float64) -> None:
    """Add an outcome of rows that are in a sketch already, in place: to its sums, and to its samples.

    Parameters
    ----------
    sketch : Sketch
    name : str
        Of the outcome.
    ids : sequence of str, length n
        The rows' own ids.
    cells : int64 array, shape (n, levels)
        Where each is counted, as ``Reference.sketch`` tells it.
    values : float64 array, shape (n, 2)
        Numerators and denominators.

    Raises
    ------
    IndexError
        Where a cell is none of the sketch's.
    """
    size = 2 * sketch.cells
    if cells.size and not 0 <= cells.min() <= cells.max() < size:
        raise IndexError(f"cell {cells.max()} of {size}")
    sums = sketch.outcomes.setdefault(name, np.zeros((2, size)))
    for side in (0, 1):
        sums[side] += np.bincount(cells.ravel(), np.repeat(values[:, side], cells.shape[1]), size)
    sketch.uniform, sketch.novel = (_told(each, name, ids, values) for each in (sketch.uniform, sketch.novel))


def _told(sample: Sample, name: str, ids: Sequence[str], values: Float64) -> Sample:
    told = dict(zip(ids, values, strict=True))
    rows = [row for row, each in enumerate(sample.ids.tolist()) if each in told]
    if not rows:
        return sample
    known = sample.outcome(name).copy()
    known[rows] = [told[str(sample.ids[row])] for row in rows]
    return replace(sample, outcomes={**sample.outcomes, name: known})
