"""A folder that grows: every row once and in order, whatever is written, read, lost and started again in between."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.contracts import Delivery
from tidegauge.errors import DataError, UsageError
from tidegauge.read.feeds import open_feed
from tidegauge.read.feeds.folder import FolderFeed
from tidegauge.records import Columns, Position

KEYED = Columns(id="id")


def _ids(delivery: Delivery) -> list[str]:
    return [] if delivery.batch.ids is None else list(delivery.batch.ids)


class Kept:
    """What a store keeps: batches by their ids, once, and the position that came with each."""

    def __init__(self) -> None:
        self.positions: dict[str, Position] = {}
        self.ids: list[str] = []
        self.landed: list[Delivery] = []

    def land(self, delivery: Delivery) -> None:
        if delivery.id not in self.ids:
            self.landed.append(delivery)
            self.ids.append(delivery.id)
            self.positions[delivery.position.source] = delivery.position

    def read(self, feed: FolderFeed, size: int = 100) -> list[Delivery]:
        given = list(feed.deliveries(list(self.positions.values()), size))
        for delivery in given:
            self.land(delivery)
        return given

    @property
    def rows(self) -> list[str]:
        return [row for delivery in self.landed for row in _ids(delivery)]

    @property
    def aside(self) -> dict[str, int]:
        reasons = [reason for delivery in self.landed for reason in delivery.batch.rejected]
        return {
            reason: sum(each.batch.rejected.get(reason, 0) for each in self.landed) for reason in dict.fromkeys(reasons)
        }


def feed_of(path: Path, columns: Columns = KEYED, settle: float = 1000) -> FolderFeed:
    return FolderFeed(str(path), columns, settle=settle)


def vector(number: int) -> list[float]:
    return [float(number + 1), 0.5]


def json_line(number: int) -> bytes:
    return json.dumps({"id": f"r{number}", "v": vector(number)}).encode() + b"\n"


def csv_line(number: int) -> bytes:
    text = io.StringIO()
    # Quotes, and line ends within a row, must not be taken for the end of it.
    note = ["plain", 'say "hi"', "two\nlines", "a\n\nb,c"][number % 4]
    csv.writer(text, lineterminator="\n").writerow([f"r{number}", note, *vector(number)])
    return text.getvalue().encode()


LINES: dict[str, tuple[bytes, Callable[[int], bytes]]] = {
    "jsonl": (b"", json_line),
    "csv": (b"id,note,x0,x1\n", csv_line),
}


def age(path: Path, seconds: float = 5000) -> None:
    """Make a file look as if it had been left alone for so long."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - int(seconds * 1e9)))


def table(numbers: Sequence[int]) -> pa.Table:
    vectors = pa.array([vector(i) for i in numbers], pa.list_(pa.float32()))
    return pa.table({"id": pa.array([f"r{i}" for i in numbers], pa.string()), "v": vectors})


def write_parquet(path: Path, numbers: Sequence[int]) -> None:
    pq.write_table(table(numbers), path, row_group_size=7)


def write_npz(path: Path, numbers: Sequence[int]) -> None:
    np.savez(path, v=np.array([vector(i) for i in numbers]).reshape(-1, 2), id=np.array([f"r{i}" for i in numbers]))


def write_arrow(path: Path, numbers: Sequence[int]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table([0]).schema) as writer:
        writer.write_table(table(numbers), max_chunksize=5)


def write_stream(path: Path, numbers: Sequence[int]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table([0]).schema) as writer:
        writer.write_table(table(numbers), max_chunksize=5)


def write_gz(path: Path, numbers: Sequence[int]) -> None:
    path.write_bytes(gzip.compress(b"".join(map(json_line, numbers))))


WHOLE: dict[str, Callable[[Path, Sequence[int]], None]] = {
    "parquet": write_parquet,
    "npz": write_npz,
    "arrow": write_arrow,
    "arrows": write_stream,
    "jsonl.gz": write_gz,
}

