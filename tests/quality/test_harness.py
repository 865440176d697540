"""The harness of the quality tables: what is kept, what goes on after an interruption, and when a row holds."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quality import data, harness
from quality.harness import Cell, Row, binomial, run_table, share


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """A table of two cells that counts its measurements, kept in a folder of its own."""
    fake: Any = types.ModuleType("quality.fake")
    fake.calls = []

    def measure(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
        fake.calls.append(cell.name)
        return {"value": float(rng.random())}

    def rows(results: dict[str, list[dict[str, float]]]) -> list[Row]:
        return [Row(k, float(np.mean([r["value"] for r in v])), 2.0, "<=", None, len(v)) for k, v in results.items()]

    fake.cells = lambda mode: [Cell(name, 6 if mode == "full" else 2, {}) for name in ("one", "two")]
    fake.fingerprint = lambda: "abc"
    fake.measure, fake.rows = measure, rows
    monkeypatch.setitem(sys.modules, "quality.fake", fake)
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    return fake


def run(mode: harness.Mode = "full", **how: Any) -> list[float]:
    return [row.ours for row in run_table("fake", mode, workers=1, **how)]


def test_an_interrupted_run_goes_on_and_ends_the_same(table: Any, tmp_path: Path) -> None:
    whole = run()
    (tmp_path / "partial" / "fake-full-0-abc.jsonl").unlink()
    run(reps=2, only=["two"])
    kept = tmp_path / "partial" / "fake-full-0-abc.jsonl"
    kept.write_text(kept.read_text() + '{"cell": "two", "i": 2, "val')
    table.calls.clear()
    assert run() == whole
    assert (table.calls.count("one"), table.calls.count("two")) == (6, 4)
    table.calls.clear()
    assert run() == whole
    assert table.calls == []


def test_another_behaviour_or_seed_starts_again(table: Any) -> None:
    first = run()
    table.fingerprint = lambda: "def"
    table.calls.clear()
    assert run() == first
    assert len(table.calls) == 12
    assert run(seed=1) != first


def test_only_a_complete_full_run_is_kept(table: Any, tmp_path: Path) -> None:
    run(reps=5)
    run("quick")
    assert not (tmp_path / "fake.json").exists()
    assert json.loads((tmp_path / "quick" / "fake.json").read_text())["mode"] == "quick"
    run()
    kept = json.loads((tmp_path / "fake.json").read_text())
    assert kept["complete"]
    assert [(row["what"], row["reps"], row["holds"]) for row in kept["rows"]] == [("one", 6, True), ("two", 6, True)]
    run("quick")
    assert json.loads((tmp_path / "fake.json").read_text()) == kept


def test_cells_are_filled_evenly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(harness, "PASSES", (2,))
    missing = harness.Kept(tmp_path / "x.jsonl").missing([Cell("a", 3, {}), Cell("b", 3, {})])
    assert [(cell.name, i) for cell, i in missing] == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("a", 2), ("b", 2)]


@pytest.mark.parametrize(
    ("ours", "target", "sense", "holds"),
    [
        (0.5, 0.5, ">=", True), (0.5, 0.5, ">", False), (0.5, 0.5, "<=", True), (0.6, 0.5, "<=", False),
        (0.5, (0.4, 0.5), "in", True), (0.6, (0.4, 0.5), "in", False), (0.6, None, "", None),
    ],
)  # fmt: skip
def test_a_row_holds(ours: float, target: harness.Target, sense: harness.Sense, holds: bool | None) -> None:
    assert Row("x", ours, target, sense).holds is holds


def test_intervals() -> None:
    assert share(0, 10, 0.95) == (0.0, pytest.approx(0.3085, abs=1e-4))
    assert share(10, 10, 0.95) == (pytest.approx(0.6915, abs=1e-4), 1.0)
    low, high = binomial(0.05, 2000)
    assert (low, high) == (0.038, 0.063)


def test_query_windows_carry_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "folder", lambda: Path("nowhere"))
    queries = data.clinc.__wrapped__()
    monkeypatch.setattr(data, "clinc", lambda: queries)
    assert "stand-in" in queries.name
    place = {row.tobytes(): i for i, row in enumerate(queries.x)}
    for kind, column in (("out-of-scope", queries.oos), ("new domain", queries.domains == data.TRAVEL)):
        before, after = data.query_window(kind, 5, np.random.default_rng(0))
        rows = [[place[row.tobytes()] for row in x] for x in (before, after)]
        assert (len(rows[0]), len(rows[1]), len({*rows[0], *rows[1]})) == (2700, 400, 3100)
        assert column[rows[0]].sum() == 0
        assert column[rows[1]].sum() == 20
    b, c = (data.scenario(name, np.random.default_rng(1)) for name in "BC")
    assert all((v.batch.x == w.batch.x).all() for v, w in zip(b.weeks, c.weeks, strict=True))
    assert [w.drift for w in b.weeks] == [False] * 6 + [True] * 6
    fall = [1 - s.weeks[11].batch.outcomes["success"][:, 0].mean() for s in (b, c)]
    assert fall[0] > 0.4
    assert fall[1] < 0.1
