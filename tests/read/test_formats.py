"""Every format holds the same rows: what is written comes back, in order, in batches of the size asked for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from tidegauge.errors import DataError
from tidegauge.gate import concat
from tidegauge.read import open_source, read_all
from tidegauge.records import Columns

ROWS, WIDTH = 23, 12
SIDES = Columns(id="key", text="body", time="at", session="visit", segment="lang", outcomes=("clicked", "stars"))
FLOATS = ["f2", "f4", "f8"]
Grid = npt.NDArray[Any]
Writer = Callable[[Path, Grid, dict[str, list[Any]]], Path]


def grid(dtype: str) -> Grid:
    return np.random.default_rng(1).normal(size=(ROWS, WIDTH)).astype(dtype)


def sides() -> dict[str, list[Any]]:
    return {
        "key": [f"0{i}" for i in range(ROWS)],
        "body": [f'say "{i}",\nthen é' for i in range(ROWS)],
        "at": [1.7e9 + i for i in range(ROWS)],
        "visit": [i // 3 for i in range(ROWS)],
        "lang": ["en" if i % 2 else "pt" for i in range(ROWS)],
        "clicked": [bool(i % 2) for i in range(ROWS)],
        "stars": [float(i) if i % 4 else None for i in range(ROWS)],
    }


def _lists(kind: Callable[[Any], Any]) -> Callable[[Grid, dict[str, list[Any]]], pa.Table]:
    def table(x: Grid, side: dict[str, list[Any]]) -> pa.Table:
        vectors = pa.array(list(x), kind(pa.from_numpy_dtype(x.dtype)))
        columns = {name: pa.array(values) for name, values in side.items()}
        if "lang" in columns:
            columns["lang"] = columns["lang"].dictionary_encode()
        return pa.table({**columns, "emb": vectors})

    return table


def _wide(x: Grid, side: dict[str, list[Any]]) -> pa.Table:
    # Written in text order, so that dim_10 stands before dim_2.
    order = sorted(range(WIDTH), key=str)
    return pa.table({**side, **{f"dim_{j}": x[:, j] for j in order}})


def _npy(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
    np.save(path.with_suffix(".npy"), x)
    return path.with_suffix(".npy")


def _npz(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
    arrays: dict[str, Any] = {name: np.array([np.nan if v is None else v for v in vs]) for name, vs in side.items()}
    np.savez_compressed(path.with_suffix(".npz"), emb=x, **arrays)
    return path.with_suffix(".npz")


def _parquet(table: Callable[[Grid, dict[str, list[Any]]], pa.Table]) -> Writer:
    def write(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
        pa.parquet.write_table(table(x, side), path.with_suffix(".parquet"), row_group_size=7)
        return path.with_suffix(".parquet")

    return write


def _ipc(suffix: str) -> Writer:
    def write(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
        table = _lists(lambda kind: pa.list_(kind, WIDTH))(x, side).combine_chunks()
        path = path.with_suffix(suffix)
        new = pa.ipc.new_stream if suffix == ".arrows" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=5)
        return path

    return write


def _feather(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
    pa.feather.write_feather(_lists(pa.list_)(x, side), path.with_suffix(".feather"), compression="zstd")
    return path.with_suffix(".feather")


def _csv(suffix: str, *, lists: bool) -> Writer:
    def write(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
        frame = pd.DataFrame(side)
        if lists:
            frame["emb"] = [json.dumps(row.tolist()) for row in x]
        else:
            frame = pd.concat(
                [frame, pd.DataFrame(x.astype(float), columns=[f"dim_{j}" for j in range(WIDTH)])], axis=1
            )
        frame.to_csv(path.with_suffix(suffix), index=False, sep="\t" if "tsv" in suffix else ",")
        return path.with_suffix(suffix)

    return write


def _jsonl(suffix: str, *, lists: bool) -> Writer:
    def write(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
        lines = []
        for i, row in enumerate(x.tolist()):
            vector = {"emb": row} if lists else {f"dim_{j}": value for j, value in enumerate(row)}
            lines.append(json.dumps({**{name: values[i] for name, values in side.items()}, **vector}))
        data = "\n\n".join(lines).encode()
        path.with_suffix(suffix).write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
        return path.with_suffix(suffix)

    return write


def _polars(path: Path, x: Grid, side: dict[str, list[Any]]) -> Path:
    frame = pl.DataFrame({**side, "emb": pl.Series(x.astype("f4"), dtype=pl.Array(pl.Float32, WIDTH))}, strict=False)
    frame.write_parquet(path.with_suffix(".pq"))
    return path.with_suffix(".pq")


WRITERS: dict[str, Writer] = {
    "npy": _npy,
    "npz": _npz,
    "parquet list": _parquet(_lists(pa.list_)),
    "parquet large list": _parquet(_lists(pa.large_list)),
    "parquet fixed": _parquet(_lists(lambda kind: pa.list_(kind, WIDTH))),
    "parquet wide": _parquet(_wide),
    "polars": _polars,
    "arrow file": _ipc(".arrow"),
    "ipc": _ipc(".ipc"),
    "arrow stream": _ipc(".arrows"),
    "feather": _feather,
    "csv wide": _csv(".csv", lists=False),
    "csv lists": _csv(".csv", lists=True),
    "csv gzip": _csv(".csv.gz", lists=True),
    "tsv": _csv(".tsv", lists=False),
    "jsonl lists": _jsonl(".jsonl", lists=True),
    "jsonl wide": _jsonl(".ndjson", lists=False),
    "jsonl gzip": _jsonl(".jsonl.gz", lists=True),
}
KNOWS_ROWS = {name for name in WRITERS if not name.startswith(("csv", "tsv", "jsonl", "arrow stream", "feather"))}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", WRITERS)
def test_vectors_come_back(name: str, dtype: str, tmp_path: Path) -> None:
    x = grid(dtype)
    path = WRITERS[name](tmp_path / "a", x, {})
    source = open_source(path)
    assert source.source == str(path)
    assert source.rows == (ROWS if name in KNOWS_ROWS else None)
    batches = list(source.batches(10))
    assert [batch.rows for batch in batches] == [10, 10, 3]
    assert {batch.source for batch in batches} == {str(path)}
    np.testing.assert_array_equal(concat(batches).x, x.astype(np.float32))


@pytest.mark.parametrize(
    "name", ["npy", "npz", "parquet list", "parquet fixed", "parquet wide", "arrow file", "jsonl lists"]
)
def test_integers_come_back(name: str, tmp_path: Path) -> None:
    x = np.arange(1, ROWS * WIDTH + 1).reshape(ROWS, WIDTH).astype("i2")
    np.testing.assert_array_equal(read_all(WRITERS[name](tmp_path / "a", x, {})).x, x)


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "npy"])
def test_side_columns_come_back(name: str, tmp_path: Path) -> None:
    want = sides()
    batch = concat(open_source(WRITERS[name](tmp_path / "a", grid("f4"), want), SIDES).batches(10))
    assert batch.ids is not None
    assert batch.texts is not None
    assert batch.times is not None
    assert batch.sessions is not None
    assert batch.segments is not None
    assert batch.ids.tolist() == want["key"]
    assert batch.texts.tolist() == want["body"]
    assert batch.times.tolist() == want["at"]
    assert batch.sessions.tolist() == [str(visit) for visit in want["visit"]]
    assert batch.segments.tolist() == want["lang"]
    assert batch.outcomes["clicked"].tolist() == [[float(v), 1.0] for v in want["clicked"]]
    assert batch.outcomes["stars"].tolist() == [[0.0, 0.0] if v is None else [v, 1.0] for v in want["stars"]]


@pytest.mark.parametrize("name", [name for name in WRITERS if "wide" not in name and name not in ("npy", "tsv")])
def test_the_vector_column_can_be_named(name: str, tmp_path: Path) -> None:
    path = WRITERS[name](tmp_path / "a", grid("f4"), {})
    assert read_all(path, Columns(vector="emb")).width == WIDTH


@pytest.mark.parametrize("name", ["parquet wide", "csv wide", "tsv", "jsonl wide"])
def test_dimensions_can_be_named_by_a_pattern(name: str, tmp_path: Path) -> None:
    x = grid("f4")
    path = WRITERS[name](tmp_path / "a", x, {"price": list(range(ROWS))})
    np.testing.assert_array_equal(read_all(path, Columns(vector="dim_*")).x, x)


def test_a_pattern_leaves_side_columns_out(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"x0": [1.0], "x1": [2.0], "x_id": [3]}), tmp_path / "a.parquet")
    assert read_all(tmp_path / "a.parquet", Columns(vector="x*", id="x_id")).width == 2


@pytest.mark.parametrize("name", ["parquet list", "jsonl lists", "csv lists", "arrow file", "npz", "npy"])
def test_bad_rows_are_counted_where_they_stand(name: str, tmp_path: Path) -> None:
    x = grid("f8")
    x[1] = 0
    x[12, 3] = np.nan
    x[21, 0] = 1e200
    path = WRITERS[name](tmp_path / "a", x, {})
    batch = concat(open_source(path).batches(4))
    assert batch.rejected == {"nan": 1, "overflow": 1, "zero": 1}
    assert batch.first_rejected == {"zero": f"{path}, row 2", "nan": f"{path}, row 13", "overflow": f"{path}, row 22"}
    assert batch.rows == ROWS - 3


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_numpy_memory_orders(order: Any, suffix: str, tmp_path: Path) -> None:
    x = np.asarray(grid("f4"), order=order)
    path = tmp_path / f"a.{suffix}"
    np.save(path, x) if suffix == "npy" else np.savez(path, x)
    np.testing.assert_array_equal(concat(open_source(path).batches(5)).x, x)


def test_npz_pairs_and_unneeded_objects(tmp_path: Path) -> None:
    pairs = np.stack([np.arange(ROWS), np.full(ROWS, 30)], axis=1)
    np.savez(tmp_path / "a.npz", emb=grid("f4"), shown=pairs, note=np.array([None, {}]))
    batch = read_all(tmp_path / "a.npz", Columns(vector="emb", outcomes=("shown",)))
    np.testing.assert_array_equal(batch.outcomes["shown"], pairs)


def test_missing_vectors_and_other_widths(tmp_path: Path) -> None:
    rows: list[Any] = [[1.0, 2.0], None, [3.0], [4.0, 5.0], []]
    pa.parquet.write_table(pa.table({"emb": rows}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"emb": row} if row is not None else {}) for row in rows))
    (tmp_path / "a.csv").write_text("emb,n\n" + "\n".join(f'"{row or ""}",1' for row in rows))
    for name in ("a.parquet", "a.jsonl", "a.csv"):
        batch = concat(open_source(tmp_path / name).batches(2))
        assert batch.rejected == {"null": 2, "width": 1}, name
        assert batch.first_rejected["null"].endswith(f"{name}, row 2")
        assert batch.x.tolist() == [[1.0, 2.0], [4.0, 5.0]]


def test_the_first_rows_set_the_width_of_a_file(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"emb": [[1.0, 2.0]] * 2 + [[1.0]] * 5}), tmp_path / "a.parquet")
    assert concat(open_source(tmp_path / "a.parquet").batches(2)).rejected == {"width": 5}


CSV = {
    "no header": "0.1,0.2\n0.3,0.4\n",
    "numbered header": "0,1\n0.1,0.2\n0.3,0.4\n",
    "plain names": "length,breadth\n0.1,0.2\n0.3,0.4\n",
    "byte order mark": "\ufeffx0,x1\n0.1,0.2\n0.3,0.4\n",
    "windows lines": "x0,x1\r\n0.1,0.2\r\n0.3,0.4\r\n",
    "integers first": "x0,x1\n0,1\n0.1,0.2\n0.3,0.4\n",
    "spaces in lists": 'emb\n"[0.1 0.2]"\n"[ 0.3\n 0.4]"\n',
    "commas in lists": 'emb,note\n"[0.1, 0.2]","[a]"\n"[0.3,0.4]",b\n',
}


@pytest.mark.parametrize("case", CSV)
def test_ways_to_write_csv(case: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV[case].encode())
    np.testing.assert_allclose(read_all(path).x[-2:], [[0.1, 0.2], [0.3, 0.4]], rtol=1e-6)


def test_later_blocks_of_a_csv_may_look_different(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.read.csv.BLOCK_BYTES", 64)
    rows = ["1,1,2024-01-01,1"] * 50 + ["0.5,x7,2024-01-01T10:00:00.5+02:00,0.25"]
    (tmp_path / "a.csv").write_text("x0,key,at,clicked\n" + "\n".join(rows))
    batch = read_all(tmp_path / "a.csv", Columns(id="key", time="at", outcomes=("clicked",)))
    assert batch.rows == 51
    assert batch.ids is not None
    assert batch.times is not None
    assert (batch.x[-1, 0], batch.ids[-1], batch.outcomes["clicked"][-1, 0]) == (0.5, "x7", 0.25)
    assert batch.times[-1] - batch.times[0] == 8 * 3600 + 0.5


def test_timestamps_of_any_unit(tmp_path: Path) -> None:
    seconds = [1.7e9, 1.7e9 + 0.25]
    for unit in ("ms", "us", "ns"):
        scale = {"ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
        at = pa.array([int(s * scale) for s in seconds], pa.timestamp(unit, "UTC"))
        pa.parquet.write_table(pa.table({"emb": [[1.0], [2.0]], "at": at}), tmp_path / "a.parquet")
        batch = read_all(tmp_path / "a.parquet", Columns(time="at"))
        assert batch.times is not None
        np.testing.assert_allclose(batch.times, seconds, rtol=0, atol=1e-6)


def test_json_lines_with_nan_and_large_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"v": [NaN, 1]}\n{"v": [1e999, 1]}\n{"v": [1, 2]}\n{"v": [null, 2]}')
    assert read_all(tmp_path / "a.jsonl").rejected == {"nan": 2, "inf": 1}


@pytest.mark.parametrize("early", [{"id": 7, "v": [1, 2], "y": 1}, {"id": "a", "v": [1, 2], "y": True}], ids=str)
def test_later_json_lines_may_look_different(early: dict[str, Any], tmp_path: Path) -> None:
    late = [{"id": "b", "v": [0.5, 2], "y": 0.25}, {"id": 8, "v": [0.5, 2], "extra": {"deep": []}}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, [early] * 300 + late)))
    batch = read_all(path, Columns(vector="v", id="id", outcomes=("y",)))
    assert batch.ids is not None
    assert batch.ids[-3:].tolist() == [str(early["id"]), "b", "8"]
    assert batch.outcomes["y"][-3:].tolist() == [[1, 1], [0.25, 1], [0, 0]]
    assert batch.x[-1].tolist() == [0.5, 2]


def test_json_lines_are_read_alike_by_both_parsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = WRITERS["jsonl lists"](tmp_path / "a", grid("f8"), sides())
    fast = read_all(path, SIDES)
    monkeypatch.setattr("tidegauge.read.jsonl._parsed_fast", lambda block, schema: None)
    slow = read_all(path, SIDES)
    np.testing.assert_array_equal(fast.x, slow.x)
    for name in ("ids", "texts", "times", "sessions", "segments"):
        assert getattr(fast, name).tolist() == getattr(slow, name).tolist()
    assert fast.outcomes["stars"].tolist() == slow.outcomes["stars"].tolist()


@pytest.mark.parametrize(
    "line", [b'{"v": [1]} {"v": [1]}', b'{"v": [1],\n"z": 1}', b'{"v": [1], "t": "\xe9"}'], ids=str
)
def test_bad_json_after_the_sample_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"v": [1], "t": "a"}\n' * 300 + line)
    with pytest.raises(DataError, match=r"a\.jsonl, line 301: got malformed JSON"):
        read_all(path, Columns(text="t"))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", WRITERS)
def test_damaged_bytes_are_read_or_refused_but_never_crash(name: str, seed: int, tmp_path: Path) -> None:
    whole = WRITERS[name](tmp_path / "a", grid("f4"), {} if name == "npy" else sides())
    random = np.random.default_rng(seed)
    data = bytearray(whole.read_bytes())
    for at in random.integers(len(data), size=1 + seed):
        data[at] = random.integers(256)
    if seed % 2:
        del data[random.integers(1, len(data)) :]
    whole.write_bytes(data)
    with suppress(DataError):
        batch = read_all(whole, Columns() if name == "npy" else SIDES)
        assert np.isfinite(batch.x).all()
