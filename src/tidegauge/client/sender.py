"""A bounded queue, and the one thread that empties it."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tidegauge.client import process
from tidegauge.client.rows import Late, Row, pairs_of
from tidegauge.client.stats import Stats, Tally
from tidegauge.client.transport import Answer, Transport
from tidegauge.client.wire import Group, groups, message, smaller
from tidegauge.errors import TidegaugeError

MALFORMED: Final = "malformed"
FULL: Final = "queue full"
CLOSED: Final = "closed"
OLD: Final = "gave up"
INTERNAL: Final = "internal error"

_FIRST, _LONGEST = 0.5, 30.0
_MOST_ASKED: Final = 600.0
_MESSAGE_BYTES: Final = 4 << 20
_QUIET: Final = 60.0
_MOST_ASIDE: Final = 256
_AS_IT_IS: Final = (400, 413, 422)
"""Refusals of what was sent, not of who sends or of when: another message may come at once."""
_log = logging.getLogger("tidegauge.client")

Item = Row | Late


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, how much goes at once, and how long anything takes, in seconds."""

    queue_rows: int
    queue_bytes: int
    batch_rows: int
    flush_seconds: float
    patience: float


@dataclass(slots=True)
class _Count:
    given: int = 0
    sent: int = 0
    waiting: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def drop(self, n: int, reason: str) -> None:
        self.dropped[reason] += n

    def tally(self) -> Tally:
        return Tally(self.given, self.sent, self.waiting, dict(self.dropped))


