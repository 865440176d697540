"""Sums under relabelling: what the direct way gives, and what windows of another size are made of."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from tests.laws.registry import PIECE_NAMES, sums
from tidegauge.basis import Basis, fit_basis
from tidegauge.numeric.permutation import label_draws
from tidegauge.score.draws import CHUNK, Draws, as_windows, in_chunks, relabel
from tidegauge.score.registry import SCORES

Float32 = npt.NDArray[np.float32]


def rows(seed: int, count: int) -> Float32:
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(0).standard_normal((6, 8))
    which = rng.choice(6, count, p=[0.75, 0.05, 0.05, 0.05, 0.05, 0.05])
    return (centres[which] + rng.standard_normal((count, 8))).astype(np.float32)


@cache
def split(count: int, part: int, draws: int) -> tuple[Basis, Float32, npt.NDArray[np.bool_], Draws]:
    x = rows(1, count)
    labels = label_draws(np.arange(count) < part, np.arange(count), draws, np.random.default_rng(2))
    basis = fit_basis(rows(3, 900), 0)
    return basis, x, labels, relabel(basis, in_chunks(basis, x), labels, PIECE_NAMES)


@pytest.mark.parametrize("piece", PIECE_NAMES)
@pytest.mark.parametrize("count", [150, CHUNK + 40])
def test_relabelled_sums_are_those_of_the_rows(piece: str, count: int) -> None:
    basis, x, labels, draws = split(count, 60, 3)
    for i in (0, 2):
        for found, own in ((draws.labelled, x[labels[i]]), (draws.others, x[~labels[i]])):
            truth = sums(basis, own)[piece]
            np.testing.assert_allclose(found[piece][i], truth, rtol=1e-5, atol=1e-5 * max(np.abs(truth).max(), 1))


@pytest.mark.parametrize("n", [20, 200, 5000])
def test_windows_hold_n_rows_beside_the_whole_reference(n: int) -> None:
    basis, x, _, draws = split(700, 200, 150)
    reference = sums(basis, x)
    window, whole = as_windows(draws, n, reference)
    assert (window["count"] == n).all()
    for name, values in whole.items():
        np.testing.assert_array_equal(values, reference[name][None])
        assert window[name].shape == draws.labelled[name].shape


@pytest.mark.parametrize("n", [50, 200, 2000])
def test_windows_vary_as_fresh_ones_would(n: int) -> None:
    """The squared distance of means has expectation (1/n + 1/m) x the total variance."""
    basis, x, _, draws = split(700, 200, 150)
    window, whole = as_windows(draws, n, sums(basis, x))
    gaps = window["mean"][1:, :-1] / n - whole["mean"][:, :-1] / len(x)
    expected = (1 / n + 1 / len(x)) * x.astype(np.float64).var(0, ddof=1).sum()
    assert (gaps**2).sum(1).mean() == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("score", list(SCORES))
def test_every_score_is_finite_on_scaled_windows(score: str) -> None:
    basis, x, _, draws = split(700, 200, 150)
    reference = sums(basis, x)
    for n in (50, 200, 5000):
        with np.errstate(invalid="ignore", divide="ignore"):
            values = SCORES[score].function(basis, *as_windows(draws, n, reference))
        assert np.isfinite(values).all()
