"""The detector's statistics against slow, obvious references and laws that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from tidegauge import Reference
from tidegauge.alarm import detector as detector_of
from tidegauge.alarm.autoregression import prewhitened, yule_walker
from tidegauge.alarm.calibration import FEWEST_PANES, Calibration, from_reference, learn
from tidegauge.alarm.detector import Detector, fit_detector
from tidegauge.alarm.normal import MOST_SD, Series, fit_normal, noise_of, whitener_of
from tidegauge.alarm.run_length import MODEL_ERROR, RunLength, fit_run_length
from tidegauge.alarm.season import DAY, HOUR, WEEK, Season, fit_season
from tidegauge.alarm.tally import Layout, Tallier
from tidegauge.alarm.windows import (
    MEMBERS,
    TAIL,
    law_of,
    lengths_for,
    members_of,
    normal_scores,
    rooted,
    window_sums,
)
from tidegauge.basis import FAR_SHARES, project
from tidegauge.errors import ArtefactError, UsageError
from tidegauge.reference import calibration as reference_calibration
from tidegauge.score.scans import PENALTY
from tidegauge.sketch.pieces import contributions, tail_score

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

SHARES = np.array([0.6, 0.3, 0.08, 0.02])
LAYOUT = Layout(
    3, 3, 4, 2, np.array([0.3, 0.2, 0.1]), SHARES,
    np.concatenate([np.ones(3), [5.0, 2, 2], SHARES * (1 - SHARES), 0.4 * SHARES, [14.0, 0.01]]), 1.0,
)  # fmt: skip


def traffic(rng: np.random.Generator, count: int, *, rows: float = 1000.0, ar: float = 0.3, day: float = 0.0) -> Series:
    """Panes of the small layout: an autoregression of each component, twice as noisy as single rows make it."""
    sd = np.sqrt(2 * LAYOUT.noise / rows)
    values = sd * rng.standard_normal((count, LAYOUT.size))
    for t in range(1, count):
        values[t] += ar * values[t - 1]
    hours = np.arange(count)
    values += day * sd * np.cos(2 * np.pi * hours[:, None] / 24 + np.arange(LAYOUT.size))
    return Series(values, np.full(count, rows), (hours + 0.5) * HOUR)


# Tallies


def drawn(count: int, rng: np.random.Generator) -> Float32:
    centres = 2 * np.random.default_rng(3).standard_normal((6, 8))
    return (centres[rng.integers(6, size=count)] + rng.standard_normal((count, 8))).astype(np.float32)


def frozen(seed: int, count: int = 600) -> Tallier:
    return Tallier(reference(seed, count))


@cache
def reference(seed: int, count: int = 600) -> Reference:
    """Without the many draws of a null that no tally reads."""
    with mock.patch.multiple(reference_calibration, DRAWS=19, DIAGNOSTIC_DRAWS=9):
        rows = drawn(count, np.random.default_rng([1, seed]))
        return Reference.fit(rows, exchangeable=True, profile="small", seed=seed)


def test_tally_is_the_mean_of_its_rows_tallies() -> None:
    tallier, x = frozen(0), drawn(60, np.random.default_rng(2))
    each = [tallier.tally(reference(0).sketch(row[None])) for row in x]
    whole = tallier.tally(reference(0).sketch(x))
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, np.mean(each, 0), atol=2e-5)


def test_tally_of_merged_sketches_is_the_mean_by_rows() -> None:
    tallier, x = frozen(0), drawn(300, np.random.default_rng(4))
    one, other = (reference(0).sketch(part) for part in (x[:70], 1.5 * x[70:]))
    expected = (70 * tallier.tally(one) + 230 * tallier.tally(other)) / 300
    np.testing.assert_allclose(tallier.tally(one + other), expected, atol=2e-5)


def test_tally_holds_what_its_layout_says() -> None:
    base, tallier, x = reference(0), frozen(0), drawn(200, np.random.default_rng(5))
    layout, sums, m = tallier.layout, base.base.sums, base.base.rows
    found, rows = tallier.tally(base.sketch(x)), project(base.basis, x)
    cells = len(base.basis.centres)
    in_cell = np.array([(rows.cells == c).any(1).mean() for c in range(cells)])
    counts = sums["cells"][:cells] + sums["cells"][cells:]
    np.testing.assert_allclose(found[layout.blocks["mass"]], in_cell - counts / m, atol=1e-6)
    lengths = (rows.centred.astype(np.float64) ** 2).sum(1).mean() - sums["mean"][-1] / m
    assert found[layout.blocks["spreads"]][0] == pytest.approx(lengths, rel=1e-3, abs=1e-3)
    far = [tail_score(rows.tail).mean(), *((rows.tail > q).mean() for q in FAR_SHARES)]
    np.testing.assert_allclose(found[layout.blocks["tails"]], far - sums["novelty"] / m, atol=1e-5)
    width = np.zeros(cells)
    for c in range(cells):
        own = rows.distances[rows.cells == c]
        if counts[c] >= 20:
            width[c] = (own - sums["distances"][c] / counts[c]).sum() / len(x)
    np.testing.assert_allclose(found[layout.blocks["width"]], width, atol=1e-5)


def test_noise_of_a_layout_is_that_of_single_rows() -> None:
    basis, tallier = reference(0, 3000).basis, frozen(0, 3000)
    names = ("count", "mean", "features", "spread", "cells", "distances", "novelty")
    columns = contributions(basis, project(basis, drawn(6000, np.random.default_rng(6))), names)
    each = tallier.of_sums({name: c.dense().astype(np.float64) for name, c in columns.items()})
    ratio = each.astype(np.float64).var(0) / tallier.layout.noise
    blocks = tallier.layout.blocks
    assert np.median(ratio[blocks["features"]]) == pytest.approx(1.1, abs=0.15)  # axes are fitted to few rows
    assert ratio[blocks["spreads"]][0] == pytest.approx(1, abs=0.3)
    common = np.abs(tallier.layout.shares - 0.5) < 0.45
    np.testing.assert_allclose(ratio[blocks["mass"]][common], 1, atol=0.35)
    np.testing.assert_allclose(ratio[blocks["width"]][common], 1, atol=0.5)


def test_tally_of_the_reference_itself_is_nothing() -> None:
    tallier = frozen(0)
    assert np.abs(tallier.of_sums(reference(0).base.sums)).max() == 0
    assert tallier.layout.blocks["tails"].stop == tallier.layout.size


# Seasons


def test_no_season_is_nearly_none() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((672, 40))
    moments = (np.arange(672) + 0.5) * HOUR
    season = fit_season(values, moments, HOUR)
    raw = np.stack([values[k::168].mean(0) for k in range(168)])
    taken = season.at(moments[:168]) - values.mean(0)
    assert taken.var() < 0.15 * raw.var()
    assert np.median((season.week**2).mean(0)) < 0.02


def test_season_of_day_and_week_is_found() -> None:
    rng = np.random.default_rng(1)
    hours = np.arange(8 * 168)
    day, weekend = 3 * np.sin(2 * np.pi * hours / 24), 2.0 * (hours // 24 % 7 >= 5)
    truth = np.stack([day, weekend, day + weekend], 1)
    values = truth + 0.5 * rng.standard_normal(truth.shape)
    season = fit_season(values, (hours + 0.5) * HOUR, HOUR)
    later = (8 * 168 + np.arange(168) + 0.5) * HOUR
    assert np.abs(season.at(later) - truth[:168]).max() < 0.8
    assert ((season.at(later) - truth[:168]) ** 2).mean(0).max() < 0.25 / 4


def test_profile_is_shrunk_by_the_random_effects_formula() -> None:
    rng = np.random.default_rng(2)
    hours = np.delete(np.arange(72), [5, 29, 53, 40])
    rest = rng.standard_normal((len(hours), 1)) + 0.8 * np.sin(hours / 24 * 2 * np.pi)[:, None]
    season = fit_season(rest, (hours + 0.5) * HOUR, HOUR)
    y = rest[:, 0] - rest.mean()
    groups = [y[hours % 24 == k] for k in range(24)]
    filled = [g for g in groups if len(g)]
    n = len(y)
    within = sum(((g - g.mean()) ** 2).sum() for g in filled) / (n - len(filled))
    between = sum(len(g) * g.mean() ** 2 for g in filled)
    tau = max(between - (len(filled) - 1) * within, 0) / (n - sum(len(g) ** 2 for g in filled) / n)
    expected = [g.mean() * tau / (tau + within / len(g)) if len(g) else 0.0 for g in groups]
    assert tau > 0
    np.testing.assert_allclose(season.day[:, 0], expected, rtol=1e-9)
    assert len(season.week) == 0


def test_moments_that_are_not_known_have_no_season() -> None:
    rng = np.random.default_rng(3)
    hours = np.arange(400)
    values = (4 * np.sin(2 * np.pi * hours / 24) + 0.1 * rng.standard_normal(400))[:, None]
    moments = (hours + 0.5) * HOUR
    nowhere = fit_season(values, np.full(400, np.nan), HOUR)
    assert (len(nowhere.day), len(nowhere.week)) == (0, 0)
    np.testing.assert_array_equal(nowhere.at(moments[:3]), np.tile(values.mean(0), (3, 1)))
    moments[::5] = np.nan
    season = fit_season(values, moments, HOUR)
    found = season.at(moments)
    assert (found[::5] == season.mean).all()
    known = np.isfinite(moments)
    assert np.abs(found - values)[known].max() < 0.6


@pytest.mark.parametrize(
    ("step", "turns", "day", "week"),
    [
        (HOUR, 1.5, 0, 0),
        (HOUR, 2, 0, 0),
        (HOUR, 3, 24, 0),
        (HOUR, 14, 24, 0),
        (HOUR, 21, 24, 168),
        (6 * HOUR, 21, 4, 28),
        (DAY, 21, 0, 7),
    ],
)
def test_a_season_is_looked_for_once_it_was_seen_three_times(step: int, turns: float, day: int, week: int) -> None:
    count = int(turns * DAY / step)
    season = fit_season(np.random.default_rng(4).standard_normal((count, 2)), (np.arange(count) + 0.5) * step, step)
    assert (len(season.day), len(season.week)) == (day, week)


def test_weeks_begin_with_the_epoch() -> None:
    week = np.arange(168, dtype=np.float64)[:, None]
    season = Season(np.zeros(1), np.empty((0, 1)), week, HOUR)
    np.testing.assert_array_equal(season.at(np.array([0.0, HOUR, WEEK - 1, WEEK, -1]))[:, 0], [0, 1, 167, 0, 167])


# Normal traffic


def test_yule_walker_finds_the_autoregression() -> None:
    rng = np.random.default_rng(5)
    truth = np.array([[0.5, -0.4, 0.0], [0.3, 0.2, 0.0]])
    x = rng.standard_normal((20_000, 3))
    for t in range(2, len(x)):
        x[t] += truth[0] * x[t - 1] + truth[1] * x[t - 2]
    found = yule_walker(x, 2)
    np.testing.assert_allclose(found, truth, atol=0.03)
    for j in range(3):
        lags = [x[lag:, j] @ x[: len(x) - lag, j] for lag in range(3)]
        slow = np.linalg.solve([[lags[0], lags[1]], [lags[1], lags[0]]], lags[1:])
        np.testing.assert_allclose(found[:, j], slow, atol=1e-5)


def test_prewhitened_against_a_loop() -> None:
    rng = np.random.default_rng(6)
    x, phi = rng.standard_normal((50, 4)), rng.standard_normal((2, 4))
    slow = x.copy()
    for t in range(50):
        for lag in (1, 2):
            if t >= lag:
                slow[t] -= phi[lag - 1] * x[t - lag]
    np.testing.assert_allclose(prewhitened(x, phi), slow, rtol=1e-12)
    np.testing.assert_array_equal(prewhitened(x, np.empty((0, 4))), x)


def test_noise_is_told_apart_where_rows_differ() -> None:
    rng = np.random.default_rng(7)
    rows = rng.choice([200.0, 1000.0, 5000.0], 20_000)
    natural, per_row = np.linspace(0, 2e-3, LAYOUT.size), 3 * LAYOUT.noise
    out = rng.standard_normal((len(rows), LAYOUT.size)) * np.sqrt(natural + per_row / rows[:, None])
    found = noise_of(out, rows, LAYOUT)
    for n in (200, 1000, 5000):
        np.testing.assert_allclose(found[0] + found[1] / n, natural + per_row / n, rtol=0.15)
    told = natural < per_row / 200
    assert told.sum() >= 6
    np.testing.assert_allclose(found[1][told], per_row[told], rtol=0.2)


def test_noise_where_rows_are_alike() -> None:
    rng = np.random.default_rng(8)
    rows, natural = np.full(5000, 1000.0), np.linspace(0, 1e-2, LAYOUT.size)
    out = rng.standard_normal((5000, LAYOUT.size)) * np.sqrt(natural + LAYOUT.noise / rows[:, None])
    found = noise_of(out, rows, LAYOUT)
    np.testing.assert_allclose(found[0] + found[1] / 1000, (out**2).mean(0), rtol=1e-9)
    assert (found[1] <= LAYOUT.noise * (1 + 1e-12)).all()
    quiet = noise_of(1e-9 * out, rows, LAYOUT)
    np.testing.assert_allclose(quiet[0] + quiet[1] / 1000, LAYOUT.least / 1000, rtol=1e-9)


def test_whitener_takes_correlation_out_of_long_histories() -> None:
    rng = np.random.default_rng(9)
    correlation = 0.6 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    x = rng.standard_normal((40_000, 5)) @ np.linalg.cholesky(correlation).T
    white = x @ whitener_of(x)
    assert np.abs(np.corrcoef(white.T) - np.eye(5)).max() < 0.05
    assert np.abs(np.corrcoef(x.T) - np.eye(5)).max() > 0.5
    few = whitener_of(x[:3])
    assert np.abs(few - np.diag(np.diag(few))).max() < 1e-5


def test_innovations_are_standardised_and_independent() -> None:
    rng = np.random.default_rng(10)
    normal = fit_normal(traffic(rng, 3000, day=3), LAYOUT, HOUR)
    fresh = traffic(rng, 6000, day=3).take(slice(3000, None))
    out = normal.innovations(fresh, LAYOUT)
    assert out.shape == (3000, LAYOUT.size + LAYOUT.features)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.std(0), 1, atol=0.06)
    after = (out[1:] * out[:-1]).mean(0)
    assert np.abs(after).max() < 0.08
    wild = replace(fresh, values=fresh.values + 1e3)
    held = normal.innovations(wild, LAYOUT)
    along = slice(LAYOUT.blocks["spreads"].start + 1, LAYOUT.blocks["spreads"].stop)
    for block in (LAYOUT.blocks["features"], along, slice(LAYOUT.size, None)):
        assert np.abs(held[:, block]).max() == MOST_SD
    assert held[:, LAYOUT.blocks["mass"]].min() > 100


# Windows


@pytest.mark.parametrize("panes", [1, 2, 5, 20])
def test_window_sums_against_a_loop(panes: int) -> None:
    x = np.random.default_rng(11).standard_normal((20, 3)).astype(np.float32)
    slow = [x[t - panes + 1 : t + 1].astype(np.float64).sum(0) / np.sqrt(panes) for t in range(panes - 1, 20)]
    np.testing.assert_allclose(window_sums(x, panes), slow, atol=1e-6)


def slow_members(sums: Float32, panes: int, mass_rows: Float64) -> list[float]:
    """The members' formulas, a number at a time."""
    z = [float(v) for v in sums]
    features, spreads, mass, width, tails, white = (
        z[i:j] for i, j in ((0, 3), (3, 6), (6, 10), (10, 14), (14, 16), (16, 19))
    )
    off = [PENALTY * np.sqrt(2 * (1 + np.log(1 / share))) for share in SHARES]
    scans = []
    for c in range(4):
        expected = panes * mass_rows[c]
        seen = max(expected + mass[c] * np.sqrt(expected), 0)
        deviance = 2 * ((seen * np.log(seen / expected) if seen else 0) - seen + expected)
        scans.append(np.sqrt(deviance) - off[c])
    return [
        sum(w * f**2 for w, f in zip(LAYOUT.weights, features, strict=True)) / sum(LAYOUT.weights),
        sum(f**2 for f in white),
        sum(f**2 for f in white[:32]),
        spreads[0] ** 2,
        sum(s**2 for s in spreads[1:]),
        sum(w**2 for w in width),
        max(scans),
        max(abs(w) - o for w, o in zip(width, off, strict=True)),
        tails[0],
    ]


