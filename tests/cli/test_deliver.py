"""Messages of alarms from the command line: they arrive while it watches, and when it is asked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.place import ALARMING, HOUR, MONDAY, Place, rows
from tests.deliver.receiver import Receiver, answer, listening

SCRIPT = Path(sys.executable).with_name("tidegauge")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as found:
        yield found


def changes(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["change"] for request in receiver.requests]


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stopped(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def test_watching_once_tells_at_its_end(place: Place, receiver: Receiver) -> None:
    place.drift(receiver.url)
    place.fine("watch", "--once")
    assert changes(receiver)[0] == "opened"
    assert place.store().messages(waiting=True) == ()
    assert place.fine("deliver", "--once") == "0 messages arrived; none waits.\n"


def test_watching_tells_while_it_goes_on(place: Place, receiver: Receiver) -> None:
    place.drift(receiver.url)
    place.settings('poll = "1s"\n' + (place.folder / "tidegauge.toml").read_text())
    watching = started("watch")
    try:
        until(lambda: receiver.requests)
        [alarm] = place.store().alarms()
        # An answer from elsewhere is told by whoever watches.
        place.fine("alarms", "acknowledge", alarm.id, "--by", "Ada")
        until(lambda: "acknowledged" in changes(receiver))
        # The test's own process looked as well, so that a store that is busy for a moment is not the end of it.
        place.put("in/d.parquet", rows(400, MONDAY + 13.2 * HOUR, 6, name="d"))
        until(lambda: "resolved" in changes(receiver))
        out, err = stopped(watching)
    finally:
        watching.kill()
    assert f"alarm {alarm.id} opened: drift, critical" in out
    assert f"alarm {alarm.id} resolved: drift, critical" in out
    assert "Traceback" not in err
    assert len(set(receiver.keys)) == len(receiver.keys)


def test_what_is_observed_waits_and_is_said_to(place: Place, receiver: Receiver) -> None:
    place.drift(receiver.url)
    said = "tidegauge: messages of alarms wait: a 'tidegauge watch' that runs sends them, or 'tidegauge deliver --once'"
    assert place("observe", "queries", "in/a.parquet").err == ""
    place.fine("observe", "queries", "in/b.parquet")
    done = place("observe", "queries", "in/c.parquet")
    assert done.err == f"{said}\n"
    assert receiver.requests == []
    waiting = len(place.store().messages(waiting=True))
    out = place.fine("deliver", "--once")
    assert out == f"{waiting} message{'s' * (waiting > 1)} arrived; none waits.\n"
    assert changes(receiver)[0] == "opened"


def test_what_does_not_arrive_waits_and_is_tried_again(place: Place, receiver: Receiver) -> None:
    receiver.then(answer(503))
    place.drift(receiver.url)
    done = place("watch", "--once")
    assert done.status == 0
    assert "tidegauge: endpoint pager: " in done.err
    assert "503" in done.err
    done = place("deliver", "--once")
    said = r"0 messages arrived; (\d+) waits?\.\n  pager: \1, next try in \d(\.\d)? seconds; HTTP 503 .*\n"
    assert re.fullmatch(said, done.out), done.out
    assert done.err == "tidegauge: 'tidegauge deliver --once --now' tries what waits at once\n"
    delivering = started("deliver")
    try:
        until(lambda: not place.store().messages(waiting=True))
        out, err = stopped(delivering)
    finally:
        delivering.kill()
    assert out == ""
    assert "a message arrived at try 2" in err


def test_what_was_mended_is_tried_at_once_by_who_says_so(place: Place, receiver: Receiver) -> None:
    receiver.then(answer(503, Retry_After="1800"), answer(404))
    place.drift(receiver.url)
    place.fine("watch", "--once")
    waiting = len(place.store().messages(waiting=True))
    assert f"  pager: {waiting}, next try in 30 minutes; HTTP 503 " in place.fine("deliver", "--once")
    assert len(receiver.requests) == 1
    done = place("deliver", "--once", "--now")
    assert re.search(r"  pager: \d+, next try in \d\d minutes; HTTP 404 Not Found\n", done.out), done.out
    assert done.err.count("\n") == 1  # the fault
    said = f"{waiting} message{'s' * (waiting > 1)} arrived; none waits.\n"
    assert place.fine("deliver", "--once", "--now") == said


def test_messages_to_an_endpoint_that_was_taken_out_are_dropped(place: Place, receiver: Receiver) -> None:
    receiver.then(answer(503))
    place.drift(receiver.url)
    place.fine("watch", "--once")
    [alarm] = place.store().alarms()
    place.fine("alarms", "acknowledge", alarm.id, "--by", "Ada")
    waiting = len(place.store().messages(waiting=True))
    assert waiting > 1
    place.settings((place.folder / "tidegauge.toml").read_text().replace("pager", "chat"))
    done = place("deliver", "--once")
    assert (done.status, done.out) == (0, "0 messages arrived; none waits.\n")
    assert done.err == f"tidegauge: {waiting} messages for pager, which is no longer in the settings, were dropped\n"


def test_alarms_of_what_was_switched_off_or_taken_out_are_resolved(place: Place, receiver: Receiver) -> None:
    place.drift(receiver.url)
    place.fine("watch", "--once")
    [alarm] = place.store().alarms(lasting=True)
    whole = (place.folder / "tidegauge.toml").read_text()
    place.settings(f"{whole}\n[streams.queries.alarm]\nenabled = false\n")
    done = place("watch", "--once")
    why = "The alarms of the stream were switched off"
    assert f"tidegauge: alarm {alarm.id} of queries resolved: {why}\n" in done.err
    assert place.store().alarms(lasting=True) == ()
    assert changes(receiver)[-1] == "resolved"
    assert f"Why: {why}." in json.loads(receiver.requests[-1].body)["text"]
    assert place("watch", "--once").err == ""


def test_an_alertmanager_is_told_again_what_lasts(place: Place, receiver: Receiver) -> None:
    place.drift(receiver.url)
    place.settings((place.folder / "tidegauge.toml").read_text().replace("url =", 'kind = "alertmanager"\nurl ='))
    place.fine("watch", "--once")
    posts = len(receiver.requests)
    assert posts >= 2  # the news, and that it lasts
    place.fine("deliver", "--once")
    assert len(receiver.requests) == posts + 1
    [alert] = json.loads(receiver.requests[-1].body)
    assert (alert["labels"]["alertname"], alert["labels"]["stream"]) == ("TidegaugeDrift", "queries")
    assert receiver.requests[-1].path.endswith("/api/v2/alerts")


def test_nobody_to_tell(place: Place) -> None:
    place.settings(ALARMING.partition("[streams")[1] + ALARMING.partition("[streams")[2])
    place.put("in/a.parquet", rows(10, MONDAY, 0.1, name="a"))
    place.fine("watch", "--once")
    assert place.refused("deliver") == (
        "alarms.endpoints: got none, want somebody to tell of alarms. Set alarms.endpoints.NAME.url"
    )
