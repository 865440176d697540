"""Whatever an endpoint does, everything arrives there, in each alarm's order, under the same key at each try."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.deliver.receiver import Receiver, answer, hang, hang_up, listening
from tests.deliver.shelf import Clock, Shelf
from tidegauge.deliver import deliver, drop, repeat
from tidegauge.deliver.outbox import pause
from tidegauge.deliver.post import Answer
from tidegauge.errors import StoreError
from tidegauge.records import Alarm, Message
from tidegauge.spec import Alarms
from tidegauge.store import open_store

Deliver = Callable[..., int]


def message(alarm: str, change: Any, sequence: int = 1, endpoint: str = "pager", due: float = 0.0) -> Message:
    return Message(endpoint, f"{alarm}:{change}:{sequence}", json.dumps([alarm, change]), due, alarm, change)


def told_to(**receivers: Receiver) -> Alarms:
    return Alarms.model_validate(
        {"endpoints": {name: {"url": each.url, "timeout": 1} for name, each in receivers.items()}}
    )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def once(shelf: Shelf, clock: Clock, said: list[str]) -> Deliver:
    def call(settings: Alarms) -> int:
        return deliver(shelf, settings, clock=clock, stop=threading.Event(), tell=said.append)

    return call


def test_what_is_due_arrives_in_order(receiver: Receiver, shelf: Shelf, clock: Clock, once: Deliver) -> None:
    shelf.put(message("a", "opened"), message("b", "opened"), message("a", "updated"), message("a", "resolved"))
    shelf.put(message("c", "opened", due=clock.now + 1))
    assert once(told_to(pager=receiver)) == 4
    assert receiver.keys == ["a:opened:1", "b:opened:1", "a:updated:1", "a:resolved:1"]
    assert json.loads(receiver.requests[0].body) == ["a", "opened"]
    assert [each.key for each in shelf.messages(waiting=True)] == ["c:opened:1"]
    assert {each.delivered for each in shelf.messages()} == {clock.now, None}
    assert once(told_to(pager=receiver)) == 0


def test_an_endpoint_that_is_down_delays_and_loses_nothing(
    receiver: Receiver, shelf: Shelf, clock: Clock, once: Deliver, said: list[str]
) -> None:
    shelf.put(message("a", "opened"), message("a", "resolved"), message("b", "opened"))
    faults = [answer(500), hang_up, hang, answer(429, Retry_After="600"), answer(503)]
    receiver.then(*faults)
    waits = []
    for _ in faults:
        assert once(told_to(pager=receiver)) == 0
        first = shelf.kept[1]
        assert shelf.kept[3].due == first.due  # not tried by itself
        waits.append(first.due - clock.now)
        clock.now = first.due - 0.01
        assert once(told_to(pager=receiver)) == 0
        clock.now = first.due
    assert once(told_to(pager=receiver)) == 3
    assert receiver.keys == ["a:opened:1"] * 6 + ["a:resolved:1", "b:opened:1"]
    assert len({each.body for each in receiver.requests[:6]}) == 1
    for n, wait in enumerate(waits):
        assert wait == 600 if n == 3 else 2.5 * 2**n <= wait <= 5 * 2**n
    assert shelf.messages(waiting=True) == ()
    assert [each.partition("; next")[0] for each in said] == [
        "endpoint pager: HTTP 500 Internal Server Error",
        "endpoint pager: it hung up without an answer",
        "endpoint pager: no answer within 1s",
        "endpoint pager: HTTP 429 Too Many Requests",
        "endpoint pager: HTTP 503 Service Unavailable",
        "endpoint pager: a message arrived at try 6",
        "endpoint pager: a message arrived at try 6",
    ]


def test_what_only_people_can_mend_is_kept_and_tried_about_once_an_hour(
    receiver: Receiver, shelf: Shelf, clock: Clock, once: Deliver, said: list[str]
) -> None:
    shelf.put(message("a", "opened"), message("a", "resolved"), message("b", "opened"))
    receiver.then(answer(400, b"no such field"))
    assert once(told_to(pager=receiver)) == 1
    assert receiver.keys == ["a:opened:1", "b:opened:1"]  # one that cannot be taken holds up its own alarm only
    for _ in range(30):
        clock.now += 3600
        receiver.then(answer(400, b"no such field"))
        assert once(told_to(pager=receiver)) == 0
        assert 1800 <= shelf.kept[1].due - clock.now <= 3600
    clock.now += 3600
    assert once(told_to(pager=receiver)) == 2
    assert len(said) == 2  # when it was new, and when it was over
    assert said[0].startswith("endpoint pager: HTTP 400 Bad Request: no such field; next try in ")


def test_others_are_told_meanwhile(receiver: Receiver, shelf: Shelf, once: Deliver) -> None:
    with listening() as other:
        shelf.put(*(message(alarm, "opened", endpoint=name) for alarm in "abc" for name in ("pager", "chat")))
        receiver.then(hang)
        assert once(told_to(pager=receiver, chat=other)) == 3
        assert other.keys == ["a:opened:1", "b:opened:1", "c:opened:1"]
        assert receiver.keys == ["a:opened:1"]


def test_what_waits_for_an_endpoint_that_is_not_there_any_more_is_dropped(
    receiver: Receiver, shelf: Shelf, clock: Clock, once: Deliver, said: list[str]
) -> None:
    shelf.put(*(message(alarm, "opened", endpoint="gone", due=clock.now + 1800) for alarm in "ab"))
    shelf.put(message("a", "opened", endpoint="old"), message("a", "opened"))
    shelf.sent(3, at=clock.now)
    shelf.put(message("a", "resolved", endpoint="old"))
    drop(shelf, told_to(pager=receiver), tell=said.append)
    assert said == [
        "2 messages for gone, which is no longer in the settings, were dropped",
        "1 message for old, which is no longer in the settings, was dropped",
    ]
    assert [each.endpoint for each in shelf.messages(waiting=True)] == ["pager"]
    assert [each.endpoint for each in shelf.messages()] == ["old", "pager"]  # what arrived is kept
    assert once(told_to(pager=receiver)) == 1
    drop(shelf, told_to(pager=receiver), tell=pytest.fail)


def test_what_another_settings_put_meanwhile_waits(
    receiver: Receiver, shelf: Shelf, clock: Clock, once: Deliver
) -> None:
    shelf.put(message("a", "opened", endpoint="new"), message("a", "opened"))
    assert once(told_to(pager=receiver)) == 1
    assert shelf.kept[1].fault == "no such endpoint in the settings"
    assert 1800 <= shelf.kept[1].due - clock.now <= 3600
    clock.now += 3600
    assert once(told_to(pager=receiver, new=receiver)) == 1


def test_a_real_store_drops_and_hastens(tmp_path: Path, clock: Clock) -> None:
    store = open_store(str(tmp_path / "drift.db"))
    store.register("queries", "stream")
    with store.leading("queries") as desk:
        assert desk is not None
        desk.send([message(alarm, "opened", due=clock.now) for alarm in "abc"])
    first, second, third = store.messages()
    store.failed(first.id, due=clock.now + 3600, fault="HTTP 503")
    store.sent(second.id, at=clock.now)
    store.failed(third.id, due=clock.now - 60, fault="HTTP 503")
    store.hasten(clock.now)
    assert [(each.due - clock.now, each.tries, each.fault) for each in store.messages(waiting=True)] == [
        (0, 1, "HTTP 503"),
        (-60, 1, "HTTP 503"),
    ]
    [claimed] = store.claim(clock.now, 60, 1)
    for each in (first, second, third):
        store.dropped(each.id)
    assert [each.id for each in store.messages()] == [second.id]  # what arrived is no longer dropped
    assert claimed.id == first.id
    store.close()


def test_it_stops_when_it_is_told_to(receiver: Receiver, shelf: Shelf, clock: Clock) -> None:
    stop = threading.Event()
    shelf.put(message("a", "opened"), message("b", "opened"))
    receiver.then(lambda handler: (stop.set(), answer(200)(handler)))
    assert deliver(shelf, told_to(pager=receiver), clock=clock, stop=stop, tell=pytest.fail) == 1
    assert [each.due for each in shelf.messages(waiting=True)] == [0.0]  # nobody has claimed it


def test_what_arrived_while_the_store_was_away_arrives_again_under_the_same_key(
    receiver: Receiver, shelf: Shelf, clock: Clock, once: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put(message("a", "opened"))

    def away(*about: Any, **more: Any) -> None:
        raise StoreError("drift.db", got="a full disk", want="room", transient=True)

    with monkeypatch.context() as patch:
        patch.setattr(shelf, "sent", away)
        with pytest.raises(StoreError):
            once(told_to(pager=receiver))
    assert once(told_to(pager=receiver)) == 0  # claimed still
    clock.now += 60
    assert once(told_to(pager=receiver)) == 1
    assert receiver.keys == ["a:opened:1"] * 2


FAULTS = st.sampled_from(
    [
        answer(500),
        answer(503, Retry_After="99999999"),
        answer(429, Retry_After="30"),
        answer(302, Location="/x"),
        answer(404),
        answer(200),
        hang_up,
    ]
)
PUT = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["pager", "chat"])), min_size=1, max_size=12)


@given(PUT, st.lists(FAULTS, max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_of_faults_loses_nothing_and_keeps_order(put: list[tuple[str, str]], faults: list[Any]) -> None:
    shelf, clock = Shelf(), Clock()
    with listening() as receiver:
        whom = told_to(pager=receiver, chat=receiver)
        shelf.put(*(message(alarm, "updated", n, endpoint) for n, (alarm, endpoint) in enumerate(put)))
        receiver.then(*faults)
        for _ in range(len(faults) + 2):  # each pass uses up one fault, or sends all there is
            deliver(shelf, whom, clock=clock, stop=threading.Event(), tell=lambda text: None)
            clock.now += 3600
        assert shelf.messages(waiting=True) == ()
    for endpoint in ("pager", "chat"):
        for alarm in "abc":
            given = [n for n, each in enumerate(put) if each == (alarm, endpoint)]
            came = [int(key.split(":")[2]) for key in receiver.keys if key.startswith(f"{alarm}:")]
            came = [n for n in dict.fromkeys(came) if put[n][1] == endpoint]
            assert came == given


def test_pauses_grow_to_an_hour() -> None:
    bare = message("a", "opened")
    waits = [pause(Answer("x", down=True), replace(bare, tries=tries)) for tries in range(2000)]
    assert all(min(2.5 * 2**n, 1800) <= wait <= min(5 * 2**n, 3600) for n, wait in enumerate(waits[:1000]))
    assert waits[0] == pause(Answer("x", down=True), bare)
    late = waits[20:]
    assert max(late) - min(late) > 1700  # not all at the same time
    assert pause(Answer("x", after=1e9, down=True), bare) == 3600
    assert pause(Answer("x", after=100, down=True), bare) == 100


def test_a_real_store_and_two_senders(receiver: Receiver, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "drift.db"))
    store.register("queries", "stream")
    with store.leading("queries") as desk:
        assert desk is not None
        desk.send([message(alarm, change) for change in ("opened", "updated", "resolved") for alarm in "abcd"])
    receiver.then(answer(500), hang_up)
    clock = Clock()
    errors: list[BaseException] = []

    def send() -> None:
        own = open_store(str(tmp_path / "drift.db"))
        try:
            for _ in range(20):
                deliver(own, told_to(pager=receiver), clock=clock, stop=threading.Event(), tell=lambda text: None)
                clock.now += 60  # more than any pause so early, and any lease
        except BaseException as error:
            errors.append(error)
        finally:
            own.close()

    senders = [threading.Thread(target=send) for _ in range(2)]
    for each in senders:
        each.start()
    for each in senders:
        each.join(60)
    assert errors == []
    assert store.messages(waiting=True) == ()
    assert len(store.messages()) == 12
    store.close()
    for alarm in "abcd":
        came = dict.fromkeys(key for key in receiver.keys if key.startswith(alarm))
        assert list(came) == [f"{alarm}:{change}:1" for change in ("opened", "updated", "resolved")]


# Alarms that last


def managed(receiver: Receiver, **more: Any) -> Alarms:
    endpoints = {
        "prometheus": {"kind": "alertmanager", "url": f"http://127.0.0.1:{receiver.port}/am", **more},
        "pager": {"url": receiver.url},
    }
    return Alarms.model_validate({"repeat": "1m", "endpoints": endpoints})


def test_alarms_that_last_are_posted_again(receiver: Receiver, shelf: Shelf, clock: Clock, alarm: Alarm) -> None:
    rows = replace(alarm, id="b" * 12, stream="clicks", severity="critical", onset=500, state="snoozed")
    shelf.lasting = (alarm, rows)
    done = repeat(shelf, managed(receiver), clock=clock, stop=threading.Event(), tell=pytest.fail)
    assert done == 2
    [request] = receiver.requests
    assert (request.path, request.headers["Idempotency-Key"]) == ("/am/api/v2/alerts", None)
    first, second = json.loads(request.body)
    assert (first["labels"]["stream"], second["labels"]["stream"]) == ("queries", "clicks")
    assert first["endsAt"] == second["endsAt"] == "2026-09-21T14:16:20Z"
    assert "Likely since 2026-09-21 11:30 UTC" in first["annotations"]["description"]
    assert "Likely since row 500" in second["annotations"]["description"]
    least = managed(receiver, least="critical")
    assert repeat(shelf, least, clock=clock, stop=threading.Event(), tell=pytest.fail) == 1
    assert shelf.messages() == ()


def test_many_are_posted_some_at_a_time(receiver: Receiver, shelf: Shelf, clock: Clock, alarm: Alarm) -> None:
    shelf.lasting = tuple(replace(alarm, id=f"{n:012x}", segment=f"s{n}") for n in range(120))
    said: list[str] = []
    assert repeat(shelf, managed(receiver), clock=clock, stop=threading.Event(), tell=said.append) == 120
    assert [len(json.loads(each.body)) for each in receiver.requests] == [50, 50, 20]
    receiver.then(answer(200), answer(500))
    assert repeat(shelf, managed(receiver), clock=clock, stop=threading.Event(), tell=said.append) == 50
    assert said == [
        "endpoint prometheus: HTTP 500 Internal Server Error; lasting alarms are posted again in due course"
    ]


def test_nobody_who_wants_them_again_asks_nothing_of_the_store(clock: Clock) -> None:
    settings = Alarms.model_validate({"endpoints": {"pager": {"url": "http://127.0.0.1:1/"}}})
    assert repeat(None, settings, clock=clock, stop=threading.Event(), tell=pytest.fail) == 0  # type: ignore[arg-type]


def test_what_waits_for_an_alertmanager_lasts_when_it_arrives(
    receiver: Receiver, shelf: Shelf, clock: Clock, once: Deliver, alarm: Alarm
) -> None:
    from tidegauge.deliver import messages

    shelf.put(*messages(alarm, "opened", managed(receiver), now=clock.now))
    receiver.then(answer(503), answer(503))
    assert once(managed(receiver)) == 0
    clock.now += 86_400
    assert once(managed(receiver)) == 2
    [alert] = json.loads(next(each.body for each in receiver.requests[2:] if each.path.startswith("/am")))
    assert alert["endsAt"] == "2026-09-22T14:16:20Z"
