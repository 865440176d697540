from __future__ import annotations

import numpy as np
import pytest

from tidegauge.numeric.autoregression import fit_autoregressions, innovations


def simulated(coefficients: list[float], n: int, m: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.zeros((n + 200, m))
    for t in range(len(coefficients), len(x)):
        x[t] = sum(c * x[t - k] for k, c in enumerate(coefficients, 1)) + rng.standard_normal(m)
    return x[200:]


def test_a_whole_series_is_fitted_by_least_squares() -> None:
    x = simulated([0.5, 0.4], 400, 3, 0)
    found = fit_autoregressions(x, np.ones(x.shape, np.bool_), 2)
    for j in range(3):
        past = np.stack([x[1:-1, j], x[:-2, j]], axis=1)
        np.testing.assert_allclose(found[:, j], np.linalg.lstsq(past, x[2:, j], rcond=None)[0], rtol=1e-6)


def test_the_past_is_as_long_as_the_process() -> None:
    for coefficients in ([], [0.6], [0.3, 0.0, 0.5]):
        x = simulated(coefficients, 3000, 8, 1)
        found = fit_autoregressions(x, np.ones(x.shape, np.bool_), 6)
        truth = np.pad(coefficients, (0, 6 - len(coefficients)))
        np.testing.assert_allclose(np.median(found, axis=1), truth, atol=0.04)


def test_gaps_hardly_change_the_fit() -> None:
    x = simulated([0.8], 4000, 4, 2)
    present = np.random.default_rng(3).random(x.shape) > 0.3
    np.testing.assert_allclose(fit_autoregressions(x, present, 1)[0], 0.8, atol=0.05)


def test_a_fit_to_few_pairs_does_not_explode() -> None:
    rng = np.random.default_rng(4)
    x = np.cumsum(np.cumsum(rng.standard_normal((60, 40)), axis=0), axis=0)
    present = rng.random(x.shape) > 0.5
    found = fit_autoregressions(np.where(present, x, np.nan), present, 6)
    for each in found.T:
        companion = np.vstack([each, np.eye(6)[:-1]])
        assert np.abs(np.linalg.eigvals(companion)).max() <= 1


@pytest.mark.parametrize("gaps", [False, True])
def test_innovations_are_what_a_loop_says(gaps: bool) -> None:
    x = simulated([0.5, 0.3], 50, 2, 5)
    present = np.ones(x.shape, np.bool_)
    if gaps:
        present[[7, 8, 30], 0] = False
    coefficients = np.array([[0.5, 0.7], [0.3, 0.0]])
    out, known = innovations(np.where(present, x, np.nan), present, coefficients)
    for j, order in ((0, 2), (1, 1)):
        seen: list[float] = []
        gap = 0
        for t in range(50):
            past = [seen[t - k] if t >= k else 0.0 for k in (1, 2)]
            foretold = float(coefficients[:, j] @ past)
            weights = [1.0]
            for _ in range(gap):
                weights.append(sum(coefficients[k, j] * weights[-1 - k] for k in range(min(2, len(weights)))))
            if present[t, j] and t >= order:
                assert out[t, j] == pytest.approx((x[t, j] - foretold) / np.linalg.norm(weights))
            assert known[t, j] == (present[t, j] and t >= order)
            gap = 0 if present[t, j] else gap + 1
            seen.append(float(x[t, j]) if present[t, j] else foretold)
    assert (out[~known] == 0).all()
