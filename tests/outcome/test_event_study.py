"""Event studies: against sums by hand, enumerated placebo dates, and histories with known truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tidegauge.errors import DataError
from tidegauge.outcome import event_study
from tidegauge.outcome.event_study import Studied, apart, placebo_dates, study

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
HOUR = 3600.0


def asked(
    rate: Float64, onsets: Int, lasts: int = 8, rows: float = 500.0, harmful: int = -1, **more: object
) -> Studied:
    """The study of one outcome with this rate in every pane, measured without noise."""
    alarmed = np.zeros(len(rate), np.bool_)
    for onset in onsets:
        alarmed[onset : onset + lasts] = True
    d = np.full((len(rate), 1), rows)
    return study(rate[:, None] * d, d, onsets, alarmed, np.array([harmful]), **more)[0]  # type: ignore[arg-type]


def wander(rng: np.random.Generator, panes: int, past: float = 0.7, sd: float = 0.02) -> Float64:
    out = np.zeros(panes)
    for t in range(1, panes):
        out[t] = past * out[t - 1] + sd * rng.standard_normal()
    return out


def by_hand(
    rate: Float64, onsets: Int, alarmed: npt.NDArray[np.bool_], after: int, period: int
) -> tuple[float, list[float]]:
    """Effect and curve of equally known panes, by loops."""
    panes = range(after, len(rate) - after + 1)
    clean = [t for t in panes if not alarmed[max(t - after, 0) : t + after].any() and t < len(rate)]

    def change(t: int) -> float:
        return float(np.mean(rate[t : t + after]) - np.mean(rate[t - after : t]))

    def offset(t: int, k: int) -> float:
        return float(rate[t + k] - np.mean(rate[t - after : t]))

    effects, curves = [], []
    for onset in onsets.tolist():
        like = [t for t in clean if t % period == onset % period]
        effects.append(change(onset) - np.mean([change(t) for t in like]))
        curves.append([offset(onset, k) - np.mean([offset(t, k) for t in like]) for k in range(-after, after)])
    return float(np.mean(effects)), np.mean(curves, axis=0).tolist()


def test_effect_and_curve_are_those_by_hand() -> None:
    rng = np.random.default_rng(0)
    rate, onsets = 0.8 + wander(rng, 400), np.array([30, 90, 141, 200, 263, 333])
    alarmed = np.zeros(400, np.bool_)
    for onset in onsets:
        alarmed[onset : onset + 8] = True
    said = asked(rate, onsets, moments=HOUR * np.arange(400), step=HOUR)
    effect, curve = by_hand(rate, onsets, alarmed, 6, 24)
    assert said.effect == pytest.approx(effect, abs=1e-12)
    assert said.curve == pytest.approx(curve, abs=1e-12)
    assert said.offsets == tuple(range(-6, 6))
    assert "of the day" in said.reasons[-1]


def test_placebo_sets_are_all_admissible_ones_equally_often() -> None:
    dates, events, least = np.ones(24, np.bool_), np.array([2, 9]), 4
    dates[5] = False
    phase = np.arange(24) % 2
    sets = placebo_dates(events, phase, dates, least, 20_000, np.random.default_rng(1))
    assert sets[0].tolist() == events.tolist()
    free = [[t for t in range(24) if dates[t] and t % 2 == event % 2] for event in events]
    allowed = {(a, b) for a in free[0] for b in free[1] if abs(a - b) >= least}
    found, counts = np.unique(sets[1:], axis=0, return_counts=True)
    assert {tuple(row) for row in found.tolist()} == allowed
    expected = 20_000 / len(allowed)
    assert ((counts - expected) ** 2 / expected).sum() < 1.5 * len(allowed)


def test_p_is_uniform_where_nothing_happens() -> None:
    rng, values, begun = np.random.default_rng(2), [], []
    for seed in range(150):
        onsets = np.sort(rng.choice(20, 7, replace=False)) * 14 + 10 + rng.integers(3)
        said = asked(0.8 + wander(rng, 310), onsets, placebos=199, seed=seed)
        values.append(said.p)
        begun.append(said.before)
    for found in (values, begun):
        assert 0.0 < np.mean(np.array(found) <= 0.1) < 0.19
        assert 0.4 < np.mean(found) < 0.6


@pytest.mark.parametrize("harmful", [1, -1])
def test_a_true_effect_is_found_in_its_direction_only(harmful: int) -> None:
    rng = np.random.default_rng(3)
    onsets = np.arange(20, 380, 40)
    rate = 0.8 + wander(rng, 400, sd=0.01)
    for onset in onsets:
        rate[onset : onset + 8] += 0.05 * harmful
    said = asked(rate, onsets, harmful=harmful)
    assert (said.state, said.events) == ("effect", 9)
    assert said.p < 0.01
    assert said.low < 0.05 * harmful < said.high
    better = asked(rate, onsets, harmful=-harmful)
    assert better.state == "no effect"
    assert "the outcome got better" in better.reasons


def test_what_comes_with_the_season_is_no_effect() -> None:
    rng = np.random.default_rng(4)
    panes = 24 * 7 * 10
    hour = np.arange(panes) % 168
    rate = 0.8 + wander(rng, panes, sd=0.005) - 0.1 * ((hour >= 60) & (hour < 70))
    onsets = np.arange(0, panes, 168)[[0, 2, 4, 5, 7, 9]] + 60
    matched = asked(rate, onsets, moments=HOUR * np.arange(panes), step=HOUR)
    assert matched.state == "no effect"
    assert abs(matched.effect) < 0.02
    assert asked(rate, onsets).state == "effect", "without moments the season cannot be known"


def test_a_trend_is_no_effect() -> None:
    for seed in range(3):
        rate = 0.9 - 0.001 * np.arange(400) + wander(np.random.default_rng(seed), 400, sd=0.003)
        said = asked(rate, np.arange(30, 380, 40))
        assert said.state == "no effect"
        assert abs(said.effect) < 0.003, "the trend alone is six thousandths over the windows"


def test_what_began_before_is_told() -> None:
    rng = np.random.default_rng(6)
    onsets = np.arange(20, 380, 40)
    rate = 0.8 + wander(rng, 400, sd=0.01)
    for onset in onsets:
        rate[onset - 3 : onset + 8] -= 0.08
    said = asked(rate, onsets)
    assert said.state == "pre-trend"
    assert said.before < 0.05


def test_few_events_are_an_anecdote_and_have_no_p() -> None:
    said = asked(0.8 + wander(np.random.default_rng(7), 300), np.array([50, 100, 150, 200]))
    assert (said.state, said.events) == ("anecdote", 4)
    assert np.isnan([said.p, said.low, said.before]).all()
    assert np.isfinite(said.effect)
    assert asked(np.full(300, 0.8), np.array([], np.int64)).state == "not enough history"
    assert asked(np.full(40, 0.8), np.array([10, 25])).state == "not enough history"


def test_onsets_that_overlap_are_one_event() -> None:
    kept, merged = apart(np.array([5, 9, 17, 18, 29]), 12)
    assert (kept.tolist(), merged) == ([5, 17, 29], 2)
    rate = 0.8 + wander(np.random.default_rng(8), 400)
    onsets = np.array([30, 33, 80, 130, 180, 230, 280])
    said = asked(rate, onsets)
    assert said.events == 6
    assert said.reasons[0].startswith("1 of 7 onsets came within 12 panes")


def test_missing_panes_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(9)
    rate, onsets = 0.8 + wander(rng, 400, sd=0.01), np.arange(20, 390, 40)
    for onset in onsets:
        rate[onset : onset + 8] -= 0.05
    d = np.full((400, 1), 300.0)
    d[rng.random(400) < 0.1] = 0
    d[58:66] = 0
    n = rate[:, None] * d
    n[d == 0] = np.nan
    alarmed = rate < 0.77
    said = study(n, d, onsets, alarmed, np.array([-1]))[0]
    assert said.events == 9
    assert "1 events lack panes" in said.reasons[0]
    assert said.low < -0.05 < said.high


def test_a_thin_pane_weighs_little() -> None:
    rng = np.random.default_rng(10)
    onsets = np.arange(20, 380, 40)
    d = np.full((400, 1), 1000.0)
    d[100:112] = 2.0
    n = rng.binomial(d.astype(np.int64), 0.8).astype(float)
    n[100:106], n[106:112] = 2.0, 0.0
    assert 100 in onsets
    said = study(n, d, onsets, np.zeros(400, np.bool_), np.array([-1]))[0]
    assert abs(said.effect) < 0.02, "a thin event that fell by everything would add .11 were it weighed as the others"


def test_every_outcome_is_asked_by_itself_and_nothing_is_changed() -> None:
    rng = np.random.default_rng(11)
    d = np.full((300, 2), 200.0)
    n = rng.binomial(200, 0.8, (300, 2)).astype(float)
    onsets, alarmed = np.arange(20, 280, 40), np.zeros(300, np.bool_)
    copies = n.copy(), d.copy(), onsets.copy(), alarmed.copy()
    both = study(n, d, onsets, alarmed, np.array([-1, 1]), seed=5)
    assert both == study(n, d, onsets, alarmed, np.array([-1, 1]), seed=5)
    assert both[0] == study(n[:, :1], d[:, :1], onsets, alarmed, np.array([-1]), seed=5)[0]
    for was, now in zip(copies, (n, d, onsets, alarmed), strict=True):
        assert (was == now).all()


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    d, none = np.ones((90, 1)), np.zeros(90, np.bool_)
    with pytest.raises(DataError, match="alarmed panes: got 80, want 90"):
        study(d, d, np.array([5]), none[:80], np.array([1]))
    with pytest.raises(DataError, match="onsets: got 5 to 95, want panes 0 to 89"):
        study(d, d, np.array([5, 95]), none, np.array([1]))
    with pytest.raises(DataError, match="one shape"):
        study(d, d[:80], np.array([5]), none, np.array([1]))
    assert event_study.AFTER == 6
