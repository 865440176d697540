"""Watching: each stream's feed is read, landed and settled, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tidegauge.contracts import Feed, Store
from tidegauge.errors import StoreError
from tidegauge.records import Event, Window
from tidegauge.run.patience import patiently
from tidegauge.run.recorder import Recorder
from tidegauge.run.series import ReadySeries
from tidegauge.run.snapshot import replace_whole, replaced_by
from tidegauge.spec import StreamSpec
from tidegauge.window.moment import moment


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done since the last word: ``rows`` that landed with their batch, windows that closed, events; or why it
    is ``waiting`` for the store.
    """

    stream: str
    rows: int = 0
    windows: tuple[Window, ...] = ()
    events: tuple[Event, ...] = ()
    waiting: str = ""


Tell = Callable[[Progress], None]


def watch(
    recorder: Recorder, feed: Feed, stop: threading.Event, tell: Tell, *, poll: float, once: bool = False
) -> None:
    """Read a feed into a recorder until it is told to stop, or once.

    A store that cannot be written for the moment is tried again, longer and longer apart; the batch in hand is kept,
    and nothing is read meanwhile.

    Parameters
    ----------
    recorder : Recorder
    feed : Feed
    stop : threading.Event
        Looked at between batches.
    tell : callable
        Hears of everything that was done.
    poll : float
        Seconds between two looks at the feed.
    once : bool
        Leave when the feed has nothing more for now, as is done where it has ended.
    """
    series = ReadySeries(recorder.store, recorder.spec)
    while not stop.is_set():
        if recorder.spec.kind == "snapshot":
            _replace(recorder, feed, stop, tell)
        else:
            _pump(recorder, feed, stop, tell)
        _note_faults(recorder, feed, stop, tell)
        read_series(recorder, series, stop, tell)
        if once or feed.ended or stop.is_set():
            return
        note_silence(recorder, stop, tell)
        stop.wait(poll)


def _pump(recorder: Recorder, feed: Feed, stop: threading.Event, tell: Tell) -> None:
    while not _read(recorder, feed, stop, tell):
        pass


def _read(recorder: Recorder, feed: Feed, stop: threading.Event, tell: Tell) -> bool:
    """Land what a feed has; False where another reader of the same source is ahead, and one is to begin where it is."""
    name = recorder.spec.name
    kept = patiently(lambda: recorder.store.positions(name), stop)
    for delivery in feed.deliveries(kept, recorder.spec.batch_rows):
        land = lambda given=delivery: recorder.observe(given.batch, name=given.id, position=given.position)  # noqa: E731
        landed = patiently(land, stop, lambda why: tell(Progress(name, waiting=why)))
        if landed == "overtaken":
            return False
        windows = patiently(recorder.settle, stop, lambda why: tell(Progress(name, waiting=why)))
        given = delivery.batch.rows + sum(delivery.batch.rejected.values())
        tell(Progress(name, given if landed == "landed" else 0, windows))
        if stop.is_set():
            break
    return True


def _replace(recorder: Recorder, feed: Feed, stop: threading.Event, tell: Tell) -> None:
    """Replace a snapshot whole where its source is another than the one it was made of."""
    mark = feed.mark()
    if mark and mark != patiently(lambda: replaced_by(recorder), stop):
        batches = (delivery.batch for delivery in feed.deliveries((), recorder.spec.batch_rows))
        tell(Progress(recorder.spec.name, windows=replace_whole(recorder, batches, name=mark)))


def _note_faults(recorder: Recorder, feed: Feed, stop: threading.Event, tell: Tell) -> None:
    faults = feed.faults()
    if faults:
        note(recorder.store, [Event(recorder.spec.name, "source", recorder.now(), text) for text in faults], stop, tell)


def read_series(recorder: Recorder, series: ReadySeries, stop: threading.Event, tell: Tell) -> None:
    """Read what is new of ready series, and tell of what happened."""
    name = recorder.spec.name
    events = patiently(lambda: series.read(recorder.now()), stop, lambda why: tell(Progress(name, waiting=why)))
    if events:
        tell(Progress(name, events=events))


def note_silence(recorder: Recorder, stop: threading.Event, tell: Tell) -> None:
    """Say once that a stream has stopped, and resolve the alarm of it once rows have come again."""
    quiet = silence(recorder)
    if quiet is None:
        _note_rows(recorder, stop, tell)
    else:
        said = patiently(lambda: recorder.store.events(quiet.stream, since=quiet.at), stop)
        if not any(event.kind == "silence" and event.at == quiet.at for event in said):
            note(recorder.store, [quiet], stop, tell, recorder)


def _note_rows(recorder: Recorder, stop: threading.Event, tell: Tell) -> None:
    name = recorder.spec.name
    lasting = patiently(lambda: recorder.store.alarms(name, lasting=True), stop)
    if not any(alarm.kind == "silence" for alarm in lasting):
        return

    def heard() -> None:
        with recorder.store.leading(name) as desk:
            if desk is not None:
                recorder.lookout.heard(desk, recorder.now())

    patiently(heard, stop)
    tell(Progress(name))


def silence(recorder: Recorder) -> Event | None:
    """The silence that a stream is in now, since its last event time."""
    return silent(recorder.spec, recorder.store.state(recorder.spec.name).watermark, recorder.now())


def silent(spec: StreamSpec, last: float | None, now: float) -> Event | None:
    """The silence of a stream whose newest row is of ``last``, at a moment by the clock."""
    if last is None or not spec.silence_after or now - last <= spec.silence_after:
        return None
    return Event(spec.name, "silence", last, f"No row since {moment(last)} UTC: the stream stopped.")


def note(
    store: Store, events: list[Event], stop: threading.Event, tell: Tell, recorder: Recorder | None = None
) -> None:
    """Keep events, and tell of them; where they are silences of a ``recorder``, they are alarms as well."""

    def keep() -> None:
        with store.leading(events[0].stream) as desk:
            if desk is None:
                raise StoreError(events[0].stream, got="another leader", want="a moment to write", transient=True)
            for event in events:
                desk.note(event)
                if recorder is not None:
                    recorder.lookout.silent(desk, event, recorder.now())

    patiently(keep, stop)
    tell(Progress(events[0].stream, events=tuple(events)))
