"""What people say of times and alarms, from the command line."""

from __future__ import annotations

import getpass
import json
from typing import get_args

import pytest

from tests.cli.place import MONDAY, Place, rows
from tidegauge.cli.annotate import KINDS
from tidegauge.records import AnnotationKind


@pytest.fixture
def filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    place.fill()
    place.fine("watch", "--once")
    return place


def test_a_mark_stands_beside_the_windows_that_it_touches(filled: Place) -> None:
    span = ("--since", "2024-01-01T01:30", "--until", "2024-01-01T03:00")
    done = filled("annotate", "queries", "holiday", "new year", *span)
    line = "#1  2024-01-01 01:30 UTC to 2024-01-01 03:00 UTC  queries  holiday: new year (grace)"
    assert (done.status, done.out) == (0, f"{line}\n")
    assert done.err == "tidegauge: left out of calibration from the next one on: 'tidegauge calibrate queries'\n"
    done = filled("annotate", "queries", "deploy", "--since", "2024-01-01T02:00", "--by", "Ada")
    assert (done.out, done.err) == ("#2  2024-01-01 02:00 UTC  queries  deploy (Ada)\n", "")
    out = filled.fine("history", "queries", "--window", "1h").splitlines()
    assert [each.rpartition("  ")[2] for each in out][1:3] == ["[holiday]", "[holiday, deploy]"]
    assert "[" not in out[0] + out[3]
    shown = filled.fine("history", "queries", "--window", "1h", "--events").splitlines()
    assert shown[shown.index("annotations:") + 1 :] == [
        f"  {line}",
        "  #2  2024-01-01 02:00 UTC  queries  deploy (Ada)",
    ]
    later = filled.fine("history", "queries", "--window", "1h", "--since", "2024-01-01T03:00", "--events")
    assert "annotations" not in later or "deploy" not in later
    told = json.loads(filled.fine("history", "queries", "--events", "--format", "json"))
    assert told["annotations"][0] == {
        "schema": "tidegauge.annotation/1",
        "id": 1,
        "stream": "queries",
        "kind": "holiday",
        "since": "2024-01-01T01:30:00Z",
        "until": "2024-01-01T03:00:00Z",
        "text": "new year",
        "by": "grace",
        "alarm": None,
    }


def test_they_are_listed_and_taken_back(filled: Place) -> None:
    assert filled.fine("annotate", "--list") == "no annotations\n"
    filled.fine("annotate", "--all-streams", "campaign", "--since", "2024-01-01", "--until", "2024-01-02", "--by", "")
    filled.fine("annotate", "queries", "note", "odd", "--since", "1h")
    assert filled.fine("annotate", "--list").splitlines() == [
        "#1  2024-01-01 00:00 UTC to 2024-01-02 00:00 UTC  all streams  campaign",
        "#2  2024-01-01 03:05 UTC  queries  note: odd (grace)",  # an hour back from the newest row
    ]
    told = filled.fine("annotate", "--list", "queries", "--format", "json").splitlines()
    assert [json.loads(each)["stream"] for each in told] == [None, "queries"]
    assert "[campaign]" in filled.fine("history", "queries")
    assert filled.fine("annotate", "--remove", "1") == "annotation #1 is gone.\n"
    assert filled.fine("annotate", "--list").startswith("#2 ")
    assert filled.refused("annotate", "--remove", "1") == "annotation: got id 1, want the id of one that is kept"


def test_of_rows_it_is_said_in_rows(filled: Place) -> None:
    filled.fine("observe", "counted", filled.put("a.parquet", rows(450, MONDAY, 1, name="a")))
    out = filled.fine("annotate", "counted", "incident", "--since", "101", "--until", "201", "--by", "")
    assert out == "#1  row 101 to row 200  counted  incident\n"
    assert filled.fine("annotate", "counted", "deploy", "--by", "") == "#2  row 451  counted  deploy\n"
    filled.fine("annotate", "--all-streams", "holiday", "--since", "1970-01-01", "--until", "1970-01-02")
    out = filled.fine("history", "counted", "--window", "100 rows").splitlines()
    assert ["[incident]" in line for line in out] == [False, True, False, False]
    assert "holiday" not in filled.fine("history", "counted", "--events")
    told = json.loads(filled.fine("annotate", "counted", "real", "--since", "1", "--until", "11", "--format", "json"))
    assert (told["since"], told["until"]) == (0, 10)


def test_an_alarm_is_judged_by_its_id_once(place: Place) -> None:
    place.drift()
    place.fine("watch", "--once")
    [alarm] = place.store().alarms()
    done = place("annotate", "--alarm", alarm.id[:6], "noise", "a load test", "--by", "Ada")
    assert done.out == (
        f"#1  2024-01-01 10:00 UTC to 2024-01-01 13:00 UTC  queries  noise, of alarm {alarm.id}: a load test (Ada)\n"
    )
    assert done.err == ("tidegauge: its panes teach calibration from the next one on: 'tidegauge calibrate queries'\n")
    place.fine("annotate", "--alarm", alarm.id, "real")
    assert [(each.id, each.kind) for each in place.store().annotations()] == [(1, "real")]
    assert "annotation   #1  " in place.fine("alarms", "show", alarm.id)


REFUSED = [
    ((), "annotate: got nothing, want a stream, a kind and a time. Such as 'tidegauge annotate queries deploy --since "
     "1h'; --list lists what was said"),
    (("nowhere", "deploy"), "stream: got 'nowhere', want one of the settings' streams: queries, counted, documents"),
    (("queries",), "KIND: got none, want one of deploy, holiday, campaign, incident, real, noise, note"),
    (("queries", "party"), "KIND: got 'party', want one of deploy, holiday, campaign, incident, real, noise, note"),
    (("queries", "note", "two", "words"), "TEXT: got 2 words, want one text. Put it in quotes"),
    (("queries", "holiday"), "--since: got nothing, want when the holiday began"),
    (("queries", "noise", "--since", "1h"), "noise: got a time, want an alarm. Say --alarm ID noise"),
    (("queries", "holiday", "--since", "2100-01-01"),
     "--until: got an end before the beginning, want one after it. Say --until"),
    (("--alarm", "zz", "noise"), "alarm: got 'zz', want the id of an alarm. There is none yet"),
    (("--alarm", "zz", "deploy"), "kind: got 'deploy', want one of real, noise for an alarm"),
    (("--alarm", "zz", "real", "--since", "1h"), "--alarm: got a time as well, want it alone, as an alarm has its own"),
    (("--list", "--remove", "1"), "--list: got more than that, want it alone"),
    (("queries", "--remove", "1"), "--remove: got more than that, want it alone"),
]  # fmt: skip


def test_what_is_refused(filled: Place) -> None:
    for arguments, message in REFUSED:
        assert filled.refused("annotate", *arguments) == message, arguments
    assert filled.store().annotations() == ()


def test_every_kind_of_annotation_can_be_said() -> None:
    assert get_args(AnnotationKind) == KINDS
