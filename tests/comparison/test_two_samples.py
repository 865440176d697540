"""The two-sample door decides: its level on unchanged data, and what it must find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from tidegauge import basis as basis_module
from tidegauge.comparison.two_samples import decide_two_samples, pool
from tidegauge.score.registry import MEMBERS

Float32 = npt.NDArray[np.float32]


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer random frequencies: the same machinery, five times as fast."""
    standard = basis_module.PROFILES["standard"]
    monkeypatch.setitem(basis_module.PROFILES, "standard", replace(standard, frequencies=64))


def normal(rng: np.random.Generator, rows: int, width: int) -> Float32:
    return rng.standard_normal((rows, width)).astype(np.float32)


@pytest.mark.usefixtures("light")
def test_the_level_is_exact_on_unchanged_data() -> None:
    """300 repetitions against the 99.9 % binomial interval; the members' own p as well, from above.

    The smallest of eight p from 99 draws ties too often to reach 5 % itself: there the level is held from above only.
    """
    rng = np.random.default_rng(2024)
    found = [decide_two_samples(normal(rng, 60, 4), normal(rng, 40, 4), draws=99, seed=i) for i in range(300)]
    p = np.array([d.p for d in found])
    for alpha in (0.05, 0.1, 0.2):
        low, high = binom.ppf([0.0005, 0.9995], 300, alpha)
        assert (p <= alpha + 1e-12).sum() <= high
        assert alpha == 0.05 or (p <= alpha + 1e-12).sum() >= low
    for member in MEMBERS:
        own = np.array([d.members[member] for d in found])
        assert (own <= 0.05 + 1e-12).sum() <= binom.ppf(0.9999, 300, 0.05), member


def clusters(rng: np.random.Generator, rows: int, width: int = 12) -> tuple[Float32, npt.NDArray[np.int64]]:
    centres = 3 * np.random.default_rng(7).standard_normal((4, width))
    which = rng.integers(0, 4, rows)
    return (centres[which] + rng.standard_normal((rows, width))).astype(np.float32), which


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_a_shift_of_the_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = clusters(rng, 500)[0], clusters(rng, 300)[0]
    assert decide_two_samples(before, after + np.float32(0.3), draws=199, seed=seed).p <= 0.05


def test_clear_drift_reaches_the_smallest_p_there_is() -> None:
    rng = np.random.default_rng(0)
    before, after = clusters(rng, 500)[0], clusters(rng, 300)[0] + np.float32(0.4)
    found = decide_two_samples(before, after, draws=99)
    assert sum(p == 0.01 for p in found.members.values()) >= 4
    assert found.p == 0.01


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_a_wider_cluster(seed: int) -> None:
    """One cluster of four has 1.4 times the standard deviation, its mean unmoved; the spread scan says so too."""
    rng = np.random.default_rng(seed)
    before, (after, which) = clusters(rng, 600)[0], clusters(rng, 500)
    centre = after[which == 2].mean(0)
    after[which == 2] = centre + np.float32(1.4) * (after[which == 2] - centre)
    found = decide_two_samples(before, after, draws=199, seed=seed)
    assert found.p <= 0.05
    assert found.members["spread_scan"] <= 0.01


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_a_small_new_cluster(seed: int) -> None:
    """3 % of the rows sit where nothing was; the scan of masses or novelty says so too."""
    rng = np.random.default_rng(seed)
    before, after = clusters(rng, 1000)[0], clusters(rng, 800)[0]
    place = 3 * np.random.default_rng(11).standard_normal(12)
    after[:24] = (place + 0.7 * rng.standard_normal((24, 12))).astype(np.float32)
    found = decide_two_samples(before, after, draws=199, seed=seed)
    assert found.p <= 0.05
    assert min(found.members["mass_scan"], found.members["novelty"]) <= 0.01


def test_the_same_seed_gives_the_same_answer_and_input_stays() -> None:
    rng = np.random.default_rng(5)
    before, after = normal(rng, 90, 5), normal(rng, 70, 5) + np.float32(0.1)
    copies = before.copy(), after.copy()
    one, two = (decide_two_samples(before, after, draws=99, seed=3) for _ in range(2))
    assert one == two
    np.testing.assert_array_equal(before, copies[0])
    np.testing.assert_array_equal(after, copies[1])


def test_the_order_of_rows_changes_nothing_beyond_what_another_seed_would() -> None:
    """Draws and the start of k-means go by position, so that p is the same only up to their noise."""
    rng = np.random.default_rng(6)
    before, after = normal(rng, 200, 5), normal(rng, 150, 5)
    for moved, found in ((np.float32(0), False), (np.float32(0.5), True)):
        plain = decide_two_samples(before, after + moved, draws=199)
        turned = decide_two_samples(rng.permutation(before), rng.permutation(after) + moved, draws=199)
        assert (plain.p <= 0.05) is found
        assert (turned.p <= 0.05) is found
        error = 5 * np.sqrt(2 * plain.members["mmd"] * (1 - plain.members["mmd"]) / 199) + 0.01
        assert abs(plain.members["mmd"] - turned.members["mmd"]) <= error


def test_units_swap_sides_together() -> None:
    """Sessions of ten near-equal rows: what looks like drift row by row does not session by session."""
    rng = np.random.default_rng(7)
    x = (np.repeat(normal(rng, 20, 4), 10, axis=0) + np.float32(0.1) * normal(rng, 200, 4)).astype(np.float32)
    units = np.repeat(np.arange(20), 10)
    pooled = pool(x[:100], x[100:], units, draws=99)
    for unit in range(20):
        inside = pooled.labels[:, units == unit]
        assert (inside == inside[:, :1]).all()
    assert pooled.values.shape == (100, len(MEMBERS))
    assert np.isfinite(pooled.values).all()
    rank = (pooled.values >= pooled.values[0]).mean(0)
    by_rows = pool(x[:100], x[100:], draws=99).values
    assert (by_rows >= by_rows[0]).mean(0)[0] < rank[0]


@pytest.mark.parametrize("kind", ["equal files", "duplicates", "a constant dimension", "wide and few"])
def test_degenerate_rows_are_decided_without_a_finding(kind: str) -> None:
    rng = np.random.default_rng(9)
    before, after = normal(rng, 60, 4), normal(rng, 60, 4)
    if kind == "equal files":
        after = before.copy()
    elif kind == "duplicates":
        before, after = (np.repeat(x[:12], 5, axis=0)[rng.permutation(60)] for x in (before, before))
    elif kind == "a constant dimension":
        before[:, 1] = after[:, 1] = 3
    else:
        before, after = normal(rng, 20, 96), normal(rng, 20, 96)
    found = decide_two_samples(before, after, draws=99)
    assert 0.01 <= found.p <= 1
    assert set(found.members) == set(MEMBERS)
    assert found.p > 0.01
