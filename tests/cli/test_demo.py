"""``tidegauge demo``, on fewer rows than a person gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Tidegauge
from tidegauge.records import Batch
from tidegauge.testing import Product

WANTED = {"report.html", "embedding-drift-pca.svg", "pc1-week0.svg", "pc1-week4.svg", "history.svg"}


def test_demo_tells_every_week_and_ends_in_paths(
    tidegauge: Tidegauge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Product.week

    def small(product: Product, k: int, rows: int = 150) -> Batch:
        return whole(product, k, rows)

    monkeypatch.setattr(Product, "week", small)
    done = tidegauge("demo", "--out", tmp_path / "demo")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Generated data")
    assert "0.00625" in done.out
    lines = done.out.splitlines()
    told = [line.split()[0] for line in lines if line.startswith("   ")]
    assert told == list("012345678")
    *_, answer, last = done.out.rstrip("\n").split("\n\n")
    paths = [Path(line) for line in last.splitlines()]
    assert "success" in answer
    assert "ssociated" in answer
    assert "caused" not in answer
    assert {path.name for path in paths} >= WANTED
    assert all(path.stat().st_size > 1000 for path in paths)
