"""Simulated traffic is what it says, its panes are those of full sketches, and alarms are counted as they come."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest

from quality import run_length, traffic
from quality.data import CLUSTERS, world
from quality.run_length import GAP, PROMISE
from quality.traffic import EACH, HOUR, NOTHING, ROWS, Change, Traffic
from tidegauge.reference import calibration


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """A reference of fewer rows, without the many draws of a null that no tally reads."""
    caches = (traffic.reference, traffic.tallier, traffic.library)
    for each in caches:
        each.cache_clear()
    draws = mock.patch.multiple(calibration, DRAWS=19, DIAGNOSTIC_DRAWS=9)
    with mock.patch.object(traffic, "REFERENCE_ROWS", 2000), draws:
        yield
    for each in caches:
        each.cache_clear()


@pytest.mark.usefixtures("small")
def test_panes_are_full_sketches_of_their_rows() -> None:
    picks = Traffic(0.9).picks(3, np.random.default_rng(0), first=30)
    simulated = traffic.mean_tallies(picks)
    for rows, tally in zip(picks, simulated, strict=True):
        sketch = traffic.reference().sketch(traffic.vectors()[rows], samples=False)
        np.testing.assert_allclose(tally, traffic.tallier().tally(sketch), atol=2e-5)


@pytest.mark.usefixtures("small")
def test_panes_are_those_of_their_seed() -> None:
    one, same, other = (Traffic(0.5).panes(4, np.random.default_rng(seed), first=7) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.values, same.values)
    assert np.abs(one.values - other.values).max() > 0.01
    np.testing.assert_array_equal(one.moments, (7.5 + np.arange(4)) * HOUR)
    assert (one.rows == ROWS).all()
    picks = Traffic(0.5).picks(4, np.random.default_rng(1), first=7)
    np.testing.assert_array_equal(one.values, traffic.mean_tallies(picks).astype(np.float64))


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.97])
def test_rows_keep_their_topic_with_probability_rho(rho: float) -> None:
    topics = Traffic(rho, seasonal=False).topics(200, np.random.default_rng(2), 0, 0, NOTHING)
    flat = topics.ravel()
    again = (flat[1:] == flat[:-1]).mean()
    by_chance = (world().weights ** 2).sum()
    assert again == pytest.approx(rho + (1 - rho) * by_chance, abs=0.005)
    share = np.bincount(flat, minlength=CLUSTERS + 1) / flat.size
    error = np.sqrt(world().weights / flat.size * (1 + rho) / (1 - rho))
    assert (np.abs(share[:CLUSTERS] - world().weights) < 5 * error).all()
    assert share[CLUSTERS] == 0


def test_season_is_of_day_and_week() -> None:
    hours = np.arange(336)
    mixes = Traffic(0.9).mixes(hours, NOTHING)
    np.testing.assert_allclose(mixes.sum(1), 1)
    np.testing.assert_allclose(mixes[:168], mixes[168:])
    assert np.abs(mixes[:24] - mixes[24:48]).max() < 1e-12
    assert np.abs(mixes[:24] - mixes[48:72]).max() > 0.003
    assert np.ptp(mixes[:24], axis=0).max() > 0.01
    plain = Traffic(0.9, seasonal=False)
    np.testing.assert_allclose(plain.mixes(hours, NOTHING), np.tile(world().weights, (336, 1)))
    np.testing.assert_allclose(plain.mixes(hours, Change(tilted=True))[0], world().tilted)


def test_topics_follow_the_mix_of_their_hour() -> None:
    source = Traffic(0.0)
    topics = np.concatenate([source.topics(1, np.random.default_rng([3, i]), 9, 0, NOTHING) for i in range(200)])
    share = np.bincount(topics.ravel(), minlength=CLUSTERS) / topics.size
    mix = source.mixes(np.array([9]), NOTHING)[0]
    assert (np.abs(share - mix) < 5 * np.sqrt(mix / topics.size)).all()


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_new_topic_has_its_share_and_ramp(rho: float) -> None:
    rng = np.random.default_rng(4)
    steady = Traffic(rho).topics(400, rng, 0, 0, Change(new=0.05)) == CLUSTERS
    assert steady.mean() == pytest.approx(0.05, abs=0.006)
    ramp = [Traffic(rho).topics(30, rng, 0, 0, Change(new=0.2, ramp=20)) == CLUSTERS for _ in range(40)]
    share = np.mean(ramp, (0, 2))
    np.testing.assert_allclose(share, 0.2 * np.minimum(1, np.arange(1, 31) / 20), atol=0.03)


def test_kinds_of_rows_change_what_they_say() -> None:
    topics = np.repeat(np.arange(CLUSTERS + 1), 20)
    plain, rotated, spread = (
        traffic.draw(topics, np.random.default_rng(5), kind) for kind in ("normal", "rotation", "spread")
    )
    np.testing.assert_allclose(np.linalg.norm(spread, axis=1), 1, atol=1e-6)
    back, turned, wide = (x @ world().basis for x in (plain, rotated, spread))
    np.testing.assert_allclose(back[:, 60:], turned[:, 60:], atol=1e-6)
    np.testing.assert_allclose((back**2).sum(1), (turned**2).sum(1), atol=1e-5)
    assert np.abs(back[:, 20:60] - turned[:, 20:60]).max() > 0.01
    inside = [np.mean([x[topics == t].var(0).sum() for t in range(CLUSTERS)]) for x in (back, wide)]
    assert 1.03 < inside[1] / inside[0] < 1.105
    assert traffic.vectors().shape == ((CLUSTERS + 1) * EACH, plain.shape[1])


def test_alarms_start_the_detector_anew() -> None:
    lengths = np.array([1, 2, 4, 8])
    rng = np.random.default_rng(6)
    for rate in (0.0005, 0.01, 0.3):
        loud = rng.random((3000, 4)) < rate
        count = start = watched = 0
        for t in range(len(loud)):
            if t < start:
                continue
            watched += 1
            if any(loud[t, i] and t - panes + 1 >= start for i, panes in enumerate(lengths)):
                count, start = count + 1, t + 1 + GAP
        assert run_length.alarms(loud, lengths) == (count, watched)
    only_long = np.zeros((100, 4), bool)
    only_long[[0, GAP + 7, GAP + 8], 3] = True
    only_long[0, 0] = True
    assert run_length.alarms(only_long, lengths)[0] == 2


def test_rows_of_the_table_judge_what_was_measured() -> None:
    def history(panes: int, run: float, low: float, high: float) -> dict[str, object]:
        at = {"run": run, "alarms": 20, "threshold": 5.0, "stated": [low, high]}
        return {"panes": panes, "rho": 0.9, "firm": panes >= PROMISE, str(PROMISE): at, "1000": at}

    results = {
        "long": [history(10_000, 5000 * k, 0, 1e9) for k in (0.5, 0.9, 1.1, 1.2, 5.0)],
        "short": [history(672, 5000 * k, 2500, 10_000) for k in (0.4, 1.0, 1.0, 1.0, 3.0)],
        "sketches": [{"panes": 40, "error": 1e-5, "statistic": 2e-3}, {"panes": 40, "error": 2e-5, "statistic": 0.0}],
    }
    rows = run_length.rows(results)  # pyright: ignore[reportArgumentType]
    found = {
        row.what.split(";")[0] + ("" if "; " not in row.what else "; " + row.what.split("; ")[1]): row for row in rows
    }
    median, coverage = found["achieved / promised 5,000, median; long"], found["stated interval holds the truth; short"]
    assert (median.ours, median.holds, median.interval) == (pytest.approx(1.1), True, (0.5, 5.0))
    assert (coverage.ours, coverage.holds, coverage.beside["below"], coverage.beside["above"]) == (0.6, False, 0.2, 0.2)
    assert found["achieved / promised 5,000, median; short"].holds is None
    sketches = [row for row in rows if row.what.startswith("simulated")]
    assert [(row.ours, row.holds, row.reps) for row in sketches] == [(2e-5, True, 80), (2e-3, False, 80)]
    assert rows[-1].ours == 1.0
