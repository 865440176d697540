"""Chunks of rows side by side: one thread and one core each, instead of all cores on every small product."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_THREADS = 8


@cache
def _linear_algebra() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def threads() -> int:
    """Threads that the linear algebra may use, as ``OPENBLAS_NUM_THREADS`` or its like say; at most 8."""
    return max(1, min([MOST_THREADS, *(library["num_threads"] for library in _linear_algebra().info())]))


def in_order(work: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
    """Yield ``work(item)`` in the order of the items; while they run, each keeps the linear algebra to one thread.

    Examples
    --------
    >>> list(in_order(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    most = min(threads(), len(items)) if len(items) > 1 else 1
    if most == 1:
        yield from map(work, items)
        return
    with _linear_algebra().limit(limits=1), ThreadPoolExecutor(most) as pool:
        waiting = deque[Future[Answer]]()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
