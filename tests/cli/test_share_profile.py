"""A work budget and profiles from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Tidegauge

ROWS = 600


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    rng = np.random.default_rng(8)
    for name, shift in (("normal", 0.0), ("week", 0.4)):
        np.save(folder / f"{name}.npy", (rng.standard_normal((ROWS, 6)) + shift).astype(np.float32))
    return folder


def test_a_profile_is_kept_by_the_reference_and_said(tidegauge: Tidegauge, store: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.tg"
    made = tidegauge("fit", store / "normal.npy", "-o", small, "--exchangeable", "--profile", "small")
    assert made.status == 0
    told = json.loads(tidegauge("inspect", small, "--format", "json").out)
    assert told["profile"] == "small"
    assert told["resolution"]["frequencies"] == 128
    done = tidegauge("compare", small, store / "week.npy", "--format", "json")
    assert (done.status, json.loads(done.out)["profile"]) == (1, "small")
    both = tidegauge("compare", store / "normal.npy", store / "week.npy", "--profile", "small", "--format", "json")
    assert (both.status, json.loads(both.out)["profile"]) == (1, "small")


def test_a_work_budget_is_said_in_the_verdict_and_kept_in_the_sketch(
    tidegauge: Tidegauge, store: Path, tmp_path: Path
) -> None:
    normal, week = tmp_path / "normal.tg", tmp_path / "week.tgs"
    assert tidegauge("fit", store / "normal.npy", "-o", normal, "--exchangeable").status == 0
    made = tidegauge("sketch", store / "week.npy", "-r", normal, "-o", week, "--share", "0.5")
    told = json.loads(tidegauge("inspect", week, "--format", "json").out)
    assert (told["rows_seen"], told["share"]) == (ROWS, 0.5)
    assert 240 < told["rows"] < 360
    assert f"Sketch of {told['rows']} of {ROWS} rows" in made.out
    for window in ((week,), (store / "week.npy", "--share", "0.5")):
        done = tidegauge("compare", normal, *window, "--format", "json")
        notes = json.loads(done.out)["verdict"]["notes"]
        assert any(note.startswith(f"Work budget: {told['rows']} of {ROWS} rows were summed") for note in notes)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--profile", "huge", "profile: got 'huge', want one of standard, small, wide"),
        ("--share", "0.5", "--share: got two files of vectors, want a reference as A"),
    ],
)
def test_what_two_files_cannot_take(tidegauge: Tidegauge, store: Path, option: str, value: str, message: str) -> None:
    done = tidegauge("compare", store / "normal.npy", store / "week.npy", option, value)
    assert (done.status, message in done.err) == (2, True), done.err


def test_what_a_reference_cannot_take(tidegauge: Tidegauge, store: Path, tmp_path: Path) -> None:
    normal = tmp_path / "normal.tg"
    assert tidegauge("fit", store / "normal.npy", "-o", normal, "--exchangeable").status == 0
    for option, value, message in (
        ("--share", "0", "share: got 0, want a share of the rows above 0, at most 1"),
        ("--share", "nan", "share: got nan, want a share of the rows above 0, at most 1"),
        ("--profile", "small", "--profile"),
    ):
        done = tidegauge("compare", normal, store / "week.npy", option, value)
        assert (done.status, message in done.err) == (2, True), done.err
