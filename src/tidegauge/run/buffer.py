"""Rows that come one at a time, landed in batches by a thread of their own."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tidegauge.contracts import Clock
from tidegauge.errors import DataError, StoreError, UsageError
from tidegauge.gate import admit
from tidegauge.records import Batch
from tidegauge.run.patience import patiently

BATCH_ROWS = 1024
"""Rows that wake the thread before its time."""
SECONDS = 1.0
"""How long a row waits at most before it is landed."""
UNREADABLE = (DataError, TypeError, ValueError)


class Row(NamedTuple):
    """One row as it was given."""

    vector: Any
    id: str
    text: str
    time: float
    session: str
    segment: str
    outcomes: Mapping[str, float] | None


class Buffer:
    """Rows that wait; ``append`` costs little more than that of a list, and never waits for a store.

    Parameters
    ----------
    land : callable
        Gets the id of a batch and the batch; tried again with the same id where a ``StoreError`` is transient.
    clock : callable
    most : int
        Rows that may wait; those that come beyond are counted, and not kept.
    """

    def __init__(self, land: Callable[[str, Batch], None], clock: Clock, *, most: int) -> None:
        self._land, self._clock, self._most = land, clock, most
        self._rows: deque[Row] = deque()
        self._overflow = 0
        self._pending: tuple[str, Batch] | None = None
        self._wake, self._closed = threading.Event(), threading.Event()
        self._draining, self._counting = threading.Lock(), threading.Lock()
        self._fault: Exception | None = None
        self._thread: threading.Thread | None = None

    def append(self, row: Row) -> None:
        """Take a row; ``UsageError`` where the buffer is closed."""
        if self._closed.is_set():
            raise UsageError("observe_one", got="a closed recorder", want="an open one")
        if self._thread is None:
            self._start()
        waiting = len(self._rows)
        if waiting >= self._most:
            with self._counting:
                self._overflow += 1
            return
        self._rows.append(row)
        if waiting == BATCH_ROWS:
            self._wake.set()

    def flush(self) -> None:
        """Land what waits now; what went wrong since the last time is raised."""
        self._drain()
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault

    def close(self) -> None:
        """Land what waits, and end the thread."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()

    def _start(self) -> None:
        with self._counting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tidegauge-buffer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(SECONDS)
            self._wake.clear()
            self._drain()

    def _drain(self) -> None:
        """Land what waits. What the store refused waits on under its id, as it may have landed all the same."""
        with self._draining:
            try:
                while self._pending is not None or self._rows or self._overflow:
                    if self._pending is None:
                        self._pending = f"rows:{uuid.uuid4().hex}", self._batch()
                    name, batch = self._pending
                    patiently(partial(self._land, name, batch), self._closed)
                    self._pending = None
            except StoreError as error:
                self._fault = error
            except Exception as error:  # raised to whoever asks next: the rows' caller has long gone on
                self._fault, self._pending = error, None

    def _batch(self) -> Batch:
        rows = [self._rows.popleft() for _ in range(len(self._rows))]
        with self._counting:
            overflow, self._overflow = self._overflow, 0
        return _batch(rows, overflow)


def _batch(rows: list[Row], overflow: int) -> Batch:
    """Rows as a batch: those that are no rows, and those that found no room, are set aside and counted."""
    aside = {"buffer full": overflow}
    try:
        batch = _admitted(rows)
    except UNREADABLE:
        sound = [row for row in rows if _is_sound(row)]
        aside["malformed"] = len(rows) - len(sound)
        batch = _admitted(sound)
    return replace(batch, rejected={**batch.rejected, **{reason: n for reason, n in aside.items() if n}})


def _is_sound(row: Row) -> bool:
    try:
        _admitted([row])
    except UNREADABLE:
        return False
    return True


def _admitted(rows: list[Row]) -> Batch:
    """Rows that can be read; columns that no row has are left out."""

    def column(name: str) -> list[str] | None:
        values = [getattr(row, name) for row in rows]
        return values if any(values) else None

    outcomes = {name: np.zeros((len(rows), 2)) for row in rows for name in row.outcomes or ()}
    for i, row in enumerate(rows):
        for name, value in (row.outcomes or {}).items():
            outcomes[name][i] = value, 1.0
    return admit(
        [row.vector for row in rows],
        ids=column("id"),
        texts=column("text"),
        times=[row.time for row in rows],
        sessions=column("session"),
        segments=column("segment"),
        outcomes=outcomes,
        source="observe_one",
        strict_times=False,
    )