# ----------------------------------------------------------------------------------------------- every row exactly once


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(LINES)))
def test_growing_files_give_every_row_once(
    data: st.DataObject, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes are appended anywhere, even within a row; feeds end before they landed all, and start anew."""
    folder = tmp_path_factory.mktemp("grows")
    head, line = LINES[kind]
    names = [f"part-{i}.{kind}" for i in (1, 2, 10)]
    unwritten = dict.fromkeys(names, head)
    counts = dict.fromkeys(names, 0)
    total, kept, feed = 0, Kept(), feed_of(folder)
    for _ in range(data.draw(st.integers(1, 12))):
        step = data.draw(st.sampled_from(["append", "append", "read", "lose", "restart"]))
        if step == "append":
            name = data.draw(st.sampled_from(names))
            for _ in range(data.draw(st.integers(0, 5))):
                unwritten[name] += line(1000 * names.index(name) + counts[name])
                counts[name] += 1
                total += 1
            cut = data.draw(st.integers(0, len(unwritten[name])))
            with (folder / name).open("ab") as stream:
                stream.write(unwritten[name][:cut])
            unwritten[name] = unwritten[name][cut:]
        elif step == "restart":
            feed = feed_of(folder)
        else:
            size = data.draw(st.integers(1, 6))
            before = list(kept.positions.values())
            for delivery in feed.deliveries(before, size):
                if step == "lose" and data.draw(st.booleans()):
                    break
                kept.land(delivery)
    for name, rest in unwritten.items():
        with (folder / name).open("ab") as stream:
            stream.write(rest)
    kept.read(feed)
    kept.read(feed)
    want = [f"r{1000 * i + j}" for i, name in enumerate(names) for j in range(counts[name])]
    assert sorted(kept.rows) == sorted(want)
    assert not kept.aside
    assert not feed.faults()
    for i, name in enumerate(names):
        mine = [row for row in kept.rows if int(row[1:]) // 1000 == i]
        assert mine == [f"r{1000 * i + j}" for j in range(counts[name])]
        assert kept.positions.get(name, Position(name, 0)).rows == counts[name]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(WHOLE)))
def test_whole_files_give_every_row_once(
    data: st.DataObject, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Files are added while others are read in part; batches have the same ids whoever reads them."""
    folder = tmp_path_factory.mktemp("whole")
    size = data.draw(st.integers(1, 12))
    kept, feed, total = Kept(), feed_of(folder), 0
    for number in range(data.draw(st.integers(1, 4))):
        rows = data.draw(st.integers(1, 25))
        WHOLE[kind](folder / f"part-{number}.{kind}", range(total, total + rows))
        total += rows
        stop = data.draw(st.integers(0, 6))
        for i, delivery in enumerate(feed.deliveries(list(kept.positions.values()), size)):
            if i == stop:
                break
            kept.land(delivery)
        if data.draw(st.booleans()):
            feed = feed_of(folder)
    kept.read(feed, size)
    assert kept.rows == [f"r{i}" for i in range(total)]
    assert kept.read(feed_of(folder), size) == []
    assert [each.id for each in feed_of(folder).deliveries([], size)] == kept.ids
    assert not feed.faults()


@pytest.mark.parametrize("kind", [*LINES, *WHOLE])
def test_resuming_gives_what_was_not_resumed(kind: str, tmp_path: Path) -> None:
    """The same rows, counts, places and ids come from any position on, with any other feed."""
    path = tmp_path / f"a.{kind}"
    if kind in LINES:
        head, line = LINES[kind]
        path.write_bytes(head + b"".join(map(line, range(23))))
    else:
        WHOLE[kind](path, range(23))
    straight = list(feed_of(tmp_path).deliveries([], 4))
    for i, delivery in enumerate(straight):
        rest = list(feed_of(tmp_path).deliveries([delivery.position], 4))
        assert [each.id for each in rest] == [each.id for each in straight[i + 1 :]]
        assert [each.position for each in rest] == [each.position for each in straight[i + 1 :]]
        for ours, theirs in zip(rest, straight[i + 1 :], strict=True):
            np.testing.assert_array_equal(ours.batch.x, theirs.batch.x)
            assert _ids(ours) == _ids(theirs)


def test_a_lost_landing_is_given_again_under_its_id(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_line(0) + json_line(1))
    write_parquet(tmp_path / "b.parquet", range(9))
    feed = feed_of(tmp_path)
    first = [each.id for each in feed.deliveries([], 5)]
    assert (
        first
        == [each.id for each in feed.deliveries([], 5)]
        == [each.id for each in feed_of(tmp_path).deliveries([], 5)]
    )
    assert len(set(first)) == 3
    assert first[0].startswith("a.jsonl:1-2:")
    assert [name.rpartition(":")[0] for name in first[1:]] == ["b.parquet:1-5", "b.parquet:6-9"]


def test_other_rows_under_the_same_name_have_another_id(tmp_path: Path) -> None:
    ids = []
    for start in (0, 10):
        (tmp_path / "a.jsonl").write_bytes(json_line(start))
        write_parquet(tmp_path / "b.parquet", [start])
        ids.append([each.id for each in feed_of(tmp_path).deliveries([], 5)])
    assert not set(ids[0]) & set(ids[1])


# --------------------------------------------------------------------------------------------------- files as they come


def test_what_is_not_meant_to_be_read_is_left_out(tmp_path: Path) -> None:
    for name in (".a.jsonl", "_a.jsonl", "a.jsonl.tmp", "a.jsonl.part", "_tmp/a.jsonl", "deep/b.jsonl", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(json_line(0))
    assert [each.position.source for each in feed_of(tmp_path).deliveries([], 5)] == ["deep/b.jsonl"]
    pattern = open_feed(f"{tmp_path}/*", KEYED)
    assert [each.position.source for each in pattern.deliveries([], 5) if "notes" not in each.id] == [
        str(tmp_path / "deep" / "b.jsonl")
    ]


def test_one_file_is_called_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(json_line(0))
    (given_,) = open_feed("a.jsonl", KEYED).deliveries([], 5)
    assert given_.position.source == "a.jsonl"
    assert given_.batch.source == "a.jsonl"


def test_a_source_that_is_not_there_is_refused_and_a_pattern_waits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or directory"):
        open_feed(str(tmp_path / "nowhere"), KEYED)
    feed = feed_of(tmp_path / "*.jsonl")
    assert list(feed.deliveries([], 5)) == []
    (tmp_path / "a.jsonl").write_bytes(json_line(0))
    assert len(list(feed.deliveries([], 5))) == 1
    assert not feed.faults()


def test_a_folder_that_goes_away_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    feed = feed_of(tmp_path / "in")
    assert list(feed.deliveries([], 5)) == []
    (tmp_path / "in").rmdir()
    assert list(feed.deliveries([], 5)) == list(feed.deliveries([], 5)) == []
    assert len(feed.faults()) == 1
    assert feed.faults() == ()


def test_sizes_and_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="size: got 0"):
        feed_of(tmp_path).deliveries([], 0)
    with pytest.raises(UsageError, match="neither"):
        open_feed(str(tmp_path), KEYED, table="queries")


def test_an_empty_log_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "b.csv").write_bytes(b"id,x0\n")
    feed = feed_of(tmp_path, settle=0)
    assert list(feed.deliveries([], 5)) == list(feed.deliveries([], 5)) == []
    assert not feed.faults()


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_last_line_without_end(kind: str, tmp_path: Path) -> None:
    head, line = LINES[kind]
    path = tmp_path / f"a.{kind}"
    path.write_bytes((head + line(0) + line(4)).rstrip(b"\n"))
    kept = Kept()
    kept.read(feed_of(tmp_path))
    # A JSON object is whole by itself; a number in CSV may go on.
    assert kept.rows == (["r0", "r4"] if kind == "jsonl" else ["r0"])
    age(path)
    feed = feed_of(tmp_path)
    kept.read(feed)
    assert kept.rows == ["r0", "r4"]
    with path.open("ab") as stream:
        stream.write(b"\n" + line(8) + b"oops\n")
    kept.read(feed)
    assert kept.rows == ["r0", "r4", "r8"]
    assert kept.landed[-1].batch.first_rejected == {"malformed": f"{path}, line {4 + (kind == 'csv')}"}


