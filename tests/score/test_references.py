"""Every score against a slow and obvious computation from the raw rows."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from tests.laws.registry import sums
from tests.score.references import REFERENCES, constant
from tidegauge.basis import Basis, fit_basis
from tidegauge.score.energy import slice_constant
from tidegauge.score.registry import SCORES
from tidegauge.score.scans import mass_z, spread_z

Float32 = npt.NDArray[np.float32]

# Only where single precision or power iteration shows more than elsewhere.
ROOM = {"whitened_mmd_10": 1e-2, "whitened_mmd_1": 1e-2, "novelty": 1e-3, "spread_scan": 1e-3}
SMALLER = {"mmd": 25, "sliced_w1": 60, "sliced_w2": 60, "w2_pc1": 60, "energy": 60}


def clusters(seed: int, rows: int, width: int) -> Float32:
    rng = np.random.default_rng(seed)
    centres = 3 * np.random.default_rng(99).standard_normal((4, width))
    return (centres[rng.integers(0, 4, rows)] + rng.standard_normal((rows, width))).astype(np.float32)


@cache
def case(name: str) -> tuple[Basis, Float32, Float32]:
    """A basis, the window and the reference; wider than the 64 components in the last case."""
    width, far = {"one": (1, 0.0), "five": (5, 0.0), "five, moved": (5, 1.0), "seventy": (70, 0.5)}[name]
    fitted, window, reference = (clusters(seed, 200, width) for seed in (1, 2, 3))
    window = window * np.float32(1 + far / 4) + np.float32(far)
    return fit_basis(np.concatenate([fitted, reference]), 0), window[:180], reference


def test_every_score_has_a_reference() -> None:
    assert set(REFERENCES) == set(SCORES)


@pytest.mark.parametrize("name", ["one", "five", "five, moved", "seventy"])
@pytest.mark.parametrize("score", list(SCORES))
def test_the_score_is_what_its_reference_says(name: str, score: str) -> None:
    basis, window, reference = case(name)
    if score in SMALLER:
        window, reference = window[: SMALLER[score]], reference[: SMALLER[score] + 7]
    value = float(SCORES[score].function(basis, sums(basis, window), sums(basis, reference)))
    expected = REFERENCES[score](basis, window.astype(np.float64), reference.astype(np.float64))
    np.testing.assert_allclose(value, expected, rtol=ROOM.get(score, 1e-4), atol=2e-6)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 64, 768, 4096])
def test_slice_constant_by_recurrence(width: int) -> None:
    assert slice_constant(width) == pytest.approx(constant(width), rel=1e-9)


@pytest.mark.parametrize("width", [2, 5, 40])
def test_slice_constant_by_monte_carlo(width: int) -> None:
    """E|x| = C_d E|u x| over random directions u, for any fixed x."""
    directions = np.random.default_rng(0).standard_normal((100_000, width))
    along = np.abs(directions[:, 0]) / np.linalg.norm(directions, axis=1)
    error = 4 * along.std() / np.sqrt(len(along)) / along.mean()
    assert slice_constant(width) == pytest.approx(1 / along.mean(), rel=error)


def test_cells_with_too_few_rows_do_not_speak() -> None:
    """Two of twelve rows in a cell that the reference never had are too few for traffic; so are four for spread."""
    basis, window, reference = case("five")
    sides = [sums(basis, x) for x in (window[:12], reference)]
    cell, cells = int(basis.fine[0]), len(basis.centres)
    for side, count in zip(sides, (2, 0), strict=True):
        side["cells"][[cell, cell + cells]] = count, 0
    assert mass_z(basis, *sides)[cell] == 0
    sides[0]["cells"][cell] = 3
    assert mass_z(basis, *sides)[cell] > 3
    for few, z in ((4, 0), (5, 5)):
        for side, count, distance in zip(sides, (few, 50), (9.0, 1.0), strict=True):
            side["cells"][cell] = count
            side["distances"][[cell, cell + cells]] = count * distance, count * distance**2 * 1.01
        assert abs(spread_z(basis, *sides)[cell]) >= z
        assert z or spread_z(basis, *sides)[cell] == 0
