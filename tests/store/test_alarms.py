"""Tallies, calibrations, alarms and annotations come back as they were kept, and are found by what is asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.store.model import dump, plain_tally
from tests.store.sequences import HARD, Undone, alarm, annotation, calibrated, tally
from tests.store.test_store import plain
from tidegauge.errors import UsageError
from tidegauge.records import ALL, Alarm, Annotation, Baseline, Message, PaneKey, Tally
from tidegauge.store import SqlStore
from tidegauge.store import rows as limits


@pytest.fixture
def queries(store: SqlStore) -> SqlStore:
    store.register("queries", "stream")
    return store


def raised(store: SqlStore, *alarms: Alarm) -> None:
    for each in alarms:
        with store.leading(each.stream) as desk:
            assert desk is not None
            desk.raise_alarm(each)


def an_alarm(number: int, opened: int, **more: object) -> Alarm:
    first = alarm(random.Random(number), "queries", number)
    return replace(first, **{"opened": opened, "updated": opened, "at": 1.0, "state": "open", "resolved": None, **more})  # type: ignore[arg-type]


def test_every_field_of_an_alarm_comes_back(queries: SqlStore) -> None:
    nan, odd = float("nan"), (float("inf"), float("-inf"), 5e-324)
    given = replace(an_alarm(1, 10), value=odd[0], threshold=odd[1], drift=odd[2], snoozed_until=7.5, reasons=(HARD,))
    raised(queries, given)
    assert queries.alarms("queries") == (given,)
    other = replace(given, value=nan, drift=None, snoozed_until=None, resolved=70, state="resolved", title="", by=HARD)
    raised(queries, other)
    assert repr(queries.alarms("queries")) == repr((other,))


def test_an_alarm_said_before_a_field_was_new_has_its_default(queries: SqlStore) -> None:
    given = replace(an_alarm(1, 10), by="", calm=0, report="")
    raised(queries, given)
    with queries.database.writing() as connection:
        said = "json_remove(said, '$.by', '$.calm', '$.report')"
        connection.exec_driver_sql(f"UPDATE tidegauge_alarms SET said = {said}")
    assert queries.alarms("queries") == (given,)


def test_numpy_figures_of_an_alarm_are_kept_as_numbers(queries: SqlStore) -> None:
    given = replace(an_alarm(1, 10), opened=np.int64(10), panes=np.int64(3), value=np.float32(0.5), at=np.float64(2.0))
    raised(queries, given)
    [found] = queries.alarms("queries")
    assert (found.opened, found.panes, found.value, found.at) == (10, 3, 0.5, 2.0)
    assert {type(each) for each in (found.opened, found.panes)} == {int}


def test_alarms_are_asked_for_by_stream_by_whether_they_last_and_by_when_they_spoke(queries: SqlStore) -> None:
    queries.register("documents", "stream")
    late, early = an_alarm(1, 300, updated=400), an_alarm(2, 100, updated=100)
    over = an_alarm(3, 200, updated=250, resolved=290, state="resolved")
    counted = replace(an_alarm(4, 5, at=0.5), id="d1", stream="documents", state="acknowledged")
    raised(queries, late, counted, over, early)
    assert queries.alarms("queries") == (early, over, late)
    assert queries.alarms("queries", newest=2) == (over, late)
    assert queries.alarms("queries", newest=0) == ()
    assert queries.alarms("queries", lasting=True) == (early, late)
    assert queries.alarms("queries", since=250) == (over, late)
    assert queries.alarms("queries", since=251, lasting=True, newest=5) == (late,)
    # Of several streams, the clock at their opening tells which is newest: panes of rows begin at small numbers.
    assert queries.alarms(lasting=True) == (counted, early, late)
    raised(queries, replace(counted, at=9.0))
    assert queries.alarms(newest=1) == (replace(counted, at=9.0),)
    assert queries.alarms("nothing") == ()
    with queries.leading("queries") as desk:
        assert desk is not None
        assert desk.alarms() == (early, over, late)
        assert desk.alarms(lasting=True) == (early, late)


def test_an_alarm_that_is_said_to_be_resolved_does_not_last(queries: SqlStore) -> None:
    given = an_alarm(1, 10, state="resolved", resolved=None)
    raised(queries, given)
    assert not given.lasts
    assert queries.alarms(lasting=True) == ()


def test_an_alarm_is_of_one_stream_for_good(queries: SqlStore) -> None:
    queries.register("documents", "stream")
    given = an_alarm(1, 10)
    raised(queries, given)
    with queries.leading("documents") as desk:
        assert desk is not None
        with pytest.raises(UsageError, match="want stream 'documents'"):
            desk.raise_alarm(given)
        with pytest.raises(UsageError, match="want 'queries', whose id it is"):
            desk.raise_alarm(replace(given, stream="documents"))
    assert queries.alarms() == (given,)


def test_an_error_undoes_the_alarm_and_its_messages_together(queries: SqlStore) -> None:
    before = an_alarm(1, 10)
    raised(queries, before)

    def speak(*, fail: bool) -> None:
        with queries.leading("queries") as desk:
            assert desk is not None
            desk.raise_alarm(replace(before, updated=20))
            desk.raise_alarm(an_alarm(2, 20))
            desk.send([Message("pager", "opened", "{}", 0.0, "a2", "opened")])
            if fail:
                raise Undone

    with pytest.raises(Undone):
        speak(fail=True)
    assert (queries.alarms(), queries.messages()) == ((before,), ())
    speak(fail=False)
    assert [len(queries.alarms()), len(queries.messages())] == [2, 1]


def test_tallies_are_asked_for_by_span_segment_and_number(queries: SqlStore) -> None:
    kept: list[Tally] = []
    with queries.leading("queries") as desk:
        assert desk is not None
        for start in (30, 10, 20):
            for segment in (ALL, "de"):
                for length in (10, 20):
                    values = np.array([start, length], np.float32)
                    kept.append(Tally(PaneKey("queries", "", length, start, segment), start, start / 2, values))
        desk.tally(kept)
        desk.tally(())
    some = sorted((each for each in kept if each.key.length == 10 and each.key.segment == "de"), key=lambda t: t.key)

    def found(**asked: int) -> list[int]:
        return [each.key.start for each in queries.tallies("queries", reference="", length=10, segment="de", **asked)]

    everything = queries.tallies("queries", reference="", length=10, segment="de")
    assert [plain_tally(each) for each in everything] == [plain_tally(each) for each in some]
    assert everything[0].values.flags.writeable
    assert found(since=20) == [20, 30]
    assert found(since=20, until=30) == [20]
    assert found(newest=2) == [20, 30]
    assert found(newest=1, until=30) == [20]
    assert found(newest=0) == []
    assert queries.tallies("queries", reference="other", length=10, segment="de") == ()
    assert queries.tallies("documents", reference="", length=10, segment="de") == ()
    with queries.leading("queries") as desk:
        assert desk is not None
        assert desk.expire_tallies(10, 30) == 4
        assert [each.key.start for each in desk.tallies(length=10, segment=ALL)] == [30]
        desk.rebase(Baseline("queries", "ref", 1.0), b"reference")
        assert desk.tallies(length=10, segment=ALL) == ()
    assert found() == [30]
    assert len(queries.tallies("queries", reference="", length=20, segment="de")) == 3


def test_a_tally_takes_the_place_of_the_one_of_its_key(queries: SqlStore) -> None:
    key = PaneKey("queries", "", 10, 0)
    rounds = [np.array([1.5, -0.0, np.inf, 1e-45], np.float32), np.array([2.0]), np.zeros(0, np.float32)]
    for number, values in enumerate(rounds):
        with queries.leading("queries") as desk:
            assert desk is not None
            desk.tally([Tally(key, number, None, np.ones(3, np.float32)), Tally(key, number, None, values)])
        [found] = queries.tallies("queries", reference="", length=10, segment=ALL)
        assert plain_tally(found) == plain_tally(Tally(key, number, None, values.astype(np.float32)))


def test_a_tally_that_is_no_bounded_row_of_numbers_is_refused(queries: SqlStore) -> None:
    key = PaneKey("queries", "", 10, 0)
    with queries.leading("queries") as desk:
        assert desk is not None
        for values in (np.zeros(limits.MAX_NUMBERS + 1), np.zeros((2, 2)), np.zeros(())):
            with pytest.raises(UsageError, match="want one row of at most 65,536 numbers"):
                desk.tally([Tally(key, 1, None, values.astype(np.float32))])
        with pytest.raises(UsageError, match="moment"):
            desk.tally([Tally(key, 1, float("nan"), np.zeros(2, np.float32))])
        desk.tally([Tally(key, 1, None, np.zeros(limits.MAX_NUMBERS, np.float32))])
    [found] = queries.tallies("queries", reference="", length=10, segment=ALL)
    assert found.values.shape == (limits.MAX_NUMBERS,)


def test_one_calibration_is_kept_of_a_segment_under_a_reference(queries: SqlStore) -> None:
    rng, state = random.Random(1), queries.state("queries")
    first, second, other = (
        replace(calibrated(rng, state), segment=segment, at=at, data=data)
        for segment, at, data in (("fr", 1.0, b"old"), ("fr", 2.0, b"new"), ("de", 3.0, b""))
    )
    with queries.leading("queries") as desk:
        assert desk is not None
        for each in (first, second, other):
            desk.calibrate(each)
        assert desk.calibrated() == (other, second)
        desk.rebase(Baseline("queries", "ref", 1.0), b"reference")
        assert desk.calibrated() == ()
    assert queries.calibrated("queries", reference="") == (other, second)


def test_annotations_are_kept_changed_and_deleted(queries: SqlStore) -> None:
    given = Annotation("queries", "holiday", 10, 20, HARD, HARD, 2.5, "a1")
    kept = queries.annotate(given)
    assert (kept.id > 0, replace(kept, id=0)) == (True, given)
    changed = queries.annotate(replace(kept, text="another", until=30, stream=""))
    assert queries.annotations() == (changed,)
    again = queries.annotate(given)
    assert again.id != kept.id
    queries.unannotate(kept.id)
    assert queries.annotations() == (again,)
    assert queries.annotate(given).id > again.id
    for number in (kept.id, 0, -1):
        with pytest.raises(UsageError, match="id of one that is kept"):
            queries.unannotate(number)
    with pytest.raises(UsageError, match="id of one that is kept"):
        queries.annotate(replace(given, id=99))
    with pytest.raises(UsageError, match="want one of queries"):
        queries.annotate(replace(given, stream="querys"))
    with pytest.raises(UsageError, match="before since"):
        queries.annotate(replace(given, until=9))
    assert len(queries.annotations()) == 2


def test_annotations_are_asked_for_by_stream_and_by_what_they_touch(queries: SqlStore) -> None:
    queries.register("documents", "stream")
    spans = {"queries": (10, 20), "": (15, 15), "documents": (30, 40)}
    mine, shared, other = (queries.annotate(Annotation(name, "note", *span)) for name, span in spans.items())
    assert queries.annotations() == (mine, shared, other)
    assert queries.annotations("queries") == (mine, shared)
    assert queries.annotations("documents") == (shared, other)
    assert queries.annotations(since=20) == (mine, other)
    assert queries.annotations(since=21) == (other,)
    assert queries.annotations(until=10) == (mine,)
    assert queries.annotations(since=15, until=15) == (mine, shared)
    with queries.leading("documents") as desk:
        assert desk is not None
        assert desk.annotations() == (shared, other)


def test_what_an_error_at_the_desk_undoes_is_all_of_alarms_too(queries: SqlStore) -> None:
    rng = random.Random(5)
    with queries.leading("queries") as desk:
        assert desk is not None
        desk.tally([tally(rng, desk.state) for _ in range(9)])
        desk.calibrate(calibrated(rng, desk.state))
        desk.raise_alarm(an_alarm(1, 10))
        desk.send([Message("pager", "key", "{}", 0.0, "a1", "opened", delivered=3.0)])
    queries.annotate(annotation(rng, "queries"))
    before, messages = dump(queries, "queries"), queries.messages()

    def settle() -> None:
        with queries.leading("queries") as desk:
            assert desk is not None
            assert desk.expire_tallies(10, 1000) > 0
            assert desk.expire_messages(3.5) == 1
            desk.tally([tally(rng, desk.state)])
            desk.calibrate(calibrated(rng, desk.state))
            desk.raise_alarm(an_alarm(1, 990))
            raise Undone

    with pytest.raises(Undone):
        settle()
    assert (dump(queries, "queries"), queries.messages()) == (before, messages)


def test_records_of_another_stream_are_refused(queries: SqlStore) -> None:
    queries.register("documents", "stream")
    rng, other = random.Random(2), queries.state("documents")
    with queries.leading("queries") as desk:
        assert desk is not None
        mine = tally(rng, desk.state)
        for wrong in (
            lambda: desk.tally([mine, tally(rng, other)]),
            lambda: desk.calibrate(calibrated(rng, other)),
            lambda: desk.raise_alarm(alarm(rng, "documents", 1)),
        ):
            with pytest.raises(UsageError, match="got stream 'documents'"):
                wrong()
    assert dump(queries, "queries")["tallies"] == {}


def test_the_desk_expires_what_is_its_streams_own(opened: Callable[..., SqlStore]) -> None:
    store, rng = opened(), random.Random(3)
    for stream in ("queries", "documents"):
        store.register(stream, "stream")
        store.land(plain(stream, "b"))
        with store.leading(stream) as desk:
            assert desk is not None
            desk.tally([tally(rng, desk.state)])
            desk.send([Message("pager", stream, "{}", 0.0, stream, "opened", delivered=1.0)])
    before = dump(store, "documents")
    with store.leading("queries") as desk:
        assert desk is not None
        assert (desk.expire_tallies(10, 1000), desk.expire_messages(2.0)) == (1, 1)
    assert dump(store, "documents") == before
    assert [each.key for each in store.messages()] == ["documents"]