class Sender:
    """Takes rows at once, and sends them in its own time. One lock guards all that both sides see; it is held for
    moments, never while anything is encoded, sent or said.
    """

    def __init__(self, transport: Transport, limits: Limits, name: str) -> None:
        self._transport, self._limits, self._name = transport, limits, name
        self._closing = False
        self._reset()
        process.adopt(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may come in while its own thread holds it
        self._ready = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._queue: deque[Item] = deque()
        self._rows, self._late = _Count(), _Count()
        self._bytes = 0
        self._accepted = self._taken = self._finished = self._hurry = 0
        self._deadline: float | None = None
        self._not_before, self._asked, self._failures = 0.0, False, 0
        self._unfit = self._failed = self._retried = 0
        self._aside: Counter[str] = Counter()
        self._last_error = ""
        self._most = self._limits.batch_rows
        self._news: dict[str, tuple[int, str]] = {}
        self._told: dict[str, float] = {}

    # What callers do: nothing here waits for the network, or for anybody's log.

    def put(self, item: Item) -> None:
        """Accept an item, or drop it where there is no room."""
        size = item.size
        with self._lock:
            count = self._rows if type(item) is Row else self._late
            limits = self._limits
            if self._closing:
                self._dropped(count, 1, CLOSED, "")
            elif (
                self._rows.waiting + self._late.waiting >= limits.queue_rows or self._bytes + size > limits.queue_bytes
            ):
                self._dropped(count, 1, FULL, "")
            else:
                self._queue.append(item)
                self._bytes += size
                self._accepted += 1
                count.given += 1
                count.waiting += 1
                if len(self._queue) == self._most or self._thread is None:
                    self._wake()

    def drop(self, n: int, error: Exception, *, late: bool = False) -> None:
        """Count what cannot be used."""
        said = str(error)[:200] if isinstance(error, TidegaugeError) else f"{type(error).__name__}: {error}"[:200]
        with self._lock:
            self._dropped(self._late if late else self._rows, n, MALFORMED, said)

    def unfit(self, n: int) -> None:
        """Count outcomes that are no numbers."""
        with self._lock:
            self._left_out(n, "an outcome is a number, or a numerator and a denominator")

    def stats(self) -> Stats:
        """What has become of everything so far."""
        with self._lock:
            rows, late, aside = self._rows.tally(), self._late.tally(), dict(self._aside)
            return Stats(rows, late, self._unfit, aside, self._failed, self._retried, self._last_error)

    def flush(self, timeout: float) -> bool:
        """Send all that was given until now, and wait for it; False where some of it still waits."""
        with self._lock:
            goal = self._hurry = self._accepted
            if self._finished < goal:
                self._wake()
            return self._done.wait_for(lambda: self._finished >= goal, timeout)

    def close(self, timeout: float) -> bool:
        """Take nothing more, send what waits, and drop what cannot be sent in time; False where there was such."""
        self.end(timeout)
        return self.ended(time.monotonic() + timeout)

    def end(self, timeout: float) -> None:
        """See `process.Sending`."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._deadline = time.monotonic() + timeout
            if not self._asked:
                self._not_before = 0.0
            if self._thread is not None or self._queue:
                self._wake()

    def ended(self, until: float) -> bool:
        """See `process.Sending`."""
        with self._lock:
            left = self._rows.dropped[CLOSED] + self._late.dropped[CLOSED]
            done = self._done.wait_for(lambda: self._finished >= self._accepted, until - time.monotonic())
            while self._queue:
                item = self._queue.popleft()
                self._taken += 1
                self._finished += 1
                self._settle([item], CLOSED)
            left -= self._rows.dropped[CLOSED] + self._late.dropped[CLOSED]
            thread = self._thread
        if done and thread is not None and thread is not threading.current_thread():
            thread.join(max(until - time.monotonic(), 0.1))
        return done and not left

    def pause(self) -> None:
        """See `process.Sending`."""
        self._lock.acquire()

    def go_on(self) -> None:
        """See `process.Sending`."""
        self._lock.release()

    def begin_anew(self) -> None:
        """See `process.Sending`."""
        self._transport.abandon()
        self._reset()

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name=f"tidegauge-client-{self._name}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # too many threads, or Python is about to end: the next row tries again
                self._last_error = str(error)
                return
            self._thread = thread
        self._ready.notify()

    def _dropped(self, count: _Count, n: int, reason: str, said: str) -> None:
        count.given += n
        count.drop(n, reason)
        self._noted(f"{'outcomes' if count is self._late else 'rows'} dropped, {reason}", n, said)

    def _left_out(self, n: int, said: str) -> None:
        self._unfit += n
        self._noted("outcomes left out", n, said)

    def _noted(self, what: str, n: int, said: str) -> None:
        """Leave it to the thread to say so."""
        known, first = self._news.get(what, (0, ""))
        self._news[what] = (known + n, first or said)
        if not known and not self._closing:
            self._wake()

    # What the thread does.

    def _run(self) -> None:
        while True:
            chunk = self._take()
            if chunk is None:
                break
            if chunk:
                self._send(chunk)
            self._tell(all_of_it=False)
        self._tell(all_of_it=True)
        self._transport.close()

    def _take(self) -> list[Item] | None:
        """The next items when they are due, none where there is something to say, None when all is over."""
        with self._lock:
            while True:
                now = time.monotonic()
                tell = min((self._told.get(what, -_QUIET) + _QUIET for what in self._news), default=None)
                due = now + self._limits.flush_seconds  # callers wake it for full batches only, as that costs them
                if self._queue:
                    due = self._queue[0].since + self._limits.flush_seconds
                    hurried = self._closing or self._taken < self._hurry or len(self._queue) >= self._most
                    if hurried or due <= now:
                        return self._popped()
                elif self._closing:
                    return None
                if tell is not None and tell <= now:
                    return []
                self._ready.wait((due if tell is None else min(due, tell)) - now)

    def _popped(self) -> list[Item]:
        chunk = [self._queue.popleft() for _ in range(min(len(self._queue), self._most))]
        self._taken += len(chunk)
        return chunk

    def _send(self, chunk: list[Item]) -> None:
        for group in groups(map(self._read, chunk), _MESSAGE_BYTES):
            self._deliver(group)
        with self._lock:
            self._finished += len(chunk)
            self._done.notify_all()

    def _read(self, item: Item) -> Item:
        """A row with its outcomes as numbers; callers have no time for that."""
        if not item.outcomes or isinstance(item, Late):
            return item
        try:
            pairs, unfit = pairs_of(item.outcomes)
        except Exception:  # numbers beyond all numbers, and what else nobody thought of
            pairs, unfit = {}, len(item.outcomes)
        if unfit:
            self.unfit(unfit)
        return item._replace(outcomes=pairs)

    def _deliver(self, items: Group) -> None:
        """Send a group until it has arrived, or is of no use any more."""
        try:
            sent = message(items)
        except Exception as error:  # a defect of ours, or no memory: the others go on
            reason = MALFORMED if isinstance(error, TidegaugeError) else INTERNAL
            self._settle(items, reason, f"{type(error).__name__}: {error}"[:200])
            return
        again = False
        while self._turn():
            answer = self._transport.post(sent.path, sent.body, sent.headers)
            self._noticed(answer, again=again)
            again = True
            if not answer.fault:
                self._settle(items)
                return
            parts = smaller(items, answer.status)
            if parts:
                self._learn(items, parts, answer)
                for part in parts:
                    self._deliver(part)
                return
            if answer.final:
                self._settle(items, f"HTTP {answer.status}", answer.fault)
                return
            if time.monotonic() - items[0].since > self._limits.patience:
                self._settle(items, OLD, answer.fault)
                return
            self._tell(all_of_it=False)
        self._settle(items, CLOSED)

    def _learn(self, items: Group, parts: list[Group], answer: Answer) -> None:
        with self._lock:
            if answer.status == 413:
                self._most = min(self._most, len(parts[0]))
            else:
                self._left_out(sum(len(item.outcomes) for item in items), answer.fault)

    def _turn(self) -> bool:
        """Wait until the service may be asked again; False where we are closing, and that is too late."""
        with self._lock:
            while True:
                now = time.monotonic()
                last = self._deadline
                if last is not None and (now >= last or self._not_before >= last):
                    return False
                if now >= self._not_before:
                    return True
                self._ready.wait((self._not_before if last is None else min(self._not_before, last)) - now)

    def _noticed(self, answer: Answer, *, again: bool) -> None:
        with self._lock:
            self._retried += again
            if answer.fault:
                self._fault(answer)
                return
            self._failures, self._asked = 0, False
            for reason, n in answer.aside.items():
                if reason in self._aside or len(self._aside) < _MOST_ASIDE:
                    self._aside[reason] += n
                self._noted(f"set aside by the service, {reason}", n, "")

    def _fault(self, answer: Answer) -> None:
        """Count a try that failed, and leave the service alone: longer each time, and as long as it asks."""
        self._failed += 1
        self._last_error = answer.fault
        if answer.status in _AS_IT_IS:
            return
        wait = min(_FIRST * 2 ** min(self._failures, 10), _LONGEST) * random.uniform(0.5, 1.0)
        self._failures += 1
        self._asked = answer.after is not None
        if answer.after is not None:
            wait = max(wait, min(answer.after, _MOST_ASKED) * random.uniform(1.0, 1.1))
        self._not_before = time.monotonic() + wait
        self._noted("tries failed", 1, answer.fault)

    def _settle(self, items: Sequence[Item], reason: str = "", said: str = "") -> None:
        """These wait no more: they arrived, or are dropped for a reason."""
        size = sum(item.size for item in items)
        late = isinstance(items[0], Late)
        with self._lock:
            count = self._late if late else self._rows
            count.waiting -= len(items)
            self._bytes -= size
            if reason:
                count.drop(len(items), reason)
                self._noted(f"{'outcomes' if late else 'rows'} dropped, {reason}", len(items), said)
            else:
                count.sent += len(items)

    def _tell(self, *, all_of_it: bool) -> None:
        """Say what happened, each kind of thing once a minute."""
        now = time.monotonic()
        with self._lock:
            due = [what for what in self._news if all_of_it or now >= self._told.get(what, -_QUIET) + _QUIET]
            news = [(what, *self._news.pop(what)) for what in due]
            self._told.update((what, now) for what in due)
        for what, n, said in news:
            with suppress(Exception):  # a handler of the log that is not as it should be is no reason to stop
                _log.warning("%s: %s: %d%s", self._name, what, n, f" ({said})" if said else "")
