"""The past of a stream from the command line: in the order of event time, once, and nothing lost in silence."""

from __future__ import annotations

import json

import pytest

from tests.cli.place import HOUR, MONDAY, Place, rows

DAY = 24 * HOUR


def panes(place: Place) -> dict[str, int]:
    told = json.loads(place.fine("history", "queries", "--window", "1h", "--format", "json"))
    return {window["start"]: window["rows"] for window in told["windows"]}


def test_files_are_taken_in_order_of_time_however_they_are_called(place: Place) -> None:
    place.put("in/b.parquet", rows(120, MONDAY, 2, name="early"))
    place.put("in/a.parquet", rows(120, MONDAY + 2 * HOUR, 2, name="late"))
    done = place("backfill", "queries", "in")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "queries: 240 rows landed."
    assert panes(place) == {f"2024-01-01T0{hour}:00:00Z": 60 for hour in range(3)}
    assert "2024-01-01 03:00 UTC  1h  queries  60 rows" in place.fine("backfill", "queries", "in", "--settle")
    assert panes(place) == {f"2024-01-01T0{hour}:00:00Z": 60 for hour in range(4)}


def test_rows_of_a_file_are_put_in_order(place: Place) -> None:
    table = rows(240, MONDAY, 4, name="a")
    place.put("a.parquet", table.take(list(range(239, -1, -1))))
    assert place.fine("backfill", "queries", "a.parquet").splitlines()[-1] == "queries: 240 rows landed."


def test_run_again_it_goes_on_and_counts_nothing_twice(place: Place) -> None:
    place.put("in/a.parquet", rows(120, MONDAY, 2, name="a"))
    place.fine("backfill", "queries", "in")
    place.put("in/b.parquet", rows(120, MONDAY + 2 * HOUR, 2, name="b"))
    out = place.fine("backfill", "queries", "in", "--settle")
    assert out.splitlines()[-1] == "queries: 120 rows landed; 120 rows had landed before."
    assert place.store().state("queries").aside == {}
    done = place("backfill", "queries", "in")
    assert done.status == 2
    assert done.out == "queries: 0 rows landed; 240 rows are older than what is settled, and were left out.\n"
    assert done.err == (
        "tidegauge: stream queries: got 240 rows, all older than what is settled, want newer ones. They were "
        "backfilled before, or come too late: the past goes in before a stream is watched\n"
    )
    assert place.store().state("queries").seen == 240


def test_what_comes_too_late_is_counted_and_a_longer_wait_takes_it(place: Place) -> None:
    place.put("in/a.parquet", rows(240, MONDAY, 4, name="a"))
    place.put("in/b.parquet", rows(120, MONDAY + 60, 2, name="b"))
    done = place("backfill", "queries", "in")
    assert done.out.splitlines()[-1] == "queries: 240 rows landed; set aside: 120 late."
    assert done.err.startswith("tidegauge: 120 rows came too long after newer ones: sort the files by time, or say")
    place.settings((place.folder / "tidegauge.toml").read_text() + "[store]\nurl = 'sqlite:///other.db'\n")
    assert place.fine("backfill", "queries", "in", "--lateness", "4h").splitlines()[-1] == "queries: 360 rows landed."


def test_windows_close_on_the_way_where_the_past_is_long(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegauge.cli import landing
    from tidegauge.run import Recorder

    monkeypatch.setattr(landing, "BATCH_ROWS", 20)
    most: list[int] = []
    settle = Recorder.settle
    monkeypatch.setattr(
        Recorder, "settle", lambda self, **how: (most.append(len(self.store.parts("queries"))), settle(self, **how))[1]
    )
    place.put("in/a.parquet", rows(600, MONDAY, 30, name="a", locales=("de",)))
    place.fine("backfill", "queries", "in", "--settle")
    assert len(most) > 3
    assert max(most) <= 12
    assert sum(panes(place).values()) == 600


def test_the_future_is_told_by_the_clock(place: Place) -> None:
    place.put("a.parquet", rows(20, 8e9, 1, name="a"))
    out = place.fine("backfill", "queries", "a.parquet")
    assert out == "queries: 0 rows landed; set aside: 20 future.\n"


def test_panes_of_rows_need_no_times(place: Place) -> None:
    place.put("a.parquet", rows(250, MONDAY, 1, name="a"))
    out = place.fine("backfill", "counted", "a.parquet").splitlines()
    assert [line.split("  ")[0] for line in out[:-1]] == ["row 1", "row 101", "row 1"]


@pytest.mark.parametrize(
    ("stream", "more", "message"),
    [
        ("documents", (), "stream documents: got a snapshot, which has no past, want a stream."),
        ("timeless", (), "stream timeless: got no column of times, want one for the past. Set streams.timeless"),
        ("counted", ("--lateness", "1h"), "--lateness: got panes of rows, which no row is late for,"),
        ("counted", ("--settle",), "--settle: got panes of rows, which close when they are full, want panes of time"),
        ("queries", ("--lateness", "soon"), "--lateness: got 'soon', want a span such as '1h'"),
        ("queries", (), "a.parquet: got no such file"),
    ],
)
def test_what_cannot_be_backfilled(place: Place, stream: str, more: tuple[str, ...], message: str) -> None:
    place.settings((place.folder / "tidegauge.toml").read_text() + "[streams.timeless]\nreference = 'normal.tg'\n")
    assert place.refused("backfill", stream, "a.parquet", *more).startswith(message)