@pytest.mark.parametrize("panes", [1, 16])
def test_members_are_their_formulas(panes: int) -> None:
    rng = np.random.default_rng(12)
    sums = (2 * rng.standard_normal((30, 19))).astype(np.float32)
    mass_rows = np.array([300.0, 150.0, 4.0, 0.5])
    found = members_of(LAYOUT, sums, panes, mass_rows)
    assert found.shape == (30, len(MEMBERS))
    np.testing.assert_allclose(found, [slow_members(row, panes, mass_rows) for row in sums], rtol=1e-3, atol=2e-3)


def test_rooted_is_the_root_of_the_poisson_deviance() -> None:
    for expected in (0.5, 4.0, 90.0):
        seen = np.array([0.0, 1.0, 3.0, 20.0, 150.0])
        z = (seen - expected) / np.sqrt(expected)
        surprise = stats.poisson.logpmf(seen, np.maximum(seen, 1e-300)) - stats.poisson.logpmf(seen, expected)
        slow = np.sign(z) * np.sqrt(2 * np.maximum(surprise, 0))
        found = rooted(z[None].astype(np.float32), np.float32([expected] * 5))
        np.testing.assert_allclose(found[0], slow, rtol=2e-3, atol=2e-3)


def test_rooted_counts_are_nearer_to_normal() -> None:
    counts = np.random.default_rng(13).poisson(3.0, 100_000)
    z = ((counts - 3) / np.sqrt(3)).astype(np.float32)
    found = rooted(z[:, None], np.float32([3.0]))[:, 0]
    assert abs(stats.skew(found)) < 0.5 * stats.skew(z)
    assert (found > 3).mean() < 0.5 * (z > 3).mean()


