"""Where streams stand, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.place import MONDAY, Place, reference, rows


def test_before_anything_was_recorded_no_store_is_made(place: Place) -> None:
    out = place.fine("status")
    assert out.count("nothing was recorded yet") == 3
    assert not (place.folder / "tidegauge.db").exists()
    told = json.loads(place.fine("status", "--format", "json"))
    assert told["streams"][0] == {"stream": "queries", "in_settings": True, "recorded": False}


def test_where_a_stream_stands(place: Place) -> None:
    place.fill()
    place.fine("watch", "--once")
    place.fine("observe", "queries", place.put("late.parquet", rows(7, MONDAY, 1, name="late")))
    first = reference().hash[:12]
    lines = place.fine("status").splitlines()
    assert lines[0] == "queries: panes of 1h"
    assert lines[1].startswith(f"  reference   {first} since ")
    assert lines[2] == "  rows        490 landed; set aside: 7 late"
    assert lines[3].startswith("  newest row  2024-01-01 04:05 UTC, ")
    assert lines[3].endswith(" days ago")
    assert lines[4] == "  settled     until 2024-01-01 04:00 UTC; 3 parts open"  # one of them tells of the late rows
    assert lines[5] == "  segments    de, en"
    assert lines[6].startswith("  1h          2024-01-01 03:00 UTC  120 rows  drift  drift ")
    assert lines[7].startswith("  2h          2024-01-01 02:00 UTC  240 rows  drift  drift ")
    assert [line.split("/in/")[1] for line in lines[8:11]] == [
        "a.parquet: 240 rows read",
        "b.parquet: 240 rows read",
        "c.parquet: 10 rows read",
    ]
    assert lines[-1].startswith("store ")
    assert lines[-1].endswith(f"tidegauge.db: {place.store().size():,} bytes")


def test_the_same_as_json(place: Place) -> None:
    place.fill()
    place.fine("watch", "--once")
    told = json.loads(place.fine("status", "--format", "json"))
    stream = told["streams"][0]
    assert told["schema"] == "tidegauge.status/1"
    assert told["store"]["bytes"] >= Path("tidegauge.db").stat().st_size > 100_000
    assert (stream["rows"], stream["aside"], stream["segments"], stream["model"]) == (490, {}, ["de", "en"], None)
    assert (stream["settled_until"], stream["open_parts"]) == ("2024-01-01T04:00:00Z", 2)
    assert stream["reference"]["hash"] == reference().hash
    assert [window["length"] for window in stream["windows"]] == ["1h", "2h"]
    assert stream["age_seconds"] > 0
    assert sum(source["rows"] for source in stream["sources"]) == 490


def test_silence_is_said(place: Place) -> None:
    place.fill()
    place.settings((place.folder / "tidegauge.toml").read_text().replace('silence = "0s"', 'silence = "1d"'))
    place.fine("watch", "--once")
    assert "  silence     No row since 2024-01-01 04:05 UTC: the stream stopped.\n" in place.fine("status")


def test_a_stream_that_left_the_settings_is_still_shown(place: Place) -> None:
    place.fill()
    place.fine("watch", "--once")
    place.settings("")
    out = place.fine("status").splitlines()
    assert out[0] == "queries: not in the settings"
    assert out[2] == "  rows        490 landed"


def test_many_sources_are_counted(place: Place) -> None:
    for i in range(8):
        place.put(f"in/{i}.parquet", rows(5, MONDAY + 60 * i, 0.01, name=f"s{i}"))
    place.fine("watch", "--once")
    out = place.fine("status")
    assert (out.count("5 rows read"), out.count("and 3 sources more")) == (5, 1)
