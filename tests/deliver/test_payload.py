"""What is said of an alarm, to whom, and that the same is said the same way twice."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any, get_args

import pytest

from tidegauge.deliver.payload import ADVICE, NAMES, alerts, messages, prolonged
from tidegauge.records import Alarm, AlarmKind, Change, Example
from tidegauge.spec import Alarms

NOW = 1_790_001_000.5
CHANGES: tuple[Change, ...] = get_args(Change)
BOTH = Alarms.model_validate(
    {
        "repeat": "5m",
        "report": "https://gauge.example.org/{stream}?alarm={alarm}&since={since}&until={until}",
        "endpoints": {
            "chat": {"url": "https://hooks.example.org/chat"},
            "prometheus": {"kind": "alertmanager", "url": "http://127.0.0.1:9093"},
        },
    }
)


def told(alarm: Alarm, change: Change, settings: Alarms = BOTH, **more: Any) -> dict[str, Any]:
    """The content for each endpoint."""
    said = messages(alarm, change, settings, now=NOW, **more)
    assert all((each.alarm, each.change, each.due, each.tries) == (alarm.id, change, NOW, 0) for each in said)
    return {each.endpoint: json.loads(each.body) for each in said}


def test_a_webhook_gets_all_of_the_alarm(alarm: Alarm) -> None:
    content = told(alarm, "opened")["chat"]
    assert list(content) == ["schema", "change", "text", "unit", "alarm", "times", "links", "advice"]
    assert (content["schema"], content["change"], content["unit"]) == ("tidegauge.alarm/1", "opened", "seconds")
    assert set(content["alarm"]) == {field.name for field in fields(Alarm)}
    for name in ("id", "stream", "segment", "severity", "opened", "drift", "title", "resolved", "value"):
        assert content["alarm"][name] == getattr(alarm, name)
    assert content["alarm"]["examples"] == [{"id": "q17", "text": "where is my\nmoney"}, {"id": "q18", "text": ""}]
    assert content["times"] == {
        "opened": "2026-09-21T14:20:00Z",
        "onset": "2026-09-21T11:30:00Z",
        "updated": "2026-09-21T14:20:00Z",
        "resolved": None,
        "at": "2026-09-21T14:30:00Z",
        "snoozed_until": None,
    }
    page = f"https://gauge.example.org/queries?alarm={alarm.id}&since=2026-09-21T11:30:00Z&until=2026-09-21T14:20:00Z"
    assert content["links"] == {"report": page, "runbook": None}
    assert content["text"] == (
        "Warning: drift in queries, segment de. A new cluster, refunds, makes up 12 % of the traffic. "
        "Likely since 2026-09-21 11:30 UTC. As if 12.3 % of the traffic had moved. novelty rose to 12 %. "
        f"the cluster 'refunds' is new. {content['advice']} Report: {page}"
    )


def test_each_change_is_said(alarm: Alarm) -> None:
    by = replace(alarm, by="ada", why="sale week", snoozed_until=NOW + 3600, resolved=1_790_003_600)
    heads = {change: told(by, change)["chat"]["text"].partition(". A new")[0] for change in CHANGES}
    assert heads == {
        "opened": "Warning: drift in queries, segment de",
        "updated": "Lasts, warning: drift in queries, segment de",
        "acknowledged": "Acknowledged by ada: drift in queries, segment de",
        "snoozed": "Snoozed until 2026-09-21 15:30 UTC by ada: drift in queries, segment de",
        "resolved": "Resolved by ada: drift in queries, segment de",
    }
    text = told(by, "resolved")["chat"]["text"]
    assert "Why: sale week. " in text
    assert ADVICE["drift"] not in text


def test_rows_have_no_times(alarm: Alarm) -> None:
    content = told(replace(alarm, onset=12_000), "opened", unit="rows")["chat"]
    assert content["times"] == {"at": "2026-09-21T14:30:00Z", "snoozed_until": None}
    assert "Likely since row 12,000. " in content["text"]
    assert content["links"]["report"].endswith(f"&since=12000&until={alarm.updated}")


@pytest.mark.parametrize("kind", get_args(AlarmKind))
def test_an_alertmanager_gets_few_labels(alarm: Alarm, kind: AlarmKind) -> None:
    [alert] = told(replace(alarm, kind=kind), "opened")["prometheus"]
    name = NAMES[kind]
    labels = {"alertname": name, "stream": "queries", "segment": "de", "kind": kind, "severity": "warning"}
    assert alert["labels"] == labels
    assert alert["annotations"]["alarm"] == alarm.id
    assert alert["annotations"]["summary"] == alarm.title
    assert alert["annotations"]["moved"].splitlines() == [*alarm.reasons, "q17: where is my money", "q18"]
    assert alert["annotations"]["runbook"] == f"{ADVICE[kind]}."
    assert alert["generatorURL"] == alert["annotations"]["report"]
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-09-21T14:30:00Z", "2026-09-21T14:45:00Z")


def test_labels_hang_on_nothing_that_changes_from_pane_to_pane(alarm: Alarm) -> None:
    later = replace(
        alarm,
        id="f" * 12,
        updated=alarm.updated + 900,
        at=NOW + 9,
        title="x",
        drift=99.0,
        value=1.0,
        reasons=(),
        panes=9,
    )
    assert told(alarm, "opened")["prometheus"][0]["labels"] == told(later, "opened")["prometheus"][0]["labels"]
    assert "segment" not in told(replace(alarm, segment=""), "opened")["prometheus"][0]["labels"]


def test_resolved_is_over_now(alarm: Alarm) -> None:
    [alert] = told(replace(alarm, state="resolved", resolved=1_790_003_600), "resolved")["prometheus"]
    assert alert["endsAt"] == "2026-09-21T14:30:00Z"
    ahead = replace(alarm, at=NOW + 60, resolved=1)  # a clock that went back
    [alert] = told(ahead, "resolved")["prometheus"]
    assert alert["endsAt"] == alert["startsAt"]


def test_a_warning_that_becomes_critical_is_no_warning_any_more(alarm: Alarm) -> None:
    critical = replace(alarm, severity="critical")
    new, old = told(critical, "updated")["prometheus"]
    assert [each["labels"]["severity"] for each in (new, old)] == ["critical", "warning"]
    assert [each["endsAt"] for each in (new, old)] == ["2026-09-21T14:45:00Z", "2026-09-21T14:30:00Z"]
    for change in ("opened", "resolved"):
        assert len(told(critical, change)["prometheus"]) == 1
    assert len(told(alarm, "updated")["prometheus"]) == 1


def test_an_alertmanager_keeps_its_own_silences(alarm: Alarm) -> None:
    for change in ("acknowledged", "snoozed"):
        assert list(told(alarm, change)) == ["chat"]


def test_a_message_that_waited_lasts_from_when_it_arrives(alarm: Alarm) -> None:
    critical = replace(alarm, severity="critical")
    by_change = {
        change: next(each for each in messages(critical, change, BOTH, now=NOW) if each.endpoint == "prometheus")
        for change in ("opened", "updated", "resolved")
    }
    later = {change: json.loads(prolonged(each, BOTH, now=NOW + 86_400)) for change, each in by_change.items()}
    assert [each["endsAt"] for each in later["opened"]] == ["2026-09-22T14:45:00Z"]
    assert [each["endsAt"] for each in later["updated"]] == ["2026-09-22T14:45:00Z", "2026-09-21T14:30:00Z"]
    assert later["resolved"] == json.loads(by_change["resolved"].body)
    before = json.loads(by_change["opened"].body)
    assert [{**each, "endsAt": ""} for each in before] == [{**each, "endsAt": ""} for each in later["opened"]]


def test_lasting_alarms_are_said_as_they_were_opened(alarm: Alarm) -> None:
    [again] = json.loads(alerts([alarm], BOTH, now=NOW + 86_400, units={"queries": "seconds"}))
    [opened] = told(alarm, "opened")["prometheus"]
    assert {**again["labels"], "startsAt": again["startsAt"]} == {**opened["labels"], "startsAt": opened["startsAt"]}
    assert again["endsAt"] == "2026-09-22T14:45:00Z"


def test_everybody_is_told_what_they_want(alarm: Alarm) -> None:
    settings = Alarms.model_validate(
        {
            "endpoints": {
                "all": {"url": "http://h/"},
                "pager": {"url": "http://h/", "least": "critical"},
                "data": {"url": "http://h/", "kinds": ["data quality", "silence"]},
                "models": {"url": "http://h/", "kinds": "model changed", "least": "critical"},
            }
        }
    )
    wanted = {
        ("drift", "warning"): ["all"],
        ("drift", "critical"): ["all", "pager"],
        ("silence", "warning"): ["all", "data"],
        ("model changed", "critical"): ["all", "pager", "models"],
        ("model changed", "warning"): ["all"],
    }
    for (kind, severity), names in wanted.items():
        assert list(told(replace(alarm, kind=kind, severity=severity), "opened", settings)) == names
    assert messages(alarm, "opened", Alarms(), now=NOW) == []


def test_the_same_change_has_the_same_key_and_no_other_has(alarm: Alarm) -> None:
    def keys(alarm: Alarm, change: Change, now: float) -> set[str]:
        return {each.key for each in messages(alarm, change, BOTH, now=now)}

    changes = [
        (alarm, "opened"),
        (replace(alarm, updated=alarm.updated + 300), "updated"),
        (replace(alarm, updated=alarm.updated + 600), "updated"),
        (replace(alarm, by="ada"), "acknowledged"),
        (replace(alarm, snoozed_until=NOW + 60), "snoozed"),
        (replace(alarm, snoozed_until=NOW + 120), "snoozed"),
        (replace(alarm, resolved=alarm.updated + 900), "resolved"),
        (replace(alarm, id="f" * 12), "opened"),
    ]
    found = [keys(*each, now=NOW) for each in changes]
    assert all(len(each) == 1 for each in found)
    assert len(set.union(*found)) == len(changes)
    assert found == [keys(*each, now=NOW + 500) for each in changes]


def test_addresses_are_filled_in_and_nothing_else_is(alarm: Alarm) -> None:
    settings = Alarms.model_validate(
        {
            "report": "https://g/{stream}/{alarm}#{since}",
            "runbook": "https://wiki/{kind}/{stream}",
            "endpoints": {"chat": {"url": "http://h/"}},
        }
    )
    odd = replace(alarm, stream="{alarm} a/b?c&d", kind="model changed", onset=0)
    links = told(odd, "opened", settings)["chat"]["links"]
    assert links["report"] == f"https://g/%7Balarm%7D%20a%2Fb%3Fc%26d/{alarm.id}#1970-01-01T00:00:00Z"
    assert links["runbook"] == "https://wiki/model-changed/%7Balarm%7D%20a%2Fb%3Fc%26d"
    text = told(odd, "opened", settings)["chat"]["text"]
    assert f"What to do: {links['runbook']} Report: {links['report']}" in text
    given = replace(alarm, report="out/alarm.html")
    assert told(given, "opened")["chat"]["links"]["report"] == "out/alarm.html"
    assert "generatorURL" not in told(given, "opened")["prometheus"][0]


def test_whatever_is_in_an_alarm_becomes_json_of_a_bounded_size(alarm: Alarm) -> None:
    wild = replace(
        alarm,
        value=math.inf,
        threshold=math.nan,
        drift=math.nan,
        opened=10**18,
        title="x\n\ud800" * 10_000,
        reasons=("y" * 10_000,) * 1000,
        examples=(Example("i" * 10_000, "\x00" * 10_000),) * 1000,
        snoozed_until=math.inf,
    )
    for change in CHANGES:
        for each in messages(wild, change, BOTH, now=NOW):
            assert len(each.body) < 1_000_000
            content = json.loads(each.body)
            if each.endpoint == "chat":
                assert (content["alarm"]["value"], content["alarm"]["drift"]) == (None, None)
                assert content["times"]["opened"] == "9999-12-31T23:59:59Z"
                assert "\n" not in content["text"]
