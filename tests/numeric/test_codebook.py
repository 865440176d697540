from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.registry import BASES, instance
from tidegauge.numeric.codebook import (
    fine_cells,
    fit_cells,
    seeds,
    squared_distances,
    squared_distances64,
    ward_levels,
)


@pytest.mark.parametrize(("rows", "centres", "width"), [(7, 3, 2), (50, 20, 96), (1, 1, 1), (0, 4, 3)])
def test_squared_distances(rows: int, centres: int, width: int) -> None:
    rng = np.random.default_rng(0)
    x, c = (rng.standard_normal((k, width)).astype(np.float32) for k in (rows, centres))
    truth = np.array([[((a - b) ** 2).sum() for b in c.astype(np.float64)] for a in x.astype(np.float64)])
    np.testing.assert_allclose(squared_distances(x, c), truth.reshape(rows, centres), rtol=1e-4, atol=1e-4)
    if rows:
        np.testing.assert_allclose(squared_distances64(x.astype(float), c.astype(float)), truth, rtol=1e-10, atol=1e-12)


def test_squared_distances_are_never_negative() -> None:
    x = 1000 + np.random.default_rng(0).random((50, 64), dtype=np.float32)
    assert (squared_distances(x, x) >= 0).all()


@given(rows=st.integers(1, 10_000), most=st.integers(1, 300))
@settings(deadline=None, derandomize=True)
def test_fine_cells_hold_fifteen_rows_on_average(rows: int, most: int) -> None:
    count = fine_cells(rows, most)
    assert 1 <= count <= most
    assert count == 1 or rows / count >= 15


def test_cells_cover_every_cluster() -> None:
    rng = np.random.default_rng(1)
    centres = 20 * rng.standard_normal((8, 6))
    x = (centres[rng.integers(0, 8, 800)] + rng.standard_normal((800, 6))).astype(np.float32)
    cells = fit_cells(x, 24, 0)
    assert cells.shape == (24, 6)
    assert cells.dtype == np.float32
    assert squared_distances(x, cells).min(1).max() < 6 * 6
    assert squared_distances(centres.astype(np.float32), cells).min(1).max() < 6


@pytest.mark.parametrize("seed", range(6))
def test_a_tiny_far_group_gets_a_cell_of_its_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1000, 16)).astype(np.float32)
    x[400:406] = x[400:406] / 4 + np.float32(5)
    cells = fit_cells(x, 32, seed)
    leaf = squared_distances(x, cells).argmin(1)
    own = set(leaf[400:406].tolist())
    assert not own & set(np.delete(leaf, np.s_[400:406]).tolist())


def test_cells_are_the_same_for_the_same_seed_and_input_stays() -> None:
    x = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    before = x.copy()
    np.testing.assert_array_equal(fit_cells(x, 9, 5), fit_cells(x, 9, 5))
    np.testing.assert_array_equal(x, before)


def test_one_cell_is_centred_on_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((25, 4)).astype(np.float32)
    np.testing.assert_allclose(fit_cells(x, 1, 0), x.mean(0)[None], atol=1e-5)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_no_more_cells_than_different_rows(count: int) -> None:
    x = np.repeat(np.array([[0, 0], [1, 0], [5, 5]], np.float32), 40, axis=0)
    cells = fit_cells(x, count, 0)
    assert len(cells) <= min(count, 3)
    assert len(np.unique(cells, axis=0)) == len(cells)


def naive_ward(centres: np.ndarray, weights: np.ndarray, count: int) -> set[frozenset[int]]:
    """Join the two groups whose union raises the weighted sum of squares the least, until ``count`` are left."""

    def inertia(group: frozenset[int]) -> float:
        rows = sorted(group)
        mean = np.average(centres[rows], axis=0, weights=weights[rows])
        return float((weights[rows] * ((centres[rows] - mean) ** 2).sum(1)).sum())

    groups = [frozenset([i]) for i in range(len(centres))]
    while len(groups) > count:
        pairs = [(a, b) for i, a in enumerate(groups) for b in groups[i + 1 :]]
        a, b = min(pairs, key=lambda p: inertia(p[0] | p[1]) - inertia(p[0]) - inertia(p[1]))
        groups = [g for g in groups if g not in (a, b)] + [a | b]
    return set(groups)


@pytest.mark.parametrize("width", [1, 3, 12])
@pytest.mark.parametrize("seed", [0, 1])
def test_ward_as_the_naive_one(width: int, seed: int) -> None:
    rng = np.random.default_rng([seed, width])
    centres, weights = rng.standard_normal((14, width)).astype(np.float32), rng.integers(1, 60, 14).astype(float)
    counts = (1, 2, 4, 7, 13)
    for count, level in zip(counts, ward_levels(centres, weights, counts), strict=True):
        groups = {frozenset(np.flatnonzero(level == c).tolist()) for c in range(count)}
        assert sorted(np.unique(level).tolist()) == list(range(count))
        assert groups == naive_ward(centres.astype(float), weights, count)


def test_ward_takes_centres_without_rows() -> None:
    centres = np.array([[0.0], [1.0], [10.0]], np.float32)
    one, all_three = ward_levels(centres, np.array([5.0, 0.0, 5.0]), (2, 9))
    assert one.tolist() == [0, 0, 1]
    assert sorted(all_three.tolist()) == [0, 1, 2]


@pytest.mark.parametrize("name", BASES)
def test_every_coarse_cell_is_a_union_of_fine_ones(name: str) -> None:
    basis = instance(name).basis
    fine, levels = len(basis.fine), basis.ancestors
    np.testing.assert_array_equal(levels[-1], basis.fine)
    used = [set(level.tolist()) for level in levels]
    assert sorted(set().union(*used)) == list(range(len(basis.centres)))
    assert sum(map(len, used)) == len(basis.centres)
    for coarse, finer in pairwise(levels):
        assert len(set(coarse.tolist())) < len(set(finer.tolist())) <= fine
        for cell in set(finer.tolist()):
            assert len(set(coarse[finer == cell].tolist())) == 1


@pytest.mark.parametrize("name", BASES)
def test_a_cells_centre_is_the_weighted_mean_of_its_fine_ones(name: str) -> None:
    found = instance(name)
    basis = found.basis
    fine = basis.centres[basis.fine].astype(np.float64)
    leaf = squared_distances(found.fitted - basis.centre, basis.centres[basis.fine]).argmin(1)
    mass = np.bincount(leaf, minlength=len(fine)) + 1e-9
    for level in basis.ancestors:
        for cell in np.unique(level):
            mean = np.average(fine[level == cell], axis=0, weights=mass[level == cell])
            np.testing.assert_allclose(basis.centres[cell], mean, rtol=1e-4, atol=1e-4 * np.sqrt(basis.variance))


@pytest.mark.parametrize(("rows", "count", "width"), [(40, 5, 3), (300, 96, 24), (200, 1, 2), (30, 30, 8)])
def test_seeds_are_those_of_the_library(rows: int, count: int, width: int) -> None:
    from sklearn.cluster import kmeans_plusplus

    x = np.random.default_rng(rows).standard_normal((rows, width)).astype(np.float32)
    for seed in range(4):
        truth = kmeans_plusplus(x.astype(np.float64), count, random_state=seed)[1]
        np.testing.assert_array_equal(seeds(x, count, seed), truth)


def test_seeds_of_rows_that_are_all_alike() -> None:
    assert len(seeds(np.ones((20, 3), np.float32), 4, 0)) == 4
