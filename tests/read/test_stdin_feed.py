"""Standard input as a feed: rows are delivered as they come, and the same input given again lands once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.contracts import Delivery
from tidegauge.errors import DataError, UsageError
from tidegauge.read.feeds.stdin import StdinFeed
from tidegauge.records import Columns, Position

KEYED = Columns(id="id")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.read.feeds.stdin.IDLE_SECONDS", 0.2)


def json_line(number: int) -> bytes:
    return json.dumps({"id": f"r{number}", "v": [number + 1.0, 0.5]}).encode() + b"\n"


def arrow_bytes(numbers: Sequence[int], chunk: int) -> bytes:
    table = pa.table({"id": [f"r{i}" for i in numbers], "v": [[i + 1.0, 0.5] for i in numbers]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return sink.getvalue().to_pybytes()


@contextmanager
def written(*pieces: bytes, closed: bool = True) -> Iterator[int]:
    """A pipe into which these pieces are written by a thread, one by one."""
    there, here = os.pipe()

    def write() -> None:
        with open(here, "wb", buffering=0, closefd=closed) as stream:
            stream.writelines(pieces)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield there
    finally:
        thread.join()
        if not closed:
            os.close(here)
        time.sleep(0.01)
        os.close(there)


def all_of(feed: StdinFeed, kept: Sequence[Position], size: int) -> list[Delivery]:
    given_: list[Delivery] = []
    while not feed.ended:
        given_ += feed.deliveries(kept, size)
    return given_


def ids(given_: Sequence[Delivery]) -> list[str]:
    return [row for delivery in given_ if delivery.batch.ids is not None for row in delivery.batch.ids]


WRITER = """
import json, select, sys, time
for i in range(6):
    line = json.dumps({"id": f"r{i}", "v": [i + 1.0, 0.5]}) + "\\n"
    sys.stdout.write(line[:9])
    sys.stdout.flush()
    time.sleep(0.05)
    sys.stdout.write(line[9:])
    sys.stdout.flush()
    if i == 2 and not select.select([sys.stdin], [], [], 60)[0]:
        sys.exit("nobody heard the first rows")
"""


def test_a_slow_writer_is_heard_while_it_writes() -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        feed = StdinFeed(KEYED, "queries", descriptor=writer.stdout.fileno())
        given_: list[Delivery] = []
        while not feed.ended:
            for delivery in feed.deliveries([], 100):
                given_.append(delivery)
                if delivery.position.rows == 3:  # only now the others are written
                    writer.stdin.write(b"on\n")
                    writer.stdin.flush()
        assert writer.wait(60) == 0
    assert ids(given_) == [f"r{i}" for i in range(6)]
    assert given_[0].id.startswith("queries:1-")
    assert given_[-1].position.rows == 6


READER = """
from tidegauge.read.feeds import open_feed
from tidegauge.records import Columns
feed = open_feed("-", Columns())
for delivery in feed.deliveries([], 2):
    print(delivery.batch.rows, flush=True)
    break
