"""``--interactive``: what it writes, what it wants, and what it says where Bokeh is missing."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tests.cli.conftest import Tidegauge


@pytest.fixture
def no_bokeh(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def blind(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "bokeh" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", blind)


def test_writes_the_interactive_page_beside_the_others(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    line = (
        "compare",
        files / "before.parquet",
        files / "moved.parquet",
        "--text-column",
        "words",
        "--outcome",
        "success",
    )
    pages = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        done = tidegauge(*line, "--out", folder, "--interactive")
        assert done.status == 1
        assert str(folder / "explore.html") in done.out.splitlines()
        pages.append((folder / "explore.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"outcome: success" in pages[0]


def test_a_reference_and_a_sketch_have_a_map_too(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    assert (
        tidegauge("compare", files / "normal.tg", files / "moved.tgs", "--out", tmp_path, "--interactive").status == 1
    )
    assert (tmp_path / "explore.html").stat().st_size < 3_000_000


def test_not_written_where_not_asked_for(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    tidegauge("compare", files / "before.npy", files / "same.npy", "--out", tmp_path)
    assert not (tmp_path / "explore.html").exists()


def test_wants_a_folder(tidegauge: Tidegauge, files: Path) -> None:
    done = tidegauge("compare", files / "before.npy", files / "same.npy", "--interactive")
    assert (done.status, done.out) == (2, "")
    assert "--interactive: got no --out" in done.err


@pytest.mark.usefixtures("no_bokeh")
def test_says_what_to_install(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    done = tidegauge("compare", files / "before.npy", files / "same.npy", "--out", tmp_path / "out", "--interactive")
    assert (done.status, done.out) == (2, "")
    assert "pip install 'tidegauge[interactive]'" in done.err
    assert not (tmp_path / "out").exists()
