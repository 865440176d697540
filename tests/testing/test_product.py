"""The generated product is what its truth says."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from tidegauge.records import Batch
from tidegauge.testing import DIMENSION, NEW_TOPIC, WEEKS, Product

ROWS = 1500
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", params=SEEDS)
def weeks(request: pytest.FixtureRequest) -> list[Batch]:
    product = Product(request.param)
    return [product.week(k, rows=ROWS) for k in range(WEEKS)]


def in_new_topic(batch: Batch) -> npt.NDArray[np.bool_]:
    assert batch.texts is not None
    return np.char.find(batch.texts.astype(str), "gift card") >= 0


def within_binomial(hits: int, n: int, p: float) -> bool:
    """Inside the central 99.99 % of a binomial."""
    return bool(stats.binom.ppf(5e-5, n, p) <= hits <= stats.binom.ppf(1 - 5e-5, n, p))


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, other = Product(7).week(6, rows=400), Product(7).week(6, rows=400)
    for name in ("x", "ids", "texts", "times", "sessions", "segments"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name, values in one.outcomes.items():
        np.testing.assert_array_equal(values, other.outcomes[name])
    assert not np.array_equal(one.x, Product(8).week(6, rows=400).x)


def test_weeks_do_not_depend_on_the_order_they_are_asked_in() -> None:
    product = Product(3)
    later = product.week(5, rows=300)
    product.week(1)
    np.testing.assert_array_equal(later.x, product.week(5, rows=300).x)


def test_shape_norm_and_names(weeks: list[Batch]) -> None:
    for k, week in enumerate(weeks):
        assert week.x.shape == (ROWS, DIMENSION)
        assert week.x.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(week.x, axis=1), 1, atol=1e-6)
        assert week.source == f"generated product, week {k}"
        assert week.texts is not None
        assert week.texts.shape == (ROWS,)
        assert not np.any(week.texts == "")
    ids = np.concatenate([np.asarray(week.ids) for week in weeks])
    assert len(np.unique(ids)) == WEEKS * ROWS
    assert weeks[3].ids is not None
    assert weeks[3].ids[123] == "w3-000123"


def test_times_lie_inside_the_week_and_rise(weeks: list[Batch]) -> None:
    for week in weeks:
        assert week.times is not None
        assert np.all(np.diff(week.times) >= 0)
        assert week.times[-1] - week.times[0] < 7 * 86_400
    for before, after in pairwise(weeks):
        assert before.times is not None
        assert after.times is not None
        assert before.times[-1] < after.times[0]


def test_sessions_are_small_and_short(weeks: list[Batch]) -> None:
    for week in weeks:
        assert week.sessions is not None
        assert week.times is not None
        names, index, sizes = np.unique(week.sessions, return_inverse=True, return_counts=True)
        assert 1.7 < sizes.mean() < 2.3
        assert sizes.max() <= 6
        first, last = np.full(len(names), np.inf), np.full(len(names), -np.inf)
        np.minimum.at(first, index, week.times)
        np.maximum.at(last, index, week.times)
        assert np.max(last - first) <= 1800


def test_new_topic_has_its_share_from_week_6_on(weeks: list[Batch]) -> None:
    product = Product()
    for k, week in enumerate(weeks):
        assert within_binomial(int(in_new_topic(week).sum()), ROWS, product.truth(k).new_share)


def test_outcomes_suffer_from_the_new_topic_only(weeks: list[Batch]) -> None:
    for week in weeks:
        new = in_new_topic(week)
        for values in week.outcomes.values():
            assert values.shape == (ROWS, 2)
            assert np.all(values[:, 1] == 1)
        success, answered = week.outcomes["success"][:, 0], week.outcomes["answered"][:, 0]
        assert within_binomial(int(success[~new].sum()), int((~new).sum()), 0.88)
        assert within_binomial(int(success[new].sum()), int(new.sum()), 0.15)
        assert within_binomial(int(answered.sum()), ROWS, 0.97)
    clicked = [week.outcomes["clicked"][:, 0].mean() for week in weeks]
    assert clicked[8] < np.mean(clicked[:6])


def test_what_moves_and_when(weeks: list[Batch]) -> None:
    old = [week.x[~in_new_topic(week)].astype(float) for week in weeks]
    centre = old[0].mean(axis=0)
    pc1 = np.linalg.svd(old[0] - centre, full_matrices=False)[2][0]
    sd = float(np.std(old[0] @ pc1))
    shift = [abs(float((x.mean(axis=0) - centre) @ pc1)) / sd for x in old]
    spread = [float(np.sqrt(x.var(axis=0).sum() / old[0].var(axis=0).sum())) for x in old]
    assert max(shift[:3]) < 0.15
    assert all(0.4 < value < 0.8 for value in shift[3:])
    assert all(abs(value - 1) < 0.015 for value in spread[:5])
    assert all(value > 1.02 for value in spread[5:])


def test_weeks_1_and_2_are_unchanged() -> None:
    """One row per session against week 0: Hotelling's p is uniform, so it is not tiny in any of ten."""
    for seed in range(5):
        product = Product(seed)
        first = [_one_per_session(product.week(k)) for k in range(3)]
        for later in first[1:]:
            assert _hotelling(first[0], later) > 1e-4


def test_truth_says_it_in_words() -> None:
    truth = [Product().truth(k) for k in range(WEEKS)]
    assert [t.drift for t in truth] == [False] * 3 + [True] * 6
    assert truth[2].sentence == "unchanged"
    assert truth[4].sentence == "mean shift"
    assert truth[5].sentence == "mean shift; wider topics"
    assert truth[8].sentence.endswith(f"12 % of the queries in a new topic, {NEW_TOPIC}")


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="week: got 9, want 0 to 8"):
        Product().week(9)
    with pytest.raises(ValueError, match="rows: got 0"):
        Product().week(0, rows=0)


def test_one_row_is_enough() -> None:
    assert Product().week(6, rows=1).rows == 1


def test_a_week_is_fast() -> None:
    product = Product()
    product.week(0)
    began = time.perf_counter()
    product.week(6)
    assert time.perf_counter() - began < 1


def _one_per_session(batch: Batch) -> npt.NDArray[np.float64]:
    assert batch.sessions is not None
    return batch.x[np.unique(batch.sessions, return_index=True)[1]].astype(float)


def _hotelling(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    n, m, d = len(a), len(b), a.shape[1]
    pooled = ((n - 1) * np.cov(a.T) + (m - 1) * np.cov(b.T)) / (n + m - 2)
    gap = a.mean(axis=0) - b.mean(axis=0)
    t2 = n * m / (n + m) * gap @ np.linalg.solve(pooled, gap)
    return float(stats.f.sf(t2 * (n + m - d - 1) / (d * (n + m - 2)), d, n + m - d - 1))
