"""Calibration from the command line."""

from __future__ import annotations

import json

import pytest

from tests.cli.place import ALARMING, MONDAY, Place, rows


@pytest.fixture
def long(place: Place) -> Place:
    """A stream of three weeks of panes of three hours."""
    place.settings(ALARMING.replace("1h", "3h").replace("URL", "http://127.0.0.1:9/drift"))
    place.put("in/a.parquet", rows(168 * 40, MONDAY, 21 * 24, name="a"))
    place.fine("backfill", "queries", "in", "--settle")
    return place


def test_it_says_what_it_learned_from_and_what_is_held(long: Place) -> None:
    out = long.fine("calibrate", "queries").splitlines()
    assert out[0] == "queries"
    said = {line[2:12].strip(): line[14:] for line in out[1:] if line[2:12].strip()}
    known = int(said["panes"].split(" ")[0])
    assert 128 <= known <= 168
    assert said["promise"] == "one false alarm in 90 days (720 panes)"
    assert float(said["threshold"].removesuffix(" sd")) > 3
    assert said["held"].startswith("achieved about one in 90 days (")
    assert ", in panes 720 (" in said["held"]
    assert f"              calibrated from {known} panes; provisional: {known} of 720 panes, " in "\n".join(out)
    assert " days more" in "\n".join(out)
    assert " % of the traffic from one week to the next at most: a min_effect of " in said["weeks"]
    long.fine("annotate", "queries", "holiday", "--since", "2024-01-03", "--until", "2024-01-05")
    told = json.loads(long.fine("calibrate", "queries", "--format", "json"))
    assert (told["schema"], told["stream"], told["budget"]) == ("tidegauge.calibration/1", "queries", "1 in 90d")
    [all_rows] = told["segments"]
    assert all_rows["left_out"]["holiday"] == 16
    assert sum(all_rows["left_out"].values()) + all_rows["used"] == 168
    assert all_rows["promise"]["learned_panes"] == all_rows["used"]
    assert "; left out: " in long.fine("calibrate", "queries")
    assert "16 for holiday" in long.fine("calibrate", "queries")


def test_a_history_that_is_too_short_changes_nothing(place: Place) -> None:
    place.drift()
    place.fine("watch", "--once")
    out = place.fine("calibrate", "queries").splitlines()
    assert out[2] == "              fewer than 128: what is in force stays in force"
    assert out[-1].endswith("calibrated from the reference alone; provisional: 13 of 2,160 panes, 89 days more")


def test_what_cannot_be_calibrated(place: Place) -> None:
    place.put("in/a.parquet", rows(120, MONDAY, 2, name="a"))
    place.fine("watch", "--once")
    assert place.refused("calibrate", "queries") == (
        "stream queries: got alarms switched off, want a stream that raises alarms"
    )
    assert place.refused("calibrate", "nowhere").startswith("stream: got 'nowhere', want one of the settings' streams")
    assert place.refused("calibrate", "queries", "--segment", "fr") == "--segment: got 'fr', want one of de, en"
    assert place.refused("calibrate", "documents").startswith("stream documents: got nothing of it in ")