def test_half_a_line_is_given_up_when_the_file_was_left(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_line(0) + json_line(1)[:12])
    kept, feed = Kept(), feed_of(tmp_path)
    kept.read(feed)
    assert (kept.rows, kept.aside) == (["r0"], {})
    age(path)
    kept.read(feed)
    assert (kept.rows, kept.aside) == (["r0"], {"malformed": 1})


def test_lines_that_are_written_while_the_file_is_read_wait(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_line(0) + json_line(1))
    kept, feed = Kept(), feed_of(tmp_path)
    stream = feed.deliveries([], 1)
    kept.land(next(stream))
    with path.open("ab") as end:
        end.write(json_line(2))
    for delivery in stream:
        kept.land(delivery)
    assert kept.rows == ["r0", "r1"]
    kept.read(feed)
    assert kept.rows == ["r0", "r1", "r2"]


def test_an_arrow_stream_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    write_stream(tmp_path / "whole", range(20))
    data = (tmp_path / "whole").read_bytes()
    kept, feed = Kept(), feed_of(tmp_path)
    for cut in (50, len(data) // 2, len(data) - 9, len(data) - 8, len(data)):
        path.write_bytes(data[:cut])
        kept.read(feed)
        kept.read(feed_of(tmp_path))
    assert kept.rows == [f"r{i}" for i in range(20)]
    assert json.loads(kept.positions["a.arrows"].mark)["done"] is True or kept.positions["a.arrows"].rows == 20


def test_a_parquet_file_that_is_being_written_is_no_fault(tmp_path: Path) -> None:
    write_parquet(tmp_path / "whole", range(9))
    data = (tmp_path / "whole").read_bytes()
    feed, kept = feed_of(tmp_path), Kept()
    for cut in (4, 100, len(data) - 1):
        (tmp_path / "a.parquet").write_bytes(data[:cut])
        assert kept.read(feed) == []
        assert feed.faults() == ()
    (tmp_path / "a.parquet").write_bytes(data)
    kept.read(feed)
    assert kept.rows == [f"r{i}" for i in range(9)]
    assert feed.faults() == ()


# --------------------------------------------------------------------------------------------------------------- faults


def damaged(kind: str, folder: Path) -> Path:
    path = folder / f"b.{kind}"
    if kind == "npy":
        np.save(path, np.ones((50, 2)))
    elif kind == "jsonl":
        path.write_bytes(b"[1, 2]\n")
        return path
    elif kind == "csv":
        path.write_bytes(b"word,other\na,b\n")
        return path
    else:
        WHOLE[kind](path, range(50))
    path.write_bytes(path.read_bytes()[:-100])
    return path


@pytest.mark.parametrize("kind", ["parquet", "npz", "arrow", "npy", "jsonl", "csv", "jsonl.gz"])
def test_a_damaged_file_is_named_once_and_the_others_go_on(kind: str, tmp_path: Path) -> None:
    columns = Columns() if kind in ("npy", "csv") else KEYED
    (tmp_path / "a.jsonl").write_bytes(json_line(0))
    (tmp_path / "c.jsonl").write_bytes(json_line(1))
    path = damaged(kind, tmp_path)
    kept, feed = Kept(), feed_of(tmp_path, columns)
    kept.read(feed)
    assert list(kept.positions) == ["a.jsonl", "c.jsonl"]
    assert feed.faults() == ()  # it may still be written
    kept.read(feed)
    (fault,) = feed.faults()
    assert fault.startswith(str(path))
    kept.read(feed)
    assert feed.faults() == ()
    assert len(kept.landed) == 2
    at_once = feed_of(tmp_path, columns, settle=0)
    kept.read(at_once)
    assert len(at_once.faults()) == 1


def test_a_damaged_file_that_is_mended_is_read(tmp_path: Path) -> None:
    feed, kept = feed_of(tmp_path, settle=0), Kept()
    damaged("parquet", tmp_path)
    kept.read(feed)
    assert len(feed.faults()) == 1
    write_parquet(tmp_path / "b.parquet", range(5))
    kept.read(feed)
    assert len(kept.rows) == 5


def test_rows_before_damage_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, range(50))
    chunk = pq.ParquetFile(path).metadata.row_group(3).column(1)
    data = bytearray(path.read_bytes())
    begin = min(offset for offset in (chunk.data_page_offset, chunk.dictionary_page_offset) if offset)
    data[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(data))
    feed, kept = feed_of(tmp_path, settle=0), Kept()
    for _ in range(3):
        kept.read(feed, 7)
    assert kept.rows == [f"r{i}" for i in range(21)]
    assert len(feed.faults()) == 1


