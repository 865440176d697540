"""The store does what a slow and obvious one does; every batch counts once, whatever is done at the same time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.store.model import dump
from tests.store.sequences import Undone, cluster, landing, live, window
from tidegauge.contracts import Desk, Store
from tidegauge.errors import UsageError
from tidegauge.records import ALL, Baseline, Event, Landing, PaneKey, Part, Position, StreamState
from tidegauge.store import SqlStore
from tidegauge.store import rows as limits


def plain(stream: str, batch: str, *, start: int = 0, rows: int = 1, version: int = 0, **more: Any) -> Landing:
    """A landing with one part."""
    part = Part(PaneKey(stream, more.get("reference", ""), 10, start), rows, batch.encode())
    return Landing(stream, batch, more.pop("reference", ""), version, (part,), rows, **more)


@pytest.mark.parametrize("seed", range(4))
def test_random_lives_agree_with_the_model(store: SqlStore, seed: int) -> None:
    model = live(store, "queries", seed, 60)
    assert model.state.seen > 0
    # A second stream in the same store leaves the first as it is.
    before = dump(store, "queries")
    live(store, "documents", seed + 100, 15)
    assert dump(store, "queries") == before
    assert [state.stream for state in store.streams()] == ["documents", "queries"]


def test_the_store_is_the_contracts_store(store: SqlStore) -> None:
    store.register("queries", "stream")
    named: Store = store
    with named.leading("queries") as desk:
        held: Desk | None = desk
        assert held is not None
    for protocol, found in ((Store, store), (Desk, desk)):
        wanted = {name for name in vars(protocol) if not name.startswith("_")}
        assert wanted <= set(dir(found))


def test_what_was_kept_is_there_after_reopening(opened: Callable[..., SqlStore]) -> None:
    first = opened()
    live(first, "queries", 9, 40, every=40)
    before = dump(first, "queries")
    first.close()
    assert dump(opened(), "queries") == before


def test_a_batch_counts_once_and_repeated_comes_before_stale(store: SqlStore) -> None:
    store.register("queries", "stream")
    first = plain("queries", "b1", rows=5, watermark=12.0, aside={"nan": 2}, position=Position("a", 5, "m"))
    assert store.land(first) == "landed"
    before = dump(store, "queries")
    assert store.land(first) == "repeated"
    assert store.land(replace(first, version=9, reference="", rows=70)) == "repeated"
    assert store.land(plain("queries", "b2", version=9)) == "stale"
    assert store.land(plain("queries", "b2", reference="other")) == "stale"
    assert dump(store, "queries") == before
    assert (before["state"].seen, before["state"].watermark, before["state"].aside) == (5, 12.0, {"nan": 2})


def test_what_ends_at_or_before_settled_is_stale(store: SqlStore) -> None:
    store.register("queries", "stream")
    with store.leading("queries") as desk:
        assert desk is not None
        desk.update(replace(desk.state, version=1, settled=20))
    assert store.land(plain("queries", "a", start=10, version=1)) == "stale"
    assert store.land(plain("queries", "b", start=11, version=1)) == "landed"


def test_version_moves_with_new_segments_and_serial_landings_only(store: SqlStore) -> None:
    store.register("queries", "stream")
    assert store.land(plain("queries", "a")) == "landed"
    assert store.state("queries").version == 0
    assert store.land(plain("queries", "b", segments=("de", "fr", "de"))) == "landed"
    assert (store.state("queries").version, store.state("queries").segments) == (1, ("de", "fr"))
    assert store.land(plain("queries", "c", version=1, segments=("fr",))) == "landed"
    assert store.state("queries").version == 1
    assert store.land(plain("queries", "d", version=1, segments=("es",), serial=True)) == "landed"
    assert (store.state("queries").version, store.state("queries").segments) == (2, ("de", "fr", "es"))


def test_an_expired_batch_id_may_come_again_and_landing_time_stands_in_for_event_time(store: SqlStore) -> None:
    store.register("queries", "stream")
    store.land(plain("queries", "timed", watermark=50.0))
    store.land(plain("queries", "timeless"))
    with store.leading("queries") as desk:
        assert desk is not None
        assert desk.expire_batches(50.0) == 0
        assert desk.expire_batches(77.0) == 1
        assert desk.expire_batches(77.5) == 1
    assert store.land(plain("queries", "timed")) == "landed"


def test_windows_are_asked_for_by_span_segment_and_number(store: SqlStore) -> None:
    store.register("queries", "stream")
    kept = []
    rng = random.Random(1)
    with store.leading("queries") as desk:
        assert desk is not None
        desk.rebase(Baseline("queries", "ref", 1.0), b"reference")
        for start in (30, 10, 20):
            for segment in (ALL, "de"):
                for length in (10, 20):
                    key = PaneKey("queries", "ref", length, start, segment)
                    kept.append(replace(window(rng, desk.state), key=key))
                    desk.keep(kept[-1], None if segment == ALL else f"{start}".encode())
    order = sorted(kept, key=lambda each: (each.key.start, each.key.length, each.key.segment))
    assert list(store.windows("queries")) == order
    assert list(store.windows("queries", newest=3)) == order[-3:]
    assert store.windows("queries", newest=0) == ()
    some = [each for each in order if each.key.length == 10 and each.key.segment == "de"]
    assert list(store.windows("queries", length=10, segment="de")) == some
    assert list(store.windows("queries", length=10, segment="de", since=20, until=30)) == some[1:2]
    found = store.sketches("queries", reference="ref", length=10, since=20)
    assert [(part.key.start, part.key.segment, part.data) for part in found] == [(20, "de", b"20"), (30, "de", b"30")]
    assert store.sketches("queries", reference="other", length=10) == ()


def test_events_that_still_lasted_are_told(store: SqlStore) -> None:
    store.register("queries", "stream")
    told = [Event("queries", "silence", 10.0, "long", 50.0), Event("queries", "source", 30.0, "new")]
    with store.leading("queries") as desk:
        assert desk is not None
        for event in (told[1], told[0], Event("queries", "source", 5.0, "old")):
            desk.note(event)
    assert list(store.events("queries", since=20.0)) == told
    assert [event.text for event in store.events("queries", newest=2)] == ["long", "new"]


def test_nan_and_infinity_come_back(store: SqlStore) -> None:
    store.register("queries", "stream")
    given = window(random.Random(3), StreamState("queries", "stream"))
    odd = (float("nan"), float("inf"), float("-inf"))
    score = replace(window_with_score(random.Random(0)).scores[0], value=odd[0], z=odd[1], p=odd[2], refused="few")
    given = replace(given, scores=(score,), p=odd[0], first_time=odd[2])
    with store.leading("queries") as desk:
        assert desk is not None
        desk.keep(given, b"x")
    assert repr(store.windows("queries")) == repr((given,))


def window_with_score(rng: random.Random) -> Any:
    while True:
        found = window(rng, StreamState("queries", "stream"))
        if found.scores:
            return found


def test_numpy_numbers_are_kept_as_numbers(store: SqlStore) -> None:
    store.register("queries", "stream")
    key = PaneKey("queries", "", np.int64(10), np.int64(0))  # type: ignore[arg-type]
    part = Part(key, np.int64(3), b"x")  # type: ignore[arg-type]
    given = Landing("queries", "b", "", 0, (part,), np.int64(3), {"nan": np.int64(2)}, np.float64(4.5))  # type: ignore[arg-type]
    assert store.land(given) == "landed"
    with store.leading("queries") as desk:
        assert desk is not None
        desk.keep(replace(window(random.Random(2), desk.state), key=key, p=np.float32(0.5)), None)  # type: ignore[arg-type]
    assert store.state("queries").aside == {"nan": 2}
    assert store.parts("queries")[0].part == Part(PaneKey("queries", "", 10, 0), 3, b"x")
    assert store.windows("queries")[0].p == 0.5


def test_an_error_at_the_desk_leaves_nothing(store: SqlStore) -> None:
    live(store, "queries", 5, 40, every=40)
    before, rng = dump(store, "queries"), random.Random(1)

    def settle() -> None:
        with store.leading("queries") as desk:
            assert desk is not None
            desk.rebase(Baseline("queries", "another", 1.0), b"reference")
            desk.drop([stored.id for stored in desk.parts()])
            desk.keep(window(rng, desk.state), b"data")
            desk.follow(cluster(rng, desk.state))
            desk.expire(10, 1000)
            desk.note(Event("queries", "source", 1.0, "no"))
            raise Undone

    with pytest.raises(Undone):
        settle()
    assert dump(store, "queries") == before
    assert store.land(landing(rng, store.state("queries"), "after")) == "landed"


def test_a_landing_with_one_bad_part_leaves_nothing(store: SqlStore) -> None:
    store.register("queries", "stream")
    good = plain("queries", "b")
    bad = replace(good, parts=(*good.parts, Part(PaneKey("queries", "", 10, 1 << 80), 1, b"")))
    with pytest.raises(UsageError, match="2\\^62"):
        store.land(bad)
    assert store.state("queries").seen == 0
    assert store.parts("queries") == ()


def test_only_one_leads_and_the_other_gets_none(store: SqlStore, opened: Callable[..., SqlStore]) -> None:
    store.register("queries", "stream")
    other = opened(patience=0.05)
    with store.leading("queries") as desk:
        assert desk is not None
        with other.leading("queries") as second:
            assert second is None
        assert other.state("queries").version == 0  # readers do not wait
    with other.leading("queries") as second:
        assert second is not None


def test_four_threads_land_overlapping_batches_and_none_counts_twice(opened: Callable[..., SqlStore]) -> None:
    shared = opened()
    shared.register("queries", "stream")
    said: list[str] = []
    failed: list[BaseException] = []

    def write(first: int) -> None:
        own = shared if first % 2 else opened()  # two threads share a store, two have their own
        try:
            landings = (plain("queries", f"b{n}", rows=n, aside={"nan": 1}) for n in range(first, first + 25))
            said.extend(own.land(each) for each in landings)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 5, 10, 15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    state, batches = shared.state("queries"), range(40)
    assert (said.count("landed"), said.count("repeated")) == (len(batches), 100 - len(batches))
    assert state.seen == sum(batches)
    assert state.aside == {"nan": len(batches)}
    assert sorted(stored.part.data for stored in shared.parts("queries")) == sorted(b"b%d" % n for n in batches)


def test_two_threads_that_both_meet_a_new_segment_do_so_one_after_the_other(opened: Callable[..., SqlStore]) -> None:
    shared = opened()
    shared.register("queries", "stream")
    barrier = threading.Barrier(2)
    said: list[str] = []

    def write(batch: str) -> None:
        barrier.wait()
        said.append(shared.land(plain("queries", batch, segments=(batch,))))

    threads = [threading.Thread(target=write, args=(batch,)) for batch in ("de", "fr")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["landed", "stale"]
    assert len(shared.state("queries").segments) == 1


def test_a_reference_that_is_kept_stays_as_it_is(store: SqlStore) -> None:
    store.register("queries", "stream")
    with store.leading("queries") as desk:
        assert desk is not None
        desk.rebase(Baseline("queries", "ref", 1.0), b"with the row")
        desk.rewrite("reference:ref", b"without the row")
        desk.rebase(Baseline("queries", "ref", 2.0), b"with the row")
        assert desk.state.version == 2
    assert store.reference("ref") == b"without the row"
    assert [baseline.at for baseline in store.baselines("queries")] == [1.0, 2.0]


def test_a_desk_touches_its_own_stream_only(store: SqlStore) -> None:
    for stream in ("queries", "documents"):
        store.register(stream, "stream")
        store.land(plain(stream, "b"))
        with store.leading(stream) as desk:
            assert desk is not None
            desk.rebase(Baseline(stream, f"ref of {stream}", 1.0), stream.encode())
    [other] = store.parts("documents")
    with store.leading("queries") as desk:
        assert desk is not None
        desk.drop([other.id, 999])
        handles = dict(desk.blobs())
        assert b"documents" not in handles.values()
        for handle in (f"part:{other.id}", "reference:ref of documents", "window:1", "part:x", "streams:1", "nonsense"):
            with pytest.raises(UsageError, match="handle"):
                desk.rewrite(handle, b"")
        for wrong in (
            lambda: desk.put(other.part),
            lambda: desk.note(Event("documents", "source", 1.0, "")),
            lambda: desk.update(StreamState("documents", "stream", version=5)),
        ):
            with pytest.raises(UsageError, match="documents"):
                wrong()
    assert store.parts("documents") == (other,)


def test_the_desk_refuses_a_state_that_is_not_new(store: SqlStore) -> None:
    store.register("queries", "stream")
    with store.leading("queries") as desk:
        assert desk is not None
        with pytest.raises(UsageError, match="beyond 0"):
            desk.update(desk.state)
        with pytest.raises(UsageError, match="kind"):
            desk.update(replace(desk.state, kind="snapshot", version=1))


def test_what_cannot_be_kept_is_refused(store: SqlStore) -> None:
    store.register("queries", "stream")
    with pytest.raises(UsageError, match="want stream, as it was begun"):
        store.register("queries", "snapshot")
    with pytest.raises(UsageError, match="want one of queries"):
        store.state("querys")
    with pytest.raises(UsageError, match="want one of queries"):
        store.land(plain("querys", "b"))
    with pytest.raises(UsageError, match="want one of queries"), store.leading("querys"):
        pass
    with pytest.raises(UsageError, match="reference: got gone"):
        store.reference("gone")
    for bad in ("", "a" * 201, "a\x00", "tab\t", "\ud800", "line\u2028"):
        with pytest.raises(UsageError, match="stream"):
            store.register(bad, "stream")
        with pytest.raises(UsageError, match="segment"):
            store.land(plain("queries", "b", segments=(bad,)))
    with pytest.raises(UsageError, match="watermark"):
        store.land(plain("queries", "b", watermark=float("nan")))
    with pytest.raises(UsageError, match="want reference"):
        store.land(replace(plain("queries", "b"), reference="other"))
    with pytest.raises(UsageError, match="want stream 'queries'"):
        store.land(replace(plain("queries", "b"), events=(Event("documents", "source", 1.0, ""),)))
    large = Part(PaneKey("queries", "", 10, 0), 1, bytes(limits.MAX_BYTES + 1))
    with pytest.raises(UsageError, match="at most 268,435,456"):
        store.land(replace(plain("queries", "b"), parts=(large,)))
    assert store.state("queries").seen == 0


def test_a_name_of_two_hundred_wide_letters_is_kept(store: SqlStore) -> None:
    name = "窗" * 200
    store.register(name, "stream")
    assert store.land(plain(name, "b" * 5000, segments=(name,), position=Position("/p" * 2000, 1))) == "landed"
    assert store.land(plain(name, "b" * 5000, segments=(name,))) == "repeated"
    assert store.positions(name) == (Position("/p" * 2000, 1),)
    assert store.state(name).segments == (name,)


def test_a_closed_store_says_so(store: SqlStore) -> None:
    store.close()
    for ask in (store.streams, store.scrub, store.size, lambda: store.register("queries", "stream")):
        with pytest.raises(UsageError, match="closed store"):
            ask()
    with pytest.raises(UsageError, match="closed store"), store.leading("queries"):
        pass


def test_the_size_grows_with_what_is_kept(store: SqlStore, tmp_path: Path) -> None:
    store.register("queries", "stream")
    before = store.size()
    part = Part(PaneKey("queries", "", 10, 0), 1, bytes(1_000_000))
    store.land(replace(plain("queries", "b"), parts=(part,)))
    assert store.size() - before > 900_000
    assert store.size() == sum(file.stat().st_size for file in tmp_path.iterdir())