@pytest.mark.parametrize(
    "law", [stats.norm(3, 2), stats.gamma(2, scale=3), stats.gamma(30), stats.chi2(5), stats.chi2(128)]
)
def test_normal_scores_of_laws_that_are_known(law: Any) -> None:
    values = law.rvs(60_000, random_state=np.random.default_rng(14))[:, None]
    at = np.array([0.05, 0.5, 0.95, 0.99, 0.999])
    found = normal_scores(law.ppf(at)[:, None], law_of(values, 1))[:, 0]
    np.testing.assert_allclose(found, stats.norm.ppf(at), atol=0.15)


def test_tails_heavier_than_gamma_are_drawn_in() -> None:
    rng = np.random.default_rng(15)
    heavy, light = rng.standard_t(4, 40_000)[:, None], rng.beta(4, 4, 40_000)[:, None]
    law = law_of(heavy, 1)
    assert law[3, 0] > 1.2
    plain = law.copy()
    plain[3] = 1
    held, bare = (normal_scores(heavy, each)[:, 0] for each in (law, plain))
    truth = (1 - stats.norm.cdf(3.5)) * len(heavy)
    assert truth < (held > 3.5).sum() < 0.6 * (bare > 3.5).sum()
    np.testing.assert_array_equal(held[bare <= TAIL], bare[bare <= TAIL])
    assert (np.diff(held[np.argsort(heavy[:, 0])]) >= 0).all()
    assert law_of(light, 1)[3, 0] < 1
    few = law_of(heavy[:60], 1)
    assert abs(few[3, 0] - 1) < 0.35