def rewrite(path: Path, numbers: Sequence[int]) -> None:
    path.write_bytes(b"".join(map(json_line, numbers)))


CHANGES: dict[str, Callable[[Path], Any]] = {
    "other rows": lambda folder: rewrite(folder / "a.jsonl", range(10, 40)),
    "fewer rows": lambda folder: rewrite(folder / "a.jsonl", range(2)),
    "nothing left": lambda folder: rewrite(folder / "a.jsonl", []),
    "parquet of more rows": lambda folder: write_parquet(folder / "b.parquet", range(30)),
    "other parquet": lambda folder: write_parquet(folder / "b.parquet", range(9, 14)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_changed_is_named_once_and_not_read_again(change: str, again: bool, tmp_path: Path) -> None:
    rewrite(tmp_path / "a.jsonl", range(5))
    write_parquet(tmp_path / "b.parquet", range(5))
    feed, kept = feed_of(tmp_path), Kept()
    kept.read(feed)
    CHANGES[change](tmp_path)
    (tmp_path / "c.jsonl").write_bytes(json_line(99))
    feed = feed_of(tmp_path) if again else feed
    kept.read(feed)
    assert len(kept.rows) == 5 + 5 + 1
    (fault,) = feed.faults()
    assert "is not what it was when 5 rows of it were read" in fault
    kept.read(feed)
    assert feed.faults() == ()
    assert len(kept.rows) == 11


def test_a_file_that_was_only_touched_is_not_changed(tmp_path: Path) -> None:
    rewrite(tmp_path / "a.jsonl", range(5))
    write_parquet(tmp_path / "b.parquet", range(5))
    feed, kept = feed_of(tmp_path), Kept()
    kept.read(feed)
    for path in tmp_path.iterdir():
        age(path)
    assert kept.read(feed) == []
    assert kept.read(feed_of(tmp_path)) == []
    assert feed.faults() == ()


def test_malformed_rows_are_set_aside_and_named(tmp_path: Path) -> None:
    lines = [json_line(i) for i in range(40)]
    lines[3] = b'{"id": "cut", "v": [1, 2\n'
    lines[4] = b"[1, 2]\n"
    lines[9] = b'{"id": "text", "v": [1, "a"]}\n'
    lines[20] = b"\xff\xfe\n"
    lines[21] = b'{"id": "wide", "v": [1, 2, 3]}\n'
    lines[22] = b"\n"
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(lines))
    kept = Kept()
    kept.read(feed_of(tmp_path), 16)
    bad = {3, 4, 9, 20, 21, 22}
    assert kept.rows == [f"r{i}" for i in range(40) if i not in bad]
    assert kept.aside == {"malformed": 4, "width": 1}
    assert [each.batch.first_rejected.get("malformed") for each in kept.landed] == [
        f"{path}, line 4",
        f"{path}, line 21",
        None,
    ]
    assert kept.landed[1].batch.first_rejected["width"] == f"{path}, row 22"
    assert kept.positions["a.jsonl"].rows == 39


def test_malformed_rows_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [
        b'"[1, 2]",a',
        b'"[3, 4]"',
        b'"[5, 6],c',
        b'"[7, 8]",d',
        b'"[9, oops]",e',
        b'"[1, 2]","f\ng"',
        b'"[3, 1]",h',
    ]
    path.write_bytes(b"v,id\n" + b"\n".join(rows) + b"\n")
    kept = Kept()
    kept.read(feed_of(tmp_path))
    assert kept.rows == ["a", "d", "f\ng", "h"]
    assert kept.aside == {"malformed": 3}
    assert kept.landed[0].batch.first_rejected["malformed"] == f"{path}, line 3"


def test_a_stray_quote_holds_nothing_up_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,x0\na,1\n" + b'"b,1\n' + b"".join(b"c%d,1\n" % i for i in range(1500)))
    kept, feed = Kept(), feed_of(tmp_path)
    kept.read(feed)
    assert kept.rows == ["a", *(f"c{i}" for i in range(1500))]
    assert kept.aside == {"malformed": 1}


def test_a_row_without_a_usable_time_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"v": [1], "at": "2024-01-01"}\n{"v": [1], "at": "soon"}\n{"v": [1]}\n')
    pq.write_table(pa.table({"v": [[1.0]] * 3, "at": ["2024-01-01", None, "soon"]}), tmp_path / "b.parquet")
    kept = Kept()
    kept.read(feed_of(tmp_path, Columns(time="at")))
    assert [each.batch.rejected for each in kept.landed] == [{"time": 2}, {"time": 2}]
    assert kept.landed[1].batch.first_rejected["time"].endswith("b.parquet, row 2")


