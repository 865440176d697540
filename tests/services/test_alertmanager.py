"""Alarms in a real Prometheus Alertmanager: they open, last while they are posted, and are over when we say so."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.deliver.receiver import Receiver, listening
from tests.deliver.shelf import Shelf
from tidegauge.deliver import deliver, messages, repeat
from tidegauge.records import Alarm, Change
from tidegauge.spec import Alarms

pytestmark = pytest.mark.service

CONFIG = """
route:
  receiver: people
  group_by: [alertname, stream, segment]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
  routes:
  - matchers: ['segment = ""', 'severity = "critical"']
    receiver: nobody
receivers:
- name: people
  webhook_configs:
  - url: {url}
    send_resolved: true
- name: nobody
"""


def until(happens: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for what another program is about to do."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = happens()
        if found:
            return found
        time.sleep(0.1)
    return happens()


@dataclass
class Manager:
    """An Alertmanager, whom it tells, and we who tell it."""

    url: str
    people: Receiver
    settings: Alarms
    shelf: Shelf

    def tell(self, alarm: Alarm, change: Change) -> None:
        self.shelf.put(*messages(alarm, change, self.settings, now=time.time()))
        waiting = len(self.shelf.messages(waiting=True))
        assert deliver(self.shelf, self.settings, clock=time.time, stop=threading.Event(), tell=pytest.fail) == waiting

    def repeat(self) -> int:
        return repeat(self.shelf, self.settings, clock=time.time, stop=threading.Event(), tell=pytest.fail)

    def active(self, stream: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts?active=true&filter=stream={stream}") as response:
            return [each for each in json.load(response) if each["status"]["state"] == "active"]

    def notices(self, stream: str) -> list[dict[str, Any]]:
        told = [json.loads(each.body) for each in self.people.requests]
        return [each for each in told if each["groupLabels"]["stream"] == stream]


@pytest.fixture(scope="module")
def program() -> str:
    found = os.environ.get("ALERTMANAGER") or shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if not found:
        pytest.fail("no Alertmanager found; 'make test-services' installs Debian's where it can")
    return found


@pytest.fixture(scope="module")
def running(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Receiver]]:
    """One Alertmanager for all tests, which tell it of streams of their own."""
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    with listening() as people, socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        held.close()
        (folder / "config.yml").write_text(CONFIG.format(url=people.url))
        options = [f"--config.file={folder}/config.yml", f"--storage.path={folder}/data", "--cluster.listen-address="]
        with (folder / "log").open("wb") as log:
            command = [program, *options, f"--web.listen-address={address}"]
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)

        def ready() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://{address}/-/ready", timeout=5) as response:
                    return response.status == 200
            except OSError:
                return False

        try:
            assert until(ready), (folder / "log").read_text()
            yield f"http://{address}", people
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def manager(running: tuple[str, Receiver], monkeypatch: pytest.MonkeyPatch) -> Manager:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    url, people = running
    return Manager(url, people, told_every("5m", url), Shelf())


def told_every(span: str, url: str) -> Alarms:
    report = "https://gauge.example.org/{stream}?alarm={alarm}&since={since}"
    endpoint = {"kind": "alertmanager", "url": url}
    return Alarms.model_validate({"repeat": span, "report": report, "endpoints": {"prometheus": endpoint}})


def alarm_of(stream: str, **more: Any) -> Alarm:
    now = time.time()
    moments = {"opened": int(now) - 60, "onset": int(now) - 600, "updated": int(now) - 60, "at": now}
    given = {"segment": "de", "kind": "drift", "severity": "warning", "title": "More refunds", "drift": 12.3}
    return Alarm("0123456789ab", stream, reference="r", state="open", **{**moments, **given, **more})


def test_an_alarm_opens_and_is_resolved(manager: Manager) -> None:
    alarm = alarm_of("queries")
    manager.tell(alarm, "opened")
    [alert] = until(lambda: manager.active("queries"))
    labels = {"alertname": "TidegaugeDrift", "stream": "queries", "segment": "de", "severity": "warning"}
    assert alert["labels"] == {**labels, "kind": "drift"}
    assert alert["annotations"]["alarm"] == alarm.id
    assert alert["annotations"]["summary"] == "More refunds"
    assert alert["generatorURL"].startswith("https://gauge.example.org/queries?alarm=0123456789ab&since=20")
    [notice] = until(lambda: manager.notices("queries"))
    assert (notice["status"], notice["alerts"][0]["labels"]) == ("firing", alert["labels"])
    manager.tell(replace(alarm, state="resolved", resolved=alarm.updated + 900), "resolved")
    assert until(lambda: len(manager.notices("queries")) > 1)
    assert [each["status"] for each in manager.notices("queries")] == ["firing", "resolved"]
    assert manager.active("queries") == []


def test_an_alarm_lasts_while_it_is_posted_again_and_not_for_ever(manager: Manager) -> None:
    manager.settings = told_every("2s", manager.url)  # and so it is over after six seconds
    alarm = alarm_of("kept")
    manager.tell(alarm, "opened")
    assert until(lambda: manager.notices("kept"))
    manager.shelf.lasting = (alarm,)
    end = time.monotonic() + 8
    while time.monotonic() < end:
        assert manager.repeat() == 1
        assert len(manager.active("kept")) == 1
        time.sleep(0.5)
    assert [each["status"] for each in manager.notices("kept")] == ["firing"]  # and nobody was told of it again
    assert until(lambda: [each["status"] for each in manager.notices("kept")] == ["firing", "resolved"])
    assert manager.active("kept") == []


def test_a_warning_becomes_critical(manager: Manager) -> None:
    alarm = alarm_of("worse")
    manager.tell(alarm, "opened")
    assert until(lambda: manager.notices("worse"))
    critical = replace(alarm, severity="critical", updated=alarm.updated + 300)
    manager.tell(critical, "updated")
    assert until(lambda: [each["labels"]["severity"] for each in manager.active("worse")] == ["critical"])
    last = until(lambda: manager.notices("worse")[1:])[-1]
    assert {each["labels"]["severity"]: each["status"] for each in last["alerts"]} == {
        "critical": "firing",
        "warning": "resolved",
    }
    manager.tell(replace(critical, state="resolved", resolved=critical.updated + 900), "resolved")
    assert until(lambda: manager.active("worse") == [])


def test_every_kind_is_taken_and_all_rows_are_no_segment(manager: Manager) -> None:
    names = ["TidegaugeDataQuality", "TidegaugeDrift", "TidegaugeModelChanged", "TidegaugeSilence"]
    for n, kind in enumerate(("drift", "model changed", "data quality", "silence")):
        odd = alarm_of("kinds", kind=kind, severity="critical", segment="", title='"<b>\n\ttä\u2028')
        manager.tell(replace(odd, id=f"{n:012x}"), "opened")
    found = until(lambda: len(manager.active("kinds")) == 4 and manager.active("kinds"))
    assert sorted(each["labels"]["alertname"] for each in found) == names
    assert all("segment" not in each["labels"] for each in found)
    assert {each["receivers"][0]["name"] for each in found} == {"nobody"}  # routed by no segment


def test_an_alarm_that_arrives_late_fires_all_the_same(manager: Manager) -> None:
    alarm = alarm_of("late", at=time.time() - 86_400)
    manager.shelf.put(*messages(alarm, "opened", manager.settings, now=time.time() - 86_400))
    assert deliver(manager.shelf, manager.settings, clock=time.time, stop=threading.Event(), tell=pytest.fail) == 1
    assert len(until(lambda: manager.active("late"))) == 1
