"""An export is a store; what comes back is what went, once; and what was deleted is gone from the file."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.model import IDS, dump
from tests.store.sequences import HARD, landing, live, tally, window
from tests.store.test_store import plain
from tidegauge.errors import MismatchError, StoreError, UsageError
from tidegauge.records import ALL, Annotation, Baseline, Measured, Message, PaneKey, Part
from tidegauge.store import SqlStore, copy_store
from tidegauge.store.transfer import _BYTES_AT_ONCE, _ROWS_AT_ONCE


@pytest.fixture
def full(opened: Callable[..., SqlStore]) -> SqlStore:
    store = opened()
    live(store, "queries", 4, 95, every=95)
    live(store, "documents", 6, 30, every=30)
    assert all(dump(store, "queries").values()), "every kind of content is there"
    return store


def test_an_export_and_an_import_bring_back_everything(full: SqlStore, opened: Callable[..., SqlStore]) -> None:
    export, again = opened("export.db"), opened("again.db")
    assert copy_store(full, export) == ("documents", "queries")
    assert copy_store(export, again) == ("documents", "queries")
    for stream in ("queries", "documents"):
        assert dump(again, stream) == dump(full, stream)
    # The ids of batches came along: what landed there does not land here.
    rng = random.Random(0)
    state = full.state("queries")
    last = landing(rng, state, "the last")
    full.land(last)
    third = opened("third.db")
    copy_store(full, third, ["queries"])
    assert third.land(last) == "repeated"
    assert [each.stream for each in third.streams()] == ["queries"]


def test_a_repeated_import_changes_nothing(full: SqlStore, opened: Callable[..., SqlStore]) -> None:
    target = opened("target.db")
    copy_store(full, target)
    before, parts = dump(target, "queries"), target.parts("queries")
    assert copy_store(full, target) == ()
    assert copy_store(full, target, ["queries", "queries"]) == ()
    assert copy_store(target, target) == ()
    assert (dump(target, "queries"), target.parts("queries")) == (before, parts)


@pytest.mark.parametrize(
    "change", ["part", "window", "event", "reference", "alarm", "tally", "annotation", "outcome", "row"]
)
def test_other_content_of_a_stream_is_refused_and_nothing_copied(
    full: SqlStore, opened: Callable[..., SqlStore], change: str
) -> None:
    target = opened("target.db")
    copy_store(full, target, ["queries"])
    with target.leading("queries") as desk:
        assert desk is not None
        if change == "event":
            desk.note(replace(full.events("queries")[0], text="another"))
        elif change == "alarm":
            desk.raise_alarm(replace(full.alarms("queries")[0], why="another"))
        elif change == "tally":
            desk.tally([tally(random.Random(0), replace(desk.state, reference="another"))])
        elif change == "outcome":
            desk.measure([Measured(PaneKey("queries", "another", 10, 0), "success", 1.0, 2.0)])
        elif change == "row":
            desk.forget_places(list(full.places("queries", IDS)))
        elif change != "annotation":
            desk.rewrite(next(handle for handle, _ in desk.blobs() if handle.startswith(change)), b"another")
    if change == "annotation":
        target.unannotate(target.annotations("queries")[0].id)
    before = dump(target, "queries")
    with pytest.raises(MismatchError, match="stream queries with other content"):
        copy_store(full, target)
    assert dump(target, "queries") == before
    assert [state.stream for state in target.streams()] == ["queries"]


def test_annotations_for_all_streams_come_along_once(full: SqlStore, opened: Callable[..., SqlStore]) -> None:
    target = opened("target.db")
    shared = [Annotation("", "holiday", 10, 20, HARD, "ann", 1.0), Annotation("", "deploy", 30, 30)]
    for annotation in shared:
        full.annotate(annotation)
    target.annotate(Annotation("", "note", 5, 5))
    target.annotate(shared[1])

    def found() -> list[Annotation]:
        return [replace(each, id=0) for each in target.annotations() if not each.stream]

    copy_store(full, target, ["queries"])
    assert found() == [Annotation("", "note", 5, 5), *shared]
    assert {each.stream for each in target.annotations()} == {"", "queries"}
    ids = [each.id for each in target.annotations()]
    assert copy_store(full, target, ["queries"]) == ()
    assert [each.id for each in target.annotations()] == ids
    copy_store(target, target)
    assert [each.id for each in target.annotations()] == ids


def test_a_copy_tells_nobody_again(full: SqlStore, opened: Callable[..., SqlStore]) -> None:
    target = opened("target.db")
    waiting = Message("pager", "key", "{}", 0.0, "a1", "opened")
    with full.leading("queries") as desk:
        assert desk is not None
        desk.send([waiting, replace(waiting, key="told", delivered=1.0)])
    copy_store(full, target)
    assert target.messages() == ()
    assert target.alarms("queries") == full.alarms("queries") != ()
    # What was sent from a stream since does not make it another.
    with target.leading("queries") as desk:
        assert desk is not None
        desk.send([waiting])
    assert copy_store(full, target) == ()


def test_a_stream_with_messages_makes_no_room(full: SqlStore, opened: Callable[..., SqlStore]) -> None:
    target = opened("target.db")
    target.register("queries", "stream")
    with target.leading("queries") as desk:
        assert desk is not None
        desk.send([Message("pager", "key", "{}", 0.0, "a1", "opened")])
    with pytest.raises(MismatchError, match="stream queries with other content"):
        copy_store(full, target)
    assert len(target.messages()) == 1


def test_a_stream_that_was_only_begun_makes_room(full: SqlStore, opened: Callable[..., SqlStore]) -> None:
    target = opened("target.db")
    target.register("queries", "stream")
    assert copy_store(full, target) == ("documents", "queries")
    assert dump(target, "queries") == dump(full, "queries")


def test_other_bytes_under_a_references_hash_are_refused(opened: Callable[..., SqlStore]) -> None:
    source, target = opened("source.db"), opened("target.db")
    for store, stream, data in ((source, "queries", b"one"), (target, "documents", b"two")):
        store.register(stream, "stream")
        with store.leading(stream) as desk:
            assert desk is not None
            desk.rebase(Baseline(stream, "hash", 1.0), data)
    with pytest.raises(MismatchError, match="other bytes under the hash hash"):
        copy_store(source, target)
    assert [state.stream for state in target.streams()] == ["documents"]


def test_a_stream_that_is_not_there_is_named(full: SqlStore, opened: Callable[..., SqlStore]) -> None:
    with pytest.raises(UsageError, match="want one of documents, queries"):
        copy_store(full, opened("target.db"), ["nothing"])


def test_many_rows_go_over_a_few_at_a_time_in_order(opened: Callable[..., SqlStore]) -> None:
    source, target = opened("source.db"), opened("target.db")
    source.register("queries", "stream")
    small = [Part(PaneKey("queries", "", 10, n), 1, b"%d" % n) for n in range(2 * _ROWS_AT_ONCE + 3)]
    large = [Part(PaneKey("queries", "", 10, n), 1, bytes(_BYTES_AT_ONCE // 2)) for n in range(4)]
    source.land(replace(plain("queries", "b"), parts=(*small, *large)))
    copy_store(source, target)
    assert [stored.part for stored in target.parts("queries")] == small + large


def holds(folder: Path, words: bytes) -> bool:
    return any(words in file.read_bytes() for file in folder.iterdir())


def test_deleted_bytes_are_gone_from_the_file_after_scrub(tmp_path: Path, store: SqlStore) -> None:
    store.register("queries", "stream")
    secret = b"the vector of row 7 " * 2000  # long enough for pages of its own
    short = b"and a short one of row 8"
    rng = random.Random(0)
    for number, data in enumerate((secret, short)):
        part = Part(PaneKey("queries", "", 10, number), 1, data)
        store.land(replace(plain("queries", f"b{number}"), parts=(part, part)))
    with store.leading("queries") as desk:
        assert desk is not None
        desk.rebase(Baseline("queries", "ref", 1.0), secret)
        for start, data in enumerate((secret, short)):
            key = PaneKey("queries", "ref", 10, start, ALL)
            desk.keep(replace(window(rng, desk.state), key=key), data)
    assert holds(tmp_path, b"row 7")
    assert holds(tmp_path, b"row 8")
    with store.leading("queries") as desk:
        assert desk is not None
        desk.drop([stored.id for stored in desk.parts()][:2])
        for handle, _ in desk.blobs():
            desk.rewrite(handle, b"clean")
    store.scrub()
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA freelist_count").scalar() == 0  # the room is given back
    assert not holds(tmp_path, b"row 7")
    assert not holds(tmp_path, b"row 8")
    assert store.reference("ref") == b"clean"
    assert [stored.part.data for stored in store.parts("queries")] == [b"clean"] * 2


def test_scrub_says_when_somebody_still_reads_the_old_bytes(tmp_path: Path, opened: Callable[..., SqlStore]) -> None:
    store, other = opened(patience=0.1), opened()
    store.register("queries", "stream")
    store.land(plain("queries", "the deleted batch"))
    with other.database.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM tidegauge_parts")
        with store.leading("queries") as desk:
            assert desk is not None
            desk.drop([stored.id for stored in desk.parts()])
        with pytest.raises(StoreError, match=r"others are reading|locked") as caught:
            store.scrub()
        assert caught.value.transient
    store.scrub()
    assert not holds(tmp_path, b"the deleted batch")
