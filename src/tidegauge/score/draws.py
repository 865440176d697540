"""The null by relabelling: sums of many subsets of the same rows, as matrix products."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis, Rows, project
from tidegauge.score.parts import Float64, Sums
from tidegauge.sketch.pieces import contributions

CHUNK = 4096
COUNTS = ("cells", "distances", "slices", "coarse", "diagnostics", "tails")

Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Draws:
    """Sums of the labelled and of the other rows for every draw, by piece: float64 (draws, p)."""

    labelled: dict[str, Float64]
    others: dict[str, Float64]


def in_chunks(basis: Basis, x: Float32) -> Iterator[Rows]:
    """The rows (n, d) as the basis sees them, a few thousand at a time."""
    return (project(basis, x[start : start + CHUNK]) for start in range(0, len(x), CHUNK))


def relabel(basis: Basis, chunks: Iterable[Rows], labels: Bool, names: tuple[str, ...]) -> Draws:
    """Sum the contributions of the labelled rows and of the others, for every draw.

    Parameters
    ----------
    basis : Basis
    chunks : iterable of Rows
        n in all, as ``in_chunks`` makes them.
    labels : bool array, shape (draws, n)
    names : tuple of str
        Pieces wanted.
    """
    sides: tuple[dict[str, Float64], dict[str, Float64]] = ({}, {})
    start = 0
    for rows in chunks:
        part = labels[:, start : start + len(rows.square)]
        start += len(rows.square)
        for name, columns in contributions(basis, rows, names).items():
            for side, sums in zip(sides, columns.split(part), strict=True):
                side[name] = side[name] + sums if name in side else sums
    return Draws(*sides)


def as_windows(draws: Draws, n: int, reference: Sums) -> tuple[dict[str, Float64], dict[str, Float64]]:
    """Turn splits of the reference's own rows into windows of ``n`` rows beside the whole reference.

    A split of M rows into n' and M - n' differs in its means with variance (1/n' + 1/(M - n')) V; a window of n
    rows beside a reference of m differs with (1/n + 1/m) V. The difference is scaled by the root of the ratio
    and laid on the reference's mean, so that no more rows are needed than there are, and no row is drawn twice.

    Returns
    -------
    window, reference : sums by piece
        ``window`` has a leading axis of draws, ``reference`` one of length 1.
    """
    inside, outside = draws.labelled["count"], draws.others["count"]
    m = float(reference["count"][0])
    scale = np.sqrt((1 / n + 1 / m) / (1 / inside + 1 / outside))
    whole = {name: values[None] for name, values in reference.items()}
    window: dict[str, Float64] = {}
    for name in draws.labelled:
        gap = draws.labelled[name] / inside - draws.others[name] / outside
        window[name] = n * (whole[name] / m + scale * gap)
    window["count"] = np.full_like(inside, n)
    for name in COUNTS:
        if name in window:
            window[name] = np.maximum(window[name], 0)
    return window, {name: whole[name] for name in draws.labelled}
