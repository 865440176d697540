"""Tables of delay: what the oracles know is true of the traffic, thresholds have their run length, delays are counted
from the change, and a stream's panes are those of sketches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quality import data, delay, hard_cases, harness, traffic
from quality.delay import CHANGES, TRAFFIC, UNCHANGED
from quality.harness import Result
from quality.traffic import ROWS
from tidegauge import Batch, Reference
from tidegauge.alarm.tally import Tallier

LENGTH = 500.0


@pytest.mark.parametrize("name", ["new cluster 3 %", "spread x1.05", "mix shift"])
def test_the_oracle_knows_the_mean_and_the_covariance_of_a_pane(name: str) -> None:
    oracle, rng = delay.knowing(name), np.random.default_rng(0)
    normal, changed = (TRAFFIC.panes(336, rng, change=CHANGES[each]) for each in (UNCHANGED, name))
    hours = np.arange(336) % 168
    sd = np.sqrt(np.maximum(np.diag(delay.covariance()), 1e-12))
    off = (normal.values - oracle.mean[hours]).mean(0) / sd * 336**0.5
    assert np.abs(off).max() < 6
    shift = ((changed.values - normal.values).mean(0) - oracle.shift.mean(0)) / sd * (336 / 2) ** 0.5
    assert np.median(np.abs(shift)) < 1
    before, after = oracle.ratios(normal), oracle.ratios(changed)
    distance = np.einsum("ij,ij->i", oracle.shift, oracle.direction).mean()
    assert before.mean() == pytest.approx(-distance / 2, rel=0.2)
    assert after.mean() == pytest.approx(distance / 2, rel=0.2)
    assert before.var() == pytest.approx(distance, rel=0.5) or name == "spread x1.05"


def test_evidence_is_the_sum_over_all_onsets() -> None:
    ratios = np.random.default_rng(1).normal(-0.5, 2, 40)
    slow = [np.log(sum(np.exp(ratios[k : t + 1].sum()) for k in range(t + 1))) for t in range(40)]
    np.testing.assert_allclose(delay.evidence(ratios), slow)
    assert np.isfinite(delay.evidence(np.array([-2000.0, 3000.0, -3000.0]))).all()


def test_a_threshold_has_the_run_length_asked_for() -> None:
    rng = np.random.default_rng(2)
    quiet = rng.standard_normal((200_000, 1))
    found = delay.level([quiet[:100_000], quiet[100_000:]], np.ones(1, np.int64), LENGTH)
    share = (rng.standard_normal(200_000) >= found).mean()
    assert 1 / share == pytest.approx(LENGTH, rel=0.25)


def test_a_delay_counts_changed_panes_and_misses_count_in_full() -> None:
    assert delay.found(np.array([0.0, 5.0, 6.0]), 5.0) == 2
    assert delay.found(np.array([0.0, 4.9]), 5.0) == 0
    whole = {"ours": 1, "1 pane": 0, "16 panes": 4, "oracle: rotation": 1}
    row, alone, sixteen = delay.rows({"panes: rotation": [_delays(whole), _delays({**whole, "ours": 0})]})
    assert row.ours == (1 + delay.AFTER) / 2
    assert row.beside["not found"] == 0.5
    assert row.beside["oracle"] == 1
    assert alone.ours == pytest.approx((1 + delay.AFTER) / 2 / delay.AFTER)
    assert sixteen.ours == pytest.approx((1 + delay.AFTER) / 2 / 4)
    assert (alone.holds, sixteen.holds) == (True, False)


def _delays(delays: dict[str, int]) -> Result:
    return {"promise": 5000, "history": 0, "delays": delays}


def test_a_quick_table_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setitem(delay.PLANS, "quick", delay.Plan(1, 300, 1, 1500, 200))
    delay.prepared.cache_clear()
    cell = next(c for c in delay.cells("quick") if c.settings["change"] == "new cluster 3 %")
    said = [delay.measure(cell, np.random.default_rng(seed)) for seed in range(3)]
    assert len(list(tmp_path.glob("partial/delay-quick-*.npz"))) == 1
    assert not list(tmp_path.glob("partial/*.unfinished"))
    assert all(1 <= r["delays"]["ours"] <= 10 for r in said)
    assert all(1 <= r["delays"]["oracle: new cluster 3 %"] <= 5 for r in said)
    delay.prepared.cache_clear()


@pytest.mark.parametrize("name", list(hard_cases.LAWS))
def test_likelihood_ratios_are_those_of_densities(name: str) -> None:
    """Under N(0, I) the ratio's mean is 1; here in one coordinate's worth, by the logarithm under its own law."""
    law, rng = hard_cases.LAWS[name], np.random.default_rng(3)
    own, null = law.ratio(law.draw(4000, rng)), law.ratio(rng.standard_normal((4000, hard_cases.D)))
    assert own.mean() > 0 > null[np.isfinite(null)].mean()
    assert np.exp(np.minimum(-own, 50)).mean() <= 1.2


def test_one_coordinate_densities_integrate_to_one() -> None:
    grid = np.linspace(-60, 60, 240_001)
    for name in ("T2 Laplace", "T2 Unif"):
        flat = np.zeros((len(grid), hard_cases.D))
        flat[:, 0] = grid
        base = hard_cases.LAWS[name].ratio(np.zeros((1, hard_cases.D)))[0] * (hard_cases.D - 1) / hard_cases.D
        density = np.exp(hard_cases.LAWS[name].ratio(flat) - base - grid**2 / 2) / np.sqrt(2 * np.pi)
        assert np.trapezoid(density, grid) == pytest.approx(1, rel=1e-3)


def test_thresholds_of_both_protocols() -> None:
    rng = np.random.default_rng(4)
    values = rng.standard_normal((400, 1000))
    records = [hard_cases.records(each) for each in values]
    true = hard_cases.by_run_length(records, 1000, 1000.0)
    assert 1 / (rng.standard_normal(1_000_000) >= true).mean() == pytest.approx(1000, rel=0.2)
    assert hard_cases.run_length(records, 1000, true) == pytest.approx(1000, rel=0.02)
    theirs = hard_cases.by_maxima(records, 1000, 1000.0)
    assert (values.max(1) < theirs).mean() == pytest.approx(np.exp(-1), abs=0.01)
    pooled = hard_cases.by_values([{"top": np.sort(each)[-40:].tolist()} for each in values], 1000, 1000.0)
    assert (values >= pooled).sum() == 400


def test_first_beyond_a_threshold() -> None:
    found = hard_cases.records(np.array([1.0, 0.5, 3.0, 2.0]))
    assert hard_cases.first_beyond(found, 2.0, 50) == (3, True)
    assert hard_cases.first_beyond(found, 3.5, 50) == (50, False)


def test_a_pane_is_the_sketch_of_its_rows() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((900, 6)).astype(np.float32)
    reference = Reference.fit(x[:600], exchangeable=True)
    tallier = Tallier(reference)
    rows = hard_cases.row_tallies(tallier, x[600:])
    np.testing.assert_allclose(rows.mean(0), tallier.tally(reference.sketch(x[600:])), atol=2e-5)


def test_streams_split_weeks_into_days_and_leave_out_empty_ones() -> None:
    seen: dict[str, Any] = {}

    class Detector:
        def innovations(self, series: Any) -> Any:
            seen["rows"] = series.rows.tolist()
            return series.values[:, 0]

        def statistic(self, values: Any) -> Any:
            return values

    class Known:
        detector = Detector()

        def threshold(self, promise: float) -> float:
            return promise

    week = np.arange(4, dtype=np.float32)[:, None]
    days = np.array([0, 0, 3, 6])
    daily = hard_cases.Stream(1, Known()).told([week, week], [days, days])  # type: ignore[arg-type]
    assert seen["rows"] == [2, 1, 1, 2, 1, 1]
    assert daily == {"statistic": [0.5, 2.0, 3.0] * 2, "threshold": 52 * 7}
    weekly = hard_cases.Stream(7, Known()).told([week, week], [days, days])  # type: ignore[arg-type]
    assert weekly == {"statistic": [1.5, 1.5], "threshold": 52}


def test_the_peer_is_asked_about_whole_panes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    class Talk:
        def send(self, request: dict[str, Any]) -> None:
            asked.append(np.load(request["after"]).shape)

        def receive(self) -> dict[str, dict[str, float]]:
            return {"first alarm": {"statistic": 7.0}, "largest": {"statistic": 0.5}}

    monkeypatch.setattr(delay, "talk", Talk)
    said = delay.asked(CHANGES["new cluster 3 %"], 0, np.random.default_rng(6))
    assert said == {"first alarm": 7.0, "largest": 0.5}
    assert asked == [(ROWS, traffic.vectors().shape[1])]


def test_rows_of_the_peer() -> None:
    def pane(first: float, largest: float) -> Result:
        return {"peer": {"first alarm": first, "largest": largest, "promised": 2000.0}}

    found = {
        "panes: rotation": [_delays({"ours": 2, "1 pane": 3, "16 panes": 4, "oracle: rotation": 1})] * 2,
        f"rows: {UNCHANGED}": [pane(10, 1.0), pane(30, 2.0)],
        "rows: rotation": [pane(0, 3.0), pane(20, 1.5)],
    }
    *_, null, row = delay.rows(found)
    assert null.ours == pytest.approx(20 / 2000)
    assert (row.ours, row.target, row.holds) == (2, 2.0, True)
    assert row.beside["peer at its own calibration, rows until its alarm"] == (ROWS + 20) / 2


def test_rows_of_a_week_reach_their_days() -> None:
    times = np.array([data.WEEK, data.WEEK + 86_400.0, 2 * data.WEEK - 1])
    assert hard_cases.days_of(Batch(np.zeros((3, 2), np.float32), times=times)).tolist() == [0, 1, 6]
