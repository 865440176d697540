"""What makes large input bearable: only what is needed is read, in its own type, and nothing stays behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from tidegauge.errors import DataError
from tidegauge.gate import INT8_SCALE
from tidegauge.gate import admit as gate_admit
from tidegauge.read import open_source, read_all
from tidegauge.records import Columns

RNG = np.random.default_rng(3)
X = RNG.standard_normal((500, 16)).astype(np.float16)


def lists(x: np.ndarray) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.arange(0, x.size + 1, x.shape[1], dtype=np.int32)), pa.array(x.ravel()))


def fixed(x: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])


def save(path: Path, x: np.ndarray, kind: str) -> Path:
    whole = path.with_suffix({"npy": ".npy", "feather": ".feather"}.get(kind, ".parquet"))
    if kind == "npy":
        np.save(whole, x)
    elif kind == "fortran":
        whole = path.with_suffix(".npy")
        np.save(whole, np.asfortranarray(x))
    elif kind == "feather":
        pa.feather.write_feather(pa.table({"v": lists(x)}), whole, compression="uncompressed", chunksize=90)
    else:
        pq.write_table(pa.table({"v": (lists if kind == "lists" else fixed)(x)}), whole, row_group_size=130)
    return whole


KINDS = ["npy", "fortran", "feather", "lists", "fixed"]


@pytest.mark.parametrize("kind", KINDS)
def test_float16_stays_float16_up_to_the_gate(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = save(tmp_path / "a", X, kind), []

    def spy(rows: Any, *rest: Any) -> Any:
        seen.append((rows.dtype.name, len(rows)))
        return examine(rows, *rest)

    module = sys.modules[gate_admit.__module__]
    examine = module.examine
    monkeypatch.setattr(module, "examine", spy)
    batches = list(open_source(path).batches(100))
    assert seen == [("float16", 100)] * 5
    assert {batch.x.dtype.name for batch in batches} == {"float32"}
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in batches]), X.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_int8_is_divided_by_127(kind: str, tmp_path: Path) -> None:
    x = RNG.integers(-127, 128, (300, 8)).astype(np.int8)
    x[:, 0] = 5
    batch = read_all(save(tmp_path / "a", x, kind))
    np.testing.assert_allclose(batch.x, x / 127.0, rtol=1e-6)
    assert batch.stored.scale == INT8_SCALE
    other = read_all(save(tmp_path / "a", x, kind), Columns(scale=0.5))
    np.testing.assert_array_equal(other.x, x * np.float32(0.5))


def test_a_folder_may_mix_formats_and_types(tmp_path: Path) -> None:
    x = RNG.integers(-127, 128, (60, 8)).astype(np.int8)
    x[:, 0] = 5
    parts = {"npy": x[:20], "lists": x[20:40].astype(np.float16) / 127, "feather": x[40:]}
    for number, (kind, part) in enumerate(parts.items()):
        save(tmp_path / f"part-{number}", part, kind)
    batch = read_all(tmp_path)
    np.testing.assert_allclose(batch.x, x / 127.0, atol=5e-4)
    assert batch.stored.scale == INT8_SCALE


def spoil(path: Path, group: int, column: int) -> None:
    """Overwrite the values of one column in one row group."""
    chunk = pq.ParquetFile(path).metadata.row_group(group).column(column)
    data = bytearray(path.read_bytes())
    begin = min(offset for offset in (chunk.data_page_offset, chunk.dictionary_page_offset) if offset)
    data[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(data))


def test_a_column_that_is_not_asked_for_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"v": fixed(X), "text": [f"text {i}" for i in range(len(X))]}), path)
    spoil(path, 0, 1)
    assert read_all(path).rows == len(X)
    with pytest.raises(DataError, match=r"a\.parquet, row group 1: got "):
        read_all(path, Columns(text="text"))


def test_arrow_columns_that_are_not_asked_for_are_not_decompressed(tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    words = [f"{i} {'drift ' * 20}" for i in range(len(X))]
    pa.feather.write_feather(pa.table({"text": words, "v": lists(X)}), path, compression="lz4")
    data = bytearray(path.read_bytes())
    at = data.index(b"drift")
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(bytes(data))
    with pytest.raises(DataError):
        read_all(path, Columns(text="text"))
    for rest in (Columns(), Columns(vector="v")):
        source = open_source(path, rest)
        assert sum(batch.rows for batch in source.batches(64)) == len(X)


def test_damage_is_met_in_its_place_and_names_the_row_group(tmp_path: Path) -> None:
    path = tmp_path / "part-2.parquet"
    np.save(tmp_path / "part-1.npy", X[:100])
    pq.write_table(pa.table({"v": fixed(X)}), path, row_group_size=100)
    spoil(path, 3, 0)
    rows, stream = 0, open_source(tmp_path).batches(50)
    for _ in range(2 + 6):
        rows += next(stream).rows
    with pytest.raises(DataError, match=r"part-2\.parquet, row group 4: got .*want a whole Parquet file"):
        next(stream)
    assert rows == 100 + 300


def test_a_reader_that_is_left_closes_its_thread(tmp_path: Path) -> None:
    import threading

    stream = open_source(save(tmp_path / "a", X, "fixed")).batches(10)
    for _ in range(5):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tidegauge-read")]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["npy", "feather"])
def test_pages_of_a_mapped_file_are_given_back(kind: str, tmp_path: Path) -> None:
    def mapped_kb() -> int:
        fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
        return int(fields["RssFile"].split()[0])

    x = np.ones((16_000, 1024), np.float16)
    path = save(tmp_path / "a", x, kind)
    if kind == "feather":
        pa.feather.write_feather(pa.table({"v": lists(x)}), path, compression="uncompressed", chunksize=len(x))
    stream = open_source(path).batches(1000)
    next(stream)
    before, most = mapped_kb(), 0
    for _ in stream:
        most = max(most, mapped_kb())
    assert most - before < 12_000  # of 32,000 in the file
