"""What unchanged data does under a frozen reference: every score's null, at a ladder of window sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis
from tidegauge.numeric.permutation import label_draws
from tidegauge.score.draws import as_windows, in_chunks, relabel
from tidegauge.score.registry import MEMBERS, SCORES, evaluate, pieces_of
from tidegauge.sketch.pieces import Sums

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

SIZES = (50, 150, 500, 1500, 5000, 20_000, 1_000_000)
DRAWS = 999
DIAGNOSTIC_DRAWS = 199
MOST_ROWS = 10_000

_PANEL_PIECES = pieces_of(MEMBERS)
FULL: tuple[str, ...] = tuple(n for n, d in SCORES.items() if set(d.pieces) <= set(_PANEL_PIECES))
FEWER: tuple[str, ...] = tuple(n for n in SCORES if n not in FULL)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Nulls by window size: ``full`` (sizes, draws, scores in FULL) float32, ``fewer`` the same for FEWER with
    fewer draws.

    ``sizes`` (sizes,) rows of a window; ``rows`` rows of the reference's sums; ``unit`` what was relabelled as
    a whole.
    """

    sizes: Int
    full: Float32
    fewer: Float32
    rows: int
    unit: str
    units: int

    def null(self, n: int) -> dict[str, Float64]:
        """Null draws of every score for a window of ``n`` rows, float64 (draws,) each; draws of FULL scores stay joint.

        Between two sizes each score's quantiles are interpolated linearly in 1/n + 1/m, to which squared distances are
        proportional; the dependence between scores is the nearer size's.
        """
        noise = 1 / self.sizes + 1 / self.rows
        target = float(np.clip(1 / n + 1 / self.rows, noise[-1], noise[0]))
        upper = int(np.searchsorted(-noise, -target))
        lower = max(upper - 1, 0)
        weight = 0.0 if upper == lower else (noise[lower] - target) / (noise[lower] - noise[upper])
        nearer = lower if weight < 0.5 else upper
        out: dict[str, Float64] = {}
        for names, table in ((FULL, self.full), (FEWER, self.fewer)):
            ordered = (1 - weight) * np.sort(table[lower], axis=0) + weight * np.sort(table[upper], axis=0)
            ranks = table[nearer].argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
            values = np.take_along_axis(ordered, ranks, axis=0).astype(np.float64)
            out |= {name: values[:, j] for j, name in enumerate(names)}
        return out


def calibrate(basis: Basis, x: Float32, units: Int, unit: str, sums: Sums, rng: np.random.Generator) -> Calibration:
    """Relabel the rows that made the reference's sums, as windows of every size.

    Parameters
    ----------
    basis : Basis
        Fitted on other rows.
    x : float32 array, shape (m, d)
        The rows of the sums, or as many of them as the work allows.
    units : int64 array, shape (m,)
        Rows that belong together share a unit.
    unit : str
        What a unit is called.
    sums : sums by piece, ``coarse`` among them
        The reference's own, of all its rows.
    rng : numpy Generator
    """
    full = null_table(basis, x, units, sums, FULL, DRAWS, rng)
    fewer = null_table(basis, x, units, sums, FEWER, DIAGNOSTIC_DRAWS, rng)
    return Calibration(np.asarray(SIZES, np.int64), full, fewer, int(sums["count"][0]), unit, int(units.max()) + 1)


def null_table(
    basis: Basis, x: Float32, units: Int, sums: Sums, names: tuple[str, ...], draws: int, rng: np.random.Generator
) -> Float32:
    """Values of these scores on unchanged data, float32 (sizes, draws, scores).

    A scan counts rows in small cells, which a scaled split cannot imitate; but its null hardly depends on the
    sizes, and is taken from the split itself.
    """
    pivotal = np.array([SCORES[name].pivotal for name in names])
    by_split = tuple(name for name in names if SCORES[name].pivotal)
    table, part, split = [], 0, None
    for n in SIZES:
        if split is None or min(n, len(x) // 2) != part:
            part = min(n, len(x) // 2)
            split = relabel(basis, in_chunks(basis, x), _labels(units, part, draws, rng), pieces_of(names))
        values = evaluate(names, basis, *as_windows(split, n, sums))
        if by_split:
            values[:, pivotal] = evaluate(by_split, basis, split.labelled, split.others)
        table.append(values.astype(np.float32))
    return np.stack(table)


def _labels(units: Int, part: int, draws: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Random labels of whole units that hold about ``part`` rows."""
    count = int(units.max()) + 1
    chosen = np.arange(count) < max(1, round(count * part / len(units)))
    return label_draws(chosen[units], units, draws, rng)[1:]
