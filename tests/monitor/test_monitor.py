"""The monitor: a pure function from a batch and a state to a landing, and from a window to what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge import Reference
from tidegauge.errors import DataError
from tidegauge.gate import admit, pick
from tidegauge.monitor import Canaries, Monitor
from tidegauge.records import StreamState
from tidegauge.sketch.sketch import Sketch
from tidegauge.spec import Canary, ColumnNames, Quality, Samples, StreamSpec

WIDTH = 8
ROWS = np.random.default_rng(0).standard_normal((1200, WIDTH)).astype(np.float32)
REFERENCE = Reference.fit(ROWS[:600], model_id="m1")
STATE = StreamState("queries", "stream", REFERENCE.hash, version=3)


def monitor(canaries=None, **settings) -> Monitor:
    return Monitor(StreamSpec(**{"name": "queries", "pane": "1m", "lateness": 60, **settings}), REFERENCE, canaries)


def batch(n=300, **columns):
    return admit(ROWS[600 : 600 + n], **{"times": np.arange(n, dtype=float), "source": "a.csv", **columns})


def sketches(landing):
    return [(part.key, Sketch.from_bytes(part.data)) for part in landing.parts]


def test_every_row_is_in_the_pane_of_its_time():
    landing = monitor().step(batch(), STATE, name="b1")
    assert [(part.key.start, part.rows) for part in landing.parts] == [(60 * i, 60) for i in range(5)]
    assert (landing.rows, landing.watermark, landing.version, landing.batch) == (300, 299.0, 3, "b1")
    for key, sketch in sketches(landing):
        want = REFERENCE.sketch(ROWS[600 + key.start : 660 + key.start])
        np.testing.assert_allclose(sketch.sums["mean"], want.sums["mean"], rtol=1e-6, atol=1e-6)
        assert sketch.times == (key.start, key.start + 59)


def test_nothing_of_the_batch_or_the_state_is_changed_and_twice_is_the_same():
    given_batch, m = batch(), monitor()
    before = given_batch.x.copy()
    assert m.step(given_batch, STATE, name="b") == m.step(given_batch, STATE, name="b")
    assert (given_batch.x == before).all()
    assert m.step(given_batch, STATE, name="b").parts


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 299), max_size=4), st.randoms(use_true_random=False))
def test_however_rows_are_cut_into_batches_the_panes_are_the_same(cuts, random):
    """Rows without ids are named after their batch, so that only ids make the samples comparable."""
    times = np.array([random.uniform(0, 600) for _ in range(300)])
    whole = batch(times=times, ids=[f"r{i}" for i in range(300)], segments=[f"s{i % 7}" for i in range(300)])
    m = monitor(columns=ColumnNames(segment="s"), segments=3)

    def panes(edges):
        state, totals, late = STATE, {}, 0
        for i, (low, high) in enumerate(zip([0, *edges], [*edges, 300], strict=True)):
            landing = m.step(pick(whole, slice(low, high)), state, name=f"b{i}")
            late += landing.aside.get("late", 0)
            state = replace(state, watermark=landing.watermark, segments=(*state.segments, *landing.segments))
            for key, sketch in sketches(landing):
                totals[key] = totals[key] + sketch if key in totals else sketch
        return {key: sketch for key, sketch in totals.items() if sketch.seen}, late

    one, late = panes([])
    many, late_too = panes(sorted(set(cuts)))
    assert one.keys() == many.keys()
    assert late == late_too
    for key, sketch in one.items():
        assert sketch.seen == many[key].seen
        assert list(sketch.uniform.ids) == list(many[key].uniform.ids)
        np.testing.assert_allclose(sketch.sums["features"], many[key].sums["features"], rtol=1e-5, atol=1e-5)


def test_late_and_future_rows_are_counted_and_change_no_pane():
    state = replace(STATE, watermark=1000.0)
    late = monitor().step(batch(), state, name="b", now=1000.0)
    assert (late.rows, dict(late.aside), late.watermark) == (0, {"late": 300}, 1000.0)
    ((key, sketch),) = sketches(late)
    assert (key.start, sketch.seen, dict(sketch.rejected)) == (960, 0, {"late": 300})  # the open pane tells of them
    future = monitor(future=10).step(batch(), STATE, name="b", now=100.0)
    assert (future.rows, future.aside["future"], future.watermark) == (111, 189, 110.0)


def test_rows_of_a_settled_pane_are_late():
    landing = monitor(lateness=10_000).step(batch(), replace(STATE, settled=120), name="b")
    assert (landing.aside["late"], [part.key.start for part in landing.parts]) == (120, [120, 180, 240])


def test_rows_without_times_happen_now_or_are_refused():
    plain = admit(ROWS[600:650])
    assert {part.key.start for part in monitor().step(plain, STATE, name="b", now=130.0).parts} == {120}
    with pytest.raises(DataError, match="without event times"):
        monitor().step(plain, STATE, name="b")


def test_panes_of_rows_follow_each_other_whatever_the_batches():
    m = monitor(pane="100 rows")
    landing = m.step(batch(250, times=None), replace(STATE, seen=70), name="b")
    assert [(part.key.start, part.rows) for part in landing.parts] == [(0, 30), (100, 100), (200, 100), (300, 20)]
    assert landing.serial
    assert m.closable(replace(STATE, seen=320)) == 300


def test_rejected_rows_answer_in_the_first_pane_and_in_a_pane_without_rows():
    bad = np.full((10, WIDTH), np.nan, np.float32)
    mixed = admit(np.concatenate([ROWS[600:640], bad]), times=np.full(50, 5.0), source="a.csv")
    ((key, sketch),) = sketches(monitor().step(mixed, STATE, name="b"))
    assert (key.start, sketch.seen, dict(sketch.rejected)) == (0, 40, {"nan": 10})
    landing = monitor().step(admit(bad, times=np.full(10, 5.0)), replace(STATE, watermark=130.0), name="b")
    ((key, sketch),) = sketches(landing)
    assert (key.start, sketch.seen, dict(sketch.rejected), dict(landing.aside)) == (120, 0, {"nan": 10}, {"nan": 10})


def test_segments_over_the_cap_are_others_and_the_sum_of_segments_is_the_whole():
    names = [f"s{i % 5}" for i in range(300)]
    m = monitor(columns=ColumnNames(segment="s"), segments=2, pane="1h")
    landing = m.step(batch(segments=names), STATE, name="b")
    assert landing.segments == ("s0", "s1", "other")
    assert {part.key.segment: part.rows for part in landing.parts} == {"other": 180, "s0": 60, "s1": 60}
    assert m.sum(landing.parts).seen == 300


CANARY = Canaries.of(admit(ROWS[:2], ids=["canary-a", "canary-b"]), 0.01)


def with_canary(vector):
    x = np.concatenate([vector[None], ROWS[600:700]])
    return admit(x, ids=["canary-a", *(f"q{i}" for i in range(100))], times=np.full(101, 30.0))


def test_a_canary_that_sings_is_not_traffic():
    landing = monitor(CANARY).step(with_canary(ROWS[0] * 3), STATE, name="b")
    assert (landing.rows, dict(landing.aside), landing.model, landing.events) == (100, {"canary": 1}, None, ())


def test_a_swapped_model_is_called_that_at_once_and_its_vectors_are_never_summed():
    m = monitor(CANARY)
    landing = m.step(with_canary(-ROWS[0]), STATE, name="b")
    assert landing.aside == {"canary": 1, "model": 100}
    assert "canary 'canary-a' moved by a cosine distance of 2" in landing.model
    assert [event.kind for event in landing.events] == ["model changed"]
    ((key, sketch),) = sketches(landing)
    assert (sketch.seen, dict(sketch.rejected)) == (0, {"model": 100})
    window = m.judge(key, sketch)
    assert window.state == "model changed"
    assert window.drift is None
    wrong = replace(STATE, model=landing.model)
    quiet = m.step(batch(100), wrong, name="c")  # says nothing of the model: the alarm holds
    assert (quiet.aside, quiet.model, quiet.events) == ({"model": 100}, None, ())
    again = m.step(with_canary(-1.1 * ROWS[0]), wrong, name="d")
    assert (again.model, again.events) == (None, ())
    back = m.step(with_canary(ROWS[0]), wrong, name="e")
    assert (back.model, [event.kind for event in back.events], back.rows) == ("", ["model restored"], 100)
    assert "model" not in back.aside


def test_only_the_rows_from_a_canary_to_the_next_are_of_another_model():
    """Whatever the batches: here, rows of three days in one."""
    x = np.concatenate([ROWS[600:700], -ROWS[:1], ROWS[700:800], ROWS[:1], ROWS[800:850]])
    ids = [f"q{i}" for i in range(252)]
    ids[100] = ids[201] = "canary-a"
    m = monitor(CANARY, pane="1h")
    whole = admit(x, ids=ids, times=np.arange(252.0))
    landing = m.step(whole, STATE, name="b")
    assert (landing.aside, landing.model) == ({"canary": 2, "model": 100}, None)
    assert [(event.kind, event.at) for event in landing.events] == [("model changed", 100.0), ("model restored", 201.0)]
    ((_, sketch),) = sketches(landing)
    assert (sketch.seen, dict(sketch.rejected)) == (150, {"model": 100})
    state, seen = STATE, 0
    for low, high in ((0, 60), (60, 150), (150, 220), (220, 252)):
        landing = m.step(pick(whole, slice(low, high)), state, name=f"c{low}")
        state = replace(state, model=state.model if landing.model is None else landing.model)
        seen += sum(sketch.seen for _, sketch in sketches(landing))
    assert (seen, state.model) == (150, "")


def test_canaries_by_text():
    known = Canaries.of(admit(ROWS[:1], texts=["hello"]), 0.01)

    def heard(batch):
        return known.heard(batch, known.among(batch))

    assert heard(admit(-ROWS[:1], texts=["hello"]))[0][1]
    assert heard(admit(ROWS[:1], texts=["hello"])) == [(0, "")]
    assert heard(admit(-ROWS[:1], texts=["other"])) == []
    with pytest.raises(DataError, match="an id or a text"):
        Canaries.of(admit(ROWS[:1]), 0.01)


def test_another_width_or_model_id_is_another_model():
    wide = admit(np.ones((5, 3)) + np.arange(15).reshape(5, 3), times=np.full(5, 1.0))
    assert monitor().step(wide, STATE, name="b").model == "the vectors have 3 dimensions, the reference 8"
    other = monitor().step(batch(), STATE, name="b", model_id="m2")
    assert other.model == "the vectors come from model 'm2', the reference from 'm1'"
    assert monitor().step(batch(), replace(STATE, model="x"), name="b", model_id="m1").model == ""


def judged(x, times=0.0, **settings):
    m = monitor(pane="1h", **settings)
    landing = m.step(admit(x, times=np.full(len(x), times), source="a.csv"), STATE, name="b")
    return m.judge(landing.parts[0].key, m.sum(landing.parts))


def test_what_windows_say():
    same, moved = judged(ROWS[600:900]), judged(ROWS[600:900] + 1)
    assert (same.state, same.reasons) == ("no drift", ())
    assert (moved.state, moved.reasons) == ("drift", ())
    assert moved.p < 0.01 < same.p
    assert len(same.scores) == 30
    few = judged(ROWS[600:620])
    assert (few.state, few.reasons, few.drift) == ("insufficient data", ("20 rows, and 50 are needed",), None)
    nan = np.concatenate([ROWS[600:800], np.full((50, WIDTH), np.nan, np.float32)])
    poor = judged(nan)
    assert poor.state == "data quality"
    assert poor.reasons == ("20 % of the rows were set aside (50 nan, first: a.csv, row 201), and 5 % may be",)
    assert judged(nan, quality=Quality(max_rejected=0.3)).state == "no drift"
    twice = judged(np.concatenate([ROWS[600:840], ROWS[600:700]]))
    assert "29.4 % of the rows repeat a vector" in twice.reasons[0]
    repeated = judged(np.repeat(ROWS[600:660], 5, axis=0))
    assert repeated.state == "data quality"
    assert repeated.reasons == ("80 % of the rows repeat a vector, and 50 % may",)


def test_a_segment_is_measured_and_not_judged():
    m = monitor(pane="1h", columns=ColumnNames(segment="s"))
    landing = m.step(batch(300, segments=["de"] * 300, times=np.zeros(300)), STATE, name="b")
    window = m.judge(landing.parts[0].key, m.sum(landing.parts))
    assert (window.key.segment, window.state, window.drift is None, len(window.scores)) == ("de", "measured", False, 30)


def test_without_samples_no_part_holds_a_vector_an_id_or_a_text():
    secret = batch(300, ids=[f"id-{i}-secret" for i in range(300)], texts=[f"text {i} secret" for i in range(300)])
    m = monitor(samples=Samples(keep=False), pane="1h")
    landing = m.step(secret, STATE, name="b")
    data = b"".join(part.data for part in landing.parts)
    assert b"secret" not in data
    kept = monitor(pane="1h").step(secret, STATE, name="b").parts[0].data
    assert b"s\0\0\0e\0\0\0c\0\0\0r\0\0\0e\0\0\0t" in kept or b"secret" in kept  # the test can see one where it is
    half = ROWS[600:900].astype(np.float16)
    for row in (*ROWS[600:900], *half, *ROWS[600:900].astype(np.float64)):
        assert row.tobytes() not in data


def test_snapshots_hold_what_was_added_less_what_was_removed():
    m = Monitor(StreamSpec(name="documents", kind="snapshot"), REFERENCE)
    state = StreamState("documents", "snapshot", REFERENCE.hash, generation=2)
    ids = [f"d{i}" for i in range(300)]
    added = m.step(batch(times=None, ids=ids), state, name="a")
    gone = m.step(pick(batch(times=None, ids=ids), slice(100, 300)), state, name="r", removed=True)
    assert {part.key.start for part in (*added.parts, *gone.parts)} == {2}
    present = m.sum((*added.parts, *gone.parts))
    assert present.seen == 100
    np.testing.assert_allclose(present.sums["mean"], REFERENCE.sketch(ROWS[600:700]).sums["mean"], atol=1e-3)
    assert set(present.uniform.ids) <= set(ids[:100])
    assert m.closable(state) is None


def test_a_stream_with_canaries_in_its_spec_reads_as_json():
    spec = StreamSpec(name="q", canary=Canary(file="c.npy"))
    assert json.loads(spec.model_dump_json())["canary"]["tolerance"] == 0.01