def test_lengths_are_powers_of_two_that_a_history_can_tell() -> None:
    assert lengths_for(10_000, 64) == (1, 2, 4, 8, 16, 32, 64)
    assert lengths_for(672, 64) == (1, 2, 4, 8, 16)
    assert lengths_for(128, 64) == (1, 2, 4)
    assert lengths_for(31, 64) == (1,)
    assert lengths_for(2048, 12) == (1, 2, 4, 8)


# The detector


@cache
def detected(seed: int = 0, count: int = 672) -> tuple[Series, Detector, Float64]:
    series = traffic(np.random.default_rng([2, seed]), count, day=2)
    return series, *fit_detector(series, LAYOUT)


def test_scores_are_those_of_each_window_by_itself() -> None:
    series, detector, _ = detected()
    innovations = detector.innovations(series.take(slice(0, 40)))
    scores = detector.scores(innovations)
    assert scores.shape == (40, 5, len(MEMBERS))
    for t in (0, 3, 14, 15, 39):
        for i, panes in enumerate(detector.lengths):
            if t + 1 < panes:
                assert (scores[t, i] == -np.inf).all()
                continue
            sums = innovations[t + 1 - panes : t + 1].astype(np.float64).sum(0) / np.sqrt(panes)
            values = slow_members(sums.astype(np.float32), panes, detector.mass_rows)
            slow = normal_scores(np.array([values]), detector.laws[i])[0]
            np.testing.assert_allclose(scores[t, i], slow, atol=0.02)
    np.testing.assert_array_equal(detector.statistic(innovations), scores.max((1, 2)))


