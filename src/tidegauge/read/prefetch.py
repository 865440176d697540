"""The next batch is read while this one is measured."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_T = TypeVar("_T")

_END: Final = object()


def prefetched(items: Iterator[_T]) -> Iterator[_T]:
    """Pass a stream on in its order, one thread making the next item while the consumer works on this one.

    An error of the stream is raised where its item would have come. The thread ends with the stream, and when the
    consumer stops: at most one item was then made in vain. A stream of one item starts none.

    Examples
    --------
    >>> list(prefetched(iter("abc")))
    ['a', 'b', 'c']
    """
    for _ in range(2):
        item = next(items, _END)
        if item is _END:
            return
        yield item  # type: ignore[misc]
    with ThreadPoolExecutor(1, "tidegauge-read") as thread:
        ahead = thread.submit(next, items, _END)
        while (item := ahead.result()) is not _END:
            ahead = thread.submit(next, items, _END)
            yield item  # type: ignore[misc]
