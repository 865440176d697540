from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from tidegauge.numeric.ranks import joint_p, p_values, wilson


def slow(column: np.ndarray) -> list[float]:
    room = 1e-6 * np.abs(column).max()
    return [sum(other >= value - room for other in column) / len(column) for value in column]


@given(st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0, 2.0 + 1e-9, 40.0]), min_size=1, max_size=30))
@settings(deadline=None, derandomize=True)
def test_p_values_count_ties_and_near_ties_against_us(values: list[float]) -> None:
    column = np.array(values)
    np.testing.assert_array_equal(p_values(column[:, None])[:, 0], slow(column))


def test_p_values_of_a_constant_column_are_one() -> None:
    assert (p_values(np.full((20, 2), -7.0)) == 1).all()
    assert (p_values(np.zeros((20, 2))) == 1).all()


def test_p_values_hold_columns_apart_and_their_argument_still() -> None:
    x = np.random.default_rng(0).standard_normal((50, 3)) * [1, 1e-9, 1e9]
    before = x.copy()
    p = p_values(x)
    np.testing.assert_array_equal(x, before)
    for j in range(3):
        np.testing.assert_array_equal(p[:, j], slow(x[:, j]))


def test_the_largest_value_has_the_smallest_p() -> None:
    x = np.arange(100.0)[::-1]
    np.testing.assert_allclose(p_values(x[:, None])[:, 0], np.arange(1, 101) / 100)


@pytest.mark.parametrize("kind", ["independent", "alike", "heavy", "ties"])
def test_under_exchangeability_no_p_is_too_small(kind: str) -> None:
    """2,000 exchangeable matrices: P(p <= a) <= a, up to a binomial bound at one in 10,000."""
    rng = np.random.default_rng(3)
    joint, own = [], []
    for _ in range(2000):
        x = rng.standard_normal((40, 4))
        if kind == "alike":
            x = x[:, :1] + 0.3 * x
        elif kind == "heavy":
            x = x / rng.random((40, 4)) ** 2
        elif kind == "ties":
            x = np.round(x)
        p = p_values(x)
        joint.append(joint_p(p)[0])
        own.append(p[0, 0])
    for found in (np.array(joint), np.array(own)):
        for level in (0.025, 0.05, 0.1, 0.25, 0.5):
            assert (found <= level + 1e-12).sum() <= binom.ppf(0.9999, 2000, level)
        if kind == "independent":
            assert (found <= 0.1 + 1e-12).sum() >= binom.ppf(0.0001, 2000, 0.1)


def test_joint_p_ranks_row_0_among_all_rows() -> None:
    p = np.array([[0.25, 0.9], [0.5, 0.5], [1.0, 0.3], [0.75, 0.75]])
    for first, expected in ((0, 0.25), (2, 0.5), (1, 0.75), (3, 1.0)):
        assert joint_p(np.roll(p, -first, axis=0))[0] == expected


def test_joint_p_of_one_member_is_its_own() -> None:
    p = p_values(np.random.default_rng(0).standard_normal((30, 1)))
    assert joint_p(p)[0] == pytest.approx(p[0, 0])


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 30), (5, 100), (50, 100), (100, 100), (1, 10_000)])
def test_wilson_as_scipy(successes: int, trials: int) -> None:
    truth = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson(successes, trials), (truth.low, truth.high), rtol=1e-5, atol=1e-12)


def test_wilson_of_nothing_knows_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
