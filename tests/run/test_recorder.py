"""Batches land once, windows close once, and neither crash, repetition nor company changes what is kept."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.run.conftest import REFERENCE, ROWS, WIDTH, Place
from tidegauge import Reference
from tidegauge.errors import StoreError, UsageError
from tidegauge.gate import admit
from tidegauge.records import PaneKey
from tidegauge.run import Recorder
from tidegauge.run.baseline import rebaseline
from tidegauge.run.history import sliding, span
from tidegauge.sketch.sketch import Sketch
from tidegauge.spec import ColumnNames, Pane, StreamSpec

HOUR = 3600


def rows(low, high, *, step=2.0, **columns):
    """Rows low to high of a stream with one row every ``step`` seconds."""
    return admit(
        ROWS[low:high],
        ids=[f"r{i}" for i in range(low, high)],
        times=np.arange(low, high) * step,
        **columns,
    )


def told(recorder, **where):
    """What is kept of each window, its sums rounded."""
    found = {}
    for window in recorder.windows(**where):
        p = None if window.p is None else round(window.p, 6)
        found[window.key] = (window.rows, window.state, p, dict(window.aside))
    return found


def kept(recorder):
    return {w.key: (w.rows, w.state) for w in recorder.store.windows("queries")}


def sums(recorder, length):
    parts = recorder.store.sketches("queries", reference=REFERENCE.hash, length=length)
    return {part.key: Sketch.from_bytes(part.data) for part in parts}


def test_panes_close_and_are_merged_upward(place):
    with place.recorder(pane="1m", windows=("1h", "1d")) as recorder:
        recorder.observe(rows(0, 4000), name="a")
        kept = told(recorder)
        minutes = {key.start: kept[key][0] for key in kept if key.length == 60}
        hours = {key.start: kept[key][0] for key in kept if key.length == HOUR}
        assert minutes == {60 * i: 30 for i in range(132)}
        assert hours == {0: 1800, HOUR: 1800}
        for key, hour in sums(recorder, HOUR).items():
            np.testing.assert_allclose(
                hour.sums["features"],
                REFERENCE.sketch(rows(key.start // 2, key.start // 2 + 1800)).sums["features"],
                rtol=1e-5,
                atol=1e-5,
            )
        state = recorder.store.state("queries")
        assert (state.settled, state.watermark, state.seen) == (7920, 7998.0, 4000)
        assert [stored.part.key.start for stored in recorder.store.parts("queries")] == [7920, 7980]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(1, 799), min_size=1, max_size=6).map(lambda cuts: sorted({0, 800, *cuts})),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_resume_equals_no_resume(tmp_path_factory, cuts, restarts):
    """Also where every batch is given again after a restart, as it must be when nobody knows whether it landed."""
    columns = {"segments": [("de", "en")[i % 2] for i in range(800)]}
    whole = rows(0, 800, step=4.0, **columns)
    settings_ = {"pane": "10m", "windows": ("30m",), "columns": ColumnNames(segment="s")}

    def run(restarts):
        place = Place(tmp_path_factory.mktemp("run"), lambda: 1e6)
        recorder = place.recorder(**settings_)
        for low, high, again in zip(cuts[:-1], cuts[1:], restarts, strict=False):
            batch = rows(low, high, step=4.0, segments=columns["segments"][low:high])
            assert recorder.observe(batch, name=f"{low}") == "landed"
            if again:
                recorder.store.close()
                recorder = place.recorder(**settings_)
                assert recorder.observe(batch, name=f"{low}") == "repeated"
            recorder.settle()
        found, state = told(recorder), recorder.store.state("queries")
        recorder.close()
        return found, (state.seen, state.watermark, state.settled, state.segments, state.aside)

    assert whole.rows == 800
    assert run(restarts) == run([False] * 20)


def test_memory_is_bounded_parts_are_added_up(place):
    with place.recorder(pane="1h", windows=()) as recorder:
        for i in range(100):
            recorder.observe(rows(10 * i, 10 * i + 10, step=1.0), name=str(i))
            recorder.settle()
            assert len(recorder.store.parts("queries")) <= 20
        total = span(recorder.store, recorder.monitor(), 0, HOUR)
        assert (total.seen, list(total.uniform.ids)) == (1000, list(REFERENCE.sketch(rows(0, 1000)).uniform.ids[:512]))


def test_late_rows_go_to_an_open_pane_and_are_counted_after_that(place):
    with place.recorder(windows=()) as recorder:
        recorder.observe(rows(0, 60), name="a")  # until 118 s
        recorder.observe(rows(5, 6), name="late, but the pane is open for corrections until 90 s")
        recorder.settle()
        recorder.observe(rows(60, 100), name="b")
        recorder.settle()
        assert recorder.observe(rows(7, 9), name="too late") == "landed"
        state = recorder.store.state("queries")
        assert (state.seen, dict(state.aside)) == (100, {"late": 3})
        assert sum(window.rows for window in recorder.windows()) == 60


def test_a_clock_that_goes_back_is_not_followed(place):
    place.clock.now = 100.0
    with place.recorder(future=10) as recorder:
        recorder.observe(admit(ROWS[:5]), name="a")
        place.clock.now = 50.0
        recorder.observe(admit(ROWS[5:10], times=np.full(5, 105.0)), name="b")
        assert recorder.now() == 100.0
        assert recorder.store.state("queries").aside == {}


def test_panes_of_rows(place):
    with place.recorder(pane="100 rows", windows=("500 rows",)) as recorder:
        for i in range(9):
            recorder.observe(admit(ROWS[120 * i : 120 * i + 120]), name=str(i))
            recorder.settle()
        found = told(recorder)
        assert [(k.length, k.start, v[0]) for k, v in found.items() if k.length == 500] == [
            (500, 0, 500),
            (500, 500, 500),
        ]
        assert [k.start for k in found if k.length == 100] == list(range(0, 1000, 100))


def test_two_writers_of_panes_of_rows_lose_and_double_nothing(place):
    one, two = (place.recorder(pane="50 rows", windows=()) for _ in range(2))
    both = [
        threading.Thread(target=lambda r=r, at=at: [r.observe(rows(i, i + 7), name=str(i)) for i in range(at, 700, 7)])
        for r, at in ((one, 0), (two, 350))
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    one.settle()
    found = told(one)
    assert one.store.state("queries").seen == 700
    assert [value[0] for value in found.values()] == [50] * 14
    one.close()
    two.close()


def test_two_writers_meet_segments_at_the_same_time_and_keep_to_the_cap(place):
    given_ = {"columns": ColumnNames(segment="s"), "segments": 3, "windows": (), "pane": "1h"}
    writers = [place.recorder(**given_) for _ in range(2)]

    def write(recorder, at):
        for i in range(at, at + 300, 30):
            recorder.observe(rows(i, i + 30, segments=[f"s{(j * 7 + at) % 9}" for j in range(30)]), name=str(i))

    threads = [threading.Thread(target=write, args=(r, at)) for r, at in zip(writers, (0, 300), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = writers[0].store.state("queries")
    assert len(state.segments) == 4
    assert state.segments[-1:] == ("other",) or "other" in state.segments
    assert sum(stored.part.rows for stored in writers[0].store.parts("queries")) == 600
    for recorder in writers:
        recorder.close()


def test_rebaselining_closes_what_is_open_and_begins_anew(place):
    other = Reference.fit(ROWS[500:1100] + 1)
    with place.recorder(windows=()) as recorder:
        recorder.observe(rows(0, 100), name="a")
        assert rebaseline(recorder.store, recorder.spec, other, at=5.0, by="me", why="a new model")
        assert rebaseline(recorder.store, recorder.spec, other, at=6.0) is None
        recorder.observe(rows(100, 200), name="b")
        found = told(recorder)
        assert sum(v[0] for k, v in found.items() if k.reference == REFERENCE.hash) == 100
        assert sum(v[0] for k, v in found.items() if k.reference == other.hash) == 80
        assert [(b.reference, b.by, b.why) for b in recorder.store.baselines("queries")][1] == (
            other.hash,
            "me",
            "a new model",
        )
        assert [e.kind for e in recorder.store.events("queries")][-1] == "rebaseline"


def test_without_a_reference_nothing_can_be_observed(place):
    with (
        place.recorder(reference=None) as recorder,
        pytest.raises(UsageError, match="tidegauge rebaseline queries FILE"),
    ):
        recorder.observe(rows(0, 10))


def test_damaged_bytes_are_named_and_the_others_are_used(place):
    from sqlalchemy import create_engine, text

    with place.recorder(windows=()) as recorder:
        recorder.observe(rows(0, 20), name="a")
        recorder.observe(rows(20, 30), name="b")
        with create_engine(place.url).begin() as connection:
            table, column = "tidegauge_parts", "data"
            first = connection.execute(text(f"select min(id) from {table}")).scalar_one()
            data = connection.execute(text(f"select {column} from {table} where id = :i"), {"i": first}).scalar_one()
            damaged = data[:100] + b"x" + data[101:]
            connection.execute(text(f"update {table} set {column} = :d where id = :i"), {"d": damaged, "i": first})
        recorder.observe(rows(30, 100), name="c")
        assert [v[0] for v in told(recorder).values()] == [10, 30]
        (event,) = [event for event in recorder.store.events("queries") if event.kind == "corrupt"]
        assert event.text.startswith("20 rows of the window from 1970-01-01 00:00 were lost: their bytes are damaged")


def test_windows_slide_over_what_is_kept(place):
    with place.recorder(windows=("10m",)) as recorder:
        recorder.observe(rows(0, 1500), name="a")
        recorder.settle()
        found = list(sliding(recorder.store, recorder.monitor(), 600, 60, 0, 3000))
        assert [(w.key.start, w.rows) for w in found] == [(60 * i, 300) for i in range(41)]
        aligned = told(recorder, length=600)
        for window in found:
            if window.key in aligned:
                assert round(window.p, 6) == aligned[window.key][2]


def test_old_windows_expire_and_the_span_is_made_of_what_is_left(place):
    keep = {"pane": "20m", "10m": "1d"}
    with place.recorder(windows=("10m",), keep=keep) as recorder:
        for i in range(20):
            recorder.observe(rows(200 * i, 200 * i + 200), name=str(i))
            recorder.settle()
        assert min(k.start for k in told(recorder, length=60)) == 7920 - 1200
        assert min(k.start for k in told(recorder, length=600)) == 0
        assert span(recorder.store, recorder.monitor(), 0, 7200).seen == 3600


def test_one_row_at_a_time(place):
    with place.recorder(windows=()) as recorder:
        for i in range(3000):
            recorder.observe_one(ROWS[i], id=f"r{i}", time=float(i), outcomes={"click": i % 2})
        recorder.flush()
        state = recorder.store.state("queries")
        assert (state.seen, state.watermark) == (3000, 2999.0)
        recorder.settle()
        total = span(recorder.store, recorder.monitor(), 0, 3000)
        assert total.seen == 3000
        assert sorted(total.outcomes) == ["click"]


def test_rows_given_one_at_a_time_from_many_threads(place):
    with place.recorder(pane="1h", windows=()) as recorder:

        def give(at):
            for i in range(at, at + 700):
                recorder.observe_one(ROWS[i], id=f"r{i}", time=float(i))

        threads = [threading.Thread(target=give, args=(700 * k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        recorder.flush()
        assert recorder.store.state("queries").seen == 2800


def test_a_row_that_is_none_does_not_take_the_others_with_it(place):
    with place.recorder() as recorder:
        recorder.observe_one("no vector", time=1.0)
        recorder.observe_one(ROWS[0], time=1.0, outcomes={"click": "perhaps"})
        recorder.observe_one(ROWS[1], time=2.0, id="good")
        recorder.observe_one(ROWS[2] * np.nan, time=2.0)
        recorder.flush()
        state = recorder.store.state("queries")
        assert (state.seen, dict(state.aside)) == (1, {"malformed": 2, "nan": 1})


def test_rows_wait_while_the_store_cannot_be_written_and_then_land_once(place, monkeypatch):
    with place.recorder(batch_rows=100) as recorder:
        real, failing = recorder.store.land, [True]

        def land(landing):
            if failing[0]:
                raise StoreError("store", got="a full disk", want="room", transient=False)
            return real(landing)

        monkeypatch.setattr(recorder.store, "land", land)
        for i in range(50):
            recorder.observe_one(ROWS[i], time=float(i))
        with pytest.raises(StoreError, match="a full disk"):
            recorder.flush()
        for i in range(50, 600):
            recorder.observe_one(ROWS[i], time=float(i))
        failing[0] = False
        recorder.flush()
        state = recorder.store.state("queries")
        assert state.seen + state.aside["buffer full"] == 600
        assert state.seen >= 450


def test_a_landing_that_came_through_though_it_was_not_heard_of_counts_once(place, monkeypatch):
    with place.recorder() as recorder:
        real, deaf = recorder.store.land, [True]

        def land(landing):
            landed = real(landing)
            if deaf.pop() if deaf else False:
                raise StoreError("store", got="a lost connection", want="an answer", transient=True)
            return landed

        monkeypatch.setattr(recorder.store, "land", land)
        for i in range(10):
            recorder.observe_one(ROWS[i], time=float(i))
        recorder.flush()
        assert recorder.store.state("queries").seen == 10


def test_vectors_of_another_width_are_another_model_and_not_drift(place):
    with place.recorder(windows=(), lateness=0) as recorder:
        recorder.observe(admit(np.ones((60, WIDTH + 1)) * np.arange(60)[:, None], times=np.arange(60.0)), name="a")
        said = "the vectors have 7 dimensions, the reference 6"
        assert recorder.store.state("queries").model == said
        recorder.observe(rows(40, 41), name="b")
        assert recorder.store.state("queries").model == ""  # a width speaks for itself
        assert [window.state for window in recorder.windows()] == ["model changed"]
        kinds = [event.kind for event in recorder.store.events("queries") if event.at < 100]
        assert kinds == ["model changed", "model restored"]


def test_a_stream_spec_without_a_source_is_fine():
    assert StreamSpec(name="q").source == ""
    assert Recorder.__doc__


def test_settings_with_another_pane_are_refused(place):
    place.recorder(pane="1m", windows=()).close()
    said = (
        "stream queries: got panes of 500 rows in the settings, want 1m, as its windows are kept. Set pane back, or "
        "close what is open and begin anew with 'tidegauge rebaseline queries REF'"
    )
    with pytest.raises(UsageError) as refused:
        place.recorder(pane="500 rows")
    assert str(refused.value) == said
    place.recorder(pane="60s", windows=("1h",)).close()  # the same pane, said otherwise


@pytest.mark.parametrize("pane", ["1h", "250 rows"])
def test_a_pane_changes_with_a_rebaseline_of_the_same_reference(place, pane):
    with place.recorder(pane="10m", windows=("1h",)) as old:
        old.observe(rows(0, 700), name="a")  # until 1398 s: two panes, and 100 rows of the third
        old.settle()
        spec = StreamSpec(name="queries", pane=pane, lateness=30, windows=())
        assert rebaseline(old.store, spec, REFERENCE, at=5.0)
        assert rebaseline(old.store, spec, REFERENCE, at=6.0) is None
        said = [event.text for event in old.store.events("queries") if event.at == 5.0]
        assert said == [f"Reference {REFERENCE.hash[:12]} came into force, with panes of {pane} in place of 10m."]
        assert {key.start: value[0] for key, value in kept(old).items()} == {0: 300, 600: 300, 1200: 100}
        assert old.store.parts("queries") == ()
        with pytest.raises(UsageError, match="as its windows are kept"):  # also where it is open already
            old.observe(rows(700, 710), name="b")
    with place.recorder(pane=pane, windows=()) as new:
        new.observe(rows(700, 4000), name="b")
        new.settle()
        there = {key: value for key, value in kept(new).items() if key.length != 600}
        # Panes of rows begin at multiples of their number: the first holds what came after the change.
        wanted = {0: 1100, HOUR: 1800} if pane == "1h" else {500: 50} | {250 * i: 250 for i in range(3, 16)}
        assert {key.start: value[0] for key, value in there.items()} == wanted


def test_there_and_back_again_adds_to_what_was_closed_early_and_judges_nothing_anew(place):
    with place.recorder(pane="10m", windows=("20m",), keep={"pane": "40m", "20m": "10y"}) as first:
        first.observe(rows(0, 2500), name="a")  # until 4998 s
        first.settle()
        before = kept(first)
        spec = first.spec
        assert min(key.start for key in before if key.length == 600) > 0  # old panes have expired
        other = spec.model_copy(update={"pane": Pane.parse("500 rows"), "windows": ()})
        rebaseline(first.store, other, REFERENCE, at=1)
        assert kept(first)[PaneKey("queries", REFERENCE.hash, 600, 4800)][0] == 100
        rebaseline(first.store, spec, REFERENCE, at=2)
        first.observe(rows(2500, 2720), name="b")  # of the pane that was closed early, and the next
        first.settle()
        assert kept(first)[PaneKey("queries", REFERENCE.hash, 600, 4800)][0] == 300
        first.observe(rows(2720, 4000), name="c")
        first.settle()
        after = kept(first)
    longer = {key: value for key, value in before.items() if key.length == 1200}
    assert {key: after[key] for key in longer} == longer
    assert after[PaneKey("queries", REFERENCE.hash, 1200, 6000)][0] == 600


def test_a_longer_window_that_is_asked_for_later_is_made_from_then_on(place):
    keep = {"pane": "40m"}
    with place.recorder(pane="10m", windows=(), keep=keep) as recorder:
        recorder.observe(rows(0, 2000), name="a")  # until 3998 s
        recorder.settle()
        before, settled = kept(recorder), recorder.store.state("queries").settled
        assert (min(key.start for key in before), settled) == (1200, 3600)
    with place.recorder(pane="10m", windows=("30m", "1h"), keep=keep) as recorder:
        assert recorder.settle() == ()
        recorder.observe(rows(2000, 4000), name="b")  # until 7998 s
        recorder.settle()
        after = kept(recorder)
    longer = {(key.length, key.start): value[0] for key, value in after.items() if key.length > 600}
    assert longer == {(1800, 3600): 900, (1800, 5400): 900, (3600, 3600): 1800}
    assert all(after[key] == value for key, value in before.items() if key in after)
