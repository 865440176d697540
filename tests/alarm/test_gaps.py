"""Panes without their past, the first and those after a gap: no louder than others. Without gaps nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from tests.alarm.test_statistics import LAYOUT, traffic
from tidegauge.alarm.autoregression import FAR, autocorrelations, broken, past_of, prewhitened, yule_walker
from tidegauge.alarm.calibration import learn
from tidegauge.alarm.normal import ORDER, Series, fit_normal
from tidegauge.alarm.panes import series_of
from tidegauge.alarm.season import HOUR
from tidegauge.records import PaneKey, Tally

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

PHI = np.array([[0.9, 0.5, 0.0, 1.2], [0.0, 0.3, 0.0, -0.6]])


def gapped(count: int, run: int, gap: int) -> Int:
    """Places of panes that come in runs."""
    places = np.arange(count)
    return places[places % (run + gap) < run]


def apart_of(places: Int) -> Int:
    return np.concatenate([[1], np.diff(places)])


def tallies(series: Series, places: Int, length: int = HOUR) -> list[Tally]:
    return [
        Tally(
            PaneKey("queries", "r", length, int(place) * length, ""),
            int(series.rows[place]),
            float(series.moments[place]),
            series.values[place].astype(np.float32),
        )
        for place in places
    ]


def process(rng: np.random.Generator, phi: Float64, count: int) -> Float64:
    x = rng.standard_normal((count + 200, phi.shape[1]))
    for t in range(2, len(x)):
        x[t] += phi[0] * x[t - 1] + phi[1] * x[t - 2]
    return x[200:]


def covariances(phi: Float64, most: int) -> Float64:
    """Of a process of unit innovations, by the sum over its impulse response, float64 (most + 1,)."""
    weights = [1.0, phi[0]]
    while len(weights) < 2000 + most:
        weights.append(phi[0] * weights[-1] + phi[1] * weights[-2])
    return np.array([np.dot(weights[: 2000 - lag], weights[lag:2000]) for lag in range(most + 1)])


# What the pane before foretells


def test_autocorrelations_are_those_of_the_impulse_response() -> None:
    found = autocorrelations(PHI, 40)
    for j, phi in enumerate(PHI.T):
        slow = covariances(phi, 40)
        np.testing.assert_allclose(found[:, j], slow / slow[0], atol=1e-9)


def test_without_all_of_its_past_a_pane_is_foretold_from_the_one_before() -> None:
    """Best linear foretelling from one pane, and the variance that it leaves, by the covariances themselves."""
    apart = np.array([1, 1, 1, 7, 1, 1, 2, 1, FAR, 1, 1])
    places, towards, growth = broken(PHI, apart, len(apart))
    assert places.tolist() == [3, 4, 6, 7, 8, 9]
    lags = (7, 1, 2, 1, None, 1)
    for j, phi in enumerate(PHI.T):
        slow = covariances(phi, 8)
        for i, lag in enumerate(lags):
            coefficient = 0.0 if lag is None else slow[lag] / slow[0]
            left = slow[0] - coefficient**2 * slow[0]
            np.testing.assert_allclose((towards[i, j], growth[i, j]), (coefficient, left), rtol=1e-9, atol=1e-12)


def test_prewhitened_across_gaps_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    places = np.array([0, 1, 2, 5, 6, 8, 9, 10, 11, 2000, 2001, 2002])
    rest, rho = rng.standard_normal((len(places), 4)), autocorrelations(PHI, 10)
    slow = rest.copy()
    for t in range(2, len(places)):
        gaps = places[t] - places[[t - 1, t - 2]]
        if gaps.tolist() == [1, 2]:
            slow[t] -= PHI[0] * rest[t - 1] + PHI[1] * rest[t - 2]
        elif gaps[0] < FAR:
            slow[t] -= rho[gaps[0]] * rest[t - 1]
    slow[1] -= PHI[0] * rest[0]
    np.testing.assert_allclose(prewhitened(rest, PHI, apart_of(places)), slow, rtol=1e-9, atol=1e-12)


def test_past_is_what_came_right_before() -> None:
    places = np.array([4, 5, 6, 8, 9, 10, 20])
    assert past_of(7, apart_of(places), 2).tolist() == [2, 2, 2, 0, 1, 2, 0]  # of the first nothing is missing
    assert past_of(7, apart_of(places), 1).tolist() == [1, 1, 1, 0, 1, 1, 0]
    assert past_of(3, None, 2).tolist() == [2, 2, 2]


# Learning


@pytest.mark.parametrize(("run", "gap"), [(50, 10), (8, 16), (5, 1)])
def test_an_autoregression_is_learned_from_neighbours_alone(run: int, gap: int) -> None:
    x = process(np.random.default_rng(1), PHI, 40_000)
    places = gapped(len(x), run, gap)
    apart = apart_of(places)
    found = yule_walker(x[places], 2, apart)
    np.testing.assert_allclose(found, PHI, atol=0.07)
    past = past_of(len(places), apart, 2)
    for j in range(4):
        rho = []
        for lag in (1, 2):
            pairs = [(t, t - lag) for t in range(lag, len(places)) if places[t] - places[t - lag] == lag]
            assert len(pairs) == (past[lag:] >= lag).sum()
            mean = sum(x[places[t], j] * x[places[u], j] for t, u in pairs) / (len(pairs) + lag)
            rho.append(mean / (x[places, j] ** 2).mean())
        slow = np.linalg.solve([[1, rho[0]], [rho[0], 1]], rho)
        np.testing.assert_allclose(found[:, j], slow, atol=1e-4)


def test_what_is_learned_is_a_process_whatever_the_pairs_say() -> None:
    """In each run what moved stays: products of neighbours are larger than squares."""
    x = np.tile([1.0, 3.0, 3.0, 1.0], 40)[:, None] * np.repeat([1.0, -1.0], 80)[:, None]
    apart = np.where(np.arange(160) % 4 == 0, 9, 1)
    apart[0] = 1
    for sign in (1, -1):
        y = x * sign ** np.arange(160)[:, None]
        coefficients = yule_walker(y, 2, apart)
        towards, growth = broken(coefficients, apart, 160)[1:]
        assert (growth >= 1 - 1e-9).all()
        assert (np.abs(towards) <= 1).all()
        assert np.isfinite(prewhitened(y, coefficients, apart)).all()


def test_as_many_panes_back_are_learned_as_half_of_the_panes_have() -> None:
    series = traffic(np.random.default_rng(2), 900, ar=0.5)
    for run, order in ((1, 0), (2, 1), (3, 1), (5, 2), (900, 2)):
        places = gapped(900, run, 2)
        normal = fit_normal(series_of(tallies(series, places), LAYOUT), LAYOUT, HOUR)
        assert len(normal.coefficients) == order


def test_noise_is_that_of_a_pane_with_its_past_however_many_have_none() -> None:
    series = traffic(np.random.default_rng(3), 12_000, ar=0.9)
    for run in (50, 6):
        normal = fit_normal(series_of(tallies(series, gapped(12_000, run, 12)), LAYOUT), LAYOUT, HOUR)
        np.testing.assert_allclose(normal.variance(np.array([1000.0]))[0], 2 * LAYOUT.noise / 1000, rtol=0.15)


# Judging


@pytest.mark.parametrize("gap", [1, 10, 2000])
@pytest.mark.parametrize("rows", [(1000.0,), (300.0, 1000.0, 3000.0)])
def test_innovations_after_a_gap_have_unit_variance(gap: int, rows: tuple[float, ...]) -> None:
    rng = np.random.default_rng(4)
    normal = fit_normal(traffic(rng, 6000, ar=0.9), LAYOUT, HOUR)
    found: list[Float64] = []
    for _ in range(300):
        cut = 60
        early = traffic(rng, cut + min(gap, 300) + 3, ar=0.9)
        places = np.concatenate([np.arange(cut), cut + min(gap, 300) + np.arange(3)])
        apart = apart_of(places)
        apart[cut] += gap - min(gap, 300)
        found.append(normal.innovations(replace(early.take(places), apart=apart), LAYOUT)[cut:])
    out = np.stack(found)[:, :, : LAYOUT.size]
    spread = out[:, :, [0, 1, 2, 3, 6, 7]].std(0)
    np.testing.assert_allclose(spread, 1, atol=0.18)


def test_the_first_panes_are_no_louder_than_others() -> None:
    rng = np.random.default_rng(5)
    known = learn(traffic(rng, 2000, ar=0.9), LAYOUT, pane=HOUR)
    long = traffic(rng, 12_000, ar=0.9)
    first = np.stack([known.detector.innovations(long.take(slice(t, t + 3))) for t in range(50, 12_000, 40)])
    np.testing.assert_allclose(first[:, :, 0].std(0), 1, atol=0.15)


def test_panes_after_a_gap_are_as_loud_as_others() -> None:
    """Where they were taken for neighbours, four in five lay beyond the quantile of one in twenty."""
    above: list[float] = []
    for seed in range(3):
        rng = np.random.default_rng([6, seed])
        known = learn(traffic(rng, 1500, ar=0.9), LAYOUT, pane=HOUR).detector
        usual = known.statistic(known.innovations(traffic(rng, 8000, ar=0.9)))[100:]
        future, places = traffic(rng, 12_000, ar=0.9), gapped(12_000, 50, 10)
        statistic = known.statistic(known.innovations(series_of(tallies(future, places), LAYOUT)))
        after = np.arange(len(places)) % 50 < 2
        after[:100] = False
        above.append(float((statistic[after] > np.quantile(usual, 0.95)).mean()))
    assert 0.02 < np.mean(above) < 0.1


# Where nothing is missing


def test_without_gaps_all_is_learned_as_if_nothing_were_said_of_them() -> None:
    series = traffic(np.random.default_rng(8), 400, ar=0.6, day=2)
    bare = learn(series, LAYOUT, pane=HOUR).to_bytes()
    assert learn(replace(series, apart=np.ones(400, np.int64)), LAYOUT, pane=HOUR).to_bytes() == bare
    single = replace(series, values=series.values.astype(np.float32).astype(np.float64))
    timed = series_of(tallies(single, np.arange(400)), LAYOUT)
    assert learn(timed, LAYOUT, pane=HOUR).to_bytes() == learn(single, LAYOUT, pane=HOUR).to_bytes()


def test_without_gaps_only_the_first_panes_are_read_otherwise() -> None:
    series = traffic(np.random.default_rng(9), 400, ar=0.9)
    normal = fit_normal(series, LAYOUT, HOUR)
    as_they_are, begun = (normal.innovations(each, LAYOUT) for each in (series, series.begun()))
    np.testing.assert_array_equal(begun[ORDER:], as_they_are[ORDER:])
    scale = np.abs(begun[0, :3]) / np.abs(as_they_are[0, :3])
    np.testing.assert_allclose(scale, np.sqrt(1 - 0.9**2), atol=0.12)


def test_gaps_are_told_by_where_panes_begin() -> None:
    series = traffic(np.random.default_rng(10), 30)
    assert series_of(tallies(series, np.array([3, 4, 6, 7, 29])), LAYOUT).apart.tolist() == [1, 1, 2, 1, 22]
    assert series_of(tallies(series, np.array([3, 4, 6]), 100), LAYOUT).apart.tolist() == [1, 1, 2]
    assert series_of([], LAYOUT).apart.tolist() == []
    shifted = tallies(series, np.arange(3))
    shifted[2] = replace(shifted[2], key=replace(shifted[2].key, start=HOUR + 60))
    assert series_of(shifted, LAYOUT).apart.tolist() == [1, 1, 1]


def test_some_panes_keep_what_is_known_of_them() -> None:
    series = series_of(tallies(traffic(np.random.default_rng(11), 30), np.array([0, 1, 5, 6, 7])), LAYOUT)
    assert series.take(slice(1, 4)).apart.tolist() == [1, 4, 1]
    assert series.take(np.array([0, 3])).apart.tolist() == [1, 1]
    assert series.begun().apart.tolist() == [FAR, 1, 4, 1, 1]
