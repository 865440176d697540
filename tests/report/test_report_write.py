from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.report.cases import drifted, hostile, insufficient
from tidegauge.records import Comparison
from tidegauge.report import files, model, write_report
from tidegauge.report.formats import clean, number, p_value, percent, plain, points, z_value

_NAMES = {
    "report.html", "report.json", "report.txt",
    "embedding-drift-pca.svg", "embedding-drift-pca.png", "pc1.svg", "pc1.png", "scores.svg", "scores.png",
}  # fmt: skip


@pytest.mark.parametrize("build", [drifted, insufficient, hostile])
def test_writes_every_file_the_same_every_time(build: type[Comparison], tmp_path: Path) -> None:
    changes = {f"change-{i + 1}.{kind}" for i in range(len(build().decompositions)) for kind in ("svg", "png")}
    first, second = write_report(build(), tmp_path / "a" / "b"), write_report(build(), tmp_path / "c")
    assert {path.name for path in first} == _NAMES | changes == {path.name for path in (tmp_path / "c").iterdir()}
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert (tmp_path / "c" / "report.html").stat().st_size < 1_500_000


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    write_report(drifted(), tmp_path)
    write_report(insufficient(), tmp_path)
    assert (tmp_path / "report.txt").read_text("utf-8").startswith("Insufficient data")


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.txt").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.replace_file(tmp_path / "report.txt", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_others_may_read_the_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    written = files.replace_file(tmp_path / "report.txt", b"new")
    assert written.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("say", "value", "said"),
    [
        (percent, 0.99951, "100 %"),
        (percent, 1.0, "100 %"),
        (percent, -0.00001, "> -0.01 %"),
        (percent, 0.00996, "1.0 %"),
        (percent, 12.5, "1250 %"),
        (points, 0.0, "0 points"),
        (p_value, 0.0995, "0.10"),
        (p_value, 1.0, "1.00"),
        (number, 999.6, "1 000"),
        (number, -12345.6, "-12 346"),
        (z_value, 99.96, "+100"),
        (z_value, -0.02, "-0.0"),
    ],
)
def test_numbers_at_the_edges(say: object, value: float, said: str) -> None:
    assert callable(say)
    assert plain(say(value)) == said


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("\x9b31mred", "31mred"),
        ("a\u2028b\r\nc\td", "a b c d"),
        ("\u2066abc\u2069", "abc"),
        ("\udc80", "\ufffd"),
        ("\x1b", ""),
        ("👩‍💻", "👩‍💻"),
    ],
)
def test_clean(given: str, kept: str) -> None:
    assert clean(given) == kept


def test_no_warning_without_a_drift_to_see() -> None:
    assert model.visible_warning(insufficient()) == ""
