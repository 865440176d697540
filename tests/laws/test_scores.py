"""What holds for every score, under every basis."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import numpy.typing as npt
import pytest

from tests.laws.registry import BASES, ROOMY, SCORE_NAMES, instance, sides, sums
from tidegauge.basis import Basis
from tidegauge.score.registry import MEMBERS, SCORES, evaluate, pieces_of
from tidegauge.score.scans import penalty
from tidegauge.sketch.pieces import DERIVED, PIECES

Float64 = npt.NDArray[np.float64]
Sums = dict[str, Float64]

every_score = pytest.mark.parametrize("score", SCORE_NAMES)
every_basis = pytest.mark.parametrize("name", BASES)
roomy_basis = pytest.mark.parametrize("name", ROOMY)

# What is left when both sides are the same sums; every score that is not named here gives 0.
NOTHING = {
    "mmd": lambda b, s: -2 * float(1 - ((s["features"] / s["count"]) ** 2).sum()) / (float(s["count"][0]) - 1),
    "mass_scan": lambda b, s: -float(penalty(np.float64(1))),
    "spread_scan": lambda b, s: -float(penalty(np.float64(1))),
}
ROUNDING = {"trace_outside": 1e-6}  # a difference of two shares of the variance, each as exact as its sums
ROOM = {"frechet": 1e-7}  # roots of eigenvalues that are zero but for rounding
# What every row given twice, on both sides, does to a score; every score that is not named here stays as it is.
TWICE: dict[str, float | None] = {
    "hotelling": 2,
    "novelty": 2**0.5,
    "mmd": None,  # unbiased: the noise that it takes off falls
    "spread_panel": None,  # a z: grows with n, not in proportion
    "mass_scan": None,
    "spread_scan": None,
    "psi_cells": None,  # half a row is added to every cell
    "psi_pc1": None,
    "js_cells": None,
    "js_pc1": None,
}


def scale(value: Float64 | float) -> float:
    return max(float(np.abs(np.nan_to_num(value)).max()), 1e-3)


def may_be_nan(score: str, basis: Basis, *both: Sums) -> bool:
    """Documented: Gaussian KL needs two rows a component on each side."""
    return score == "gaussian_kl" and any(s["count"][0] < 2 * basis.axes.shape[1] for s in both)


def test_the_names_are_those_of_the_definitions() -> None:
    assert all(name == d.name for name, d in SCORES.items())
    assert tuple(n for n in SCORES if SCORES[n].member) == MEMBERS
    known = {*PIECES, *DERIVED}
    assert all(known.issuperset(d.pieces) for d in SCORES.values())


@every_basis
@every_score
def test_finite_or_documented(name: str, score: str) -> None:
    basis, window, reference = sides(name)
    value = SCORES[score].function(basis, window, reference)
    assert np.shape(value) == ()
    assert np.isfinite(value) != may_be_nan(score, basis, window, reference)


@every_basis
@every_score
def test_reads_only_the_pieces_it_names(name: str, score: str) -> None:
    basis, window, reference = sides(name)
    kept = pieces_of((score,))
    fewer = [{k: s[k] for k in kept} for s in (window, reference)]
    np.testing.assert_array_equal(
        SCORES[score].function(basis, *fewer), SCORES[score].function(basis, window, reference)
    )


@every_basis
@every_score
def test_leading_axes_are_kept(name: str, score: str) -> None:
    basis, window, reference = sides(name)
    first = {k: v / 2 for k, v in window.items()}
    windows = (window, reference, {k: window[k] + reference[k] for k in window}, first)
    stack = {k: np.stack([w[k] for w in windows]) for k in window}
    alone = np.array([SCORES[score].function(basis, w, reference) for w in windows])
    lone_reference = {k: v[None] for k, v in reference.items()}
    same_reference = {k: np.stack([v] * len(windows)) for k, v in reference.items()}
    for other in (reference, lone_reference, same_reference):
        together = SCORES[score].function(basis, stack, other)
        assert together.shape == (len(windows),)
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6 * scale(alone))
    deep = {k: v.reshape(2, 2, -1) for k, v in stack.items()}
    np.testing.assert_allclose(
        SCORES[score].function(basis, deep, reference), alone.reshape(2, 2), rtol=1e-5, atol=1e-6 * scale(alone)
    )


@every_basis
@every_score
def test_identical_sums_give_nothing(name: str, score: str) -> None:
    basis, window, _ = sides(name)
    value = SCORES[score].function(basis, window, {k: v.copy() for k, v in window.items()})
    if may_be_nan(score, basis, window):
        return
    expected = NOTHING[score](basis, window) if score in NOTHING else 0.0
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=ROOM.get(score, 1e-9) * max(basis.variance, 1))


@every_basis
@every_score
def test_querying_changes_nothing(name: str, score: str) -> None:
    basis, window, reference = sides(name)
    basis.whitener(0), basis.whitener(1)
    before = [{k: v.tobytes() for k, v in s.items()} for s in (window, reference)]
    arrays = {k: v.tobytes() for k, v in basis.arrays().items()}
    first = SCORES[score].function(basis, window, reference)
    SCORES[score].resolution(basis, window, reference)
    assert [{k: v.tobytes() for k, v in s.items()} for s in (window, reference)] == before
    assert {k: v.tobytes() for k, v in basis.arrays().items()} == arrays
    np.testing.assert_array_equal(SCORES[score].function(basis, window, reference), first)


@roomy_basis
@every_score
def test_order_of_rows_inside_a_side_does_not_matter(name: str, score: str) -> None:
    found = instance(name)
    rng = np.random.default_rng(2)
    turned = [sums(found.basis, x[rng.permutation(len(x))]) for x in (found.after, found.before)]
    basis, window, reference = sides(name)
    value = SCORES[score].function(basis, window, reference)
    room = ROUNDING.get(score, 1e-5 * scale(value))
    np.testing.assert_allclose(SCORES[score].function(basis, *turned), value, rtol=1e-4, atol=room)


@roomy_basis
@every_score
def test_every_row_twice(name: str, score: str) -> None:
    basis, window, reference = sides(name)
    value = SCORES[score].function(basis, window, reference)
    doubled = [{k: 2 * v for k, v in s.items()} for s in (window, reference)]
    factor = TWICE.get(score, 1)
    if may_be_nan(score, basis, window, reference) or factor is None:
        return
    again = SCORES[score].function(basis, *doubled)
    np.testing.assert_allclose(again, factor * value, rtol=1e-6, atol=1e-9)


@roomy_basis
@every_score
def test_a_resolution_is_a_finite_error(name: str, score: str) -> None:
    basis, window, reference = sides(name)
    error = SCORES[score].resolution(basis, window, reference)
    assert isinstance(error, float)
    assert np.isfinite(error)
    assert error >= 0


@every_score
def test_an_effect_is_a_finite_number(score: str) -> None:
    effect = SCORES[score].effect
    for value in (-0.5, 0.0, 0.2, 3.0):
        for null_mean in (0.0, 0.1, 0.3):
            assert np.isfinite(effect(value, null_mean))
    assert effect(3.0, 0.3) > effect(0.4, 0.3) or SCORES[score].both


@every_basis
def test_evaluate_puts_scores_last(name: str) -> None:
    basis, window, reference = sides(name)
    stack = {k: np.stack([window[k], reference[k]]) for k in window}
    values = evaluate(SCORE_NAMES, basis, stack, reference)
    assert values.shape == (2, len(SCORE_NAMES))
    for j, score in enumerate(SCORE_NAMES):
        alone = SCORES[score].function(basis, window, reference)
        np.testing.assert_allclose(values[0, j], alone, rtol=1e-5, atol=1e-6 * scale(alone))


def test_every_field_of_a_definition_is_filled() -> None:
    for definition in SCORES.values():
        assert all(getattr(definition, f.name) not in ("", None) for f in fields(definition))
        assert definition.smallest >= 2