def test_scores_do_not_depend_on_later_panes() -> None:
    series, detector, _ = detected()
    whole, part = (detector.scores(detector.innovations(series.take(slice(0, n)))) for n in (200, 120))
    np.testing.assert_allclose(whole[:120], part, atol=1e-3)


def test_held_out_history_is_no_quieter_than_fresh_panes() -> None:
    """What is judged by itself is; that is what folds are for."""
    held, fresh, itself = [], [], []
    for seed in range(6):
        series, detector, statistic = detected(seed)
        held.append(statistic.mean())
        later = traffic(np.random.default_rng([3, seed]), 2000, day=2)
        longest = detector.lengths[-1]
        fresh.append(detector.statistic(detector.innovations(later))[longest:].mean())
        itself.append(detector.statistic(detector.innovations(series))[longest - 1 :].mean())
    assert len(statistic) == 672 - longest + 1
    assert np.mean(held) > np.mean(fresh) - 0.05
    assert np.mean(itself) < np.mean(fresh)


def test_folds_part_the_history() -> None:
    parts = list(detector_of._folds(131))
    assert [i for first, end, _ in parts for i in range(first, end)] == list(range(131))
    assert all(sorted([*range(first, end), *others]) == list(range(131)) for first, end, others in parts)


def test_history_is_held_against_what_others_teach() -> None:
    series, _, _ = detected()
    held = detector_of._held_out(series, LAYOUT, HOUR, independent=False)
    assert held.shape == (672, LAYOUT.size + LAYOUT.features)
    for first, end in ((0, 84), (336, 420), (588, 672)):
        others = [t for t in range(672) if not first <= t < end]
        normal = fit_normal(series.take(np.array(others)), LAYOUT, HOUR)
        np.testing.assert_allclose(held[first:end], normal.innovations(series, LAYOUT)[first:end], atol=1e-4)


