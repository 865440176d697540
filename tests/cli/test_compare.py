"""``tidegauge compare``: every option, every kind of input, exit statuses, and the same output every time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Tidegauge

REPORT = ["report.html", "report.json", "report.txt"]
PICTURES = [f"{name}.{kind}" for name in ("embedding-drift-pca", "pc1", "scores") for kind in ("svg", "png")]


def test_exit_statuses(tidegauge: Tidegauge, files: Path) -> None:
    before = files / "before.npy"
    assert tidegauge("compare", before, files / "same.npy", "--alpha", "0.001").status == 0
    assert tidegauge("compare", before, files / "moved.npy").status == 1
    assert tidegauge("compare", before, files / "missing.npy").status == 2
    assert tidegauge("compare", before, files / "few.npy").status == 3


def test_text_names_the_files_and_says_nothing_else(tidegauge: Tidegauge, files: Path) -> None:
    done = tidegauge("compare", files / "before.npy", files / "moved.npy")
    assert done.out.startswith("Drift: as if ")
    assert "before.npy (160 rows) against moved.npy (160 rows)" in done.out
    assert done.err == ""
    assert "\x1b" not in done.out


def validate(text: str) -> dict[str, object]:
    schema = resources.files("tidegauge.report").joinpath("schema/comparison-1.json").read_text("utf-8")
    result = json.loads(text)
    jsonschema.Draft202012Validator(json.loads(schema)).validate(result)
    return result


@pytest.mark.parametrize("first", ["before.npy", "normal.tg"])
def test_json_keeps_to_its_schema(tidegauge: Tidegauge, files: Path, first: str) -> None:
    result = validate(tidegauge("compare", files / first, files / "moved.npy", "--format", "json").out)
    assert result["door"] == ("two samples" if first == "before.npy" else "frozen reference")
    assert result["before"]["label"] == first  # type: ignore[index]


def test_out_writes_the_whole_report_and_prints_the_paths_last(
    tidegauge: Tidegauge, files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "report"
    done = tidegauge("compare", files / "before.npy", files / "moved.npy", "--out", out, "--format", "html")
    assert done.status == 1
    assert done.out.splitlines()[-len(REPORT + PICTURES) :] == [str(out / name) for name in REPORT + PICTURES]
    assert sorted(each.name for each in out.iterdir()) == sorted(REPORT + PICTURES)


def test_json_with_out_keeps_stdout_json(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    done = tidegauge("compare", files / "before.npy", files / "moved.npy", "--out", tmp_path, "--format", "json")
    assert validate(done.out) == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert str(tmp_path / "report.html") in done.err


def test_the_same_seed_gives_the_same_bytes(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    arguments = ("compare", files / "before.parquet", files / "moved.parquet", "--text-column", "words", "--seed", "3")
    printed: list[str] = []
    digests: list[dict[str, str]] = []
    for _ in range(2):
        printed.append(tidegauge(*arguments, "--out", tmp_path / "out").out)
        digests.append(
            {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in (tmp_path / "out").iterdir()}
        )
        shutil.rmtree(tmp_path / "out")
    assert printed[0] == printed[1]
    assert digests[0] == digests[1]


def test_columns_reach_the_result(tidegauge: Tidegauge, files: Path) -> None:
    options = ["--column", "vector", "--id-column", "key", "--text-column", "words", "--time-column", "at"]
    options += ["--session-column", "visit", "--outcome", "success"]
    done = tidegauge("compare", files / "before.parquet", files / "moved.parquet", *options, "--format", "json")
    result = json.loads(done.out)
    assert (done.status, result["panel"]["unit"]) == (1, "session")
    assert result["before"]["first_time"] == 1.7e9
    assert result["outcomes"][0]["name"] == "success"
    assert result["view"]["after_ids"][0].startswith("moved-")
    assert result["view"]["after_texts"][0].endswith("of moved")


def test_outcomes_are_taken_apart_and_what_is_harm_is_heard(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    sides = (files / "before.parquet", files / "moved.parquet", "--column", "vector", "--session-column", "visit")
    done = tidegauge("compare", *sides, "--outcome", "success:rises", "--out", tmp_path / "out", "--format", "json")
    result = validate(done.out)
    (found,) = result["decompositions"]  # type: ignore[misc]
    assert found["outcome"] == {"name": "success", "harmful": "rises", "unit": "share"}
    assert found["resampled"] == "sessions"
    parts = [found[kind]["change"] for kind in ("mix", "within", "new")]
    assert abs(sum(parts) - found["change"]) < 1e-12
    assert abs(sum(group["change"] for group in found["groups"]) - found["change"]) < 1e-12
    assert result["impact"]["sentence"] in done.out  # type: ignore[index]
    assert {"change-1.svg", "change-1.png"} <= {each.name for each in (tmp_path / "out").iterdir()}


def test_who_changed_and_what_the_documents_cover(tidegauge: Tidegauge, files: Path) -> None:
    sides = (files / "before.parquet", files / "moved.parquet", "--column", "vector", "--text-column", "words")
    index = ("--documents", files / "before.parquet", "--documents-before", files / "before.parquet")
    done = tidegauge("compare", *sides, *index, "--by", "length", "--format", "json")
    result = validate(done.out)
    assert result["coverage"]["documents"] == 160  # type: ignore[index]
    assert {row["property"] for row in result["explained"]} == {"length"}  # type: ignore[union-attr]
    refused = tidegauge("compare", files / "normal.tg", files / "moved.parquet", "--column", "vector", "--by", "words")
    assert (refused.status, "--by" in refused.err) == (2, True)


def test_exchangeable_is_heard(tidegauge: Tidegauge, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal((402, 3))
    smooth = noise[:-2] + noise[1:-1] + noise[2:]
    np.save(tmp_path / "a.npy", smooth[:200])
    np.save(tmp_path / "b.npy", smooth[200:])
    units = []
    for extra in ([], ["--exchangeable"]):
        done = tidegauge("compare", tmp_path / "a.npy", tmp_path / "b.npy", "--format", "json", *extra)
        units.append(json.loads(done.out)["panel"]["unit"])
    assert units[0].startswith("block")
    assert units[1] == "row"


def test_min_effect_turns_a_small_drift_down(tidegauge: Tidegauge, files: Path) -> None:
    assert tidegauge("compare", files / "before.npy", files / "moved.npy", "--min-effect", "100").status == 0


def test_seed_and_model_are_recorded(tidegauge: Tidegauge, files: Path) -> None:
    done = tidegauge(
        "compare", files / "before.npy", files / "same.npy", "--seed", "9", "--model-id", "m", "--format", "json"
    )
    result = json.loads(done.out)
    assert (result["seed"], result["model_id"]) == (9, "m")


def write_as(kind: str, x: np.ndarray, path: Path) -> Path:
    rows = x.tolist()
    match kind:
        case "npy":
            np.save(path, x)
        case "npz":
            np.savez(path, vectors=x)
        case "parquet":
            pq.write_table(pa.table({"v": pa.array(rows, pa.list_(pa.float32()))}), path)
        case "arrow":
            data = pa.table({"v": pa.array(rows, pa.large_list(pa.float64()))})
            with pa.ipc.new_file(path, data.schema) as writer:
                writer.write_table(data)
        case "csv":
            lines = [",".join(f"d{i}" for i in range(x.shape[1])), *(",".join(map(str, row)) for row in rows)]
            path.write_text("\n".join(lines) + "\n")
        case _:
            path.write_text("".join(json.dumps({"v": row}) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet", "arrow", "csv", "jsonl"])
def test_every_format_gives_the_same_answer(tidegauge: Tidegauge, files: Path, tmp_path: Path, kind: str) -> None:
    moved = write_as(kind, np.load(files / "moved.npy"), tmp_path / f"moved.{kind}")
    told = tidegauge("compare", files / "normal.tg", moved)
    want = tidegauge("compare", files / "normal.tg", files / "moved.npy")
    assert told.status == 1
    assert told.out.replace(f"moved.{kind}", "moved.npy").splitlines()[0] == want.out.splitlines()[0]


# ------------------------------------------------------------------------------------------------- a reference as A


def test_folder_pattern_and_sketch_agree(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for at, part in enumerate(np.array_split(np.load(files / "moved.npy"), 3)):
        np.save(parts / f"part-{at}.npy", part)
    given = [parts, parts / "part-*.npy", files / "moved.tgs", files / "moved.npy"]
    told = {tidegauge("compare", files / "normal.tg", each).out.splitlines()[0] for each in given}
    assert len(told) == 1


def test_reference_fixes_seed_and_exchangeability(tidegauge: Tidegauge, files: Path) -> None:
    for option in (["--seed", "1"], ["--exchangeable"]):
        done = tidegauge("compare", files / "normal.tg", files / "same.npy", *option)
        assert done.status == 2
        assert option[0] in done.err
        assert "fixes this already" in done.err


def test_no_samples_keeps_no_row(tidegauge: Tidegauge, files: Path) -> None:
    done = tidegauge(
        "compare",
        files / "normal.tg",
        files / "moved.parquet",
        "--text-column",
        "words",
        "--no-samples",
        "--format",
        "json",
    )
    assert json.loads(done.out)["view"]["after_texts"] == []
    assert "of moved" not in done.out
    assert tidegauge("compare", files / "before.npy", files / "same.npy", "--no-samples").status == 2


def test_models_must_agree(tidegauge: Tidegauge, files: Path) -> None:
    arguments = ("compare", files / "modelled.tg", files / "moved.npy", "--model-id")
    assert tidegauge(*arguments, "encoder-1").status == 1
    refused = tidegauge(*arguments, "encoder-2")
    assert refused.status == 2
    assert "encoder-1" in refused.err
    assert "encoder-2" in refused.err
    assert tidegauge(*arguments, "encoder-2", "--ignore-model-id").status == 1
    unknown = tidegauge("compare", files / "normal.tg", files / "moved.npy", "--model-id", "encoder-1")
    assert (unknown.status, "could not be checked" in unknown.err) == (1, True)


def test_max_rejected_sets_the_share(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    rows = np.load(files / "moved.npy")
    rows[7] = np.nan
    np.save(tmp_path / "nan.npy", rows)
    for first in ("before.npy", "normal.tg"):
        passed = tidegauge("compare", files / first, tmp_path / "nan.npy")
        said = " ".join(passed.out.split())  # a long path is wrapped
        assert (passed.status, "nan.npy, row 8" in said) == (1, True)
        refused = tidegauge("compare", files / first, tmp_path / "nan.npy", "--max-rejected", "0")
        assert (refused.status, "nan.npy, row 8" in refused.err) == (2, True)


def test_kinds_in_the_wrong_place(tidegauge: Tidegauge, files: Path) -> None:
    for first, second, hint in (
        ("before.npy", "normal.tg", "in place of A"),
        ("moved.tgs", "before.npy", "in place of B"),
        ("before.npy", "moved.tgs", "made under"),
        ("modelled.tg", "moved.tgs", "Sketch the window under this reference"),
    ):
        done = tidegauge("compare", files / first, files / second)
        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
        assert hint in done.err


def test_output_is_checked_before_any_work(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        done = tidegauge("compare", files / "before.npy", files / "missing.npy", "--out", out)
        assert (done.status, done.err.count("\n")) == (2, 1)
        assert "which is a file" in done.err
    assert "no --out" in tidegauge("compare", files / "before.npy", files / "same.npy", "--format", "html").err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = tidegauge("compare", files / "before.npy", files / "same.npy", "--out", tmp_path / "out")
    assert (done.status, "no permission" in done.err) == (2, True)


def test_folder_that_turns_out_unwritable(
    tidegauge: Tidegauge, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tidegauge.report.write_report", full)
    done = tidegauge("compare", files / "before.npy", files / "same.npy", "--out", tmp_path)
    assert (done.status, "No space left on device" in done.err) == (2, True)


@pytest.mark.parametrize(
    "option",
    ["--alpha 0.9", "--alpha x", "--min-effect -1", "--seed -1", "--max-rejected 2", "--format pdf", "--nothing"],
)
def test_settings_out_of_range(tidegauge: Tidegauge, files: Path, option: str) -> None:
    done = tidegauge("compare", files / "before.npy", files / "same.npy", *option.split())
    assert (done.status, done.out) == (2, "")
    assert option.partition(" ")[0].strip("-").replace("-", "_") in done.err.replace("-", "_")
