"""What recording says while it goes on: windows and events to stdout, rows and rate to stderr."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import emit, note, pace
from tidegauge.contracts import Store
from tidegauge.records import Event, Window
from tidegauge.report.windows import Unit, event_json, event_line, unit_of, window_json, window_line
from tidegauge.run.watch import Progress
from tidegauge.spec import StreamSpec

_CLEAR = "\r\x1b[K"
_NEWEST = 200


class News:
    """Events of a stream that came since the last look, whoever noted them; those of before are known.

    Parameters
    ----------
    store : Store
    stream : str
    """

    def __init__(self, store: Store, stream: str) -> None:
        self._store, self._stream = store, stream
        self._known: set[Event] = set()
        self()

    def __call__(self) -> tuple[Event, ...]:
        """Return what is new."""
        found = self._store.events(self._stream, newest=_NEWEST)
        new = tuple(event for event in found if event not in self._known)
        self._known = set(found)
        return new


class Teller:
    """Says what was done, one line each: in words, or as JSON objects. Threads may share it.

    Where stderr is a terminal, its last line shows how many rows landed, and how fast.

    Parameters
    ----------
    streams : iterable of StreamSpec
        Those that are recorded.
    form : PlainForm
    """

    def __init__(self, streams: Iterable[StreamSpec], form: PlainForm) -> None:
        self._units: Mapping[str, Unit] = {stream.name: unit_of(stream) for stream in streams}
        self._form = form
        self._rows: Counter[str] = Counter()
        self._began = time.monotonic()
        self._ticking = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()

    def __call__(self, done: Progress) -> None:
        """Tell of what was done."""
        with self._lock:
            self._rows[done.stream] += done.rows
            self._wipe()
            for window in done.windows:
                self._window(window)
            for event in done.events:
                self._event(event)
            if done.waiting:
                note(f"{done.stream} waits: {done.waiting}")
            if self._ticking:
                rows = sum(self._rows.values())
                sys.stderr.write(f"{_CLEAR}{pace(rows, None, time.monotonic() - self._began)}")
                sys.stderr.flush()

    def say(self, told: Mapping[str, Any], line: str) -> None:
        """Tell of anything else."""
        with self._lock:
            self._wipe()
            emit(_json(told) if self._form is PlainForm.json else f"{line}\n")

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._lock:
            self._wipe()

    def _window(self, window: Window) -> None:
        unit = self._units[window.key.stream]
        json_wanted = self._form is PlainForm.json
        emit(_json(window_json(window, unit)) if json_wanted else f"{window_line(window, unit)}\n")

    def _event(self, event: Event) -> None:
        unit = self._units[event.stream]
        emit(_json(event_json(event, unit)) if self._form is PlainForm.json else f"{event_line(event, unit)}\n")

    def _wipe(self) -> None:
        if self._ticking:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n"
