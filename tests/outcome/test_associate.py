"""Association: what it finds and where it keeps silent, beside slow, obvious computations of its parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from tidegauge.errors import DataError
from tidegauge.numeric.surrogates import reordered
from tidegauge.outcome import associate as parts
from tidegauge.outcome.associate import Association, associate, discovered

HOUR = 3600.0


def walk(n: int, m: int, seed: int, phi: float = 0.6) -> np.ndarray:
    return lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).standard_normal((n + 100, m)), axis=0)[100:]


def ask(drift: np.ndarray, outcomes: np.ndarray, harm: float = 1.0, **given: Any) -> tuple[Association, ...]:
    there = np.isfinite(outcomes)
    return associate(
        drift, np.where(there, outcomes, 0.0), there.astype(float), np.full(outcomes.shape[1], harm),
        **{"surrogates": 399, **given},
    )  # fmt: skip


def linked(n: int = 160, lag: int = 2, slope: float = 0.8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = walk(n + lag, 3, seed)
    outcomes = x[lag:, 1:].copy()
    outcomes[:, 0] += slope * x[: len(x) - lag, 0]
    return x[lag:, 0], outcomes


@pytest.mark.parametrize("lag", [0, 2, 7])
def test_a_response_is_found_at_its_lag_with_its_slope(lag: int) -> None:
    first, second = ask(*linked(lag=lag))
    assert (first.state, first.lag, first.panes) == ("associated", lag, 160)
    assert first.low < first.slope < first.high
    assert first.slope == pytest.approx(0.8, abs=0.25)
    assert first.strength > 0.4
    assert first.p == 1 / 400
    assert second.state == "not associated"
    assert second.p > 0.05


def test_only_harm_counts() -> None:
    drift, outcomes = linked()
    assert ask(drift, outcomes, -1.0)[0].state == "not associated"
    falls = ask(drift, -outcomes, -1.0)[0]
    assert (falls.state, falls.strength) == ("associated", pytest.approx(ask(drift, outcomes)[0].strength))
    assert falls.slope == pytest.approx(-ask(drift, outcomes)[0].slope)


def test_the_same_seed_gives_the_same_answer_and_units_do_not_matter() -> None:
    drift, outcomes = linked()
    before = (drift.copy(), outcomes.copy())
    assert ask(drift, outcomes, seed=3) == ask(drift, outcomes, seed=3)
    one, other = ask(drift, outcomes)[0], ask(100 * drift + 7, outcomes / 1000 - 4)[0]
    assert (one.p, one.lag) == (other.p, other.lag)
    assert other.slope == pytest.approx(one.slope / 1e5, rel=1e-3)
    np.testing.assert_array_equal(before[0], drift)
    np.testing.assert_array_equal(before[1], outcomes)


def test_p_is_what_loops_over_surrogates_lags_and_panes_say() -> None:
    rng = np.random.default_rng(5)
    e, u = rng.standard_normal(70), rng.standard_normal((70, 2))
    known = rng.random(70) > 0.1
    e[~known] = 0
    e[known] -= e[known].mean()
    best, strength, (whole, _) = parts._tested(e, known, u, 3, 99, 1, np.full(2, 0.9))
    orders = reordered(int(known.sum()), 99, parts.BLOCK, 1)
    for j in range(2):

        def largest(series: np.ndarray, j: int = j) -> tuple[float, int]:
            found = []
            for lag in range(4):
                ahead = [(t, t + lag) for t in range(70 - lag) if known[t]]
                power = (e**2).sum() / known.sum() * sum(u[after, j] ** 2 for _, after in ahead)
                found.append(sum(series[t] * u[after, j] for t, after in ahead) / power**0.5)
            return max(found), int(np.argmax(found))

        observed, lag = largest(e)
        beyond = 0
        for order in orders:
            series = np.zeros(70)
            series[known] = e[known][order]
            beyond += largest(series)[0] >= observed * 0.9 - 1e-9
        assert whole[j] == (1 + beyond) / 100
        assert best[j] == lag
        assert strength[j] == pytest.approx(observed / (known[: 70 - lag].sum()) ** 0.5)


def test_a_weighted_regression_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(6)
    x, columns, weights = rng.standard_normal((40, 3)), rng.standard_normal((40, 4)), rng.random((40, 3))
    weights[5, 1] = 0
    left = parts._without(x, weights, columns)
    for j in range(3):
        root = np.sqrt(weights[:, j])
        beta = np.linalg.lstsq(columns * root[:, None], x[:, j] * root, rcond=None)[0]
        np.testing.assert_allclose(left[:, j], np.where(weights[:, j] > 0, x[:, j] - columns @ beta, 0), atol=1e-6)


def test_noise_that_goes_with_the_denominator_is_told() -> None:
    rng = np.random.default_rng(7)
    inverse = 1 / rng.uniform(10, 1000, (20_000, 1))
    out = rng.standard_normal((20_000, 1)) * np.sqrt(0.01 + 2 * inverse)
    known = rng.random(out.shape) > 0.1
    found = parts._noise(np.where(known, out, 0.0), known, np.where(known, inverse, 0.0))[known]
    truth = np.sqrt((0.01 + 2 * inverse) / (0.01 + 2 * inverse).mean())
    np.testing.assert_allclose(found, truth[known], rtol=0.1)


@pytest.mark.parametrize("shared", ["day", "line", "wave", "bend"])
def test_what_both_do_by_themselves_is_no_association(shared: str) -> None:
    n = 240
    t = np.arange(n) / n
    shapes = {
        "day": 3 * np.cos(2 * np.pi * np.arange(n) / 24),
        "line": 12 * t,
        "wave": 4 * np.sin(3 * np.pi * t),
        "bend": 20 * np.maximum(t - 0.4, 0),
    }
    moments = (np.arange(n) + 0.5) * HOUR
    values = []
    for seed in range(6):
        x = walk(n, 6, 10 + seed) + shapes[shared][:, None]
        values += [f.p for f in ask(x[:, 0], x[:, 1:], moments=moments, step=HOUR, seed=seed)]
    assert np.mean(np.array(values) <= 0.05) < 0.25  # five outcomes share a drift
    assert np.median(values) > 0.2


def test_a_season_of_unknown_time_is_said() -> None:
    both = walk(240, 2, 3) + 3 * np.cos(2 * np.pi * np.arange(240) / 24)[:, None]
    (found,) = ask(both[:, 0], both[:, 1:])
    assert found.state == "cannot tell"
    assert found.reasons == ("both repeat every 24 panes, which could not be taken off as a season",)


def test_a_step_at_the_same_pane_is_one_event() -> None:
    both = (walk(150, 2, seed) + 6.0 * (np.arange(150) >= 70)[:, None] for seed in range(10))
    found = [ask(x[:, 0], x[:, 1:])[0] for x in both]
    silent = [f for f in found if f.state == "cannot tell"]
    assert sum(f.state == "associated" for f in found) <= 2
    assert len(silent) >= 3
    assert all(f.reasons[0].startswith("what ties them is one pane, as where both step at once") for f in silent)


def test_intervals_hold_the_slope() -> None:
    holds = 0
    for seed in range(40):
        found = ask(*linked(seed=seed), surrogates=19)[0]
        holds += found.low <= 0.8 <= found.high
    assert 33 <= holds <= 40
    assert found.high - found.low < 0.6


def test_a_common_cause_goes_when_it_is_annotated() -> None:
    pulse = np.zeros(200)
    pulse[[20, 55, 61, 90, 120, 133, 160, 181]] = 5
    both = walk(200, 2, 8) + lfilter([1.0], [1.0, -0.5], pulse)[:, None]
    assert ask(both[:, 0], both[:, 1:])[0].state == "associated"
    known = ask(both[:, 0], both[:, 1:], events=(pulse > 0)[:, None].astype(float))[0]
    assert known.state == "not associated"
    assert known.p > 0.05


def test_missing_panes_are_missing() -> None:
    drift, outcomes = linked(n=300)
    rng = np.random.default_rng(9)
    drift[rng.random(300) < 0.1] = np.nan
    outcomes[rng.random(outcomes.shape) < 0.1] = np.nan
    outcomes[40:50] = np.nan
    first, second = ask(drift, outcomes)
    assert first.panes == int((np.isfinite(drift) & np.isfinite(outcomes[:, 0])).sum())
    assert (first.state, first.lag) == ("associated", 2)
    assert first.slope == pytest.approx(0.8, abs=0.25)
    assert second.state == "not associated"


def test_panes_that_are_left_out_are_missing_ones() -> None:
    drift, outcomes = linked(n=240, lag=3)
    moments = (np.arange(240) + 0.5) * 60
    kept = np.random.default_rng(10).random(240) > 0.15
    holes = np.where(kept, drift, np.nan), np.where(kept[:, None], outcomes, np.nan)
    left_out = ask(drift[kept], outcomes[kept], moments=moments[kept], step=60.0)
    assert left_out == ask(*holes, moments=moments, step=60.0)
    assert left_out[0].lag == 3


def test_short_and_constant_histories_are_not_asked() -> None:
    drift, outcomes = linked(n=59)
    assert [f.state for f in ask(drift, outcomes)] == ["not enough history"] * 2
    reason = "not enough history for an association: 59 panes have both, and 60 are wanted"
    assert ask(drift, outcomes)[0].reasons == (reason,)
    drift, outcomes = linked(n=100)
    outcomes[:, 1] = 0.5
    first, second = ask(drift, outcomes)
    assert first.p <= 0.05
    assert (second.state, second.reasons) == ("cannot tell", ("the outcome did not change",))
    assert ask(np.ones(100), outcomes)[0].reasons == ("drift did not change",)
    assert ask(np.full(100, np.nan), outcomes)[0].state == "not enough history"


def test_a_season_takes_panes_of_a_short_history() -> None:
    drift, outcomes = linked(n=62)
    (first, _) = ask(drift, outcomes, moments=(np.arange(62) + 0.5) * HOUR, step=HOUR)
    assert first.state == "not enough history"
    assert "take 23 of 62 panes" in first.reasons[0]


def test_everything_annotated_is_not_enough_either() -> None:
    drift, outcomes = linked(n=100)
    every = (np.arange(100) % 3 == 0)[:, None].astype(float)
    (first, _) = ask(drift, outcomes, events=every)
    assert first.state == "not enough history"
    assert first.p != first.p


def test_shapes_and_order_are_checked() -> None:
    drift, outcomes = linked()
    one = np.ones_like(outcomes)
    with pytest.raises(DataError, match="series to associate"):
        associate(drift, outcomes[:-1], one, np.ones(2))
    with pytest.raises(DataError, match="moments of panes"):
        associate(drift, outcomes, one, np.ones(2), moments=np.zeros(len(drift)), step=60.0)


def test_seasons_begin_with_two_turns() -> None:
    def width(hours: int) -> int:
        return sum(part.shape[1] for part in parts._seasons((np.arange(hours) + 0.5) * HOUR, HOUR))

    assert [width(h) for h in (47, 48, 335, 336, 503, 504)] == [0, 23, 23, 29, 29, 167]
    assert sum(p.shape[1] for p in parts._seasons((np.arange(14) + 0.5) * 24 * HOUR, 24 * HOUR)) == 6
    assert parts._seasons(np.full(100, np.nan), HOUR) == []


def test_discoveries_count_those_that_cannot_be_told() -> None:
    found = [
        Association("associated", 90, p=0.03),
        Association("cannot tell", 90, p=0.001, reasons=("one event",)),
        Association("not enough history", 10, reasons=("short",)),
        Association("not associated", 90, p=0.06),
    ]
    settled = discovered(found, 0.05)
    assert [round(q, 3) for _, q in settled[:2]] == [0.09, 1.0]
    assert settled[2][1] != settled[2][1]
    assert [each.state for each, _ in settled] == [
        "not associated", "cannot tell", "not enough history", "not associated",
    ]  # fmt: skip
    assert discovered(found, 0.1)[3][0].state == "associated"
    assert discovered([]) == ()
