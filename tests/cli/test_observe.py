"""One batch from the command line: it lands once and whole, and what closes is said."""

from __future__ import annotations

import io
import json
import sys

import pyarrow as pa
import pyarrow.csv
import pytest

from tests.cli.place import HOUR, MONDAY, Place, rows
from tidegauge.cli import landing


def test_a_file_lands_once_whatever_it_is_called(place: Place) -> None:
    day = place.put("day.parquet", rows(240, MONDAY, 3, name="a"))
    out = place.fine("observe", "queries", day).splitlines()
    assert [line.split("  ")[:4] for line in out[:-1] if "  queries  " in line] == [
        ["2024-01-01 00:00 UTC", "1h", "queries", "80 rows"],
        ["2024-01-01 01:00 UTC", "1h", "queries", "80 rows"],
        ["2024-01-01 00:00 UTC", "2h", "queries", "160 rows"],
    ]
    assert out[-1] == "queries: 240 rows landed."
    again = day.rename(place.folder / "renamed.parquet")
    assert place.fine("observe", "queries", again) == "queries: nothing changed: all 240 rows had landed before.\n"
    named = place.fine("observe", "queries", again, "--name", "other", "--format", "json")
    assert json.loads(named) == {
        "schema": "tidegauge.landing/1",
        "stream": "queries",
        "rows": 80,
        "aside": {"late": 160},
        "repeated": 0,
        "older_than_settled": 0,
    }
    assert place.fine("observe", "queries", again, "--name", "other").startswith("queries: nothing changed: all 240")
    assert place.store().state("queries").seen == 320


def test_of_several_files_only_those_that_are_new_land(place: Place) -> None:
    place.put("in/1.parquet", rows(50, MONDAY, 0.2, name="a"))
    assert place.fine("observe", "queries", "in") == "queries: 50 rows landed; no window is due.\n"
    place.put("in/2.parquet", rows(30, MONDAY + 900, 0.2, name="b"))
    said = "queries: 30 rows landed; 50 rows had landed before; no window is due.\n"
    assert place.fine("observe", "queries", "in/*.parquet") == said


def test_rows_set_aside_are_counted_by_reason(place: Place) -> None:
    table = rows(40, MONDAY, 0.5, name="a")
    vectors = table["vector"].to_pylist()
    vectors[3], vectors[4] = [0.0] * 6, None
    times = table["time"].to_pylist()
    times[7], times[8] = None, 9e9
    spoiled = table.set_column(0, "vector", pa.array(vectors)).set_column(3, "time", pa.array(times))
    out = place.fine("observe", "queries", place.put("a.parquet", spoiled))
    assert out == "queries: 36 rows landed; set aside: 1 null, 1 zero, 1 time, 1 future; no window is due.\n"


def test_a_damaged_file_lands_in_no_part(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "BATCH_ROWS", 10)
    lines = ["x0,x1,x2,x3,x4,x5,id,text,time,locale"]
    lines += [f"{i},1,2,3,4,5,{i},t,{MONDAY + i},de" for i in range(1, 91)]
    whole = place.folder / "day.csv"
    whole.write_text("\n".join([*lines, "1,two,3,4,5,6,x,t,9,de"]) + "\n")
    assert "day.csv" in place.refused("observe", "queries", whole)
    assert place.store().state("queries").seen == 0
    whole.write_text("\n".join(lines) + "\n")
    assert place.fine("observe", "queries", whole).startswith("queries: 90 rows landed")


def test_a_repeat_is_cut_alike_whatever_the_settings_say(place: Place) -> None:
    day = place.put("day.parquet", rows(9000, MONDAY, 0.5, name="a"))
    place.fine("observe", "queries", day)
    settings = (place.folder / "tidegauge.toml").read_text()
    place.settings(settings.replace('pane = "1h"', 'pane = "1h"\nbatch_rows = 100'))
    assert place.fine("observe", "queries", day) == "queries: nothing changed: all 9,000 rows had landed before.\n"


