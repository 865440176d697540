"""The service's work: an intake for each stream, and somebody who tends it; begun and ended together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from tidegauge.contracts import Clock
from tidegauge.errors import TidegaugeError, UsageError
from tidegauge.records import ALL, Window
from tidegauge.run import Recorder
from tidegauge.run.alarms import sharing
from tidegauge.run.delivery import keep_delivering
from tidegauge.run.intake import Intake
from tidegauge.run.tend import tend
from tidegauge.run.watch import Progress, watch
from tidegauge.server.gauges import Gauges
from tidegauge.server.views import Views
from tidegauge.spec import Spec, StreamSpec
from tidegauge.store import SqlStore

logger = logging.getLogger("tidegauge.server")

PAUSE = 5.0
"""Seconds before work that went wrong is begun again."""
Work = Callable[[threading.Event], None]


class Service:
    """All that goes on behind the door: ``start`` begins it, ``stop`` ends it with nothing acknowledged lost.

    Parameters
    ----------
    spec : Spec
    store : SqlStore
        Shared by all threads; the caller closes it, after ``stop``.
    clock : callable

    Attributes
    ----------
    faults : mapping of str to str
        What goes wrong at the moment, by what it is that goes wrong.
    """

    def __init__(self, spec: Spec, store: SqlStore, *, clock: Clock = time.time) -> None:
        self.spec, self.store, self.clock = spec, store, clock
        self.faults: dict[str, str] = {}
        self.intakes: dict[str, Intake] = {}
        self.views = Views(store, spec, clock)
        self.gauges = Gauges({name: lambda name=name: self._waiting(name) for name in spec.streams})
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._opening = threading.Lock()

    @property
    def stopping(self) -> bool:
        """Whether it comes to its end."""
        return self._stop.is_set()

    def stream(self, name: str) -> StreamSpec:
        """The settings of a stream; ``UsageError`` names those that there are."""
        if name not in self.spec.streams:
            known = ", ".join(self.spec.streams) or "none"
            raise UsageError("stream", got=repr(name[:80]), want=f"one of the settings' streams: {known}")
        return self.spec.streams[name]

    def intake(self, name: str) -> Intake:
        """The door of a stream, opened where it is not; where that cannot be, the error says why."""
        with self._opening:
            if name not in self.intakes:
                if self.stopping:
                    raise UsageError(f"stream {name}", got="a batch at the end", want="a service that goes on")
                stream = self.stream(name)
                recorder = self._recorder(stream)
                recorder.monitor()  # without a reference nothing can be kept
                waiting, told = self.spec.server.waiting, self._settled(name)
                self.intakes[name] = Intake(recorder, waiting=waiting, landed=self.gauges.landed, settled=told)
        return self.intakes[name]

    def start(self) -> None:
        """Open every door that can be, and tend every stream."""
        for name, stream in self.spec.streams.items():
            try:
                self.intake(name)
                self.faults.pop(f"stream {name}", None)
            except TidegaugeError as error:
                self._fault(f"stream {name}", error)
            self._begin(f"tend {name}", lambda stop, stream=stream: self._tend(stream, stop))
        if self.spec.alarms.endpoints:
            self._begin("deliver", self._deliver)

    def stop(self) -> None:
        """Take nothing more, keep what was taken, and end every thread."""
        self._stop.set()
        with self._opening:
            intakes = list(self.intakes.values())
        for intake in intakes:
            intake.close()
        for thread in self._threads:
            thread.join()

    def _waiting(self, name: str) -> int:
        return self.intakes[name].waiting if name in self.intakes else 0

    def _recorder(self, stream: StreamSpec) -> Recorder:
        """A recorder of its own for each thread, over the store that they share."""
        shared = sharing(self.spec)
        return Recorder(self.store, stream, alarms=self.spec.alarms, streams=shared, clock=self.clock)

    def _settled(self, name: str) -> Callable[[tuple[Window, ...], Exception | None], None]:
        def settled(windows: tuple[Window, ...], error: Exception | None) -> None:
            if error is not None:
                self._fault(f"close {name}", error)
                return
            self.faults.pop(f"close {name}", None)
            if windows:
                self._told(Progress(name, windows=windows))

        return settled

    def _begin(self, name: str, work: Work) -> None:
        def run() -> None:
            while not self.stopping:
                try:
                    work(self._stop)
                    self.faults.pop(name, None)
                except Exception as error:  # told, and begun again: the other streams go on
                    if not self.stopping:
                        self._fault(name, error)
                    self._stop.wait(PAUSE)

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _tend(self, stream: StreamSpec, stop: threading.Event) -> None:
        """Read a stream's own source, where it has one; close what is due, whoever sends the rows."""
        recorder = self._recorder(stream)
        recorder.monitor()
        self.faults.pop(f"tend {stream.name}", None)
        self.faults.pop(f"stream {stream.name}", None)
        if stream.source and stream.source != "-":
            from tidegauge.read.feeds import open_feed

            feed = open_feed(stream.source, recorder.columns, table=stream.table, key=stream.key)
            watch(recorder, feed, stop, self._told, poll=self.spec.poll)
        else:
            tend(recorder, stop, self._told, poll=self.spec.poll)

    def _deliver(self, stop: threading.Event) -> None:
        keep_delivering(self.store, self.spec.alarms, clock=self.clock, stop=stop, tell=logger.info)

    def _told(self, done: Progress) -> None:
        if done.waiting:
            logger.warning("%s: %s", done.stream, done.waiting)
        for window in done.windows:
            if window.key.segment == ALL:
                logger.info("%s: window from %d closed: %s", done.stream, window.key.start, window.state)
        for event in done.events:
            logger.info("%s: %s", done.stream, event.kind)

    def _fault(self, name: str, error: Exception) -> None:
        said = " ".join(str(error).split())[:300] if isinstance(error, TidegaugeError) else type(error).__name__
        if self.faults.get(name) != said:
            logger.error("%s: %s", name, said, exc_info=None if isinstance(error, TidegaugeError) else error)
        self.faults[name] = said
