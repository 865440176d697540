"""Whatever moment a writer is killed at, the store is whole: a landing is there with all it brings, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.model import dump
from tidegauge.store import SqlStore

# Lands and settles, and is killed before its k-th statement, for every k: each time by a child of its own.
KILLED = """
import os, signal, sys
from dataclasses import replace
from sqlalchemy import event
import numpy as np
from tidegauge.records import Alarm, Event, Landing, Message, PaneKey, Part, Position, Tally, Window
from tidegauge.store import open_store

folder = sys.argv[1]

def work(path, k):
    store = open_store(path)
    done = 0
    def count(*_):
        nonlocal done
        done += 1
        if done > k:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(store.database.engine, "before_cursor_execute", count)
    parts = tuple(Part(PaneKey("queries", "", 10, start), 2, bytes(9000)) for start in (0, 10))
    said = (Event("queries", "source", 1.0, "said"),)
    store.land(Landing("queries", "b", "", 0, parts, 4, {"nan": 1}, 5.0, ("de",), Position("a", 4), said))
    with store.leading("queries") as desk:
        desk.drop([part.id for part in desk.parts(10)])
        desk.keep(Window(PaneKey("queries", "", 10, 0), 2, "no drift"), bytes(9000))
        desk.tally([Tally(PaneKey("queries", "", 10, 0), 2, 5.0, np.zeros(300, np.float32))])
        desk.raise_alarm(Alarm("a1", "queries", "", "", "drift", "open", "warning", 10, 0, 10, 5.0, "Drift"))
        desk.send([Message(end, "a1 opened", "{}", 5.0, "a1", "opened") for end in ("pager", "chat")])
        desk.update(replace(desk.state, version=desk.state.version + 1, settled=10))

statements = int(sys.argv[2])
for k in range(statements):
    path = f"{folder}/{k}.db"
    store = open_store(path)
    store.register("queries", "stream")
    store.close()
    child = os.fork()
    if child == 0:
        try:
            work(path, k)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    print(k, "killed" if os.WIFSIGNALED(status) else "ended", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_killed_between_any_two_statements_the_store_is_whole(tmp_path: Path, opened: Callable[..., SqlStore]) -> None:
    told = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "32"], capture_output=True, text=True, check=True, timeout=100
    ).stdout.split("\n")
    ends = {line.split()[1] for line in told if line}
    assert ends == {"killed", "ended"}, "the last runs must get to the end, the first must not"
    seen = set()
    for file in sorted(tmp_path.glob("*.db")):
        found = dump(opened(file.name), "queries")
        state = found["state"]
        landed, settled = state.seen == 4, state.settled == 10
        seen.add((landed, settled))
        assert landed or not settled
        assert state.version == landed + settled
        assert len(found["parts"]) == (2 - settled if landed else 0)
        assert len(found["windows"]) == len(found["tallies"]) == len(found["alarms"]) == settled
        assert len(opened(file.name).messages()) == 2 * settled  # who opens an alarm tells of it, or neither
        assert len(found["positions"]) == len(found["events"]) == len(state.segments) == landed
        assert (state.aside, state.watermark) == (({"nan": 1}, 5.0) if landed else ({}, None))
    assert seen == {(False, False), (True, False), (True, True)}


WRITER = """
import itertools, sys
from tidegauge.records import Landing, PaneKey, Part
from tidegauge.store import open_store
store = open_store(sys.argv[1])
for number in itertools.count():
    part = Part(PaneKey("queries", "", 10, 0), 3, bytes(50_000))
    store.land(Landing("queries", f"b{number}", "", 0, (part, part), 6))
    print(number, flush=True)
"""


def test_killed_at_a_random_moment_what_was_acknowledged_is_there(
    tmp_path: Path, opened: Callable[..., SqlStore]
) -> None:
    opened().register("queries", "stream")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "drift.db")], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(5):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    told = 5 + len(writer.stdout.readlines())
    writer.wait()
    writer.stdout.close()
    store = opened()
    kept = store.state("queries").seen // 6
    assert kept in (told, told + 1)  # the last may have been kept before it could be told
    assert len(store.parts("queries")) == 2 * kept
