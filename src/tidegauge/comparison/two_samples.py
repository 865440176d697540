"""The two-sample door: a pooled basis that does not know which row is which, and an exact permutation panel on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis, fitted
from tidegauge.numeric.permutation import label_draws
from tidegauge.score.draws import CHUNK, Draws, in_chunks, relabel
from tidegauge.score.panel import Decision, decide
from tidegauge.score.parts import Float64
from tidegauge.score.registry import MEMBERS, evaluate, pieces_of

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

DRAWS = 999
MOST_FIT_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Pooled:
    """Both samples under one basis, every draw's sums, and the members' values: row 0 is observed."""

    basis: Basis
    x: Float32
    labels: Bool
    draws: Draws
    values: Float64


def pool(
    before: Float32,
    after: Float32,
    units: Int | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    profile: str = "standard",
) -> Pooled:
    """Fit the basis on all rows, relabel them, and score every relabelling.

    Parameters
    ----------
    before, after : float32 arrays, shapes (n, d) and (m, d)
    units : int64 array, shape (n + m,), optional
        Rows that swap sides together; every row its own where not given.
    seed : int
        Fixes the basis and the draws.
    draws : int
        Random relabellings.
    profile : str
        How much the basis looks at: a name in ``basis.PROFILES``.
    """
    x = np.concatenate([before, after])
    first = np.arange(len(x)) >= len(before)
    basis, rows = fitted(_fit_rows(x, seed), seed, profile)
    chunks = [rows] if len(rows.square) == len(x) <= CHUNK else in_chunks(basis, x)
    labels = label_draws(first, np.arange(len(x)) if units is None else units, draws, np.random.default_rng([seed, 1]))
    sums = relabel(basis, chunks, labels, pieces_of(MEMBERS))
    return Pooled(basis, x, labels, sums, evaluate(MEMBERS, basis, sums.labelled, sums.others))


def _fit_rows(x: Float32, seed: int) -> Float32:
    """Rows enough to fit a basis, chosen blind to the sides."""
    if len(x) <= MOST_FIT_ROWS:
        return x
    return x[np.sort(np.random.default_rng([seed, 10]).choice(len(x), MOST_FIT_ROWS, replace=False))]


def decide_two_samples(
    before: Float32,
    after: Float32,
    *,
    alpha: float = 0.05,
    seed: int = 0,
    draws: int = DRAWS,
    profile: str = "standard",
) -> Decision:
    """The decision alone, without the report: what ``compare`` decides on exchangeable rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = (rng.standard_normal((100, 4)).astype(np.float32) for _ in range(2))
    >>> decide_two_samples(a, b + 1, draws=99).p
    0.01
    """
    values = pool(before, after, seed=seed, draws=draws, profile=profile).values
    return decide(values[0], values[1:], alpha)
