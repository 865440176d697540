"""Alarms and annotations over HTTP: listed, shown, answered and judged, each by those who may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.server.conftest import ALARMS, NOW, Caller, Clock
from tidegauge.server.service import Service
from tidegauge.spec.server import Scope

Get = Callable[[str], Any]
OVER, LASTS = ALARMS
HOOK = {"endpoints": {"pager": {"url": "http://127.0.0.1:9/hook"}}}


# ---------------------------------------------------------------- shown


def test_those_that_last_are_listed_and_the_others_where_asked_for(checked: Get) -> None:
    assert [each["alarm"]["id"] for each in checked("/v1/alarms")["alarms"]] == [LASTS]
    assert [each["alarm"]["id"] for each in checked("/v1/alarms?lasting=false")["alarms"]] == [OVER, LASTS]
    assert checked("/v1/alarms?stream=counted&lasting=false")["alarms"] == []


def test_they_come_page_by_page(checked: Get) -> None:
    newest = checked("/v1/alarms?lasting=false&newest=1")
    assert [each["alarm"]["id"] for each in newest["alarms"]] == [LASTS]
    before = checked(f"/v1/alarms?lasting=false&newest=1&until={newest['next']}")
    assert ([each["alarm"]["id"] for each in before["alarms"]], before["next"]) == ([OVER], None)


def test_all_that_is_known_of_one(checked: Get, client: TestClient) -> None:
    client.post("/v1/annotations", json={"alarm": LASTS, "kind": "real", "said": "the new catalogue"})
    known = checked(f"/v1/alarms/{LASTS}")
    assert known["alarm"]["title"] == "Rows far from everything known changed."
    assert [each["text"] for each in known["annotations"]] == ["the new catalogue"]
    assert known["promise"]["segment"] == ""
    assert known["times"]["opened"] == "2024-01-04T00:00:00Z"


@pytest.mark.parametrize(
    "given", ["last", "0", LASTS[:6], LASTS.upper() + "A", LASTS + "0", "%00", "' OR 1=1", "🐦" * 12]
)
def test_an_alarm_has_a_whole_id_and_no_other_words(client: TestClient, given: str) -> None:
    for answer in (client.get(f"/v1/alarms/{given}"), client.post(f"/v1/alarms/{given}/resolve", json={})):
        assert answer.status_code == 422, answer.text


# ---------------------------------------------------------------- answered


def test_somebody_looks_after_it_and_everybody_hears(
    make: Callable[..., Service], serve: Callable[[Service], TestClient]
) -> None:
    service = make(alarms=HOOK)
    answer = serve(service).post(f"/v1/alarms/{LASTS}/acknowledge", json={"who": "Ada", "why": "on it"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["change"], told["alarm"]["by"], told["alarm"]["why"]) == ("acknowledged", "Ada", "on it")
    [kept] = service.store.alarms("queries", lasting=True)
    assert (kept.state, kept.by) == ("acknowledged", "Ada")
    assert [(each.alarm, each.change) for each in service.store.messages()] == [(LASTS, "acknowledged")]


@pytest.mark.parametrize("until", [NOW + 3600, str(NOW + 3600), "2024-01-05T01:01:00Z", "2024-01-05T02:01:00+01:00"])
def test_it_may_rest_until_a_moment(client: TestClient, service: Service, until: object) -> None:
    answer = client.post(f"/v1/alarms/{LASTS}/snooze", json={"until": until})
    assert answer.status_code == 200, answer.text
    [kept] = service.store.alarms("queries", lasting=True)
    assert (kept.state, kept.snoozed_until) == ("snoozed", NOW + 3600)


@pytest.mark.parametrize("until", [None, NOW - 1, "2024-01-01", "soon", True, [1], 1e308, "9" * 12])
def test_it_cannot_rest_until_what_is_no_moment_to_come(client: TestClient, service: Service, until: object) -> None:
    answer = client.post(f"/v1/alarms/{LASTS}/snooze", json={"until": until})
    assert (answer.status_code, answer.json()["what"]) == (422, "until"), answer.text
    assert service.store.alarms("queries", lasting=True)[0].state == "open"


def test_it_is_over_once(client: TestClient, service: Service) -> None:
    assert client.post(f"/v1/alarms/{LASTS}/resolve", json={"who": "Ada"}).json()["change"] == "resolved"
    assert service.store.alarms("queries", lasting=True) == ()
    for verb, told in (("resolve", {}), ("acknowledge", {}), ("snooze", {"until": NOW + 60})):
        again = client.post(f"/v1/alarms/{LASTS}/{verb}", json=told)
        assert (again.status_code, again.json()["got"]) == (409, "one that is resolved")


def test_who_answers_is_whose_token_it_is_where_they_do_not_say(callers: dict[Scope | None, Caller]) -> None:
    answer = callers["admin"].post(f"/v1/alarms/{LASTS}/acknowledge", json={})
    assert answer.json()["alarm"]["by"] == "a-admin"


@pytest.mark.parametrize("verb", ["acknowledge", "snooze", "resolve"])
def test_only_those_who_may_do_everything_answer(callers: dict[Scope | None, Caller], verb: str) -> None:
    told = {"until": NOW + 60} if verb == "snooze" else {}
    path = f"/v1/alarms/{LASTS}/{verb}"
    statuses = {scope: caller.post(path, json=told).status_code for scope, caller in callers.items()}
    assert statuses == {None: 401, "write": 403, "read": 403, "admin": 200}


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"who=Ada", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"state": "resolved"}', "application/json", 422),
        (b'{"who": 1}', "application/json", 422),
        (b'{"who": "' + b"x" * 201 + b'"}', "application/json", 422),
        (b'{"why": "a\\u0000b"}', "application/json", 422),
        (b'{"why": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
def test_what_is_no_answer_is_refused(
    client: TestClient, service: Service, body: bytes, media: str, status: int
) -> None:
    answer = client.post(f"/v1/alarms/{LASTS}/acknowledge", content=body, headers={"Content-Type": media})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert service.store.alarms("queries", lasting=True)[0].state == "open"


def test_half_a_character_in_a_reason_is_kept_as_a_mark(client: TestClient, service: Service) -> None:
    body = b'{"why": "\\ud800"}'
    answer = client.post(f"/v1/alarms/{LASTS}/acknowledge", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert service.store.alarms("queries", lasting=True)[0].why == "?"


# ---------------------------------------------------------------- annotations


def annotate(client: TestClient | Caller, **told: Any) -> Any:
    return client.post("/v1/annotations", json=told)


def test_a_deploy_is_of_now_and_an_incident_until_now(client: TestClient, service: Service) -> None:
    deploy = annotate(client, stream="queries", kind="deploy", said="v2", who="Ada")
    assert deploy.status_code == 201
    incident = annotate(client, stream="", kind="incident", since="2024-01-04T20:00", said="down")
    kept = service.store.annotations()
    assert [(each.kind, each.stream, each.since, each.until, each.by) for each in kept] == [
        ("incident", "", 1_704_398_400, int(NOW), ""),
        ("deploy", "queries", int(NOW), int(NOW), "Ada"),
    ]
    assert {deploy.json()["id"], incident.json()["id"]} == {each.id for each in kept}


def test_a_span_of_rows_is_said_in_rows(client: TestClient, service: Service) -> None:
    reference = service.store.state("queries").reference
    with service.store.leading("counted") as desk:
        assert desk is not None
        desk.update(replace(desk.state, seen=500, version=desk.state.version + 1, reference=reference))
    assert annotate(client, stream="counted", kind="holiday", since=101, until=300).status_code == 201
    [kept] = service.store.annotations("counted")
    assert (kept.since, kept.until) == (100, 299)


def test_an_alarm_is_real_or_noise_and_the_last_word_counts(client: TestClient, service: Service) -> None:
    assert annotate(client, alarm=LASTS, kind="noise", said="a load test").status_code == 201
    assert annotate(client, alarm=LASTS, kind="real").status_code == 201
    [kept] = service.store.annotations("queries")
    assert (kept.kind, kept.alarm, kept.since) == ("real", LASTS, 1_704_322_800)


@pytest.mark.parametrize(
    ("told", "status", "what"),
    [
        ({}, 422, "kind"),
        ({"kind": "party"}, 422, "kind"),
        ({"kind": ["deploy"]}, 422, "kind"),
        ({"kind": "holiday", "stream": "queries"}, 422, "since"),
        ({"kind": "holiday", "since": "2024-01-04", "until": "2024-01-03"}, 422, "since"),
        ({"kind": "noise", "since": "2024-01-04"}, 422, "noise"),
        ({"kind": "deploy", "alarm": LASTS}, 422, "kind"),
        ({"kind": "real", "alarm": LASTS, "since": 1}, 422, "since"),
        ({"kind": "real", "alarm": "00000000000f"}, 404, "alarm 00000000000f"),
        ({"kind": "deploy", "stream": "nope"}, 404, "stream nope"),
        ({"kind": "deploy", "stream": "bare"}, 409, "stream bare"),
        ({"kind": "deploy", "stream": 7}, 422, "stream"),
        ({"kind": "deploy", "said": {"a": 1}}, 422, "said"),
        ({"kind": "deploy", "since": "soon"}, 422, "since"),
        ({"kind": "deploy", "id": 1}, 422, "body"),
    ],
)
def test_what_is_not_said_of_a_time_is_refused(
    client: TestClient, service: Service, told: dict[str, Any], status: int, what: str
) -> None:
    answer = annotate(client, **told)
    assert (answer.status_code, answer.json().get("what")) == (status, what), answer.text
    assert service.store.annotations() == ()


def test_it_is_taken_back_once(client: TestClient, service: Service) -> None:
    known = annotate(client, kind="note", said="x").json()["id"]
    assert client.delete(f"/v1/annotations/{known}").status_code == 204
    assert service.store.annotations() == ()
    for other in (known, 10**18):
        assert client.delete(f"/v1/annotations/{other}").status_code == 404
    for other in ("0", "-1", "x", str(10**30), "1;"):
        assert client.delete(f"/v1/annotations/{other}").status_code == 422


def test_saying_it_is_for_those_who_may_write(callers: dict[Scope | None, Caller], clock: Clock) -> None:
    made = {scope: annotate(caller, kind="note").status_code for scope, caller in callers.items()}
    assert made == {None: 401, "write": 201, "read": 403, "admin": 201}
    gone = {scope: caller("DELETE", "/v1/annotations/1").status_code for scope, caller in callers.items()}
    assert gone == {None: 401, "write": 204, "read": 403, "admin": 404}
    assert callers["read"].get("/v1/annotations").json()["annotations"][0]["by"] == "a-admin"
    assert clock.now == NOW