"""


def test_a_program_that_leaves_is_not_held_by_its_open_input() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as reader:
        assert reader.stdin is not None
        reader.stdin.write(json_line(0) + json_line(1))
        reader.stdin.flush()
        assert reader.wait(timeout=60) == 0
        assert reader.stdout is not None
        assert reader.stderr is not None
        assert reader.stdout.read() == b"2\n"
        assert reader.stderr.read() == b""


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["jsonl", "arrow"]))
def test_however_it_comes_and_wherever_it_stops_rows_land_once(seed: int, kind: str) -> None:
    draw = random.Random(seed)
    rows = draw.randint(1, 30)
    whole = b"".join(map(json_line, range(rows))) if kind == "jsonl" else arrow_bytes(range(rows), 7)
    kept: list[Position] = []
    landed: list[Delivery] = []
    for last in (False, False, True):
        cuts = sorted(draw.choices(range(len(whole) + 1), k=draw.randint(0, 4)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if b > a]
        stop = draw.randint(0, 4)
        with written(*pieces) as pipe:
            feed = StdinFeed(KEYED, "queries", descriptor=pipe)
            size = draw.randint(1, 9)
            while not feed.ended:
                for i, delivery in enumerate(feed.deliveries(kept, size)):
                    if not last and i == stop:
                        break
                    landed.append(delivery)
                    kept = [delivery.position]
                else:
                    continue
                if draw.random() < 0.5:
                    break  # the program ends; otherwise the batch is asked for again
            while feed._pipe.piece():  # so that the writer can end
                pass
    assert ids(landed) == [f"r{i}" for i in range(rows)]
    assert kept[0].rows == rows
    assert len({each.id for each in landed}) == len(landed)


def test_a_batch_that_was_not_landed_is_given_again() -> None:
    with written(b"".join(map(json_line, range(5)))) as pipe:
        feed = StdinFeed(KEYED, "queries", descriptor=pipe)
        first = next(feed.deliveries([], 3))
        assert not feed.ended
        again, rest = feed.deliveries([], 3)
        assert again is first
        assert (again.id, rest.id) == ("queries:1-3", "queries:4-5")
        assert feed.ended
        assert list(feed.deliveries([rest.position], 3)) == []


def test_a_full_batch_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.read.feeds.stdin.IDLE_SECONDS", 1000)
    with written(b"".join(map(json_line, range(5))), closed=False) as pipe:
        stream = StdinFeed(KEYED, descriptor=pipe).deliveries([], 2)
        assert ids([next(stream), next(stream)]) == ["r0", "r1", "r2", "r3"]


def test_rows_do_not_wait_for_a_writer_that_never_rests() -> None:
    there, here = os.pipe()
    done = threading.Event()

    def trickle() -> None:
        for i in range(1000):
            os.write(here, json_line(i))
            if done.wait(0.02):
                break
        os.close(here)

    thread = threading.Thread(target=trickle)
    thread.start()
    feed = StdinFeed(KEYED, descriptor=there)
    first = next(feed.deliveries([], 8192))
    done.set()
    thread.join()
    assert 0 < first.batch.rows < 1000
    while feed._pipe.piece():
        pass
    os.close(there)


def test_without_a_name_every_run_is_another_input() -> None:
    names = set()
    for _ in range(2):
        with written(json_line(0)) as pipe:
            (delivery,) = all_of(StdinFeed(KEYED, descriptor=pipe), [], 5)
            names.add(delivery.position.source)
    assert len(names) == 2
    assert all(name.startswith("stdin-") for name in names)


def test_malformed_lines_are_set_aside_and_named() -> None:
    lines = [json_line(0), b'{"id": "cut", "v": [1\n', b"\n", b"word\n", json_line(4), b'{"id": "t", "v": ["a", 1]}\n']
    with written(b"".join(lines)) as pipe:
        given_ = all_of(StdinFeed(KEYED, "queries", descriptor=pipe), [], 100)
    assert ids(given_) == ["r0", "r4"]
    assert sum(each.batch.rejected.get("malformed", 0) for each in given_) == 3
    assert given_[0].batch.first_rejected["malformed"] == "queries, line 2"
    assert given_[-1].position.rows == 5


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"[1, 2]\n", "got a JSON list, want one JSON object"),
        (b"v\n1\n", "got malformed JSON"),
        (b"PAR1", "got malformed JSON"),
        (b"\xff\xff\xff\xff\x01", "want a whole Arrow file"),
        (b'{"text": "no vector"}\n', "got no column id"),
    ],
)
def test_what_is_neither_of_the_two_is_refused(start: bytes, message: str) -> None:
    with written(start) as pipe, pytest.raises(DataError, match=message) as caught:
        all_of(StdinFeed(KEYED, "queries", descriptor=pipe), [], 100)
    assert str(caught.value).startswith("queries")


def test_nothing_at_all_is_an_end() -> None:
    with written() as pipe:
        feed = StdinFeed(KEYED, descriptor=pipe)
        assert list(feed.deliveries([], 5)) == []
        assert feed.ended
        assert feed.faults() == ()


def test_an_arrow_stream_that_breaks_off_gives_what_came() -> None:
    data = arrow_bytes(range(20), 5)
    with written(data[: len(data) - 200]) as pipe:
        feed = StdinFeed(KEYED, "queries", descriptor=pipe)
        stream = feed.deliveries([], 100)
        assert ids([next(stream)]) == [f"r{i}" for i in range(15)]
        with pytest.raises(DataError, match=r"queries: got .*want a whole Arrow file"):
            next(stream)


def test_a_field_that_comes_late_is_waited_for() -> None:
    with written(b'{"v": [1, 2]}\n' * 3 + b'{"v": [1, 2], "id": "b"}\n') as pipe:
        (first, *rest) = all_of(StdinFeed(KEYED, "queries", descriptor=pipe), [], 2)
    assert [first.id, *(each.id for each in rest)] == ["queries:1-2", "queries:3-4"]


def test_a_width_holds_over_runs() -> None:
    wide = b'{"id": "b", "v": [1, 2, 3]}\n'
    with written(json_line(0) + wide) as pipe:
        first = next(StdinFeed(KEYED, "queries", descriptor=pipe).deliveries([], 1))
    with written(json_line(0) + wide) as pipe:
        (second,) = all_of(StdinFeed(KEYED, "queries", descriptor=pipe), [first.position], 1)
    assert second.batch.rejected == {"width": 1}
    assert second.batch.first_rejected == {"width": "queries, row 2"}


def test_sizes_and_positions_are_checked() -> None:
    with written(json_line(0)) as pipe:
        feed = StdinFeed(KEYED, "queries", descriptor=pipe)
        with pytest.raises(UsageError, match="size: got 0"):
            list(feed.deliveries([], 0))
        with pytest.raises(DataError, match="want one that was kept for this input"):
            list(feed.deliveries([Position("queries", 1, "[]")], 1))


def test_a_closed_input_is_an_error_for_people() -> None:
    there, here = os.pipe()
    os.close(there)
    os.close(here)
    with pytest.raises(DataError, match=r"queries: got .*descriptor"):
        list(StdinFeed(KEYED, "queries", descriptor=there).deliveries([], 1))


def test_large_record_batches_are_cut() -> None:
    x = np.arange(1, 2001, dtype=np.float32).reshape(1000, 2)
    table = pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 2)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with written(sink.getvalue().to_pybytes()) as pipe:
        given_ = all_of(StdinFeed(Columns(), "queries", descriptor=pipe), [], 300)
    assert [each.batch.rows for each in given_] == [300, 300, 300, 100]
    np.testing.assert_array_equal(np.concatenate([each.batch.x for each in given_]), x)