def test_shift_is_found_and_the_member_says_where() -> None:
    detector = detected()[1]
    later = traffic(np.random.default_rng(16), 400, day=2)
    quiet = detector.scores(detector.innovations(later))[20:]
    for column, members in (
        (LAYOUT.blocks["tails"].start, {"novelty"}),
        (LAYOUT.blocks["mass"].start + 2, {"mass_scan"}),
    ):
        values = later.values.copy()
        values[200:, column] += 6 * np.sqrt(2 * LAYOUT.noise[column] / 1000)
        scores = detector.scores(detector.innovations(replace(later, values=values)))
        assert scores[200:].max() > quiet.max() + 3
        assert {MEMBERS[k] for k in (scores[216].max(0) > quiet.max()).nonzero()[0]} == members


# Calibrations


@cache
def calibration() -> Calibration:
    return learn(detected()[0], LAYOUT, pane=HOUR)


def test_calibration_survives_bytes() -> None:
    data = calibration().to_bytes()
    again = Calibration.from_bytes(data, LAYOUT)
    assert again.to_bytes() == data
    assert (again.law, again.panes, again.rows) == (calibration().law, 672, 1000.0)
    later = traffic(np.random.default_rng(17), 100, day=2)
    scores = [c.detector.scores(c.detector.innovations(later)) for c in (calibration(), again)]
    np.testing.assert_array_equal(*scores)


