"""The instances that the laws hold for: every piece, every score, and the bases below. A new one costs one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from tidegauge.basis import FAR_SHARES, Basis, Rows, fit_basis, project
from tidegauge.score.registry import SCORES
from tidegauge.sketch.columns import Columns
from tidegauge.sketch.pieces import DERIVED, PIECES, contributions, histogram_index, with_coarse

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

EDGE = 1e-5


def _normal(width: int, rows: int) -> Float32:
    return np.random.default_rng([width, rows]).standard_normal((rows, width)).astype(np.float32)


def _clusters(width: int, rows: int) -> Float32:
    rng = np.random.default_rng([width, rows])
    centres = 4 * rng.standard_normal((5, width))
    return (centres[rng.integers(0, 5, rows)] + rng.standard_normal((rows, width))).astype(np.float32)


def _unit(width: int, rows: int) -> Float32:
    x = _clusters(width, rows) + 3
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _constant_dimension(width: int, rows: int) -> Float32:
    x = _normal(width, rows)
    x[:, 3] = 7
    return x


def _duplicates(width: int, rows: int) -> Float32:
    return _normal(width, rows)[np.random.default_rng(rows).integers(0, rows // 8, rows)]


PROFILE_OF = {"small profile": "small", "wide profile": "wide"}
MAKERS: dict[str, tuple[Callable[[int, int], Float32], int, int]] = {
    "one dimension": (_normal, 1, 400),
    "two dimensions, few rows": (_normal, 2, 12),
    "two dimensions, many rows": (_clusters, 2, 1500),
    "sixteen dimensions": (_clusters, 16, 600),
    "a constant dimension": (_constant_dimension, 16, 300),
    "duplicates": (_duplicates, 16, 320),
    "wide, fewer rows than dimensions": (_normal, 96, 40),
    "wide": (_clusters, 96, 800),
    "unit length": (_unit, 96, 500),
    "small profile": (_clusters, 48, 600),
    "wide profile": (_clusters, 160, 600),
}
BASES = tuple(MAKERS)
ROOMY = tuple(name for name, (_, _, rows) in MAKERS.items() if rows >= 300)
PIECE_NAMES = (*PIECES, *DERIVED)
SCORE_NAMES = tuple(SCORES)


@dataclass(frozen=True)
class Instance:
    """A basis, the rows it was fitted on, and two sides of the same kind (the second moved and widened a little)."""

    basis: Basis
    fitted: Float32
    before: Float32
    after: Float32


@cache
def instance(name: str) -> Instance:
    maker, width, rows = MAKERS[name]
    fitted = maker(width, rows)
    half = min(rows // 2, 160)
    after = fitted[-half:] * np.float32(1.05) + np.float32(0.02)
    found = Instance(fit_basis(fitted, 3, PROFILE_OF.get(name, "standard")), fitted, fitted[:half].copy(), after)
    for array in (found.fitted, found.before, found.after):
        array.setflags(write=False)
    return found


def columns(basis: Basis, rows: Rows, name: str) -> Columns:
    return contributions(basis, rows, (name,))[name]


def size(basis: Basis, name: str) -> int:
    """How many sums a piece keeps; the derived one has four bins in one, and the two beyond the edges."""
    return PIECES[name].size(basis) if name in PIECES else basis.axes.shape[1] * (basis.bins // 4 + 2)


@cache
def sides(name: str) -> tuple[Basis, dict[str, Float64], dict[str, Float64]]:
    """The basis, the sums after and the sums before, all read-only."""
    found = instance(name)
    both = sums(found.basis, found.after), sums(found.basis, found.before)
    for array in (*both[0].values(), *both[1].values()):
        array.setflags(write=False)
    return found.basis, *both


def sums(basis: Basis, x: Float32) -> dict[str, Float64]:
    """All pieces of these rows, and what is derived from them."""
    rows = project(basis, x)
    return with_coarse(basis, {name: columns(basis, rows, name).total() for name in PIECES})


def on_edge(basis: Basis, rows: Rows, name: str) -> Bool:
    """Rows that rounding may put on either side of a bin, cell or threshold of this piece, shape (n,)."""
    if name in {"slices", "coarse"}:
        return _moves(rows.projections, basis.edges, basis.bins)
    if name == "diagnostics":
        return _moves(rows.diagnostics, basis.diagnostic_edges, basis.bins)
    if name in {"cells", "distances", "novelty"}:
        return _between_cells(basis, rows) | _at_threshold(basis, rows)
    return np.zeros(len(rows.square), np.bool_)


def _moves(values: Float32, edges: Float64, bins: int) -> Bool:
    room = EDGE * np.maximum(np.abs(values), 1)
    low, high = (histogram_index(values + sign * room, edges, bins) for sign in (-1, 1))
    return (low != high).any(1)


def _between_cells(basis: Basis, rows: Rows) -> Bool:
    if len(basis.fine) < 2:
        return np.zeros(len(rows.near), np.bool_)
    fine = basis.centres[basis.fine].astype(np.float64)
    squares = ((rows.centred[:, None, :].astype(np.float64) - fine) ** 2).sum(-1)
    nearest, second = np.partition(squares, 1, axis=1)[:, :2].T
    return second - nearest <= EDGE * np.maximum(rows.square, 1)


def _at_threshold(basis: Basis, rows: Rows) -> Bool:
    shares = (np.arange(len(basis.near_knots)) + 0.5) / len(basis.near_knots)
    low, high = (np.interp(rows.near + sign * EDGE, basis.near_knots, shares) for sign in (-1, 1))
    crosses = [(low <= q) & (high > q) for q in FAR_SHARES]
    return np.any(crosses, axis=0) | (high - low > 1e-3)
