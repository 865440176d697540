"""Watching a feed: everything lands once, faults and silences are said once, and a store that is busy is waited for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.run.conftest import ROWS
from tidegauge.contracts import Delivery
from tidegauge.errors import StoreError
from tidegauge.gate import admit
from tidegauge.records import Position
from tidegauge.run.watch import watch


@dataclass
class Rows:
    """A feed of one source with a row a second, of which more and more can be had."""

    ready: int = 0
    source: str = "rows"
    said: list[str] = field(default_factory=list)
    ended: bool = False

    def deliveries(self, kept, size):
        begin = {position.source: position.rows for position in kept}.get(self.source, 0)
        for low in range(begin, self.ready, size):
            high = min(low + size, self.ready)
            batch = admit(ROWS[low:high], times=np.arange(low, high, dtype=float), source=self.source)
            yield Delivery(f"{self.source}:{low}-{high}", batch, Position(self.source, high, after=low))

    def faults(self):
        said, self.said = tuple(self.said), []
        return said


def run(recorder, feed, **settings):
    told = []
    watch(recorder, feed, threading.Event(), told.append, poll=0, once=True, **settings)
    return told


def test_what_was_read_is_not_read_again(place):
    feed = Rows(100)
    with place.recorder(batch_rows=30, windows=()) as recorder:
        assert [progress.rows for progress in run(recorder, feed)] == [30, 30, 30, 10]
        assert run(recorder, feed) == []
    feed.ready = 170
    with place.recorder(batch_rows=30, windows=()) as recorder:
        told = run(recorder, feed)
        assert [progress.rows for progress in told] == [30, 30, 10]
        assert [w.key.start for progress in told for w in progress.windows] == [60]
        assert recorder.store.state("queries").seen == 170


def test_a_batch_that_landed_unheard_is_passed_over(place):
    """Its position is kept in the same transaction, so that this happens only where two watch one source."""
    with place.recorder(batch_rows=30) as recorder:
        batch = admit(ROWS[:30], times=np.arange(30.0))
        recorder.observe(batch, name="rows:0-30")
        assert [progress.rows for progress in run(recorder, Rows(60))] == [0, 30]
        assert recorder.store.state("queries").seen == 60


def test_two_who_cut_one_source_otherwise_land_each_row_once(place):
    """The one that is overtaken begins again where the other is."""
    one, two = place.recorder(batch_rows=30), place.recorder(batch_rows=45)
    at_once = threading.Barrier(2)

    class Slow(Rows):
        def deliveries(self, kept, size):
            at_once.wait(10) if self.source == "rows" and not kept else None
            yield from super().deliveries(kept, size)

    threads = [threading.Thread(target=run, args=(recorder, Slow(900))) for recorder in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.store.state("queries").seen == 900
    total = sum(stored.part.rows for stored in one.store.parts("queries"))
    assert total + sum(window.rows for window in one.store.windows("queries", length=60)) == 900
    one.close()
    two.close()


def test_faults_of_the_source_are_kept_and_told(place):
    with place.recorder() as recorder:
        told = run(recorder, Rows(10, said=["a.npy: damaged"]))
        assert [event.text for progress in told for event in progress.events] == ["a.npy: damaged"]
        assert [(e.kind, e.text) for e in recorder.store.events("queries") if e.kind == "source"] == [
            ("source", "a.npy: damaged")
        ]


def test_silence_is_said_once_and_ends_with_the_next_row(place):
    place.clock.now = 200.0
    feed = Rows(100)
    with place.recorder(quality={"silence": "10m"}) as recorder:
        stop, looks, told = threading.Event(), iter([300.0, 900.0, 1000.0, 1100.0, 5000.0]), []

        class Poll:
            """Instead of waiting, time passes; rows come again at 1,100 s."""

            def is_set(self):
                return stop.is_set()

            def wait(self, _):
                place.clock.now = next(looks, 0.0)
                if place.clock.now == 1100.0:
                    feed.ready = 1090
                if not place.clock.now:
                    stop.set()

        watch(recorder, feed, Poll(), told.append, poll=1)
        events = [event for progress in told for event in progress.events]
        assert [(event.kind, event.at) for event in events] == [("silence", 99.0), ("silence", 1089.0)]
        assert events[0].text == "No row since 1970-01-01 00:01 UTC: the stream stopped."


def test_a_busy_store_is_waited_for_and_a_broken_one_is_said(place, monkeypatch):
    monkeypatch.setattr("tidegauge.run.patience.FIRST_PAUSE", 0.001)
    with place.recorder(batch_rows=50) as recorder:
        real, left = recorder.store.land, [3]

        def land(landing):
            if left[0]:
                left[0] -= 1
                raise StoreError("store", got="another writer", want="a moment", transient=left[0] >= 0)
            return real(landing)

        monkeypatch.setattr(recorder.store, "land", land)
        run(recorder, Rows(100))
        assert recorder.store.state("queries").seen == 100
        monkeypatch.setattr(recorder.store, "land", _broken)
        with pytest.raises(StoreError, match="damaged"):
            run(recorder, Rows(200))


def _broken(_):
    raise StoreError("store", got="a damaged file", want="a store")


def test_it_stops_between_two_batches_when_told(place):
    with place.recorder(batch_rows=10) as recorder:
        stop = threading.Event()
        watch(recorder, Rows(100), stop, lambda progress: stop.set(), poll=0)
        assert recorder.store.state("queries").seen == 10
