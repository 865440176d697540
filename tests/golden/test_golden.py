"""Files of every released version still load, and still say what they said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.golden.make import HERE, told
from tidegauge import Reference, Sketch

VERSIONS = sorted(path.stem.removeprefix("told-") for path in HERE.glob("told-*.json"))


def close(found: Any, recorded: Any) -> None:
    if isinstance(recorded, dict):
        assert set(recorded) <= set(found)
        for name, value in recorded.items():
            close(found[name], value)
    elif isinstance(recorded, list):
        assert len(found) == len(recorded)
        for one, two in zip(found, recorded, strict=True):
            close(one, two)
    elif isinstance(recorded, float):
        assert found == pytest.approx(recorded, rel=1e-6, abs=1e-6, nan_ok=True)
    else:
        assert found == recorded


def test_there_are_golden_files() -> None:
    assert "0.1" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_files_load_and_say_the_same(version: str) -> None:
    reference = Reference.load(HERE / f"reference-{version}.bin")
    data = (HERE / f"sketch-{version}.bin").read_bytes()
    sketch = Sketch.from_bytes(data)
    recorded = json.loads((HERE / f"told-{version}.json").read_text())
    close(told(reference, sketch), recorded)
    assert reference.model_id == "golden"
    assert (sketch + reference.empty()).rows == recorded["rows"][2]


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_files_are_small(version: str) -> None:
    assert sum(path.stat().st_size for path in HERE.glob(f"*-{version}.bin")) < 300_000


def test_this_version_still_writes_the_same_bytes() -> None:
    reference = Reference.load(HERE / "reference-0.1.bin")
    assert reference.to_bytes() == (HERE / "reference-0.1.bin").read_bytes()
    assert (
        Sketch.from_bytes((HERE / "sketch-0.1.bin").read_bytes()).to_bytes() == (HERE / "sketch-0.1.bin").read_bytes()
    )
