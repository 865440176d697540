"""int8 and truncated vectors: accepted, rescaled, said; other widths only where it was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Tidegauge

RNG = np.random.default_rng(21)
WIDTH, SHORT = 12, 4
INT8 = "int8 vectors, rescaled by 1/127"
TRUNCATED = f"vectors truncated to their first {SHORT} of {WIDTH} dimensions and renormalised"


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    before, after = np.split(unit(RNG.standard_normal((320, WIDTH)) + 0.2), 2)
    for name, x in {"before": before, "after": after}.items():
        np.save(folder / f"{name}.npy", x)
        np.save(folder / f"{name}8.npy", np.round(x * 127).astype(np.int8))
        np.save(folder / f"{name}-short.npy", unit(x[:, :SHORT]))
        np.save(folder / f"{name}-raw.npy", x[:, :SHORT])
    np.save(folder / "after-other.npy", unit(RNG.standard_normal((160, WIDTH + 1))))
    np.save(folder / "bits.npy", RNG.integers(0, 256, (160, WIDTH)).astype(np.uint8))
    return folder


def result(tidegauge: Tidegauge, *arguments: str | Path) -> tuple[float, list[str]]:
    done = tidegauge("compare", *arguments, "--format", "json")
    assert done.status in (0, 1), done.err
    told = json.loads(done.out)
    return told["panel"]["p"], told["verdict"]["notes"]


def test_int8_beside_int8_and_beside_floats(tidegauge: Tidegauge, store: Path) -> None:
    p, notes = result(tidegauge, store / "before8.npy", store / "after8.npy", "--exchangeable")
    assert (p > 0.05, f"{INT8}." in notes) == (True, True)
    p, notes = result(tidegauge, store / "before.npy", store / "after8.npy", "--exchangeable")
    assert p > 0.05
    assert notes[:2] == [f"after: {INT8}.", "before: rounded as the int8 vectors beside them are."]


def test_another_scale_is_stated_and_said(tidegauge: Tidegauge, store: Path) -> None:
    p, notes = result(tidegauge, store / "before.npy", store / "after8.npy", "--scale", "0.02", "--exchangeable")
    assert p == 0.001
    assert notes[0] == "after: int8 vectors, rescaled by 0.02."
    done = tidegauge("compare", store / "before.npy", store / "after8.npy", "--scale", "0")
    assert (done.status, done.err) == (2, "tidegauge: scale: got 0, want a number above 0\n")


def test_uint8_is_refused(tidegauge: Tidegauge, store: Path) -> None:
    done = tidegauge("compare", store / "before.npy", store / "bits.npy")
    assert done.status == 2
    assert f"{store}/bits.npy: got uint8 vectors, want float or int8 ones." in done.err
    assert "packed binary vectors" in done.err


def test_truncation_equals_truncating_by_hand(tidegauge: Tidegauge, store: Path) -> None:
    p, notes = result(tidegauge, store / "before.npy", store / "after.npy", "--truncate", "4", "--exchangeable")
    by_hand, plain = result(tidegauge, store / "before-short.npy", store / "after-short.npy", "--exchangeable")
    assert p == by_hand
    assert f"{TRUNCATED}." in notes
    assert not [note for note in plain if "trunc" in note]
    one, notes = result(tidegauge, store / "before-short.npy", store / "after.npy", "--truncate", "4", "--exchangeable")
    assert one == p
    assert notes[:2] == ["before: vectors renormalised.", f"after: {TRUNCATED}."]


def test_another_width_is_refused_with_a_hint(tidegauge: Tidegauge, store: Path) -> None:
    for pair in (("before-short.npy", "after.npy"), ("before.npy", "after-short.npy")):
        done = tidegauge("compare", *(store / name for name in pair))
        assert done.status == 2
        assert "say --truncate 4" in done.err
    done = tidegauge("compare", store / "before.npy", store / "after.npy", "--truncate", "13")
    assert (done.status, "got vectors of width 12, want at least 13" in done.err) == (2, True)
    done = tidegauge("compare", store / "before.npy", store / "after-other.npy", "--truncate", "4")
    assert (done.status, "got vectors truncated from width 13, want width 12" in done.err) == (2, True)


@pytest.fixture(scope="module")
def references(store: Path) -> Path:
    from tidegauge.cli import run

    for name, line in {
        "full": ["before.npy"],
        "short": ["before-short.npy"],
        "cut": ["before.npy", "--truncate", "4"],
        "int8": ["before8.npy", "--scale", "0.01"],
    }.items():
        options = [str(store / word) if word.endswith(".npy") else word for word in line]
        assert run(["fit", *options, "--exchangeable", "-o", str(store / f"{name}.tg")]) == 0
    return store


def test_a_reference_knows_how_its_vectors_were_treated(tidegauge: Tidegauge, references: Path) -> None:
    told = json.loads(tidegauge("inspect", references / "cut.tg", "--format", "json").out)
    assert (told["width"], told["treatment"]) == (SHORT, [TRUNCATED])
    assert TRUNCATED in tidegauge("inspect", references / "cut.tg").out
    assert "rescaled by 0.01" in tidegauge("inspect", references / "int8.tg").out
    assert json.loads(tidegauge("inspect", references / "full.tg", "--format", "json").out)["treatment"] == []


def test_a_window_meets_a_truncated_reference(tidegauge: Tidegauge, references: Path) -> None:
    by_hand, _ = result(tidegauge, references / "cut.tg", references / "after-short.npy")
    for line in (["after.npy", "--truncate", "4"], ["after-raw.npy"], ["after-raw.npy", "--truncate", "4"]):
        p, notes = result(tidegauge, references / "cut.tg", references / line[0], *line[1:])
        assert p == by_hand
        both = line[0] == "after.npy"  # what holds for both sides is said once
        assert (f"{TRUNCATED}." if both else f"reference: {TRUNCATED}.") in notes
    for wide in ("after.npy", "after-other.npy"):
        done = tidegauge("compare", references / "cut.tg", references / wide)
        assert (done.status, "say --truncate 4" in done.err) == (2, True)
    done = tidegauge("compare", references / "cut.tg", references / "after-other.npy", "--truncate", "4")
    assert (done.status, "got vectors truncated from width 13, want 12" in done.err) == (2, True)


def test_narrower_than_the_reference_is_always_refused(tidegauge: Tidegauge, references: Path) -> None:
    for more in ([], ["--truncate", "4"]):
        done = tidegauge("compare", references / "full.tg", references / "after-short.npy", *more)
        assert done.status == 2
        assert "got vectors of width 4, want width 12" in done.err
        assert "truncate" not in done.err
    p, _ = result(tidegauge, references / "short.tg", references / "after.npy", "--truncate", "4")
    assert p > 0.001


def test_an_int8_window_beside_references(tidegauge: Tidegauge, references: Path) -> None:
    p, notes = result(tidegauge, references / "full.tg", references / "after8.npy")
    assert p > 0.01
    assert notes[0] == f"window: {INT8}."
    assert "made unit length again" in notes[1]
    p, notes = result(tidegauge, references / "int8.tg", references / "after8.npy")  # read with the reference's scale
    assert p > 0.01
    assert "int8 vectors, rescaled by 0.01." in notes
    done = tidegauge("compare", references / "int8.tg", references / "after8.npy", "--scale", "0.5")
    assert (done.status, "got vectors of int8 times 0.5, want 0.01, as the reference" in done.err) == (2, True)


def test_sketch_says_what_was_done(tidegauge: Tidegauge, references: Path, tmp_path: Path) -> None:
    line = ["sketch", references / "after.npy", "-r", references / "cut.tg", "-o", tmp_path / "a.tgs"]
    assert tidegauge(*line).status == 2
    done = tidegauge(*line, "--truncate", "4")
    assert (done.status, TRUNCATED in done.out) == (0, True)
    assert tidegauge("compare", references / "cut.tg", tmp_path / "a.tgs").status in (0, 3)