def test_calibration_without_season_or_past_survives_bytes() -> None:
    found = from_reference(reference(0), frozen(0), 60)
    assert found is not None
    again = Calibration.from_bytes(found.to_bytes(), frozen(0).layout)
    assert again.to_bytes() == found.to_bytes()
    assert len(again.detector.normal.coefficients) == 0
    assert not again.firm(1)


def test_damaged_bytes_are_refused() -> None:
    data = calibration().to_bytes()
    for place in (0, 7, 20, 60, len(data) // 2, len(data) - 1):
        wrong = bytearray(data)
        wrong[place] ^= 1
        with pytest.raises(ArtefactError, match="calibration"):
            Calibration.from_bytes(bytes(wrong), LAYOUT)
    for part in (b"", data[:30], data[:-1], data + b"\0"):
        with pytest.raises(ArtefactError, match="calibration"):
            Calibration.from_bytes(part, LAYOUT)


@pytest.mark.parametrize("change", [{"features": 2}, {"tails": 3}, {"cells": 3, "shares": SHARES[:3]}])
def test_bytes_of_another_layout_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ArtefactError, match="parts that do not fit"):
        Calibration.from_bytes(calibration().to_bytes(), replace(LAYOUT, **change))


def test_too_short_a_history_is_refused() -> None:
    series = detected()[0]
    with pytest.raises(UsageError, match=str(FEWEST_PANES)):
        learn(series.take(slice(0, FEWEST_PANES - 1)), LAYOUT)
    found = learn(series.take(slice(0, FEWEST_PANES)), LAYOUT, pane=HOUR)
    assert np.isfinite(found.threshold(1000))
    assert (found.firm(128), found.firm(129)) == (True, False)


