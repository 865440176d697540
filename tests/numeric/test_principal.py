from __future__ import annotations

import numpy as np
import pytest

from tidegauge.numeric.principal import principal_components


def centred(seed: int, rows: int, width: int, rank: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if rank is None:
        x = rng.standard_normal((rows, width)) * (1 / np.sqrt(np.arange(1, width + 1)))
    else:
        x = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, width))
    return (x - x.mean(0)).astype(np.float32)


SHAPES = [(200, 5, 64), (200, 96, 64), (40, 96, 64), (30, 300, 10), (64, 64, 64), (500, 1, 3), (2, 7, 7)]


@pytest.mark.parametrize(("rows", "width", "most"), SHAPES)
def test_as_numpys_svd(rows: int, width: int, most: int) -> None:
    x = centred(1, rows, width)
    axes, variances = principal_components(x, most)
    _, singular, right = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    k = len(variances)
    assert k == min(most, width, rows - 1)
    assert axes.dtype == np.float32
    np.testing.assert_allclose(variances, singular[:k] ** 2 / rows, rtol=1e-4, atol=1e-6 * variances[0])
    np.testing.assert_allclose(axes.T @ axes, np.eye(k), atol=2e-5)
    apart = np.abs(np.diff(singular[: k + 1] ** 2)) > 0.02 * singular[0] ** 2
    clear = [j for j in range(k) if (j == 0 or apart[j - 1]) and (j >= len(apart) or apart[j])]
    for j in clear:
        assert abs(float(axes[:, j] @ right[j])) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("rows", "width"), [(300, 40), (30, 200)])
def test_low_rank_gives_as_many_axes_as_there_are(rows: int, width: int) -> None:
    axes, variances = principal_components(centred(2, rows, width, rank=6), 20)
    assert axes.shape == (width, 6)
    assert (variances > 0).all()


def test_a_constant_dimension_lies_on_no_axis() -> None:
    x = centred(3, 100, 6)
    x[:, 2] = 0
    axes, _ = principal_components(x, 6)
    assert axes.shape == (6, 5)
    assert np.abs(axes[2]).max() < 1e-6


@pytest.mark.parametrize(("rows", "width"), [(300, 12), (20, 90)])
def test_the_largest_entry_of_every_axis_is_positive_and_rows_can_come_in_any_order(rows: int, width: int) -> None:
    x = centred(4, rows, width)
    axes, variances = principal_components(x, 4)
    assert (np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0) > 0).all()
    again, _ = principal_components(x[::-1].copy(), 4)
    np.testing.assert_allclose(again, axes, atol=1e-3)
    assert (np.diff(variances) <= 0).all()


def test_scores_are_uncorrelated_with_these_variances() -> None:
    x = centred(5, 400, 30)
    axes, variances = principal_components(x, 30)
    scores = x.astype(np.float64) @ axes
    np.testing.assert_allclose(scores.T @ scores / len(x), np.diag(variances), atol=1e-5 * variances[0])
