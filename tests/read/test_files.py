"""Directories, globs and chains of files; and what cannot be read says what it is and where."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest

from tidegauge.errors import DataError, UsageError
from tidegauge.read import Files, expand, open_source, read_all
from tidegauge.records import Columns

ONES = np.ones((4, 3), np.float32)


def parquet(path: Path, **columns: Any) -> Path:
    pa.parquet.write_table(pa.table(columns or {"emb": ONES.tolist()}), path)
    return path


# ------------------------------------------------------------------------------------------------------- several files


def test_a_directory_is_read_in_natural_order(tmp_path: Path) -> None:
    for part in (10, 9, 1):
        np.save(tmp_path / f"part-{part}.npy", ONES * part)
    (tmp_path / "deep").mkdir()
    parquet(tmp_path / "deep" / "a.parquet")
    for other in ("_SUCCESS", "notes.txt", ".hidden.npy", "_part.npy"):
        (tmp_path / other).write_text("x")
    (tmp_path / "_temporary").mkdir()
    np.save(tmp_path / "_temporary" / "part-3.npy", ONES)
    names = [path.relative_to(tmp_path).as_posix() for path in expand(tmp_path)]
    assert names == ["deep/a.parquet", "part-1.npy", "part-9.npy", "part-10.npy"]
    source = open_source(str(tmp_path))
    assert (source.source, source.rows) == (str(tmp_path), 16)
    assert [batch.x[0, 0] for batch in source.batches(100)] == [1, 1, 9, 10]


def test_patterns(tmp_path: Path) -> None:
    for folder in ("day=1", "day=2"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", ONES)
        np.save(tmp_path / folder / "b.npy", ONES)
    assert len(expand(f"{tmp_path}/**/a.npy")) == 2
    assert len(expand(f"{tmp_path}/day=*")) == 4
    assert len(expand(f"{tmp_path}/day=1/?.npy")) == 2
    assert expand(tmp_path / "day=1" / "a.npy") == [tmp_path / "day=1" / "a.npy"]


def test_brackets_in_a_name_are_no_pattern(tmp_path: Path) -> None:
    np.save(tmp_path / "a[1].npy", ONES)
    assert expand(tmp_path / "a[1].npy") == [tmp_path / "a[1].npy"]


def test_all_files_must_have_one_width(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ONES)
    np.save(tmp_path / "b.npy", ONES[:, :2])
    with pytest.raises(DataError, match=r"b.npy: got vectors of width 2, want width 3, as in .*a.npy"):
        list(open_source(tmp_path).batches(10))


def test_an_empty_part_is_no_error_but_nothing_at_all_is(tmp_path: Path) -> None:
    empty = pa.array([], pa.list_(pa.float32()))
    parquet(tmp_path / "a.parquet", emb=empty)
    with pytest.raises(DataError, match="no rows"):
        read_all(tmp_path)
    parquet(tmp_path / "b.parquet")
    assert read_all(tmp_path).rows == 4


def test_rows_are_unknown_if_one_file_does_not_tell(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ONES)
    (tmp_path / "b.csv").write_text("x0,x1,x2\n1,2,3\n")
    assert open_source(tmp_path).rows is None
    assert read_all(tmp_path).rows == 5


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    source = open_source(parquet(tmp_path / "a.parquet"))
    assert sum(b.rows for b in source.batches(3)) == sum(b.rows for b in source.batches(3)) == 4


def test_max_rows(tmp_path: Path) -> None:
    x = np.ones((10, 2))
    x[1] = 0
    np.save(tmp_path / "a.npy", x)
    batch = read_all(tmp_path / "a.npy", max_rows=4)
    assert (batch.rows, batch.rejected) == (4, {"zero": 1})
    assert read_all(tmp_path / "a.npy", max_rows=100).rows == 9


def test_sizes_must_be_positive(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ONES)
    with pytest.raises(UsageError, match="size: got 0"):
        list(open_source(tmp_path).batches(0))
    with pytest.raises(UsageError, match="max_rows: got 0"):
        read_all(tmp_path, max_rows=0)


@pytest.mark.parametrize("suffix", ["npy", "npz", "parquet", "arrow", "jsonl"])
def test_the_content_tells_where_the_extension_does_not(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    if suffix == "npy":
        with path.open("wb") as stream:
            np.save(stream, ONES)
    elif suffix == "npz":
        with path.open("wb") as stream:
            np.savez(stream, ONES)
    elif suffix == "parquet":
        parquet(path)
    elif suffix == "arrow":
        with (
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, pa.schema({"emb": pa.list_(pa.float64())})) as writer,
        ):
            writer.write_table(pa.table({"emb": ONES.astype(float).tolist()}))
    else:
        path.write_text(json.dumps({"emb": [1, 2, 3]}))
    assert read_all(path).width == 3


def test_rejected_rows_do_not_stop_a_file(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", emb=pa.array([None, None], pa.list_(pa.float32())))
    assert read_all(tmp_path / "a.parquet").rejected == {"null": 2}


# --------------------------------------------------------------------------------------------------------- bad inputs


def bad(name: str, data: bytes | str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def saved(name: str, x: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.save(folder / name, x, allow_pickle=True)
        return folder / name

    return write


def archived(**arrays: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "a.npz", **arrays)
        return folder / "a.npz"

    return write


def cut(write: Callable[[Path], Path], keep: float = 0.7) -> Callable[[Path], Path]:
    def cut_short(folder: Path) -> Path:
        path = write(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        return path

    return cut_short


def table(**columns: Any) -> Callable[[Path], Path]:
    return lambda folder: parquet(folder / "a.parquet", **columns)


def ipc(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        data = pa.table({"emb": np.ones((2000, 4)).tolist()})
        new = pa.ipc.new_stream if suffix == "arrows" else pa.ipc.new_file
        with pa.OSFile(str(folder / f"a.{suffix}"), "wb") as sink, new(sink, data.schema) as writer:
            writer.write_table(data, max_chunksize=100)
        return folder / f"a.{suffix}"

    return write


def lying_npz(folder: Path) -> Path:
    """A member whose header promises more rows than there are bytes."""
    np.save(folder / "x.npy", ONES)
    data = (folder / "x.npy").read_bytes().replace(b"(4, 3)", b"(9, 3)")
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        archive.writestr("x.npy", data)
    return folder / "a.npz"


def negative_npy(folder: Path) -> Path:
    np.save(folder / "a.npy", ONES)
    data = (folder / "a.npy").read_bytes().replace(b"(4, 3), ", b"(-4, 3),")
    (folder / "a.npy").write_bytes(data)
    return folder / "a.npy"


def corrupt_npz(folder: Path) -> Path:
    path = archived(x=np.random.default_rng(0).normal(size=(100, 8)))(folder)
    data = bytearray(path.read_bytes())
    data[2000] ^= 255
    path.write_bytes(bytes(data))
    return path


CASES: dict[str, tuple[Callable[[Path], Path], Columns, str]] = {
    "missing file": (lambda folder: folder / "no.npy", Columns(), r"no\.npy: got no such file or directory"),
    "no match": (lambda folder: folder / "*.npy", Columns(), r"\*\.npy: got no match"),
    "empty directory": (lambda folder: folder, Columns(), "no file of a known format"),
    "null byte": (lambda folder: folder / "a\0.npy", Columns(), "readable|no such"),
    **{
        f"empty {suffix}": (bad(f"a.{suffix}", b""), Columns(), rf"a\.{suffix}: got an empty file \(0 bytes\)")
        for suffix in ("npy", "npz", "parquet", "arrow", "csv", "jsonl")
    },
    "unknown extension": (
        bad("a.xyz", "1,2"),
        Columns(),
        r"a\.xyz: got the unknown extension \.xyz, want one of \.npy",
    ),
    "no extension": (bad("a", "1,2"), Columns(), "got no extension"),
    "pickle": (bad("a.pkl", pickle.dumps([1])), Columns(), "Pickled files are never loaded"),
    "wrong magic npy": (bad("a.npy", "hello there"), Columns(), r"a\.npy: got a file that begins otherwise"),
    "wrong magic parquet": (bad("a.parquet", "hello there"), Columns(), "want a Parquet file"),
    "wrong magic arrow": (bad("a.arrow", "hello there"), Columns(), "want a Arrow file"),
    "other content": (bad("a.npy", b"PAR1 and more"), Columns(), r"got a Parquet file, want a NumPy file.*\.parquet"),
    "binary csv": (bad("a.csv", b"PAR1 and more"), Columns(), "got a Parquet file, want a CSV file"),
    "object npy": (
        saved("a.npy", np.array([[1.0], None], object)),
        Columns(),
        r"a\.npy: got pickled objects.*never loaded",
    ),
    "text npy": (saved("a.npy", np.array([["a"]])), Columns(), "dtype <U1"),
    "flat npy": (saved("a.npy", np.ones(3)), Columns(), r"shape \(3,\).*Reshape to \(n, 1\)"),
    "cube npy": (saved("a.npy", np.ones((3, 1, 1))), Columns(), r"shape \(3, 1, 1\)"),
    "no dimensions npy": (saved("a.npy", np.ones((3, 0))), Columns(), r"shape \(3, 0\)"),
    "no rows npy": (saved("a.npy", np.ones((0, 3))), Columns(), "got no rows"),
    "negative npy": (negative_npy, Columns(), r"a\.npy: got"),
    "cut npy": (cut(saved("a.npy", np.ones((99, 9)))), Columns(), "want 7128 bytes.*cut short"),
    "cut npy header": (cut(saved("a.npy", ONES), 0.2), Columns(), "want a whole NumPy file"),
    "npy with ids": (saved("a.npy", ONES), Columns(id="key"), r"a\.npy: got columns key, want vectors only.*npz"),
    "cut npz": (cut(archived(x=ONES)), Columns(), "want a whole NumPy archive file"),
    "lying npz": (lying_npz, Columns(), r"a\.npz, array x: got 48 bytes, want 108 bytes"),
    "corrupt npz": (corrupt_npz, Columns(), r"a\.npz: got .*CRC"),
    "object npz": (archived(x=np.array([None])), Columns(), "array x: got pickled objects"),
    "object ids npz": (archived(x=ONES, key=np.array([None] * 4)), Columns(id="key"), "array key: got pickled objects"),
    "two arrays npz": (archived(x=ONES, y=ONES), Columns(), "several columns of vectors: x, y.*--column NAME"),
    "no such array npz": (archived(x=ONES), Columns(vector="z"), "got no column z, want one of x"),
    "lengths npz": (archived(x=ONES, key=np.arange(3)), Columns(id="key"), "different lengths"),
    "cut parquet": (cut(table()), Columns(), r"a\.parquet: got .*want a whole Parquet file.*cut short"),
    "cut arrow": (cut(ipc("arrow")), Columns(), r"a\.arrow: got .*want a whole Arrow file"),
    "cut stream": (cut(ipc("arrows")), Columns(), r"a\.arrows: got .*want a whole Arrow file"),
    "no rows parquet": (table(emb=pa.array([], pa.list_(pa.float32()))), Columns(), r"a\.parquet: got no rows"),
    "two lists": (table(a=[[1.0]], b=[[1.0]]), Columns(), "several columns of vectors: a, b, want one.*--column NAME"),
    "no such id": (table(emb=[[1.0]]), Columns(id="key"), r"a\.parquet: got no column key, want one of emb"),
    "no such vector": (table(emb=[[1.0]]), Columns(vector="v"), "got no column v, want one of emb"),
    "no such pattern": (table(x0=[1.0]), Columns(vector="dim_*"), r"got no column dim_\*"),
    "text as vector": (table(emb=[[1.0]], t=["a"]), Columns(vector="t"), "column t: got neither lists nor numbers"),
    "lists of text": (table(tags=[["a"]]), Columns(), "no numeric columns among tags"),
    "unclear numbers": (table(x0=[1.0], x1=[1.0], price=[2]), Columns(), "x0, x1, price.*--column 'x"),
    "plain names and text": (table(a=[1.0], b=[1.0], t=["a"]), Columns(), "need not be dimensions: a, b"),
    "text outcome": (table(emb=[[1.0]], y=["no"]), Columns(outcomes=("y",)), r"a\.parquet, outcome y.*'no'"),
    "text time": (table(emb=[[1.0], [2.0]], at=["2024", "soon"]), Columns(time="at"), r"a\.parquet, times, row"),
    "csv of text": (bad("a.csv", "a,b\nx,y\n"), Columns(), r"a\.csv: got no numeric columns among a, b"),
    "csv header only": (bad("a.csv", "x0,x1\n"), Columns(), r"a\.csv: got no rows"),
    "csv late text": (
        bad("a.csv", "x0,x1\n1,2\n3,4\n5,oops\n"),
        Columns(vector="x*"),
        r"a\.csv, row 3, column x1: got 'oops'",
    ),
    "csv text dimension": (
        bad("a.csv", "t,x0,x1\na,1,2\nb,3,oops\n"),
        Columns(),
        r"a\.csv, row 2, column x1: got 'oops'",
    ),
    "text dimension": (table(x0=[1.0], x1=["a"]), Columns(), r"a\.parquet, column x1: got no numbers, want .*as in x0"),
    "csv missing field": (bad("a.csv", "x0,x1\n1,2\n3\n"), Columns(), r"a\.csv, row 2: got 1 fields, want 2"),
    "csv same names": (bad("a.csv", "x0,x0\n1,2\n"), Columns(), "same name: x0"),
    "csv bad list": (
        bad("a.csv", 'v\n"[1, 2]"\n"[1, oops]"\n'),
        Columns(),
        r"a\.csv, row 2, column v: got '\[1, oops\]'",
    ),
    "csv short list": (bad("a.csv", 'v\n"[1, 2]"\n"[1 ... 2]"\n'), Columns(), "row 2, column v.*NumPy shortened"),
    "csv cut gzip": (
        cut(bad("a.csv.gz", gzip.compress(np.random.default_rng(0).bytes(999).hex().encode()))),
        Columns(),
        r"a\.csv\.gz",
    ),
    "csv text outcome": (
        bad("a.csv", "x0,y\n1,0\n1,no\n"),
        Columns(outcomes=("y",)),
        r"a\.csv, row 2, column y: got 'no'",
    ),
    "jsonl malformed": (
        bad("a.jsonl", '{"v": [1]}\n\n{"v": [1]\n'),
        Columns(),
        r"a\.jsonl, line 3: got malformed JSON",
    ),
    "jsonl array": (
        bad("a.jsonl", "[1, 2]"),
        Columns(),
        r"line 1: got a JSON list, want one JSON object.*one object per line",
    ),
    "jsonl open array": (bad("a.jsonl", "[\n{}\n]"), Columns(), "line 1: got malformed JSON.*one object per line"),
    "jsonl deep": (bad("a.jsonl", b'{"v":' + b"[" * 100_000), Columns(), "line 1: got malformed JSON"),
    "jsonl latin": (bad("a.jsonl", b'{"t": "\xe9", "v": [1]}'), Columns(), "line 1: got malformed JSON"),
    "jsonl blank": (bad("a.jsonl", "\n\n"), Columns(), r"a\.jsonl: got no rows"),
    "jsonl text in list": (
        bad("a.jsonl", '{"v": [1, 2]}\n{"v": [1, "a"]}'),
        Columns(),
        r"a\.jsonl, row 2, dimension 2: got 'a'",
    ),
    "jsonl cut gzip": (cut(bad("a.jsonl.gz", gzip.compress(b'{"v": [1]}\n' * 9))), Columns(), r"a\.jsonl\.gz: got"),
    "jsonl no field": (bad("a.jsonl", '{"v": [1]}'), Columns(session="s"), "got no column s, want one of v"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_named(case: str, tmp_path: Path) -> None:
    make, columns, message = CASES[case]
    path = make(tmp_path)
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read_all(path, columns)
    assert path.name.removesuffix("*.npy") in str(caught.value)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.read.jsonl.MAX_LINE_BYTES", 100)
    path = bad("a.jsonl", '{"v": [' + "1," * 100)(tmp_path)
    with pytest.raises(DataError, match="line 1: got a line of more than 100 bytes"):
        read_all(path)


def test_a_huge_member_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.read.npy.MAX_READ_BYTES", 100)
    path = archived(x=np.asfortranarray(np.ones((100, 3))))(tmp_path)
    with pytest.raises(DataError, match=r"array x: got 2400 bytes at once, want at most 100.*npy"):
        read_all(path)
    streamed = Files("a", [archived(x=np.ones((100, 3)))(tmp_path)], Columns())
    assert sum(batch.rows for batch in streamed.batches(4)) == 100


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", ONES)

    def refuse(self: Path, *args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.npy: got no permission to read it"):
        open_source(tmp_path / "a.npy")


def test_an_error_of_ours_is_not_dressed_up(tmp_path: Path) -> None:
    from tidegauge.read.failure import failing

    with pytest.raises(AttributeError), failing("a.npy", "NumPy"):
        raise AttributeError
    with pytest.raises(DataError, match=r"^x: got 1, want 2$"), failing("a.npy", "NumPy"):
        raise DataError("x", got="1", want="2")
