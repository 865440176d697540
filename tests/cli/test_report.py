"""The report of a span of a stream, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.place import HOUR, MONDAY, Place, rows


@pytest.fixture
def filled(place: Place) -> Place:
    place.fill()
    place.fine("watch", "--once")
    return place


def test_a_span_is_judged_as_its_rows_are(filled: Place) -> None:
    calm = filled("report", "queries", "--until", "2024-01-01T02:00")
    assert (calm.status, calm.out.startswith("No drift found")) == (0, True)
    assert "(240 rows)." in calm.out
    moved = filled("report", "queries", "--since", "2024-01-01T02:00", "--format", "json")
    told = json.loads(moved.out)
    assert (moved.status, told["verdict"]["state"], told["after"]["rows"]) == (1, "drift", 250)
    assert told["after"]["label"] == "queries, 2024-01-01 02:00 to 2024-01-01 05:00"
    there = filled("compare", "normal.tg", "in/b.parquet", "--format", "json", "--column", "vector")
    assert abs(json.loads(there.out)["drift"]["value"] - told["drift"]["value"]) < 10


def test_without_a_span_the_last_week(filled: Place) -> None:
    old = filled.put("old.parquet", rows(50, MONDAY - 10 * 24 * HOUR, 1, name="old"))
    filled.settings((filled.folder / "tidegauge.toml").read_text() + "[store]\nurl = 'sqlite:///other.db'\n")
    filled.fine("backfill", "queries", old)
    filled.fine("watch", "--once")
    assert json.loads(filled("report", "queries", "--format", "json").out)["after"]["rows"] == 490
    ever = filled("report", "queries", "--since", "20d", "--format", "json")
    assert json.loads(ever.out)["after"]["rows"] == 540


def test_one_segment(filled: Place) -> None:
    told = json.loads(filled("report", "queries", "--segment", "de", "--format", "json").out)
    assert (told["after"]["label"].split(",")[0], told["after"]["rows"]) == ("queries/de", 245)


def test_too_few_rows_to_tell(filled: Place) -> None:
    done = filled("report", "queries", "--since", "2024-01-01T04:00")
    assert done.status == 3
    assert done.out.startswith("Insufficient data")


def test_the_whole_report_is_written(filled: Place) -> None:
    done = filled("report", "queries", "-o", "week")
    assert done.status == 1
    assert Path("week/report.html").read_text().count("queries, 2023-12-25 04:00 to 2024-01-01 05:00")
    assert {"week/report.html", "week/report.json", "week/report.txt"} <= set(done.out.splitlines())


def test_a_snapshot_is_its_present_content(place: Place) -> None:
    place.fine("observe", "documents", place.put("a.parquet", rows(200, MONDAY, 1, name="a")))
    place.fine("observe", "documents", place.put("b.parquet", rows(150, MONDAY, 1, name="b")))
    place.fine("observe", "documents", "a.parquet", "--remove")
    told = json.loads(place("report", "documents", "--format", "json").out)
    assert (told["after"]["label"], told["after"]["rows"]) == ("documents, now", 150)
    assert place.refused("report", "documents", "--since", "7d").startswith("--since: got a snapshot, which knows only")


def test_panes_of_rows(place: Place) -> None:
    place.fine("observe", "counted", place.put("a.parquet", rows(450, MONDAY, 1, name="a")))
    whole = json.loads(place("report", "counted", "--format", "json").out)
    assert (whole["after"]["label"], whole["after"]["rows"]) == ("counted, rows 1 to 500", 450)
    last = json.loads(place("report", "counted", "--since", "200 rows", "--format", "json").out)
    assert last["after"]["rows"] == 250


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "2023-01-01", "--until", "2023-02-01"), "queries, 2023-01-01 00:00 to 2023-02-01 00:00: got"),
        (("--segment", "fr"), "--segment: got 'fr', want one of de, en"),
        (("--interactive",), "--interactive: got no --out, want a folder for explore.html"),
        (("-o", "normal.tg"), "normal.tg: got normal.tg, which is a file, want a folder to write into"),
    ],
)
def test_what_cannot_be_reported(filled: Place, arguments: tuple[str, ...], message: str) -> None:
    assert filled.refused("report", "queries", *arguments).startswith(message)
