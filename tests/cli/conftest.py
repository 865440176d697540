"""One small set of files, and a command line run in this process as the console script runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.place import SETTINGS, Place, reference
from tidegauge import Reference
from tidegauge.cli import run


class Done(NamedTuple):
    status: int
    out: str
    err: str


Tidegauge = Callable[..., Done]


@pytest.fixture
def tidegauge(capsys: pytest.CaptureFixture[str]) -> Tidegauge:
    def call(*arguments: str | Path) -> Done:
        status = run([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Done(status, out, err)

    return call


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``before``, ``same`` and ``moved`` as .npy, .parquet tables of the first and last, references and sketches."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(5)
    x = rng.standard_normal((480, 4)).astype(np.float32)
    x[:240, :2] *= 2
    before, same, moved = np.split(rng.permutation(x), 3)
    rows = {"before": before, "same": same, "moved": moved + 1}
    for name, values in rows.items():
        np.save(folder / f"{name}.npy", values)
        pq.write_table(table(values, name), folder / f"{name}.parquet")
    np.save(folder / "few.npy", rows["same"][:4])
    np.save(folder / "wide.npy", rng.standard_normal((160, 5)))
    assert run(["fit", str(folder / "before.npy"), "-o", str(folder / "normal.tg")]) == 0
    replace(Reference.load(folder / "normal.tg"), model_id="encoder-1").save(folder / "modelled.tg")
    line = ["sketch", "moved.npy", "-r", "normal.tg", "-o", "moved.tgs"]
    assert run([str(folder / word) if "." in word else word for word in line]) == 0
    return folder


@pytest.fixture(scope="session")
def normal() -> Reference:
    return reference()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tidegauge: Tidegauge, normal: Reference) -> Place:
    """The current folder, with settings and the reference that they name."""
    monkeypatch.chdir(tmp_path)
    normal.save(tmp_path / "normal.tg")
    here = Place(tmp_path, tidegauge)
    here.settings(SETTINGS)
    return here


def table(x: np.ndarray, name: str) -> pa.Table:
    n = len(x)
    columns = {
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1]),
        "key": pa.array([f"{name}-{i}" for i in range(n)]),
        "words": pa.array([f"text {i} of {name}" for i in range(n)]),
        "at": pa.array(np.arange(n) * 60.0 + 1.7e9),
        "visit": pa.array([f"{name}-s{i // 2}" for i in range(n)]),
        "success": pa.array((np.arange(n) % (2 if name == "moved" else 5) > 0).astype(float)),
    }
    return pa.table(columns)