def test_the_columns_are_told_by_what_told_them_at_first(tmp_path: Path) -> None:
    """Rows that came later must not change how a file is read after a restart."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_line(0))
    kept = Kept()
    kept.read(feed_of(tmp_path))
    with path.open("ab") as stream:
        stream.write(b'{"id": "r1", "v": [1, 2], "other": [3, 4]}\n')
    feed = feed_of(tmp_path)
    kept.read(feed)
    assert kept.rows == ["r0", "r1"]
    assert feed.faults() == ()


def test_a_field_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"v": [1, 2]}\n')
    feed, kept = feed_of(tmp_path), Kept()
    assert kept.read(feed) == []
    with path.open("ab") as stream:
        stream.write(b'{"v": [3, 4], "id": "b"}\n')
    (delivery,) = kept.read(feed)
    assert delivery.batch.rows == 2
    assert feed.faults() == ()


def test_a_width_holds_for_a_file_however_often_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "v": [1, 2]}\n')
    kept = Kept()
    kept.read(feed_of(tmp_path))
    with path.open("a") as stream:
        stream.write('{"id": "b", "v": [1, 2, 3]}\n')
    kept.read(feed_of(tmp_path))
    assert kept.aside == {"width": 1}


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.read.text.MAX_LINE_BYTES", 100)
    monkeypatch.setattr("tidegauge.read.text.SHOWN_BYTES", 10)
    monkeypatch.setattr("tidegauge.read.feeds.growing.PIECE_BYTES", 64)
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_line(0) + b'{"id": "long", "v": [' + b"1, " * 500 + b"1]}\n" + json_line(2))
    kept = Kept()
    kept.read(feed_of(tmp_path))
    assert (kept.rows, kept.aside) == (["r0", "r2"], {"malformed": 1})
    assert json.loads(kept.positions["a.jsonl"].mark)["offset"] == path.stat().st_size


def test_a_position_that_is_none_is_named(tmp_path: Path) -> None:
    rewrite(tmp_path / "a.jsonl", range(2))
    feed = feed_of(tmp_path, settle=0)
    assert list(feed.deliveries([Position("a.jsonl", 1, "{}")], 5)) == []
    (fault,) = feed.faults()
    assert "want one that was kept for a file" in fault


def test_the_mark_of_all_tells_one_content_from_another(tmp_path: Path) -> None:
    feed = feed_of(tmp_path)
    assert feed.mark() == ""
    rewrite(tmp_path / "a.jsonl", range(2))
    assert feed.mark() == ""  # it may still be written
    age(tmp_path / "a.jsonl")
    first = feed.mark()
    assert first
    assert feed.mark() == first
    rewrite(tmp_path / "b.jsonl", range(2))
    age(tmp_path / "b.jsonl")
    assert feed.mark() not in ("", first)


def test_files_that_gave_all_are_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(tmp_path / "a.parquet", range(5))
    rewrite(tmp_path / "b.jsonl", range(5))
    kept = Kept()
    kept.read(feed_of(tmp_path))

    def refuse(self: Path, *rest: Any, **more: Any) -> Iterator[bytes]:
        raise AssertionError(self)

    monkeypatch.setattr(Path, "open", refuse)
    assert kept.read(feed_of(tmp_path)) == []
