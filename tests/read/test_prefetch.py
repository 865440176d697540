"""The next batch is read while this one is measured: in order, errors in their place, and no thread left over."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tidegauge.read.prefetch import prefetched


def readers() -> int:
    return sum(thread.name.startswith("tidegauge-read") for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_order_is_kept_and_the_thread_ends(count: int) -> None:
    assert list(prefetched(iter(range(count)))) == list(range(count))
    assert readers() == 0


def test_the_next_item_is_made_while_this_one_is_used() -> None:
    begun = [threading.Event() for _ in range(5)]

    def items() -> Iterator[int]:
        for i, event in enumerate(begun):
            event.set()
            yield i

    for i in prefetched(items()):
        if 2 <= i < 4:
            assert begun[i + 1].wait(timeout=30)
        if i == 2:
            assert not begun[4].wait(timeout=0.05)  # one ahead, not two


def test_a_stream_of_one_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge.read.prefetch.ThreadPoolExecutor", None)
    assert list(prefetched(iter([7]))) == [7]


@pytest.mark.parametrize("at", [0, 1, 2, 5])
def test_an_error_comes_where_its_item_would_have(at: int) -> None:
    def items() -> Iterator[int]:
        yield from range(at)
        raise ValueError(f"item {at}")

    stream = prefetched(items())
    assert [next(stream) for _ in range(at)] == list(range(at))
    with pytest.raises(ValueError, match=f"item {at}"):
        next(stream)
    assert readers() == 0


def test_a_consumer_that_stops_stops_the_thread() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for i in range(1000):
            made.append(i)
            yield i

    stream = prefetched(items())
    assert [next(stream) for _ in range(4)] == [0, 1, 2, 3]
    stream.close()  # type: ignore[attr-defined]
    assert readers() == 0
    assert len(made) <= 5
