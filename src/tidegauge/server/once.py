"""What is dear to make, made in one thread, one at a time, and kept for as long as it is of the present."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Busy(Exception):
    """More is asked for than may wait."""


@dataclass(slots=True)
class _Kept:
    version: Hashable
    future: Future[Any]
    last: Any = None


class Once:
    """Makes each thing once for each of its versions; asking again while it is being made waits for the same.

    All is made in one thread: a page that many look at costs no more than one, leaves the other processors alone, and
    what draws, which is not safe for threads, draws alone.

    Parameters
    ----------
    most : int
        Things that are kept; those that were not asked for the longest go first.
    waiting : int
        Things that may wait to be made.

    Examples
    --------
    >>> once = Once()
    >>> [once("answer", version, lambda: object()).result() is once("answer", version, object).result()
    ...  for version in (1, 2)]
    [True, True]
    """

    def __init__(self, most: int = 32, waiting: int = 16) -> None:
        self._most, self._waiting = most, waiting
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, key: Hashable, version: Hashable, make: Callable[[], T]) -> Future[T]:
        """Return what ``make`` makes; within a ``make``, it is there when this returns.

        Raises
        ------
        Busy
            Where too much waits.
        """
        inside = threading.current_thread() is self._thread
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known.version == version and not _failed(known.future):
                if not (inside and not known.future.done()):
                    self._kept.move_to_end(key)
                    return known.future
                future = known.future  # it waits behind what asks for it: made now, in its place
                self._queue = deque(each for each in self._queue if each[0] is not future)
            else:
                if not inside and len(self._queue) >= self._waiting:
                    raise Busy
                future = Future[Any]()
                self._kept[key] = _Kept(version, future, None if known is None else _result(known))
                self._kept.move_to_end(key)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            if not inside:
                self._queue.append((future, make))
                self._begin()
        if inside:
            _make(future, make)
        return cast("Future[T]", future)

    def last(self, key: Hashable) -> Any:
        """What was made last, of whichever version; None where nothing was."""
        with self._lock:
            known = self._kept.get(key)
            return None if known is None else _result(known)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="views", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    return
                future, make = self._queue.popleft()
            _make(future, make)


def _make(future: Future[Any], make: Callable[[], Any]) -> None:
    # What nobody waits for any more is made all the same: somebody is sure to ask again.
    with suppress(Exception):
        future.set_running_or_notify_cancel()
    try:
        future.set_result(make())
    except Exception as error:  # raised to whoever asked
        future.set_exception(error)


def _failed(future: Future[Any]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)


def _result(known: _Kept) -> Any:
    done = known.future.done() and not _failed(known.future)
    return known.future.result() if done else known.last
