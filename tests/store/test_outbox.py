"""A message is had by one sender at a time, arrives in its alarm's order, and is never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.store.sequences import HARD, deliver, race
from tidegauge.errors import UsageError
from tidegauge.records import Message
from tidegauge.store import SqlStore
from tidegauge.store import rows as limits

FIRST = Message("pager", "a1 opened", '{"title": "x"}', 10.0, "a1", "opened")


@pytest.fixture
def queries(store: SqlStore) -> SqlStore:
    store.register("queries", "stream")
    return store


def put(store: SqlStore, *messages: Message) -> None:
    with store.leading("queries") as desk:
        assert desk is not None
        desk.send(messages)


@pytest.mark.parametrize("seed", range(4))
def test_random_sending_agrees_with_a_list(store: SqlStore, seed: int) -> None:
    assert deliver(store, seed, 120) > 0


def test_a_message_comes_back_as_it_was_put(queries: SqlStore) -> None:
    given = Message("窗", HARD * 900, HARD, 10.5, HARD[:5], "snoozed", 3, HARD, 12.25)
    put(queries, given, FIRST)
    assert [replace(each, id=0) for each in queries.messages()] == [given, FIRST]
    assert [each.key for each in queries.messages(waiting=True)] == [FIRST.key]


def test_sending_again_changes_nothing(queries: SqlStore) -> None:
    put(queries, FIRST, FIRST)
    put(queries, replace(FIRST, body="other", due=0.0), replace(FIRST, endpoint="chat"))
    assert [(each.endpoint, each.body) for each in queries.messages()] == [("pager", FIRST.body), ("chat", FIRST.body)]
    [claimed] = queries.claim(10.0, 60.0, 1)
    queries.sent(claimed.id, at=11.0)
    put(queries, FIRST)
    assert [each.endpoint for each in queries.messages(waiting=True)] == ["chat"]


def test_a_claim_is_a_lease(queries: SqlStore) -> None:
    put(queries, FIRST)
    assert queries.claim(9.9, 60.0, 5) == ()
    [claimed] = queries.claim(10.0, 60.0, 5)
    assert replace(claimed, id=0) == replace(FIRST, due=70.0)
    assert queries.messages() == (claimed,)
    assert queries.claim(69.9, 60.0, 5) == ()
    assert [each.id for each in queries.claim(70.0, 60.0, 5)] == [claimed.id]  # its sender died
    queries.failed(claimed.id, due=75.0, fault="503")
    [again] = queries.claim(75.0, 60.0, 5)
    assert (again.tries, again.fault) == (1, "503")
    queries.sent(again.id, at=76.0)
    assert queries.claim(1e9, 60.0, 5) == ()
    [arrived] = queries.messages()
    assert (arrived.tries, arrived.fault, arrived.delivered) == (2, "", 76.0)


def test_what_a_slow_sender_says_of_a_message_that_another_brought_is_passed_over(queries: SqlStore) -> None:
    put(queries, FIRST)
    [claimed] = queries.claim(10.0, 60.0, 5)
    queries.sent(claimed.id, at=20.0)
    before = queries.messages()
    queries.failed(claimed.id, due=0.0, fault="no answer")
    queries.sent(claimed.id, at=99.0)
    queries.failed(claimed.id + 1, due=0.0, fault="not there")
    assert queries.messages() == before


def test_messages_of_one_alarm_to_one_endpoint_are_had_in_order(queries: SqlStore) -> None:
    changes = ("opened", "updated", "resolved")
    put(queries, *(replace(FIRST, key=change, change=change) for change in changes))
    put(queries, replace(FIRST, endpoint="chat"), replace(FIRST, alarm="a2", key="a2 opened"))
    claimed = queries.claim(10.0, 60.0, 9)
    assert [(each.endpoint, each.alarm, each.change) for each in claimed] == [
        ("pager", "a1", "opened"),
        ("chat", "a1", "opened"),
        ("pager", "a2", "opened"),
    ]
    assert queries.claim(10.0, 60.0, 9) == ()  # those that follow wait until it arrives
    queries.failed(claimed[0].id, due=500.0, fault="down")
    for each in claimed[1:]:
        queries.sent(each.id, at=11.0)
    assert queries.claim(499.0, 60.0, 9) == ()
    [first] = queries.claim(500.0, 60.0, 9)
    assert first.id == claimed[0].id
    told = [first.change]
    for now in (501.0, 502.0):
        queries.sent(first.id, at=now)
        [first] = queries.claim(now, 60.0, 9)
        told.append(first.change)
    assert tuple(told) == changes


def test_a_claim_takes_the_oldest_first_and_no_more_than_asked(queries: SqlStore) -> None:
    dues = (30.0, 10.0, 20.0, 5.0)
    put(queries, *(replace(FIRST, key=f"{due}", alarm=f"a{due}", due=due) for due in dues))
    assert queries.claim(100.0, 60.0, 0) == ()
    assert [each.key for each in queries.claim(25.0, 600.0, 2)] == ["10.0", "20.0"]
    assert [each.key for each in queries.claim(100.0, 600.0, 9)] == ["30.0", "5.0"]
    assert [each.key for each in queries.messages(newest=2)] == ["20.0", "5.0"]
    assert queries.messages(newest=0) == ()


def test_arrived_messages_expire_and_waiting_ones_do_not(queries: SqlStore) -> None:
    put(queries, FIRST, replace(FIRST, key="a1 resolved"), replace(FIRST, alarm="a2", key="a2", delivered=30.0))
    [claimed] = queries.claim(10.0, 60.0, 1)
    queries.sent(claimed.id, at=20.0)
    with queries.leading("queries") as desk:
        assert desk is not None
        assert desk.expire_messages(20.0) == 0
        assert desk.expire_messages(30.0) == 1
        assert desk.expire_messages(1e12) == 1
    assert [each.key for each in queries.messages()] == ["a1 resolved"]


def test_several_senders_bring_each_message_once_and_in_order(opened: Callable[..., SqlStore]) -> None:
    race(opened)


def test_many_that_claim_at_once_share_what_is_due(opened: Callable[..., SqlStore]) -> None:
    store = opened()
    store.register("queries", "stream")
    put(store, *(replace(FIRST, key=f"{n}", alarm=f"a{n}") for n in range(20)))
    barrier, had = threading.Barrier(4), list[int]()

    def claim(own: SqlStore) -> None:
        barrier.wait()
        had.extend(each.id for each in own.claim(10.0, 60.0, 8))

    threads = [threading.Thread(target=claim, args=(own,)) for own in (store, store, opened(), opened())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(had) == len(set(had)) == 20


def test_who_asks_in_vain_does_not_wait_for_a_leader(queries: SqlStore, opened: Callable[..., SqlStore]) -> None:
    put(queries, FIRST)
    other = opened(patience=0.05)
    with queries.leading("queries") as desk:
        assert desk is not None
        assert other.claim(9.0, 60.0, 5) == ()


def test_messages_that_cannot_be_kept_are_refused(queries: SqlStore) -> None:
    for wrong, words in (
        (replace(FIRST, endpoint=""), "endpoint"),
        (replace(FIRST, endpoint="a\nb"), "endpoint"),
        (replace(FIRST, alarm=""), "alarm"),
        (replace(FIRST, due=float("inf")), "due"),
        (replace(FIRST, body="窗" * (limits.MAX_BODY // 3 + 1)), "at most 1,048,576"),
    ):
        with pytest.raises(UsageError, match=words):
            put(queries, FIRST, wrong)
    for now, lease in ((float("nan"), 1.0), (1.0, float("inf"))):
        with pytest.raises(UsageError, match="moment"):
            queries.claim(now, lease, 1)
    assert queries.messages() == ()


def test_a_closed_store_says_so(queries: SqlStore) -> None:
    queries.close()
    for ask in (queries.messages, queries.alarms, queries.annotations, lambda: queries.claim(0.0, 1.0, 1)):
        with pytest.raises(UsageError, match="closed store"):
            ask()
