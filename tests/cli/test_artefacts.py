"""``tidegauge fit``, ``sketch`` and ``inspect``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Tidegauge
from tidegauge import Reference


def test_fit_reads_all_files_and_says_where_it_wrote(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.tg"
    done = tidegauge("fit", files / "before.npy", files / "same.npy", "-o", out, "--seed", "4", "--model-id", "m")
    reference = Reference.load(out)
    assert (done.status, done.err, done.out.splitlines()[-1]) == (0, "", str(out))
    assert (reference.rows, reference.seed, reference.model_id) == (320, 4, "m")
    assert reference.hash[:12] in done.out


def test_fit_says_when_it_cut(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    for rows, cut in ((160, True), (320, False)):
        done = tidegauge("fit", files / "before.npy", files / "same.npy", "-o", tmp_path / "r.tg", "--rows", str(rows))
        assert (done.status, f"first {rows} rows" in done.err) == (0, cut)
        assert Reference.load(tmp_path / "r.tg").rows == min(rows, 320)


def test_fit_takes_columns(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    options = ["--column", "vector", "--id-column", "key", "--text-column", "words", "--time-column", "at"]
    options += ["--session-column", "visit", "--outcome", "success"]
    assert tidegauge("fit", files / "before.parquet", "-o", tmp_path / "r.tg", *options).status == 0
    reference = Reference.load(tmp_path / "r.tg")
    assert reference.calibration.unit == "session"
    assert list(reference.base.outcomes) == ["success"]
    told = tidegauge(
        "compare",
        tmp_path / "r.tg",
        files / "moved.parquet",
        "--column",
        "vector",
        "--outcome",
        "success",
        "--format",
        "json",
    )
    assert json.loads(told.out)["outcomes"][0]["rows_after"] == 160


def test_fit_without_samples_keeps_none(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    tidegauge("fit", files / "before.parquet", "--text-column", "words", "-o", tmp_path / "r.tg", "--no-samples")
    assert len(Reference.load(tmp_path / "r.tg").base.uniform.x) == 0
    assert b"of before" not in (tmp_path / "r.tg").read_bytes()


def test_fit_never_writes_over_other_files(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.npy"
    data.write_bytes((files / "before.npy").read_bytes())
    done = tidegauge("fit", data, "-o", data)
    assert (done.status, "did not make" in done.err) == (2, True)
    assert data.read_bytes() == (files / "before.npy").read_bytes()


@pytest.mark.parametrize("out", ["missing/r.tg", "."])
def test_fit_says_where_it_cannot_write(tidegauge: Tidegauge, files: Path, tmp_path: Path, out: str) -> None:
    done = tidegauge("fit", files / "before.npy", "-o", tmp_path / out)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)


def test_fit_refuses_what_is_no_vectors(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    for given in ("normal.tg", "moved.tgs", "few.npy"):
        done = tidegauge("fit", files / given, "-o", tmp_path / "r.tg")
        assert (done.status, done.err.count("\n")) == (2, 1)
        assert given in done.err


def test_sketch_is_refused_under_another_model(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    arguments = (
        "sketch",
        files / "moved.npy",
        "-r",
        files / "modelled.tg",
        "-o",
        tmp_path / "s.tgs",
        "--model-id",
        "encoder-2",
    )
    assert tidegauge(*arguments).status == 2
    assert tidegauge(*arguments, "--ignore-model-id").status == 0


def test_inspect_reference(tidegauge: Tidegauge, files: Path) -> None:
    facts = json.loads(tidegauge("inspect", files / "modelled.tg", "--format", "json").out)
    reference = Reference.load(files / "modelled.tg")
    assert facts["kind"] == "reference"
    assert facts["hash"] == reference.hash
    assert (facts["rows"], facts["width"], facts["model_id"]) == (160, 4, "encoder-1")
    assert facts["resolution"] == reference.resolution()
    text = tidegauge("inspect", files / "modelled.tg").out
    assert reference.hash in text
    assert "bin width sd: 0.125" in text


def test_inspect_sketch(tidegauge: Tidegauge, files: Path) -> None:
    facts = json.loads(tidegauge("inspect", files / "moved.tgs", "--format", "json").out)
    assert (facts["kind"], facts["rows"], facts["width"]) == ("sketch", 160, 4)
    assert facts["reference"] == Reference.load(files / "normal.tg").hash


@pytest.mark.parametrize("given", ["before.npy", "missing.tg", "."])
def test_inspect_refuses_the_rest(tidegauge: Tidegauge, files: Path, given: str) -> None:
    done = tidegauge("inspect", files / given)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)


def test_resolution_is_what_the_reference_holds(files: Path) -> None:
    reference = Reference.load(files / "normal.tg")
    told = reference.resolution()
    assert told["mmd_error"] == 4 / np.sqrt(512)
    assert told["duplicates_error"] == 1 / 32
    assert told["bin_width_sd"] == told["wasserstein_error_sd"] == np.diff(reference.basis.edges)[0]
    assert told["rows"] == reference.base.rows
