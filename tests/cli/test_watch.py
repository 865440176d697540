"""Watching from the command line: what is said, that each row counts once, and how it is told to stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.cli.place import HOUR, MONDAY, Place, reference, rows
from tidegauge.errors import StoreError
from tidegauge.run import watch as loop

SCRIPT = Path(sys.executable).with_name("tidegauge")


def started(*arguments: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([SCRIPT, "watch", *arguments], stdin=stdin, stdout=pipe, stderr=pipe, text=True)


def lines(x: np.ndarray) -> str:
    return "".join(json.dumps({"v": row.tolist()}) + "\n" for row in x)


def test_each_window_that_closes_is_a_line_and_each_row_counts_once(place: Place) -> None:
    place.fill()
    out = place.fine("watch", "--once").splitlines()
    assert [line.split("  ")[:4] for line in out if "queries  " in line] == [
        ["2024-01-01 00:00 UTC", "1h", "queries", "120 rows"],
        ["2024-01-01 01:00 UTC", "1h", "queries", "120 rows"],
        ["2024-01-01 02:00 UTC", "1h", "queries", "120 rows"],
        ["2024-01-01 00:00 UTC", "2h", "queries", "240 rows"],
        ["2024-01-01 03:00 UTC", "1h", "queries", "120 rows"],
        ["2024-01-01 02:00 UTC", "2h", "queries", "240 rows"],
    ]
    assert out[0].startswith("2024-01-01 00:00 UTC  1h  queries/de  60 rows  ")
    assert [line for line in out if "  2h  queries  " in line and "  drift  drift " in line] == [out[-1]]
    assert out[-1].endswith("p = 0.001")
    assert place.fine("watch", "--once") == ""
    assert place.store().state("queries").seen == 490


def test_lines_of_json(place: Place) -> None:
    place.fill()
    told = [json.loads(line) for line in place.fine("watch", "queries", "--once", "--format", "json").splitlines()]
    last = told[-1]
    assert {each["schema"] for each in told} == {"tidegauge.window/1"}
    assert (last["stream"], last["segment"], last["length"], last["rows"]) == ("queries", "", "2h", 240)
    assert (last["start"], last["end"]) == ("2024-01-01T02:00:00Z", "2024-01-01T04:00:00Z")
    assert last["state"] == "drift"
    assert last["p"] <= 0.001
    assert last["drift"]["low"] < last["drift"]["value"] < last["drift"]["high"]
    assert set(last["scores"]["mmd"]) == {"value", "z", "p", "effect"}


def test_faults_of_a_source_are_events_and_the_other_files_are_read(place: Place) -> None:
    place.fill()
    (place.folder / "in" / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    place.settings((place.folder / "tidegauge.toml").read_text().replace('poll = "1h"', 'poll = "1s"'))
    with started("--format", "json") as watching:
        assert watching.stdout is not None
        told = (json.loads(line) for line in watching.stdout)
        event = next(each for each in told if each["schema"] == "tidegauge.event/1")
        watching.terminate()
        watching.communicate(timeout=60)
    assert (event["stream"], event["kind"], "broken.parquet" in event["text"]) == ("queries", "source", True)
    assert place.store().state("queries").seen == 490
    assert f"source: {event['text']}" in place.fine("history", "queries", "--events")


def test_what_happens_is_said_once(place: Place) -> None:
    reference(model_id="m1").save(place.folder / "normal.tg")
    place.put("in/a.parquet", rows(120, MONDAY, 1, name="a"))
    place.fine("watch", "--once")
    wide = rows(120, MONDAY + 3600, 1, name="b").to_pylist()
    (place.folder / "in" / "b.jsonl").write_text(
        "".join(json.dumps({**row, "vector": [*row["vector"], 1.0]}) + "\n" for row in wide)
    )
    place.settings((place.folder / "tidegauge.toml").read_text().replace("in/*.parquet", "in"))
    out = [line for line in place.fine("watch", "--once").splitlines() if "model changed: The" in line]
    said = "queries  model changed: The embedding model changed: the vectors have 7 dimensions, the reference 6."
    assert [line.split(" UTC  ")[1] for line in out] == [said]
    assert place.fine("watch", "--once") == ""


REFUSED = [
    (("nothing",), "stream: got 'nothing', want one of the settings' streams: queries, counted, documents"),
    (
        ("counted",),
        "stream counted: got no source, want one to watch. Set streams.counted.source, or say --source",
    ),
    (("--source", "-"), "--source: got 0 streams, want the one stream that it feeds"),
    (("queries", "counted", "--source", "-"), "--source: got 2 streams, want the one stream that it feeds"),
    (
        ("queries", "--source-name", "x"),
        "--source-name: got no standard input, want a stream that it feeds. Say --source -",
    ),
    (
        ("counted", "--source", "gone.npy"),
        "gone.npy: got no such file or directory, want a file, a directory or a pattern",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=lambda each: " ".join(each)[:40])
def test_what_cannot_be_watched(place: Place, arguments: tuple[str, ...], message: str) -> None:
    assert place.refused("watch", *arguments, "--once") == message


def test_only_one_stream_is_fed_from_standard_input(place: Place) -> None:
    place.settings("[streams.a]\nsource = '-'\n[streams.b]\nsource = '-'\n")
    assert place.refused("watch") == "standard input: got streams a, b, want one stream that it feeds"


def test_without_a_reference_nothing_is_recorded(place: Place) -> None:
    place.settings("[streams.a]\nsource = '-'\n")
    assert place.refused("watch") == (
        "stream a: got no reference in force, want one. Fit one on normal vectors ('tidegauge fit'), then say "
        "'tidegauge rebaseline a FILE'"
    )


def test_another_model_than_the_reference_is_refused_before_anything_is_read(place: Place) -> None:
    place.fill()
    reference(model_id="encoder-1").save(place.folder / "normal.tg")
    settings = (place.folder / "tidegauge.toml").read_text()
    place.settings(settings.replace('pane = "1h"', 'pane = "1h"\nmodel_id = "encoder-2"'))
    said = place.refused("watch", "--once")
    assert said.endswith(
        "got model 'encoder-1', want model 'encoder-2'. Fit one on this model's vectors, or set model_id to what they "
        "come from"
    )
    assert place.store().state("queries").seen == 0
    assert place.fine("watch", "--once", "--ignore-model-id")
    assert place.refused("watch", "--once") == said


def test_standard_input_under_a_name_counts_once(place: Place) -> None:
    x = np.random.default_rng(3).standard_normal((250, 6))
    for text, closed in ((lines(x), 3), (lines(x), 0), (lines(np.vstack([x, x[:60]])), 1)):
        done = subprocess.run(
            [SCRIPT, "watch", "counted", "--source", "-", "--source-name", "service"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == closed, done.stdout
    assert place.store().state("counted").seen == 310


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_the_batch_in_hand(place: Place, number: signal.Signals) -> None:
    place.fill()
    with started() as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        first = watching.stdout.readline()
        watching.send_signal(number)
        out, err = watching.stdout.read(), watching.stderr.read()
    assert (watching.returncode, err) == (0, "tidegauge: finishing the batch in hand\n")
    rest = place.fine("watch", "--once")
    said = [line for line in (first + out + rest).splitlines() if "  1h  queries  " in line]
    assert [line.split("  ")[3] for line in said] == ["120 rows"] * 4
    assert place.store().state("queries").seen == 490


def test_a_signal_ends_waiting_for_standard_input(place: Place) -> None:
    with started("counted", "--source", "-", stdin=subprocess.PIPE) as watching:
        assert watching.stdin is not None
        assert watching.stdout is not None
        watching.stdin.write(lines(np.random.default_rng(3).standard_normal((100, 6))))
        watching.stdin.flush()
        assert watching.stdout.readline().startswith("row 1  100 rows  counted  100 rows  ")
        watching.terminate()
        assert watching.wait(timeout=60) == 0


def test_an_error_of_one_stream_ends_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.put("in/a.parquet", rows(10, MONDAY, 1, name="a"))
    settings = (place.folder / "tidegauge.toml").read_text()
    place.settings(settings.replace("[streams.counted]", '[streams.counted]\nsource = "in"'))
    ended: list[str] = []

    def watch(recorder: object, _feed: object, stop: threading.Event, *_: object, **__: object) -> None:
        if recorder.spec.name == "counted":  # type: ignore[attr-defined]
            raise StoreError("drift.db", got="a full disk", want="room")
        assert stop.wait(60)
        ended.append(recorder.spec.name)  # type: ignore[attr-defined]

    monkeypatch.setattr(loop, "watch", watch)
    assert place.refused("watch") == "drift.db: got a full disk, want room"
    assert ended == ["queries"]


def test_a_terminal_shows_rows_and_rate_and_is_left_clean(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.fill()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    done = place("watch", "--once")
    assert "490 rows, " in done.err
    assert " rows/s" in done.err
    assert done.err.endswith("\r\x1b[K")
    assert "rows/s" not in done.out


def test_a_changed_pane_is_refused_until_the_stream_is_rebaselined(place: Place) -> None:
    place.fill()
    place.fine("watch", "--once")
    settings = (place.folder / "tidegauge.toml").read_text()
    place.settings(settings.replace('pane = "1h"\nwindows = ["2h"]', 'pane = "500 rows"\nwindows = []\nkeep = {}', 1))
    said = (
        "got panes of 500 rows in the settings, want 1h, as its windows are kept. Set pane back, or close what is open "
        "and begin anew with 'tidegauge rebaseline queries REF'"
    )
    (place.folder / "in" / "a.parquet").touch()
    for command in (
        ("watch", "--once"),
        ("observe", "queries", "in/a.parquet"),
        ("history", "queries"),
        ("report", "queries"),
    ):
        assert place.refused(*command) == f"stream queries: {said}"
    assert place.refused("check").endswith(f"streams.queries.pane: stream queries: {said}")
    status = place.fine("status")
    assert "queries: panes of 1h\n" in status
    assert "  refused     panes of 500 rows in the settings. Set pane back, or close " in status
    assert "\n  1h          2024-01-01 03:00 UTC" in status
    out = place.fine("rebaseline", "queries", "normal.tg").splitlines()
    assert out[0].split("  ")[:4] == ["2024-01-01 04:00 UTC", "1h", "queries", "10 rows"]
    assert out[-1].endswith(" is in force, with panes of 500 rows in place of 1h.")
    place.put("in/d.parquet", rows(600, MONDAY + 5 * HOUR, 1, name="d"))
    place.fine("watch", "queries", "--once")
    assert "row 501  500 rows  queries  500 rows" in place.fine("history", "queries")
    assert place.fine("check").endswith("all is well.\n")
