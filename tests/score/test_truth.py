"""The approximated scores within their published resolution of the exact figure."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance, wasserstein_distance

from tests.laws.registry import sums
from tests.score.references import components, on_slices
from tidegauge.basis import Basis, fit_basis
from tidegauge.numeric.fourier import LOW_WIDTH, LOW_WIDTH_BANDWIDTHS, median_distance
from tidegauge.score.draws import as_windows, in_chunks, relabel
from tidegauge.score.drift import drift, drift_per_cent
from tidegauge.score.mmd import mmd
from tidegauge.score.registry import SCORES

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

WIDTHS = (1, 2, 6, 24, 120)
CHANGES = ("nothing", "shift", "wider", "new cluster")
every_case = pytest.mark.parametrize(("width", "change"), [(w, c) for w in WIDTHS for c in CHANGES])


def rows(seed: int, count: int, width: int) -> Float32:
    rng = np.random.default_rng([seed, width])
    scales = 1 / np.sqrt(np.arange(1, width + 1))
    return (rng.standard_normal((count, width)) * scales).astype(np.float32)


def changed(x: Float32, change: str) -> Float32:
    x = x.copy()
    if change == "shift":
        x[:, 0] += np.float32(0.4)
    elif change == "wider":
        x *= np.float32(1.2)
    elif change == "new cluster":
        x[: len(x) // 10, 0] = x[: len(x) // 10, 0] / 5 + np.float32(2.2)
    return x


@cache
def case(width: int, change: str) -> tuple[Basis, Float64, Float64, float, dict[str, tuple[float, float]]]:
    """Basis, window and reference, bandwidth, and value and resolution of every score."""
    before, after = rows(1, 400, width), changed(rows(2, 300, width), change)
    pooled = np.concatenate([before, after])
    basis = fit_basis(pooled, 5)
    y = pooled - pooled.mean(0, dtype=np.float64).astype(np.float32)
    kept = sums(basis, after), sums(basis, before)
    values = {name: (float(d.function(basis, *kept)), d.resolution(basis, *kept)) for name, d in SCORES.items()}
    bandwidth = median_distance(y, np.random.default_rng(0))
    return basis, after.astype(np.float64), before.astype(np.float64), bandwidth, values


def quantile_gap(x: Float64, y: Float64, power: int) -> float:
    """Integral over levels of |quantile difference|^power, exact for two empirical distributions."""
    levels = np.union1d(np.arange(1, len(x)) / len(x), np.arange(1, len(y)) / len(y))
    bounds = np.concatenate([[0], levels, [1]])
    middle = (bounds[1:] + bounds[:-1]) / 2
    u, v = (np.sort(s)[np.minimum((middle * len(s)).astype(int), len(s) - 1)] for s in (x, y))
    return float((np.abs(u - v) ** power * np.diff(bounds)).sum())


@every_case
def test_mmd_is_the_gaussian_kernels(width: int, change: str) -> None:
    _, x, y, bandwidth, values = case(width, change)
    scales = np.array(LOW_WIDTH_BANDWIDTHS if width <= LOW_WIDTH else (1.0,)) * bandwidth

    def kernel(a: Float64, b: Float64) -> Float64:
        squares = cdist(a, b, "sqeuclidean")
        return np.mean([np.exp(-squares / (2 * s**2)) for s in scales], axis=0)

    n, m = len(x), len(y)
    within = [(kernel(s, s).sum() - k) / (k * (k - 1)) for s, k in ((x, n), (y, m))]
    truth = sum(within) - 2 * kernel(x, y).mean()
    value, resolution = values["mmd"]
    # The frequencies also bound what the two noise terms add.
    assert abs(value - truth) <= resolution + 4 * (1 / n + 1 / m) / np.sqrt(2 * 512)


@every_case
def test_energy_is_that_of_the_distances(width: int, change: str) -> None:
    _, x, y, _, values = case(width, change)
    truth = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    value, resolution = values["energy"]
    assert abs(value - truth) <= resolution


@every_case
def test_energy_along_pc1(width: int, change: str) -> None:
    """scipy gives the root."""
    basis, x, y, _, values = case(width, change)
    truth = energy_distance(components(basis, x)[:, 0], components(basis, y)[:, 0]) ** 2
    value, resolution = values["energy_pc1"]
    assert abs(value - truth) <= resolution


@every_case
def test_wasserstein_along_pc1(width: int, change: str) -> None:
    basis, x, y, _, values = case(width, change)
    u, v = components(basis, x)[:, 0], components(basis, y)[:, 0]
    assert quantile_gap(u, v, 1) == pytest.approx(wasserstein_distance(u, v))
    value, resolution = values["w1_pc1"]
    assert abs(value - quantile_gap(u, v, 1)) <= resolution
    value, resolution = values["w2_pc1"]
    assert abs(value - np.sqrt(quantile_gap(u, v, 2))) <= resolution


def test_wasserstein_2_of_a_few_rows_that_moved_far() -> None:
    rng = np.random.default_rng(1)
    before = np.where(rng.random((1000, 1)) < 0.5, -1, 1) + 0.05 * rng.standard_normal((1000, 1))
    after = before.copy()
    after[:3] = 3.8
    basis = fit_basis(np.concatenate([before, after]).astype(np.float32), 0)
    kept = [sums(basis, side.astype(np.float32)) for side in (after, before)]
    u, v = components(basis, after)[:, 0], components(basis, before)[:, 0]
    assert np.abs(u).max() < 4
    value = SCORES["w2_pc1"].function(basis, *kept)
    assert abs(value - np.sqrt(quantile_gap(u, v, 2))) <= SCORES["w2_pc1"].resolution(basis, *kept)


@every_case
def test_sliced_wasserstein_over_many_directions(width: int, change: str) -> None:
    """Over the own directions within the bins' part; over 2,000 fresh ones within the whole."""
    basis, x, y, _, values = case(width, change)
    own = [
        [quantile_gap(u, v, power) for u, v in zip(on_slices(basis, x).T, on_slices(basis, y).T, strict=True)]
        for power in (1, 2)
    ]
    bins = 8 / basis.bins * basis.direction_deviations.mean()
    assert abs(values["sliced_w1"][0] - np.mean(own[0] * basis.direction_deviations)) <= bins
    assert abs(values["sliced_w2"][0] - np.sqrt(np.mean(own[1] * basis.direction_deviations**2))) <= bins
    fresh = np.random.default_rng(8).standard_normal((width, 500))
    fresh /= np.linalg.norm(fresh, axis=0)
    for power, name in ((1, "sliced_w1"), (2, "sliced_w2")):
        gaps = [quantile_gap(u, v, power) for u, v in zip((x @ fresh).T, (y @ fresh).T, strict=True)]
        value, resolution = values[name]
        assert abs(value - np.mean(gaps) ** (1 / power)) <= resolution


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 1.0])
def test_drift_is_linear_in_the_share_that_moves(share: float) -> None:
    """MMD(P, (1 - e) P + e Q) = e MMD(P, Q): exact on sums, up to what sampling noise takes off."""
    before, other = rows(1, 3000, 12), changed(rows(3, 3000, 12), "shift") + 1
    basis = fit_basis(before, 0)
    p, q = sums(basis, before), sums(basis, other)
    # Sums scaled to a billion rows carry no sampling noise.
    many = 1e9 / 3000
    reference = {k: v * many for k, v in p.items()}
    window = {k: ((1 - share) * p[k] + share * q[k]) * many for k in p}
    everything = {k: v * many for k, v in q.items()}
    found = drift_per_cent(basis, mmd(basis, window, reference))
    whole = drift_per_cent(basis, mmd(basis, everything, reference))
    assert found == pytest.approx(share * whole, rel=1e-3)