@pytest.mark.parametrize("kind", ["jsonl", "csv", "arrow"])
def test_standard_input(place: Place, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    table, bytes_ = rows(30, MONDAY, 0.5, name="a"), io.BytesIO()
    if kind == "arrow":
        with pa.ipc.new_stream(bytes_, table.schema) as stream:
            stream.write_table(table)
    elif kind == "jsonl":
        bytes_.write("".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode())
    else:
        flat = {f"x{i}": [row[i] for row in table["vector"].to_pylist()] for i in range(6)}
        pyarrow.csv.write_csv(pa.table(flat | {name: table[name] for name in table.column_names[1:]}), bytes_)
    for said in ("30 rows landed; no window is due", "nothing changed: all 30 rows had landed before"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes_.getvalue())))
        assert place.fine("observe", "queries", "-") == f"queries: {said}.\n"


def test_what_is_wrong_with_standard_input_is_said_of_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert place.refused("observe", "queries", "-") == "standard input: got nothing, want rows"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"v": [1, 2]}\n')))
    assert place.refused("observe", "queries", "-").startswith("standard input: got no column id, want one of v")


def test_another_model_is_set_aside_and_called_that(place: Place) -> None:
    from tests.cli.place import reference

    reference(model_id="m1").save(place.folder / "normal.tg")
    day = place.put("day.parquet", rows(100, MONDAY, 0.5, name="a"))
    event, said = place.fine("observe", "queries", day, "--model-id", "m2").splitlines()
    assert event.split("  ")[1:] == [
        "queries",
        "model changed: The embedding model changed: the vectors come from model 'm2', the reference from 'm1'.",
    ]
    assert said == "queries: 0 rows landed; set aside: 100 model; no window is due."
    status = place.fine("status")
    assert "model       changed: the vectors come from model 'm2', the reference from 'm1'" in status
    next_day = place.put("next.parquet", rows(100, MONDAY + HOUR, 0.5, name="b"))
    assert "queries: 100 rows landed" in place.fine("observe", "queries", next_day, "--model-id", "m1")
    assert "model  " not in place.fine("status")


def test_a_snapshot_is_added_to_removed_from_and_replaced(place: Place) -> None:
    old = place.put("old.parquet", rows(200, MONDAY, 1, name="old"))
    new = place.put("new.parquet", rows(150, MONDAY, 1, name="new"))

    def said(*arguments: object) -> tuple[str, str]:
        out = place.fine("observe", "documents", *map(str, arguments)).splitlines()
        return (out[0].split("  ")[3] if len(out) > 1 else "", out[-1])

    assert said(old) == ("200 rows", "documents: 200 rows landed.")
    assert said(old) == ("", "documents: nothing changed: all 200 rows had landed before.")
    assert said(new) == ("350 rows", "documents: 150 rows landed.")
    assert said(old, "--remove") == ("150 rows", "documents: 200 rows removed.")
    assert said(old, "--remove") == ("", "documents: nothing changed: all 200 rows had landed before.")
    assert said(old, "--replace") == ("200 rows", "documents: 200 rows landed.")
    assert said(old, "--replace") == ("", "documents: nothing changed: the snapshot holds this content already.")
    assert said(new) == ("350 rows", "documents: 150 rows landed.")  # a new content: it lands again
    assert "replaced: The content was replaced by" in place.fine("history", "documents", "--events")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("queries", "gone.npy"), "gone.npy: got no such file or directory, want a file, a directory or a pattern"),
        (("other", "a.npy"), "stream: got 'other', want one of the settings' streams: queries, counted, documents"),
        (("queries", "a.npy", "--remove"), "--remove: got queries, a stream, which only grows, want a snapshot"),
        (("documents", "a.npy", "--remove", "--replace"), "--replace: got --remove as well, want one of the two"),
        (("queries", "postgresql://me:secret@db/x"), "postgresql://me:***@db/x: got a database, want a file, folder"),
        (("queries", "a.npy", "--config", "none.toml"), "none.toml: got no such file, want a file of settings"),
    ],
)
def test_what_cannot_be_observed(place: Place, arguments: tuple[str, ...], message: str) -> None:
    assert place.refused("observe", *arguments).startswith(message)
