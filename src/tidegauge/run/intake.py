"""Batches that come from many callers at once, landed together: one commit for all that wait, an answer for each."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from tidegauge.contracts import Clock
from tidegauge.errors import DataError, MismatchError, UsageError
from tidegauge.gate import concat
from tidegauge.records import Batch, Landed, StreamState, Window
from tidegauge.run.recorder import Recorder

LONGEST_RETRY = 60
"""Seconds after which a caller who was sent away is asked to come again, at most."""
_SMOOTH = 0.8


class Full(Exception):
    """More waits than may: come again after ``seconds``."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(seconds)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch that is kept: of which ``rows`` are measured, and which are set ``aside``, by reason."""

    batch: str
    landed: Landed
    rows: int
    aside: Mapping[str, int]


class _Given(NamedTuple):
    """A batch that waits, and whom to tell."""

    name: str
    batch: Batch
    model_id: str
    future: Future[Receipt]

    @property
    def alike(self) -> Hashable:
        """What batches share that can be joined: the model, the width and the columns."""
        sides = (getattr(self.batch, name) is None for name in ("ids", "texts", "times", "sessions", "segments"))
        return self.model_id, self.batch.width, self.batch.stored, tuple(sides), tuple(self.batch.outcomes)


class Intake:
    """A stream's door: ``offer`` a batch, and wait for its receipt, which comes once it is kept.

    What waits is landed together by a thread of its own, so that the cost of a commit is shared, and so that answers
    are as prompt as the store. Nothing is kept in between: whoever has no receipt has to give the batch again, under
    the same name, and it counts once.

    Parameters
    ----------
    recorder : Recorder
        Of this intake alone.
    waiting : int
        Rows that may wait. One batch may always wait, however large it is.
    landed : callable
        Hears of each landing: how many rows, and in how many seconds.
    settled : callable
        Hears of windows that closed after a landing, or of what went wrong with that.
    clock : callable

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from tidegauge import Reference
    >>> from tidegauge.gate import admit
    >>> from tidegauge.spec import StreamSpec
    >>> from tidegauge.store import open_store
    >>> rows = np.random.default_rng(0).standard_normal((900, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Reference.fit(rows[:500]).save(f"{folder}/normal.tg")
    ...     spec = StreamSpec(name="queries", reference=f"{folder}/normal.tg")
    ...     with Intake(Recorder(open_store(f"{folder}/gauge.db"), spec)) as intake:
    ...         receipt = intake.offer("monday", admit(rows[500:])).result()
    ...         again = intake.offer("monday", admit(rows[500:])).result()
    >>> receipt.landed, receipt.rows, again.landed
    ('landed', 400, 'repeated')
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        waiting: int = 65_536,
        landed: Callable[[int, float], None] = lambda _rows, _seconds: None,
        settled: Callable[[tuple[Window, ...], Exception | None], None] = lambda _windows, _error: None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.recorder = recorder
        self._most, self._told, self._settled, self._clock = waiting, landed, settled, clock
        self._given: deque[_Given] = deque()
        self._rows, self._rate = 0, 0.0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"intake {recorder.spec.name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait, those in hand among them."""
        return self._rows

    def offer(self, name: str, batch: Batch, model_id: str = "") -> Future[Receipt]:
        """Take a batch.

        Cancelling what is returned takes it back, where it is not in hand yet.

        Raises
        ------
        Full
            Where too much waits.
        UsageError
            Where the intake is closed.
        """
        future: Future[Receipt] = Future()
        given = batch.rows + sum(batch.rejected.values())
        with self._changed:
            if self._closed:
                raise UsageError(f"stream {self.recorder.spec.name}", got="a batch at the end", want="an open intake")
            if self._rows and self._rows + given > self._most:
                raise Full(self._retry())
            self._rows += given
            self._given.append(_Given(name, batch, model_id, future))
            self._changed.notify()
        future.add_done_callback(lambda _: self._leaves(given))
        return future

    def close(self) -> None:
        """Take nothing more, land what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.recorder.close()

    def _leaves(self, rows: int) -> None:
        with self._changed:
            self._rows -= rows

    def _retry(self) -> int:
        """Seconds in which half of what waits will have landed, as fast as it went so far."""
        seconds = self._rows / 2 / self._rate if self._rate else 1.0
        return int(min(max(seconds, 1.0), LONGEST_RETRY))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._given and not self._closed:
                    self._changed.wait()
                if not self._given:
                    return
                group = self._next()
            group = [each for each in group if each.future.set_running_or_notify_cancel()]
            if group:
                self._answer(group)
                self._settle()

    def _next(self) -> list[_Given]:
        """The batches at the head of the queue that can land as one; a name that is there twice begins another."""
        group = [self._given.popleft()]
        most, rows, names = self.recorder.spec.batch_rows, group[0].batch.rows, {group[0].name}
        while self._given and self._joins(group[0], self._given[0], names) and rows < most:
            group.append(self._given.popleft())
            names.add(group[-1].name)
            rows += group[-1].batch.rows
        return group

    def _joins(self, first: _Given, other: _Given, names: set[str]) -> bool:
        return other.name not in names and other.alike == first.alike

    def _answer(self, group: list[_Given]) -> None:
        """Land batches, and tell each caller what became of its own."""
        began = self._clock()
        try:
            receipts = self._land(group)
        except Exception as error:  # raised to each caller, who can do something about it
            receipts = [error] * len(group)
        rows, seconds = sum(each.batch.rows for each in group), max(self._clock() - began, 1e-6)
        self._rate = _SMOOTH * self._rate + (1 - _SMOOTH) * rows / seconds if self._rate else rows / seconds
        self._told(rows, seconds)
        for each, receipt in zip(group, receipts, strict=True):
            if isinstance(receipt, Exception):
                each.future.set_exception(receipt)
            else:
                each.future.set_result(receipt)

    def _settle(self) -> None:
        """Close what the landed rows make due. What goes wrong here is no caller's, and is tried again."""
        try:
            windows = self.recorder.settle()
        except Exception as error:
            self._settled((), error)
        else:
            self._settled(windows, None)

    def _land(self, group: list[_Given]) -> list[Receipt | Exception]:
        recorder = self.recorder
        known = recorder.store.landed(recorder.spec.name, [each.name for each in group])
        new = [each for each in group if each.name not in known]
        landed: dict[str, Receipt | Exception] = {name: Receipt(name, "repeated", 0, {}) for name in known}
        if len(new) > 1:
            landed |= self._land_joined(new)
        for each in new:
            if each.name not in landed:
                landed[each.name] = self._land_one(each)
        return [landed[each.name] for each in group]

    def _land_one(self, given: _Given) -> Receipt | Exception:
        try:
            word = self.recorder.observe(given.batch, name=given.name, model_id=given.model_id)
        except Exception as error:
            return error
        landing = self.recorder.landing
        if word != "landed" or landing is None:
            return Receipt(given.name, word, 0, {})
        return _receipt(given, landing.aside)

    def _land_joined(self, group: list[_Given]) -> dict[str, Receipt]:
        """Land batches in one piece; none of them where one cannot land, or did in another process meanwhile."""
        recorder, first = self.recorder, group[0]
        names = tuple(each.name for each in group[1:])
        try:
            batch = concat([each.batch for each in group], source=first.batch.source)
            word = recorder.observe(batch, name=first.name, model_id=first.model_id, joined=names)
        except (DataError, MismatchError):  # of one of them: each is told apart
            return {}
        landing = recorder.landing
        if word != "landed" or landing is None:
            return {}
        if set(landing.aside) <= set(batch.rejected) | set(batch.unfit):
            aside = [{**each.batch.rejected, **each.batch.unfit} for each in group]
        else:
            aside = [self._aside(each) for each in group]
        return {each.name: _receipt(each, counts) for each, counts in zip(group, aside, strict=True)}

    def _aside(self, given: _Given) -> dict[str, int]:
        """What is set aside of one batch of several, which is asked only where more is than the gate does."""
        state: StreamState = self.recorder.store.state(self.recorder.spec.name)
        monitor = self.recorder.monitor(state)
        step = monitor.step(given.batch, state, name=given.name, now=self.recorder.now(), model_id=given.model_id)
        return dict(step.aside)


def _receipt(given: _Given, aside: Mapping[str, int]) -> Receipt:
    """What became of a batch that landed, some of whose admitted rows are set aside for what they are."""
    later = sum(aside.get(reason, 0) for reason in ("late", "future", "model", "canary"))
    return Receipt(given.name, "landed", given.batch.rows - later, {reason: n for reason, n in aside.items() if n})
