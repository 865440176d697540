"""What is dear is made once, in one thread, and not without end."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from tidegauge.server.once import Busy, Once


class Held:
    """Something that takes until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go, self.times = threading.Event(), threading.Event(), 0

    def __call__(self) -> str:
        self.times += 1
        self.begun.set()
        assert self.go.wait(10)
        return "made"


def test_many_who_ask_get_the_same_one() -> None:
    once, held = Once(), Held()
    asked = [once("page", 1, held) for _ in range(20)]
    held.go.set()
    assert {each.result(10) for each in asked} == {"made"}
    assert once("page", 1, held).result(10) == "made"
    assert held.times == 1


def test_another_version_is_made_anew_and_the_last_is_there_meanwhile() -> None:
    once, held = Once(), Held()
    assert once("page", 1, lambda: "old").result(10) == "old"
    new = once("page", 2, held)
    assert held.begun.wait(10)
    assert once.last("page") == "old"
    assert not new.done()
    held.go.set()
    assert new.result(10) == "made"
    assert once.last("page") == "made"


def test_one_at_a_time() -> None:
    once, inside, most = Once(), 0, 0
    lock = threading.Lock()

    def make() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.01)
        with lock:
            inside -= 1

    futures = [once(key, 1, make) for key in range(8)]
    for each in futures:
        each.result(10)
    assert most == 1


def test_what_went_wrong_is_told_and_tried_again() -> None:
    once = Once()

    def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        once("page", 1, fail).result(10)
    assert once.last("page") is None
    assert once("page", 1, lambda: "yes").result(10) == "yes"


def test_more_than_may_wait_is_refused_and_what_is_known_is_not() -> None:
    once, held = Once(waiting=2), Held()
    assert once("known", 1, lambda: "there").result(10) == "there"
    first = once("held", 1, held)
    assert held.begun.wait(10)
    waiting = [once(key, 1, key.upper) for key in ("a", "b")]
    with pytest.raises(Busy):
        once("c", 1, lambda: "c")
    assert once("known", 1, lambda: "anew").result(0) == "there"
    assert once("a", 1, lambda: "another") is waiting[0]
    held.go.set()
    assert first.result(10) == "made"
    assert [each.result(10) for each in waiting] == ["A", "B"]


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    once = Once(most=2)
    for key in ("a", "b"):
        once(key, 1, object).result(10)
    kept = once("a", 1, object).result(10)
    once("c", 1, object).result(10)
    assert once("a", 1, object).result(10) is kept
    assert once.last("b") is None


@pytest.mark.parametrize("waits", [False, True])
def test_one_that_is_made_of_another_needs_no_second_thread(waits: bool) -> None:
    once, parts = Once(), 0

    def part() -> str:
        nonlocal parts
        parts += 1
        return "part"

    held = Held()
    first = once("held", 1, held)
    assert held.begun.wait(10)
    whole: Future[Any] = once("whole", 1, lambda: once("part", 1, part).result(0) + " of it")
    beside = once("part", 1, part) if waits else None  # behind what is made of it
    held.go.set()
    assert first.result(10) == "made"
    assert whole.result(10) == "part of it"
    assert once("part", 1, part).result(10) == "part"
    assert beside is None or beside.result(10) == "part"
    assert parts == 1
