"""Chunks side by side: the same answers in the same order, and the linear algebra is left as it was."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tidegauge.numeric import threads


def allowed() -> list[int]:
    return [library["num_threads"] for library in threads._linear_algebra().info()]


@pytest.fixture(params=[1, 2, 3])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(threads, "threads", lambda: request.param)
    return request.param


@pytest.mark.parametrize("count", [0, 1, 2, 7, 50])
def test_answers_come_in_order(many: int, count: int) -> None:
    assert list(threads.in_order(lambda i: i * i, range(count))) == [i * i for i in range(count)]


def test_an_error_reaches_the_caller_in_its_place(many: int) -> None:
    answers = threads.in_order(lambda i: 1 // (3 - i), range(6))
    assert [next(answers) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_no_more_items_are_taken_than_are_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: 2)
    begun: list[int] = []
    answers = threads.in_order(lambda i: begun.append(i) or i, range(20))
    next(answers)
    assert len(begun) <= 4
    answers.close()  # type: ignore[attr-defined]


def test_each_keeps_the_linear_algebra_to_one_thread_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = allowed()
    with threads._linear_algebra().limit(limits=2):
        while_two = allowed()
        monkeypatch.setattr(threads, "threads", lambda: 2)
        inside: list[Any] = list(threads.in_order(lambda _: (allowed(), threading.get_ident()), range(4)))
        assert all(each == [1] * len(before) for each, _ in inside)
        assert threading.get_ident() not in {who for _, who in inside}
        assert allowed() == while_two
    assert allowed() == before


def test_threads_are_those_that_the_linear_algebra_may_use() -> None:
    with threads._linear_algebra().limit(limits=1):
        assert threads.threads() == 1
