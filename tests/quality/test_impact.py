"""The tables of verdicts on harm and of event studies: what counts as right, and that histories are what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quality import data, event_study, impact
from quality.harness import Cell


def told(state: str, *, pointer: bool = True) -> dict[str, Any]:
    figures = {"success": [0.9, 0.6, -0.35, -0.25], "parts": [-0.2, 0.0, -0.1], "coverage": [0.8, 0.95, 0.0]}
    return {"source": "made up", "state": state, "pointer": pointer, **figures}


def test_both_verdicts_on_the_same_traffic_must_be_right() -> None:
    results = [
        {"told": {"B": told("harmful drift"), "C": told("harmless drift")}},
        {"told": {"B": told("harmful drift", pointer=False), "C": told("harmful drift")}},
        {"told": {"B": told("no drift"), "C": told("harmless drift")}},
        {"told": {"B": told("harmful drift"), "C": told("harmless drift")}},
    ]
    rows = {row.what.split(":")[0]: row for row in impact.rows({"BC": results}) if "points right" not in row.what}
    assert (rows["B"].ours, rows["C"].ours) == (0.75, 0.75)
    assert rows["B and C, the very same traffic"].ours == 0.5
    assert not any(row.holds for row in rows.values())
    assert rows["B"].beside["no drift"] == 0.25
    points = next(row for row in impact.rows({"BC": results}) if row.what.startswith("B: points right"))
    assert points.ours == 0.75


def test_every_scenario_has_a_right_verdict() -> None:
    names = {name for cell in impact.cells("full") for name in (cell.name if cell.name == "BC" else [cell.name])}
    assert names == set(impact.STORIES)
    assert {cell.reps for cell in impact.cells("full")} == {200}
    results = {name: [{"told": {name: told(state)}}] for name, (state, _) in impact.STORIES.items()}
    assert all(row.ours == 1.0 for row in impact.rows(results))


def test_the_index_of_a_scenario_is_what_its_outcomes_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "folder", lambda: Path("nowhere"))
    queries = data.clinc.__wrapped__()
    monkeypatch.setattr(data, "clinc", lambda: queries)
    story = data.scenario("D", np.random.default_rng(0))
    before, after = (set(queries.intents[rows]) for rows in story.index)
    assert after < before
    assert len(before - after) == len(before) // 5
    lost = np.isin([queries.intents[int(i.removeprefix("row-"))] for i in story.weeks[11].batch.ids], [*before - after])
    assert not story.weeks[11].batch.outcomes["success"][lost, 0].any()
    pooled = impact.pooled([week.batch for week in story.weeks[6:]])
    assert pooled.rows == 2400
    assert pooled.outcomes["success"].shape == (2400, 2)


def test_histories_of_event_studies_have_what_they_say() -> None:
    settings = {**event_study.HISTORY["daily, 9 months"], "past": 0.6, "fall": 0.3}
    good, rows, onsets, alarmed, moments = event_study.history(settings, np.random.default_rng(0))
    rate = np.divide(good, rows, out=np.full_like(good, np.nan), where=rows > 0)[:, 0]
    assert np.nanmax(rate[alarmed]) < np.nanmin(rate[~alarmed])
    assert np.diff(onsets).min() >= 2 * event_study.AFTER
    assert alarmed[onsets].all()
    assert np.diff(moments).tolist() == [86_400.0] * 269
    found = event_study.measure(Cell("x", 1, settings), np.random.default_rng(1))
    assert found["state"] == "effect"
    assert found["effect"] == pytest.approx(-0.3, abs=0.03)


def test_what_holds_of_an_event_study() -> None:
    base = {"state": "no effect", "events": 8, "controls": 30, "effect": 0.0, "low": -0.1, "high": 0.1, "before": 0.5}
    null = [{**base, "p": p, "before": p} for p in (np.arange(200) + 0.5) / 200]
    rows = {r.what.split(": ")[-1]: r for r in event_study.rows({"daily, 9 months: nothing happens, past .6": null})}
    assert rows["p <= .05"].ours == 0.05
    assert all(row.holds for row in rows.values())
    skewed = [{**r, "p": r["p"] ** 2} for r in null]
    rows = {r.what.split(": ")[-1]: r for r in event_study.rows({"daily, 9 months: nothing happens, past .6": skewed})}
    assert not rows["p <= .05"].holds
    assert not rows["p of uniform p (Kolmogorov, Smirnov)"].holds
    missed = [{**base, "state": "no effect", "p": 0.2, "effect": -0.01}] * 10
    found = event_study.rows({"daily, 9 months: falls by 3 points": missed})
    assert [row.holds for row in found] == [False, False, True]