def test_drift_per_cent_is_in_the_unit_of_the_anchor_and_keeps_the_sign() -> None:
    basis = fit_basis(rows(1, 300, 6), 0)
    squared = np.array([basis.anchor**2, (basis.anchor / 100) ** 2, 0.0, -((basis.anchor / 10) ** 2)])
    np.testing.assert_allclose(drift_per_cent(basis, squared), [100, 1, 0, -10])


def test_drift_interval_covers_an_unchanged_zero_and_a_known_change() -> None:
    """Of 60 windows the 95 % interval must hold the truth in at least 51 (99.9 % of the time it does)."""
    x = rows(4, 6000, 8)
    basis = fit_basis(x[:2000], 0)
    moved = x[4000:] + np.float32(0.15)
    reference = sums(basis, x[2000:4000])
    truth = float(drift_per_cent(basis, mmd(basis, sums(basis, moved), sums(basis, x[4000:]))))
    rng = np.random.default_rng(0)
    labels = np.zeros((200, 2000), np.bool_)
    for row in labels:
        row[rng.choice(2000, 200, replace=False)] = True
    draws = relabel(basis, in_chunks(basis, x[2000:4000]), labels, ("count", "features"))
    null = mmd(basis, *as_windows(draws, 200, reference))
    covered = {0.0: 0, truth: 0}
    for _ in range(60):
        pick = rng.choice(2000, 200, replace=False)
        for at, pool in ((0.0, x[4000:]), (truth, moved)):
            found = drift(basis, sums(basis, pool[pick]), reference, null)
            assert found.low <= found.high
            covered[at] += found.low <= at <= found.high
    assert min(covered.values()) >= 51
