"""Alarms from the command line: what is listed, all that is known of one, and answers."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Tidegauge
from tests.cli.place import HOUR, MONDAY, Place, reference, rows


@pytest.fixture(autouse=True)
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")


@pytest.fixture
def drifted(place: Place) -> Place:
    """A stream with one alarm, that lasts."""
    place.drift()
    place.fine("watch", "--once")
    return place


def only(place: Place) -> str:
    [alarm] = place.store().alarms()
    return alarm.id


def test_watching_tells_of_an_alarm_and_cron_hears_of_it_by_the_status(place: Place) -> None:
    place.drift()
    out = place.fine("watch", "--once").splitlines()
    one = only(place)
    said = f"2024-01-01 11:00 UTC  queries  alarm {one} opened: drift, critical, likely since 2024-01-01 10:00 UTC. "
    [line] = [line for line in out if "alarm" in line]
    assert line.startswith(said)
    done = place("alarms")
    assert (done.status, done.err) == (1, "")
    [listed] = done.out.splitlines()
    assert listed.split("  ")[:6] == [
        one,
        "open",
        "critical",
        "queries",
        "drift",
        "2024-01-01 11:00 UTC, likely since 2024-01-01 10:00 UTC",
    ]
    assert place("alarms", "queries").status == 1
    place.put("in/d.parquet", rows(400, MONDAY + 13.2 * HOUR, 6, name="d"))
    out = place.fine("watch", "--once")
    assert f"alarm {one} resolved: drift, critical\n" in out
    assert place.fine("alarms") == "no alarm lasts\n"
    assert place.fine("alarms", "--all").startswith(f"{one}  resolved  critical")
    assert place.fine("alarms", "--since", "1h") == "no alarms\n"
    assert one in place.fine("alarms", "--since", "2024-01-01T10:00")


def test_watching_tells_of_it_as_json_as_a_webhook_does(place: Place) -> None:
    place.drift()
    told = [json.loads(line) for line in place.fine("watch", "--once", "--format", "json").splitlines()]
    [alarm] = [each for each in told if each["schema"] == "tidegauge.alarm/1"]
    assert (alarm["change"], alarm["alarm"]["id"]) == ("opened", only(place))
    listed = json.loads(place("alarms", "--format", "json").out)
    assert listed["schema"] == "tidegauge.alarms/1"
    [same] = listed["alarms"]
    assert set(same) == set(alarm)
    assert same["times"]["onset"] == "2024-01-01T10:00:00Z"
    sent = json.loads(place.store().messages()[0].body)
    assert set(sent) == set(alarm)


def test_all_that_is_known_of_one(drifted: Place) -> None:
    one = only(drifted)
    drifted.fine("annotate", "queries", "deploy", "v4.2", "--since", "2024-01-01T10:20")
    out = drifted.fine("alarms", "show", one[:5])
    lines = dict(reversed([line[2:].split("  ", 1) for line in out.splitlines()[1:]]))
    said = {label.strip(): text.strip() for label, text in lines.items()}
    assert out.startswith(f"{one}: critical, drift in queries, open\n")
    assert said["opened"] == "2024-01-01 11:00 UTC, likely since 2024-01-01 10:00 UTC"
    assert "; threshold " in said["peak"]
    assert said["drift"].startswith("as if ")
    assert said["budget"].startswith("one false alarm in 90 days (2,160 panes); achieved about one in ")
    assert "calibrated from the reference alone; provisional: 13 of 2,160 panes, 89 days more" in said["budget"]
    assert "  moved        " in out
    assert ' of b"  b-' in out
    assert said["annotation"] == "#1  2024-01-01 10:20 UTC  queries  deploy: v4.2 (grace)"
    assert said["message"] == "pager, opened: waits: the connection was refused"
    assert said["what to do"].startswith("See what moved.")
    assert said["report"].startswith("tidegauge report queries --since 2024-01-01T10:00 --until 2024-01-01T1")
    done = drifted(*said["report"].split()[1:])
    assert done.status == 1  # and that is what moved
    told = json.loads(drifted.fine("alarms", "show", "last", "--format", "json"))
    assert (told["alarm"]["id"], told["promise"]["promised_panes"]) == (one, 2160)
    assert [each["kind"] for each in told["annotations"]] == ["deploy"]
    assert told["messages"][0]["endpoint"] == "pager"


def test_where_the_settings_say_runbook_and_page_these_are_shown(drifted: Place) -> None:
    text = (drifted.folder / "tidegauge.toml").read_text()
    drifted.settings(
        '[alarms]\nrunbook = "https://wiki.example.org/{kind}"\nreport = "https://g.example.org/{alarm}"\n' + text
    )
    out = drifted.fine("alarms", "show", only(drifted))
    assert "  what to do   https://wiki.example.org/drift\n" in out
    assert f"  page         https://g.example.org/{only(drifted)}\n" in out


def test_answers(drifted: Place) -> None:
    one = only(drifted)
    done = drifted("alarms", "acknowledge", one, "--why", "the new catalogue")
    assert done.status == 0
    assert done.out.startswith(f"{one}  acknowledged by grace  critical  queries  drift")
    assert done.err == (
        "tidegauge: messages of alarms wait: a 'tidegauge watch' that runs sends them, or 'tidegauge deliver --once'\n"
    )
    assert drifted.fine("alarms").startswith(one)  # with status 0
    assert "  snoozed until " in drifted.fine("alarms", "snooze", one, "--for", "2h", "--by", "Ada")
    drifted.fine("alarms")
    out = drifted.fine("alarms", "show", one)
    assert "  answered     by Ada\n" in out
    told = json.loads(drifted.fine("alarms", "resolve", one, "--why", "over", "--format", "json"))
    assert (told["change"], told["alarm"]["by"], told["alarm"]["why"]) == ("resolved", "grace", "over")
    assert drifted.fine("alarms") == "no alarm lasts\n"
    assert drifted.refused("alarms", "resolve", one) == (f"alarm {one}: got one that is resolved, want one that lasts")
    assert [m.change for m in drifted.store().messages()] == ["opened", "acknowledged", "snoozed", "resolved"]


def test_a_snooze_that_is_over_counts_again(drifted: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    one = only(drifted)
    drifted.fine("alarms", "snooze", one, "--for", "1s")
    monkeypatch.setattr("time.time", lambda: 4e9)
    done = drifted("alarms")
    assert done.status == 1
    assert f"{one}  open  " in done.out


REFUSED = [
    (("show",), "alarms show: got no id, want the id of an alarm. 'tidegauge alarms' lists them"),
    (("show", "zz"), "alarm: got 'zz', want the id of an alarm. There is none yet"),
    (("nothing",), "stream: got 'nothing', want one of the settings' streams: queries"),
    (("forget", "ab"), "alarms: got 'forget', want one of show, acknowledge, snooze, resolve before an id"),
    (("snooze", "ab"), "alarms snooze: got no --for, want how long it may wait. Such as --for 2h"),
    (("snooze", "ab", "--for", "soon"), "--for: got 'soon', want a span of time, such as 2h"),
    (("snooze", "ab", "--for", "0s"), "--for: got '0s', want a span of time, such as 2h"),
    (("resolve", "ab", "--for", "2h"), "--for: got alarms resolve, want alarms snooze"),
    (("show", "ab", "--why", "x"), "--why: got alarms show, want an answer to one"),
    (("resolve", "ab", "--all"), "--all: got alarms resolve, want a list of alarms"),
    (("--by", "Ada"), "--by: got a list of alarms, want an answer to one"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=lambda each: " ".join(each)[:40])
def test_what_is_refused(place: Place, arguments: tuple[str, ...], message: str) -> None:
    place.drift()
    place.fine("observe", "queries", place.put("c.parquet", rows(1, MONDAY, 0.1, name="c")))
    assert place.refused("alarms", *arguments) == message


def test_before_anything_was_recorded(place: Place) -> None:
    assert "want a store. 'tidegauge watch', 'observe' and 'backfill' make it" in place.refused("alarms")


def test_help_has_examples(tidegauge: Tidegauge) -> None:
    done = tidegauge("alarms", "--help")
    assert (done.status, done.out.count("  $ tidegauge ")) == (0, 6)


def test_the_past_pages_nobody(place: Place) -> None:
    place.drift()
    done = place("backfill", "queries", "in")
    assert done.status == 0
    assert f"alarm {only(place)} opened: drift, critical" in done.out
    assert done.err == (
        "tidegauge: alarms last that no message tells of, as they are of the past: see 'tidegauge alarms queries'\n"
    )
    assert place.store().messages() == ()
    assert place("alarms").status == 1
    place.put("in/d.parquet", rows(400, MONDAY + 13.2 * HOUR, 6, name="d"))
    place.settings((place.folder / "tidegauge.toml").read_text().replace("in/*", "in/d*"))
    place.fine("watch", "--once")
    assert [message.change for message in place.store().messages()] == ["resolved"]


def test_another_reference_resolves_what_lasts_and_says_so(drifted: Place) -> None:
    one = only(drifted)
    other = reference(1)
    other.save(drifted.folder / "other.tg")
    out = drifted.fine("rebaseline", "queries", "other.tg", "--why", "it stays")
    said = f"alarm {one} resolved: drift, critical. Reference {other.hash[:12]} came into force: it stays\n"
    assert said in out
    assert [message.change for message in drifted.store().messages()] == ["opened", "resolved"]
    assert "report       none: another reference has come into force" in drifted.fine("alarms", "show", one)
    assert drifted.fine("alarms") == "no alarm lasts\n"


def test_status_says_what_is_promised_and_held_and_what_lasts(drifted: Place) -> None:
    out = drifted.fine("status")
    [line] = [line for line in out.splitlines() if line.startswith("  alarms  ")]
    assert "one false alarm in 90 days (2,160 panes); achieved about one in 90 days (" in line
    assert line.endswith("calibrated from the reference alone; provisional: 13 of 2,160 panes, 89 days more")
    assert f"  alarm       {only(drifted)}  open  critical  queries  drift  " in out
    told = json.loads(drifted.fine("status", "--format", "json"))["streams"][0]["alarms"]
    assert told["budget"] == "1 in 90d"
    assert [each["id"] for each in told["lasting"]] == [only(drifted)]
    [promise] = told["promises"]
    assert (promise["promised_panes"], promise["learned_panes"], promise["known_panes"]) == (2160, 0, 13)
    assert promise["provisional"]
    assert promise["achieved"]["low"] < promise["achieved"]["panes"] < promise["achieved"]["high"]


def test_cron_hears_that_a_stream_stopped(place: Place) -> None:
    place.drift()
    place.settings((place.folder / "tidegauge.toml").read_text().replace('"0s"', '"1d"'))
    assert "queries  silence: No row since 2024-01-01 13:00 UTC" in place.fine("watch", "--once")
    assert [alarm.kind for alarm in place.store().alarms()] == ["drift", "silence"]
    assert "silence" not in place.fine("watch", "--once")


# check


def test_check_says_whom_is_told_and_what_is_promised(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.drift("https://me:pw@hooks.example.org/T0/token")
    text = (place.folder / "tidegauge.toml").read_text()
    text += '[streams.counted]\nreference = "normal.tg"\npane = "100 rows"\n'
    place.settings(text)
    out = place.fine("check")
    assert "alarms: 1 in 90d may be false, shared by 2 streams\n  pager: webhook at https://hooks.example.org, " in out
    assert "hooks.example.org, unsigned\n" in out
    assert "token" not in out
    assert "pw" not in out
    assert "  alarms: one false alarm in 180 days (4,320 panes), as its share of 1 in 90d\n" in out
    assert "  alarms: no alarms of drift: rows have no times, so that 1 in 90d cannot be told in panes\n" in out
    place.settings(text.replace("[alarms.endpoints.pager]", '[alarms.endpoints.pager]\nsecret = "env:PAGER_KEY"'))
    monkeypatch.delenv("PAGER_KEY", raising=False)
    done = place("check")
    assert done.status == 2
    assert "alarms.endpoints.pager.secret: secret env:PAGER_KEY: got nothing, want a key" in done.err
    monkeypatch.setenv("PAGER_KEY", "k")
    assert "hooks.example.org, signed\n" in place.fine("check")


def test_check_says_what_is_held_once_it_is_known(drifted: Place) -> None:
    assert "  alarms: one false alarm in 90 days (2,160 panes); achieved about one in 90 days (" in drifted.fine(
        "check"
    )


def test_a_stream_of_rows_without_times_wants_a_budget_in_panes(place: Place, files: Path) -> None:
    place.settings('[streams.counted]\nreference = "normal.tg"\npane = "100 rows"\nwindows = []\n')
    place.fine("observe", "counted", place.put("a.parquet", rows(250, MONDAY, 1, name="a").drop_columns("time")))
    assert "  alarms      no alarms of drift: rows have no times, so that 1 in 90d " in place.fine("status")
    place.settings('[alarms]\nbudget = "1 in 5000 panes"\n' + (place.folder / "tidegauge.toml").read_text())
    place.fine("observe", "counted", place.put("b.parquet", rows(100, MONDAY, 1, name="b").drop_columns("time")))
    said = place.fine("status")
    assert "  alarms      one false alarm in 5,000 panes; achieved about one in 5,000 panes (" in said
