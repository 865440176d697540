"""What recording says while it goes on: windows, events and alarms to stdout, rows and rate to stderr."""

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
from tidegauge.deliver.payload import as_object
from tidegauge.records import Alarm, AlarmState, Change, Event, Severity, Window
from tidegauge.report.alarms import change_line
from tidegauge.report.windows import Unit, event_json, event_line, unit_of, window_json, window_line
from tidegauge.run.watch import Progress
from tidegauge.spec import Alarms, StreamSpec

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


class AlarmNews:
    """Alarms of a stream that changed since the last look, whoever changed them; those of before are known.

    Parameters
    ----------
    store : Store
    stream : str
    """

    def __init__(self, store: Store, stream: str) -> None:
        self._store, self._stream = store, stream
        self._known: dict[str, tuple[AlarmState, Severity]] = {}
        self()

    def __call__(self) -> list[tuple[Alarm, Change]]:
        """Return what changed, and how."""
        found = self._store.alarms(self._stream, newest=_NEWEST)
        new: list[tuple[Alarm, Change]] = []
        for alarm in found:
            new.extend((alarm, change) for change in _changes(alarm, self._known.get(alarm.id)))
        self._known = {alarm.id: (alarm.state, alarm.severity) for alarm in found}
        return new


def _changes(alarm: Alarm, before: tuple[AlarmState, Severity] | None) -> list[Change]:
    """What a person is told of an alarm; nothing where it is as before."""
    if before == (alarm.state, alarm.severity):
        return []
    if before is None:
        return ["opened"] if alarm.state == "open" else ["opened", alarm.state]
    return ["updated" if alarm.state == "open" else alarm.state]


class Teller:
    """Says what was done, one line each: in words, or as JSON objects. Threads may share it.

    Where stderr is a terminal, its last line shows how many rows landed, and how fast.

    Parameters
    ----------
    streams : iterable of StreamSpec
        Those that are recorded.
    form : PlainForm
    alarms : Alarms, optional
        The addresses that go with an alarm.
    """

    def __init__(self, streams: Iterable[StreamSpec], form: PlainForm, alarms: Alarms | None = None) -> None:
        self._units: Mapping[str, Unit] = {stream.name: unit_of(stream) for stream in streams}
        self._form, self._settings = form, alarms or Alarms()
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

    def alarms(self, changed: Iterable[tuple[Alarm, Change]]) -> None:
        """Tell of alarms."""
        for alarm, change in changed:
            unit = self._units[alarm.stream]
            told = as_object(alarm, change, self._settings, "rows" if unit == "rows" else "seconds")
            self.say(told, change_line(alarm, change, unit))

    def aside(self, text: str) -> None:
        """Tell of what goes on beside it, on stderr."""
        with self._lock:
            self._wipe()
            note(text)

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
