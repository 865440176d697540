"""Batches that wait land together; each caller hears of its own."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest

from tidegauge.errors import MismatchError, StoreError, UsageError
from tidegauge.gate import admit
from tidegauge.run import Recorder
from tidegauge.run.intake import Full, Intake


@pytest.fixture
def recorder(spec, store):
    return Recorder(store, spec.streams["queries"])


@pytest.fixture
def held(recorder, monkeypatch):
    """An intake whose store keeps nothing until told to, and how many landings there were."""
    gate, landings, land = threading.Event(), [], recorder.store.land

    def slow(landing):
        gate.wait(10)
        landings.append((landing.batch, *landing.joined))
        return land(landing)

    monkeypatch.setattr(recorder.store, "land", slow)
    intake = Intake(recorder)
    yield intake, gate, landings
    gate.set()
    intake.close()


def batch(seed, rows=20, **columns):
    return admit(np.random.default_rng(seed).standard_normal((rows, 8)), **columns)


def test_what_waits_lands_as_one_and_counts_as_its_parts_do(held, recorder):
    intake, gate, landings = held
    futures = [intake.offer(f"b{i}", batch(i)) for i in range(9)]
    gate.set()
    receipts = [future.result(10) for future in futures]
    assert [(each.batch, each.landed, each.rows) for each in receipts] == [(f"b{i}", "landed", 20) for i in range(9)]
    assert len(landings) < 9
    assert sorted(name for names in landings for name in names) == [f"b{i}" for i in range(9)]
    parts = recorder.store.parts("queries")
    assert sum(part.part.rows for part in parts) == recorder.store.state("queries").seen == 180
    again = [intake.offer(f"b{i}", batch(i)) for i in range(9)]
    assert {future.result(10).landed for future in again} == {"repeated"}
    assert recorder.store.state("queries").seen == 180


def test_a_name_twice_in_the_queue_counts_once(held, recorder):
    intake, gate, _ = held
    futures = [intake.offer(name, batch(0)) for name in ("a", "b", "b", "c", "b")]
    gate.set()
    assert Counter(future.result(10).landed for future in futures) == {"landed": 3, "repeated": 2}
    assert recorder.store.state("queries").seen == 60


def test_batches_of_other_columns_models_and_widths_land_apart(held):
    intake, gate, landings = held
    ids = [str(i) for i in range(20)]
    futures = [
        intake.offer("first", batch(0)),
        intake.offer("plain", batch(1)),
        intake.offer("ids", batch(2, ids=ids)),
        intake.offer("more ids", batch(3, ids=ids)),
        intake.offer("model", batch(4, ids=ids), "another"),
        intake.offer("narrow", admit(np.ones((3, 5)))),
    ]
    gate.set()
    for future in futures:
        try:
            future.result(10)
        except MismatchError:
            assert future is futures[-1]
    together = [names for names in landings if len(names) > 1]
    assert all(names in (("first", "plain"), ("ids", "more ids")) for names in together)


def test_what_is_set_aside_is_told_to_whom_it_concerns(held, recorder):
    intake, gate, _ = held
    now = recorder.now()
    futures = [
        intake.offer("first", batch(0, times=[now] * 20)),
        intake.offer("sound", batch(1, times=[now] * 20)),
        intake.offer("future", batch(2, times=[now] * 5 + [now + 9e6] * 15)),
        intake.offer("zeros", admit(np.vstack([np.zeros((4, 8)), np.ones((2, 8))]), times=[now] * 6)),
    ]
    gate.set()
    told = {future.result(10).batch: (future.result(10).rows, dict(future.result(10).aside)) for future in futures}
    assert told == {
        "first": (20, {}),
        "sound": (20, {}),
        "future": (5, {"future": 15}),
        "zeros": (2, {"zero": 4}),
    }
    assert dict(recorder.store.state("queries").aside) == {"future": 15, "zero": 4}


def test_rows_that_wait_are_bounded_and_one_batch_may_always_wait(held):
    intake, gate, _ = held
    intake._most = 50
    futures = [intake.offer("large", batch(0, 200))]
    with pytest.raises(Full) as full:
        intake.offer("more", batch(1))
    assert full.value.seconds >= 1
    assert intake.waiting == 200
    gate.set()
    futures[0].result(10)
    assert intake.offer("more", batch(1)).result(10).landed == "landed"
    assert intake.waiting == 0


def test_who_takes_a_batch_back_in_time_has_it_kept_nowhere(held, recorder):
    intake, gate, _ = held
    first, second = intake.offer("first", batch(0)), intake.offer("second", admit(np.ones((2, 8)), ids=["a", "b"]))
    assert second.cancel()
    gate.set()
    assert first.result(10).landed == "landed"
    intake.close()
    assert recorder.store.state("queries").seen == 20


def test_another_process_between_look_and_landing_takes_none_of_the_others(recorder, spec, monkeypatch):
    """One of three landed elsewhere after it was asked for: the joint landing is refused, and each lands alone."""
    other = Recorder(recorder.store, spec.streams["queries"])
    gate, known = threading.Event(), recorder.store.landed

    def look(stream, names):
        found = known(stream, names)
        if "b1" in names:
            other.observe(batch(1), name="b1")
        elif not gate.is_set():
            gate.wait(10)
        return found

    monkeypatch.setattr(recorder.store, "landed", look)
    intake = Intake(recorder)
    futures = [intake.offer("b0", batch(0)), *(intake.offer(f"b{i}", batch(i)) for i in (1, 2, 3))]
    gate.set()
    landed = {future.result(10).batch: future.result(10).landed for future in futures}
    assert landed == {"b0": "landed", "b1": "repeated", "b2": "landed", "b3": "landed"}
    assert recorder.store.state("queries").seen == 80
    intake.close()


def test_an_error_of_the_store_reaches_every_caller_and_the_next_batch_lands(recorder, monkeypatch):
    def broken(_landing):
        raise StoreError("gauge.db", got="a lost connection", want="one", transient=True)

    with monkeypatch.context() as patch:
        patch.setattr(recorder.store, "land", broken)
        intake = Intake(recorder)
        futures = [intake.offer(f"b{i}", batch(i)) for i in range(3)]
        for future in futures:
            with pytest.raises(StoreError, match="lost connection"):
                future.result(10)
    assert intake.offer("b0", batch(0)).result(10).landed == "landed"
    intake.close()
    with pytest.raises(UsageError):
        intake.offer("late", batch(0))