def test_learning_is_deterministic() -> None:
    assert learn(detected()[0], LAYOUT, pane=HOUR).to_bytes() == calibration().to_bytes()
    first, second = (from_reference(reference(0), frozen(0), 60) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.to_bytes() == second.to_bytes()


def test_learned_threshold_holds_its_promise_roughly() -> None:
    """Pooled over histories and long futures of the same small traffic; single histories vary by far more."""
    known = [learn(detected(seed, 1500)[0], LAYOUT, pane=HOUR) for seed in range(4)]
    count = watched = 0
    for seed, each in enumerate(known):
        n, panes = false_alarms(each, traffic(np.random.default_rng([4, seed]), 6000, day=2), 200)
        count, watched = count + n, watched + panes
    assert 0.5 < watched / count / 200 < 2


def test_reference_alone_holds_its_budget_roughly() -> None:
    """Over references of one law, and panes of independent rows of it. Panes share the error of their reference, so
    that false alarms come in heaps: the interval is wider than a binomial one.
    """
    count = watched = 0
    for seed in range(8):
        tallier, rng = frozen(seed), np.random.default_rng([5, seed])
        found = from_reference(reference(seed), tallier, 40)
        assert found is not None
        x = drawn(4000, rng)
        panes = [tallier.tally(reference(seed).sketch(x[i : i + 40], samples=False)) for i in range(0, 4000, 40)]
        series = Series(np.array(panes, np.float64), np.full(100, 40.0), np.full(100, np.nan))
        n, some = false_alarms(found, series, 50)
        count, watched = count + n, watched + some
    assert watched / 50 / 4 < count < watched / 50 * 3


def false_alarms(known: Calibration, series: Series, promise: float) -> tuple[int, int]:
    """Alarms with the detector started anew after each, and the panes watched, a pane at a time."""
    detector, threshold = known.detector, known.threshold(promise)
    loud = detector.scores(detector.innovations(series)).max(2) >= threshold
    count = start = watched = 0
    for t in range(len(series)):
        if t < start:
            continue
        watched += 1
        if any(loud[t, i] and t - panes + 1 >= start for i, panes in enumerate(detector.lengths)):
            count, start = count + 1, t + 1 + detector.lengths[-1]
    return count, watched


# Run lengths


def slow_moments(maxima: Sequence[float]) -> tuple[float, float]:
    """Place and scale by the mean and the mean distance of two."""
    n = len(maxima)
    apart = sum(abs(a - b) for a in maxima for b in maxima) / (n * (n - 1))
    scale = apart / 2 / np.log(2)
    return float(np.mean(maxima)) - 0.5772156649 * scale, scale


def test_fit_is_by_the_mean_distance_of_maxima() -> None:
    statistic = np.random.default_rng(18).standard_normal(1003) * 2
    law = fit_run_length(statistic, 50)
    maxima = [statistic[3 + 50 * k : 53 + 50 * k].max() ** 1.6 for k in range(20)]
    place, scale = slow_moments(maxima)
    # Twenty blocks weigh 0.0405 ** -1, what is usual 0.15 ** -2, on the logarithm.
    weighed = np.exp((np.log(scale) / 0.0405 + np.log(1.25) / 0.15**2) / (1 / 0.0405 + 1 / 0.15**2))
    expected = (place + 0.5772156649 * (scale - weighed), weighed)
    np.testing.assert_allclose((law.place, law.scale), expected, rtol=1e-9)
    assert (law.block, law.blocks, law.panes) == (50, 20, 1003)


def test_fit_finds_gumbels_law() -> None:
    maxima = stats.gumbel_r.rvs(10, 1.2, size=4000, random_state=np.random.default_rng(19))
    statistic = np.zeros((4000, 16))
    statistic[:, 7] = maxima ** (1 / 1.6)
    law = fit_run_length(statistic.ravel(), 16)
    assert law.place == pytest.approx(10, abs=4 * 1.2 * 1.05 / np.sqrt(4000))
    assert law.scale == pytest.approx(1.2, abs=4 * 1.2 * 0.83 / np.sqrt(4000))
    threshold = law.threshold(5000)
    truth = -16 / np.log(stats.gumbel_r.cdf(threshold**1.6, 10, 1.2))
    assert truth == pytest.approx(5000, rel=0.25)


def test_threshold_and_achieved_are_inverse() -> None:
    law = RunLength(16, 4.3, 1.2, 41, 657)
    for promise in (16, 100, 5000, 1e6):
        achieved = law.achieved(law.threshold(promise))
        assert achieved.panes == pytest.approx(promise)
        assert achieved.low < promise < achieved.high
        assert achieved.low * achieved.high == pytest.approx(promise**2)
    assert law.threshold(1) == law.threshold(16)
    thresholds = [law.threshold(p) for p in (16, 100, 1000, 10_000)]
    assert thresholds == sorted(set(thresholds))


def test_interval_narrows_with_the_history_down_to_the_models_own_error() -> None:
    wide = []
    for blocks, panes in ((10, 672), (40, 2000), (150, 10_000), (10**9, 10**12)):
        law = RunLength(64, 5.0, 1.0, blocks, panes)
        achieved = law.achieved(law.threshold(5000))
        wide.append(np.log(achieved.high / achieved.panes) / stats.norm.ppf(0.975))
    assert wide == sorted(wide, reverse=True)
    assert wide[-1] == pytest.approx(MODEL_ERROR, abs=1e-3)


def test_stated_interval_holds_gumbels_truth() -> None:
    """Where the law is the model's, sampling alone is left: the interval is never too short."""
    rng = np.random.default_rng(20)
    covered = []
    for _ in range(200):
        statistic = np.zeros((60, 16))
        statistic[:, 3] = np.maximum(stats.gumbel_r.rvs(10, 1.2, size=60, random_state=rng), 0) ** (1 / 1.6)
        law = fit_run_length(statistic.ravel(), 16)
        stated = law.achieved(law.threshold(5000))
        truth = 16 * np.exp((law.threshold(5000) ** 1.6 - 10) / 1.2)
        covered.append(stated.low <= truth <= stated.high)
    assert np.mean(covered) >= 0.95


def test_history_that_never_moves_has_a_law() -> None:
    law = fit_run_length(np.zeros(400), 16)
    achieved = law.achieved(law.threshold(5000))
    assert achieved.low < achieved.panes < achieved.high < np.inf
