from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from tidegauge.numeric.fourier import LOW_WIDTH, LOW_WIDTH_BANDWIDTHS, fourier, frequencies, median_distance


@pytest.mark.parametrize("width", [1, 3, 16, 17, 200])
def test_features_multiply_to_the_kernel(width: int) -> None:
    """Each entry is a mean of 8,192 cosines: five standard errors are .055."""
    rng = np.random.default_rng(width)
    x, y = (rng.standard_normal((k, width)).astype(np.float32) for k in (30, 20))
    bandwidth = np.sqrt(2 * width)
    scales = bandwidth * np.array(LOW_WIDTH_BANDWIDTHS if width <= LOW_WIDTH else (1.0,))
    truth = np.mean([np.exp(-cdist(x, y, "sqeuclidean") / (2 * s**2)) for s in scales], axis=0)
    weights = frequencies(width, 8192, bandwidth, rng)
    assert np.abs(fourier(x @ weights) @ fourier(y @ weights).T - truth).max() < 0.055


def test_every_row_has_length_one() -> None:
    rng = np.random.default_rng(0)
    x = 100 * rng.standard_normal((50, 7)).astype(np.float32)
    z = fourier(x @ frequencies(7, 512, 3.0, rng))
    assert z.shape == (50, 1024)
    assert z.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("width", [1, 4, 96])
def test_median_distance(width: int) -> None:
    x = np.random.default_rng(1).standard_normal((300, width)).astype(np.float32)
    assert median_distance(x, np.random.default_rng(0)) == pytest.approx(np.median(pdist(x)), rel=5e-3)
    many = np.random.default_rng(1).standard_normal((5000, width)).astype(np.float32)
    assert median_distance(many, np.random.default_rng(0)) == pytest.approx(np.median(pdist(many[:1500])), rel=0.1)


def test_median_distance_of_equal_rows_is_not_zero() -> None:
    assert median_distance(np.zeros((5, 3), np.float32), np.random.default_rng(0)) == 1


@pytest.mark.parametrize("width", [2, 16, 96, 768])
def test_median_distance_leaves_out_equal_rows(width: int) -> None:
    """Four rows in five are the same one; rounding must not pass for a distance."""
    x = np.random.default_rng(2).standard_normal((300, width)).astype(np.float32)
    x[60:] = x[0]
    x -= x.mean(0)
    distances = pdist(np.unique(x, axis=0))
    assert median_distance(x, np.random.default_rng(0)) > distances.min() / 2
