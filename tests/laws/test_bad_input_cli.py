"""Law: whatever is wrong with a file, the command line says it in one line that names the file, and shows no traceback.

A new way to be bad costs one line in a registry and is tried in each place where a file can stand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Done, Tidegauge, files, tidegauge

__all__ = ["files", "tidegauge"]

Write = Callable[[Path], None]
RNG = np.random.default_rng(11)
GOOD = RNG.standard_normal((160, 4)).astype(np.float32)


def array(x: object) -> Write:
    return lambda path: np.save(path, np.asarray(x))


def spoiled(row: int, value: object, share: int = 10) -> Write:
    """Every ``share``-th row from ``row`` on is ``value``: more than may be set aside."""

    def write(path: Path) -> None:
        x = GOOD.astype(np.float64)
        x[row::share] = value
        np.save(path, x)

    return write


def objects(path: Path) -> None:
    np.save(path, np.array([[1.0, 2.0], None], dtype=object), allow_pickle=True)


def pickled(path: Path) -> None:
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.")


def text(content: str) -> Write:
    return lambda path: path.write_text(content)


def parquet(column: pa.Array) -> Write:
    return lambda path: pq.write_table(pa.table({"v": column}), path)


def truncated(path: Path) -> None:
    pq.write_table(pa.table({"v": pa.array(GOOD.tolist())}), path)
    path.write_bytes(path.read_bytes()[:-40])


def misnamed(path: Path) -> None:
    np.save(path.with_suffix(".npy"), GOOD)
    path.with_suffix(".npy").rename(path)


def half(path: Path) -> None:
    x = GOOD.astype(np.float64)
    x[::9] = 1e5
    with np.errstate(over="ignore"):
        np.save(path, x.astype(np.float16))


def cut_array(path: Path) -> None:
    np.save(path, GOOD)
    path.write_bytes(path.read_bytes()[:-100])


def ragged(path: Path) -> None:
    rows = [row[: 3 if at % 5 == 0 else 4] for at, row in enumerate(GOOD.tolist())]
    path.write_text("".join(f'{{"v": {row}}}\n' for row in rows))


def nulls(path: Path) -> None:
    rows = [None if at % 7 == 2 else row for at, row in enumerate(GOOD.tolist())]
    parquet(pa.array(rows, pa.list_(pa.float32())))(path)


REFUSED: dict[str, tuple[str, Write, str]] = {
    "NaN": ("x.npy", spoiled(3, np.nan), "16 of 160 rows set aside (10.0 %): 16 nan (first: {file}, row 4)"),
    "Inf": ("x.npy", spoiled(3, np.inf), "16 inf (first: {file}, row 4)"),
    "zero vectors": ("x.npy", spoiled(0, 0.0), "16 zero (first: {file}, row 1)"),
    "beyond float32": ("x.npy", spoiled(0, 1e300), "16 overflow (first: {file}, row 1)"),
    "float16 overflow": ("x.npy", half, "18 inf (first: {file}, row 1)"),
    "ragged rows": ("x.jsonl", ragged, "width (first: {file}, row "),
    "nulls": ("x.parquet", nulls, "null (first: {file}, row 3)"),
    "wrong width": ("x.npy", array(RNG.standard_normal((160, 5))), "width"),
    "complex numbers": ("x.npy", array(GOOD.astype(complex)), "{file}"),
    "one dimension": ("x.npy", array(GOOD[0]), "{file}"),
    "three dimensions": ("x.npy", array(GOOD[None]), "{file}"),
    "no rows": ("x.npy", array(GOOD[:0]), "{file}"),
    "an empty file": ("x.npy", text(""), "an empty file"),
    "an empty CSV": ("x.csv", text(""), "an empty file"),
    "a header only": ("x.csv", text("a,b,c,d\n"), "{file}"),
    "a CSV of strings": ("x.csv", text("a,b\n" + "yes,no\n" * 50), "{file}"),
    "one word among numbers": ("x.csv", text("a,b,c,d\n" + "1,2,3,4\n" * 40 + "1,2,x,4\n"), "{file}"),
    "not JSON": ("x.jsonl", text('{"v": [1, 2, 3, 4]}\n{"v": [1,\n'), "{file}"),
    "strings in Parquet": ("x.parquet", parquet(pa.array(["a"] * 50)), "{file}"),
    "truncated Parquet": ("x.parquet", truncated, "{file}"),
    "truncated npy": ("x.npy", cut_array, "{file}"),
    "object array": ("x.npy", objects, "{file}"),
    "a pickle": ("x.pkl", pickled, "never loaded"),
    "a pickle under a good name": ("x.npy", pickled, "{file}"),
    "another format's name": ("x.parquet", misnamed, "NumPy"),
    "an unknown format": ("x.docx", text("hello"), "unknown extension"),
}  # fmt: skip


def refused(done: Done, *parts: str) -> None:
    """One line on stderr, nothing on stdout, status 2."""
    assert (done.status, done.out) == (2, ""), done
    assert done.err.startswith("tidegauge: ")
    assert done.err.count("\n") == 1, done.err
    assert "unexpected" not in done.err
    for part in parts:
        assert part in done.err, f"{part!r} is not in {done.err!r}"


@pytest.mark.parametrize("fault", REFUSED)
@pytest.mark.parametrize("place", ["A", "B", "B of a reference", "fit"])
def test_bad_vectors(tidegauge: Tidegauge, files: Path, tmp_path: Path, fault: str, place: str) -> None:
    name, write, said = REFUSED[fault]
    bad = tmp_path / name
    write(bad)
    good = files / "before.npy"
    if fault == "wrong width" and place == "fit":
        refused(tidegauge("fit", good, bad, "-o", tmp_path / "r.tg"), str(bad), said)
        return
    line = {
        "A": ["compare", bad, good],
        "B": ["compare", good, bad],
        "B of a reference": ["compare", files / "normal.tg", bad],
        "fit": ["fit", bad, "-o", tmp_path / "r.tg"],
    }[place]
    refused(tidegauge(*line), str(bad), said.format(file=bad))
    assert not (tmp_path / "r.tg").exists()


def test_one_row_says_so(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", GOOD[:1])
    refused(tidegauge("compare", files / "before.npy", tmp_path / "one.npy"), "one.npy", "1 usable row,")
    told = tidegauge("compare", files / "normal.tg", tmp_path / "one.npy")
    assert (told.status, "Insufficient data" in told.out) == (3, True)


def test_missing_columns_are_named(tidegauge: Tidegauge, files: Path) -> None:
    table, other = files / "before.parquet", files / "moved.parquet"
    for option in ("--column", "--id-column", "--text-column", "--time-column", "--session-column", "--outcome"):
        refused(tidegauge("compare", table, other, option, "nowhere"), str(table), "nowhere")
    refused(tidegauge("compare", table, other, "--outcome", "words"), "before.parquet", "words")


def test_one_vector_repeated(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "same.npy", np.ones((150, 4)))
    refused(tidegauge("compare", tmp_path / "same.npy", tmp_path / "same.npy"), "same.npy", "repeated")
    refused(tidegauge("fit", tmp_path / "same.npy", "-o", tmp_path / "r.tg"), "same.npy", "alike")
    assert tidegauge("compare", files / "before.npy", tmp_path / "same.npy").status == 1


@pytest.mark.parametrize("width", [1, 4, 8192], ids=["d = 1", "constant dimensions", "d = 8192"])
def test_odd_but_honest(tidegauge: Tidegauge, tmp_path: Path, width: int) -> None:
    rows = RNG.standard_normal((120, width)).astype(np.float32)
    if width == 4:
        rows[:, 2:] = (0.0, 7.0)
    np.save(tmp_path / "a.npy", rows[:60])
    np.save(tmp_path / "b.npy", rows[60:])
    np.save(tmp_path / "c.npy", rows[60:] + np.eye(width, dtype=np.float32)[0] * (40 if width > 4 else 3))
    same = tidegauge("compare", tmp_path / "a.npy", tmp_path / "b.npy", "--alpha", "0.001", "--out", tmp_path / "out")
    assert same.status in {0, 3}
    assert same.err == ""
    assert tidegauge("compare", tmp_path / "a.npy", tmp_path / "c.npy").status == 1


# --------------------------------------------------------------------------------------------- references and sketches

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "flipped bit": lambda data: data[:-50] + bytes([data[-50] ^ 1]) + data[-49:],
    "cut short": lambda data: data[: len(data) // 2],
    "cut within its head": lambda data: data[:20],
    "a newer version": lambda data: data[:7] + b"\x63" + data[8:],
    "more at the end": lambda data: data + b"x",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_artefacts(tidegauge: Tidegauge, files: Path, tmp_path: Path, damage: str) -> None:
    for name in ("normal.tg", "moved.tgs"):
        (tmp_path / name).write_bytes(DAMAGE[damage]((files / name).read_bytes()))
    bad, bad_sketch = tmp_path / "normal.tg", tmp_path / "moved.tgs"
    refused(tidegauge("compare", bad, files / "moved.npy"), str(bad))
    refused(tidegauge("compare", files / "normal.tg", bad_sketch), str(bad_sketch))
    refused(tidegauge("sketch", files / "moved.npy", "-r", bad, "-o", tmp_path / "s"), str(bad))
    refused(tidegauge("inspect", bad), str(bad))
    refused(tidegauge("inspect", bad_sketch), str(bad_sketch))


def test_foreign_file_as_reference(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign.tg").write_bytes(b"PNG!" * 100)
    refused(tidegauge("compare", tmp_path / "foreign.tg", files / "moved.npy"), "foreign.tg", "unknown extension")
    refused(
        tidegauge("sketch", files / "moved.npy", "-r", files / "moved.npy", "-o", tmp_path / "s"),
        "moved.npy",
        "want a reference",
    )
    refused(tidegauge("sketch", files / "moved.npy", "-r", files / "moved.tgs", "-o", tmp_path / "s"), "got a sketch")
    refused(
        tidegauge("sketch", files / "normal.tg", "-r", files / "normal.tg", "-o", tmp_path / "s"), "got a reference"
    )


def test_nothing_there(tidegauge: Tidegauge, files: Path, tmp_path: Path) -> None:
    good = files / "before.npy"
    for missing in ("missing.npy", "missing/*.npy"):
        refused(tidegauge("compare", good, tmp_path / missing), missing)
        refused(tidegauge("fit", tmp_path / missing, "-o", tmp_path / "r.tg"), missing)
    refused(tidegauge("compare", good, tmp_path), str(tmp_path))
    refused(tidegauge("sketch", good, "-r", tmp_path / "missing.tg", "-o", tmp_path / "s"), "missing.tg")
    refused(tidegauge("compare", good, "x" * 5000), "xxx")
    refused(tidegauge("compare", good, ""), "got")
