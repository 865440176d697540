from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from tidegauge.numeric.permutation import DEPENDENT, blocks, label_draws, serial_dependence


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    draws=st.integers(0, 140),
    data=st.data(),
)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_draws_keep_units_whole_and_their_number(sizes: list[int], draws: int, data: st.DataObject) -> None:
    units = np.repeat(np.arange(len(sizes)), sizes)
    of_units = np.array(data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes))))
    order = np.random.default_rng(0).permutation(len(units))
    units = units[order]
    first = of_units[units]
    labels = label_draws(first, units, draws, np.random.default_rng(1))
    assert labels.shape == (draws + 1, len(units))
    assert labels.dtype == np.bool_
    np.testing.assert_array_equal(labels[0], first)
    for unit in range(len(sizes)):
        inside = labels[:, units == unit]
        assert (inside == inside[:, :1]).all()
    one_row = [int(np.flatnonzero(units == u)[0]) for u in range(len(sizes))]
    assert (labels[:, one_row].sum(1) == of_units.sum()).all()


def test_every_row_is_labelled_equally_often() -> None:
    """20 rows, 7 labelled, 20,000 draws: counts against their hypergeometric variance by chi-squared at 1e-4."""
    first = np.arange(20) < 7
    labels = label_draws(first, np.arange(20), 20_000, np.random.default_rng(4))[1:]
    share = 7 / 20
    covariance = 20_000 * share * (1 - share) * 20 / 19
    assert ((labels.sum(0) - 20_000 * share) ** 2).sum() / covariance < chi2.ppf(0.9999, 19)


def test_every_pair_is_labelled_together_equally_often() -> None:
    first = np.arange(6) < 2
    labels = label_draws(first, np.arange(6), 15_000, np.random.default_rng(5))[1:]
    codes, counts = np.unique(labels @ (1 << np.arange(6)), return_counts=True)
    assert len(codes) == 15
    assert ((counts - 1000) ** 2 / 1000).sum() < chi2.ppf(0.9999, 14)


def test_draws_are_fixed_by_the_generator_and_a_longer_run_begins_alike() -> None:
    first, units = np.arange(30) % 3 == 0, np.arange(30)
    once, again = (label_draws(first, units, 128, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    longer = label_draws(first, units, 192, np.random.default_rng(9))
    np.testing.assert_array_equal(longer[:129], once)


@pytest.mark.parametrize("all_labelled", [True, False])
def test_one_side_alone_stays_as_it_is(all_labelled: bool) -> None:
    first = np.full(5, all_labelled)
    assert (label_draws(first, np.arange(5), 10, np.random.default_rng(0)) == all_labelled).all()


# ---------------------------------------------------------------------------------------------------------- dependence


def autoregressive(rng: np.random.Generator, rows: int, width: int, strength: float) -> np.ndarray:
    noise = rng.standard_normal((rows, width))
    for i in range(1, rows):
        noise[i] = strength * noise[i - 1] + np.sqrt(1 - strength**2) * noise[i]
    return noise.astype(np.float32)


def sessions(rng: np.random.Generator, rows: int, width: int, length: int) -> np.ndarray:
    centres = np.repeat(rng.standard_normal((-(-rows // length), width)), length, axis=0)[:rows]
    return (centres + rng.standard_normal((rows, width))).astype(np.float32)


@pytest.mark.parametrize(("rows", "width"), [(40, 1), (60, 5), (300, 3), (400, 64)])
def test_quiet_on_independent_rows(rows: int, width: int) -> None:
    """At 4 sd and eight lags one repetition in 4,000 may speak: three or more of 400 would be a chance of 2e-4."""
    rng = np.random.default_rng([rows, width])
    found = [serial_dependence(rng.standard_normal((rows, width)).astype(np.float32)) for _ in range(400)]
    assert sum(d.block > 1 for d in found) <= 2
    assert all((d.block > 1) == (d.z > DEPENDENT) for d in found)


def test_quiet_on_independent_rows_of_clusters() -> None:
    rng = np.random.default_rng(8)
    centres = 4 * rng.standard_normal((5, 6))
    for _ in range(200):
        x = centres[rng.integers(0, 5, 250)] + rng.standard_normal((250, 6))
        assert serial_dependence(x.astype(np.float32)).block == 1


def largest_z(rows: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([serial_dependence(rng.standard_normal((rows, width)).astype(np.float32)).z for _ in range(500)])


def test_the_largest_z_is_about_that_of_as_many_normal_ones() -> None:
    """400 rows allow seven lags; the largest of seven standard normals has mean 1.35 and standard deviation .60."""
    z = largest_z(400, 4)
    assert z.mean() == pytest.approx(1.35, abs=0.1)
    assert z.std() == pytest.approx(0.60, abs=0.1)


def test_the_same_with_many_components() -> None:
    """160 rows allow six lags; the largest of six has mean 1.27 and standard deviation .64."""
    z = largest_z(160, 64)
    assert z.mean() == pytest.approx(1.27, abs=0.1)
    assert z.std() == pytest.approx(0.64, abs=0.1)


@pytest.mark.parametrize("strength", [0.4, 0.7, 0.9])
def test_fires_on_autoregression_with_a_block_that_spans_it(strength: float) -> None:
    rng = np.random.default_rng(1)
    time = (1 + strength) / (1 - strength)
    found = [serial_dependence(autoregressive(rng, 1000, 4, strength)) for _ in range(20)]
    assert all(d.z > DEPENDENT for d in found)
    middle = np.median([d.block for d in found])
    assert time <= middle <= 12 * time
    assert max(d.block for d in found) <= 500


@pytest.mark.parametrize("length", [4, 10, 25])
def test_fires_on_sessions_with_a_block_of_at_least_one(length: int) -> None:
    rng = np.random.default_rng(2)
    found = [serial_dependence(sessions(rng, 1000, 6, length)) for _ in range(20)]
    assert all(length <= d.block <= 500 for d in found)


def test_fires_on_a_trend_and_not_on_the_same_rows_shuffled() -> None:
    rng = np.random.default_rng(3)
    x = (rng.standard_normal((500, 3)) + np.linspace(-2, 2, 500)[:, None]).astype(np.float32)
    assert serial_dependence(x).block > 100
    assert serial_dependence(rng.permutation(x)).block == 1


@pytest.mark.parametrize("x", [np.zeros((50, 2)), np.ones((3, 4)), np.ones((1, 4))])
def test_nothing_to_see_on_equal_or_few_rows(x: np.ndarray) -> None:
    with np.errstate(all="raise"):
        found = serial_dependence(x.astype(np.float32))
    assert (found.z, found.block) == (0.0, 1)


@given(rows=st.integers(1, 400), length=st.integers(1, 400))
@settings(deadline=None, derandomize=True)
def test_blocks_are_contiguous_and_of_the_length(rows: int, length: int) -> None:
    found = blocks(rows, length)
    assert len(found) == rows
    assert found[0] == 0
    assert set(np.diff(found).tolist()) <= {0, 1}
    sizes = np.bincount(found)
    assert (sizes[:-1] == length).all()
    assert sizes[-1] >= min(length / 2, rows)
    assert sizes[-1] < 1.5 * length
