"""Outcomes of a stream: out of their unit, summed by pane, and late by the ids of their rows."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from tests.run.conftest import REFERENCE, ROWS
from tidegauge.errors import UsageError
from tidegauge.gate import admit
from tidegauge.records import ALL
from tidegauge.run import outcomes as late_outcomes
from tidegauge.run.forget import forget
from tidegauge.sketch.sketch import Sketch
from tidegauge.store import SqlStore, copy_store, open_store

N = 600
IDS = np.array([f"q-{i}" for i in range(N)])
TIMES = np.arange(N) * 1.0
RNG = np.random.default_rng(1)
SUCCESS = (RNG.random(N) < 0.7).astype(float)
CLICKS = np.stack([RNG.integers(0, 3, N), RNG.integers(2, 5, N)], axis=1).astype(float)
SEGMENTS = np.array(["de", "fr", ""])[RNG.integers(0, 3, N)]
LATE = {
    "columns": {"id": "id", "segment": "locale"},
    "windows": ["2m", "4m"],
    "outcomes": {"success": {"late": "1d"}, "clicked": {"late": "1d"}},
}


def observed(recorder, rows=slice(None), *, name="a", beside=False, segmented=True, **columns):
    """Land some of the rows."""
    if segmented:
        columns["segments"] = SEGMENTS[rows]
    if beside:
        columns["outcomes"] = {"success": SUCCESS[rows], "clicked": CLICKS[rows]}
    return recorder.observe(ROWS[:N][rows], name=name, ids=IDS[rows], times=TIMES[rows], **columns)


def kept(store, stream="queries"):
    """Every block of bytes of closed windows, and what outcomes were, by key."""
    state = store.state(stream)
    found = {}
    for length in (60, 120, 240):
        for part in store.sketches(stream, reference=state.reference, length=length):
            found[part.key] = part.data
    measured = {
        (each.key, each.outcome): (each.numerator, each.denominator)
        for length in (60, 120, 240)
        for each in store.measured(stream, length=length)
    }
    return found, measured


def by_hand(numerators, denominators, length, segment):
    """Slow sums over rows whose pane is closed."""
    rows = defaultdict(lambda: [0.0, 0.0])
    for i in range(N):
        if segment in (ALL, SEGMENTS[i] or "none"):
            rows[int(TIMES[i] // length * length)][0] += numerators[i]
            rows[int(TIMES[i] // length * length)][1] += denominators[i]
    return dict(rows)


@pytest.fixture
def late_place(place):
    place.clock.now = 5000.0
    return place


def two(late_place, tmp_path_factory):
    """A recorder beside which outcomes come late, and one of the same settings where they come with the rows."""
    other = replace(late_place, folder=tmp_path_factory.mktemp("beside"))
    return late_place.recorder(**LATE), other.recorder(**LATE)


def test_panes_and_windows_keep_what_outcomes_were(late_place):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder, beside=True)
        recorder.settle(whole=True)
        store = recorder.store
        for name, values in (("success", np.stack([SUCCESS, np.ones(N)], axis=1)), ("clicked", CLICKS)):
            for length in (60, 120, 240):
                for segment in (ALL, "de", "fr", "none"):
                    found = store.measured("queries", length=length, outcome=name, segment=segment)
                    wanted = by_hand(values[:, 0], values[:, 1], length, segment)
                    whole = {start: tuple(sums) for start, sums in wanted.items() if start + length <= N}
                    assert {each.key.start: (each.numerator, each.denominator) for each in found} == whole
        [one] = store.measured("queries", length=60, outcome="success", segment=ALL, since=120, until=180)
        assert one.rate == pytest.approx(SUCCESS[120:180].mean())
        assert store.measured("queries", reference="another", length=60) == ()


@pytest.mark.parametrize("segmented", [True, False])
@pytest.mark.parametrize("closed", ["all", "some", "none"])
def test_late_is_beside(late_place, tmp_path_factory, closed, segmented):
    late, beside = two(late_place, tmp_path_factory)
    with late, beside:
        for recorder in (late, beside):
            for number, rows in enumerate((slice(0, 200), slice(200, 330), slice(330, N))):
                observed(recorder, rows, name=f"b{number}", beside=recorder is beside, segmented=segmented)
                if closed == "some":
                    recorder.settle()
            if closed == "all":
                recorder.settle(whole=True)
        order = RNG.permutation(N)
        for some in np.array_split(order, 3):
            added = late.outcomes(IDS[some], {"success": SUCCESS[some], "clicked": CLICKS[some]})
            assert (added.added, added.repeated, dict(added.aside)) == (2 * len(some), 0, {})
        late.settle(whole=True)
        beside.settle(whole=True)
        assert kept(late.store) == kept(beside.store)
        assert len(kept(late.store)[1]) > 20


def test_alarms_and_windows_are_not_judged_again(late_place):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder)
        recorder.settle(whole=True)
        before = recorder.store.windows("queries"), recorder.store.alarms("queries"), recorder.store.events("queries")
        recorder.outcomes(IDS, {"success": SUCCESS})
        after = recorder.store.windows("queries"), recorder.store.alarms("queries"), recorder.store.events("queries")
        assert repr(after) == repr(before)  # NaN is NaN here


def test_outcomes_given_again_are_counted_once(late_place):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder, beside=False)
        recorder.settle()
        recorder.outcomes(IDS[:300], {"success": SUCCESS[:300]})
        before = kept(recorder.store)
        again = recorder.outcomes(IDS[:300], {"success": 1 - SUCCESS[:300]})
        assert (again.added, again.repeated) == (0, 300)
        assert kept(recorder.store) == before
        twice = recorder.outcomes(["q-400", "q-400"], {"success": [1, 0], "clicked": [1, 1]})
        assert (twice.added, twice.repeated) == (2, 2)


def test_one_that_came_beside_does_not_come_late(late_place):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder, beside=True)
        added = recorder.outcomes(IDS, {"success": SUCCESS, "clicked": np.full(N, np.nan)})
        assert (added.added, added.repeated) == (0, N)


def test_what_cannot_be_added_is_named_and_the_rest_is_added(late_place):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder)
        recorder.settle()
        ids = ["q-1", "q-2", "stranger", "", "q-3", "q-4", "q-5", "q-6"]
        values = [1, 2, 1, 1, float("inf"), None, 1, -1]
        times = [9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1e9, 9.0]
        added = recorder.outcomes(ids, {"success": values}, times=times, source="late.csv")
        assert (added.added, added.panes) == (1, 1)
        assert added.aside == {
            "success above its denominator": 1,
            "success not finite": 1,
            "success below 0": 1,
            "unknown": 1,
            "no id": 1,
            "future": 1,
        }
        assert added.first["unknown"] == "late.csv, row 3, id stranger"
        assert added.first["success not finite"] == "late.csv, row 5"
        pairs = recorder.outcomes(["q-10", "q-11", "q-12"], {"clicked": [[1, 0], [1, -1], [1, np.nan]]})
        assert pairs.aside == {"clicked without a denominator": 2, "clicked with a negative denominator": 1}


def test_rows_outside_the_work_budget_are_known_to_be_so(late_place):
    with late_place.recorder(**LATE, share=0.5) as recorder:
        observed(recorder)
        recorder.settle()
        added = recorder.outcomes([*IDS, "stranger-1", "stranger-3"], {"success": [*SUCCESS, 1, 1]})
        sketched = sum(each.denominator for each in recorder.store.measured("queries", length=60, segment=ALL))
        rows = sum(Sketch.from_bytes(stored.part.data).rows for stored in recorder.store.parts("queries"))
        assert added.added == sketched + rows
        assert added.added + added.aside["not sketched"] + added.aside["unknown"] == N + 2
        assert 0 < added.aside["unknown"] <= 2


def test_it_is_too_late_when_the_retention_is_over(late_place):
    settings = {**LATE, "outcomes": {"success": {"late": "5m"}, "clicked": {"late": "8m"}}}
    with late_place.recorder(**settings) as recorder:
        observed(recorder)  # the newest row is of 599
        added = recorder.outcomes(["q-298", "q-299", "q-300"], {"success": [1, 1, 1], "clicked": [1, 1, 1]})
        assert (added.added, dict(added.aside)) == (5, {"expired": 1})
        recorder.settle()
        later = recorder.outcomes(["q-118", "q-119"], {"clicked": [1, 1]})
        assert (later.added, dict(later.aside)) == (1, {"unknown": 1})


def test_longer_windows_take_what_comes_after_the_panes_have_gone(late_place):
    keep = {"pane": "3m", "2m": "5m", "4m": "1h"}
    with late_place.recorder(**LATE, keep=keep) as recorder:
        observed(recorder)
        recorder.settle()
        assert not recorder.store.windows("queries", length=60, until=240)
        added = recorder.outcomes(IDS[:60], {"success": SUCCESS[:60]})
        assert (added.added, added.aside) == (60, {})
        [whole] = recorder.store.measured("queries", length=240, segment=ALL, until=240)
        assert (whole.numerator, whole.denominator) == (SUCCESS[:60].sum(), 60)
        assert not recorder.store.measured("queries", length=60, until=240)


def test_a_row_whose_windows_have_all_gone_is_expired(late_place):
    with late_place.recorder(**{**LATE, "windows": []}, keep={"pane": "2m"}) as recorder:
        observed(recorder)
        recorder.settle()
        assert recorder.outcomes(["q-0"], {"success": [1]}).aside == {"expired": 1}


def test_an_outcome_must_be_one_that_comes_late(late_place):
    with late_place.recorder(**LATE) as recorder, pytest.raises(UsageError, match=r"escalated.*success, clicked"):
        recorder.outcomes(["q-0"], {"escalated": [1]})


class Torn(Exception):
    """What a crash is here."""


@pytest.mark.parametrize("moment", ["rewrite", "measure", "came", "put"])
def test_a_crash_between_loses_nothing_and_adds_nothing_twice(late_place, monkeypatch, tmp_path_factory, moment):
    monkeypatch.setattr(late_outcomes, "PANES", 2)
    late, beside = two(late_place, tmp_path_factory)
    with late, beside:
        for recorder in (late, beside):
            observed(recorder, beside=recorder is beside)
            recorder.settle()
        from tidegauge.store.desk import SqlDesk

        whole, calls = getattr(SqlDesk, moment), []

        def torn(self, *given, **named):
            calls.append(1)
            if len(calls) == 2:
                raise Torn
            return whole(self, *given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(SqlDesk, moment, torn)
            with pytest.raises(Torn):
                late.outcomes(IDS, {"success": SUCCESS, "clicked": CLICKS})
        again = late.outcomes(IDS, {"success": SUCCESS, "clicked": CLICKS})
        assert again.added + again.repeated == 2 * N
        assert again.added
        assert again.repeated or moment == "rewrite"
        late.settle(whole=True)
        beside.settle(whole=True)
        assert kept(late.store) == kept(beside.store)


def test_replicas_agree(late_place, tmp_path_factory):
    late, beside = two(late_place, tmp_path_factory)
    with late, beside, late_place.recorder(**LATE) as replica:
        for number in range(6):
            for recorder in (late, replica):
                rows = slice(100 * number, 100 * (number + 1))
                assert observed(recorder, rows, name=f"b{number}") == ("landed" if recorder is late else "repeated")
            observed(beside, rows, name=f"b{number}", beside=True)
        for first, recorder in ((0, late), (1, replica)):
            some = slice(first, N, 2)
            recorder.outcomes(IDS[some], {"success": SUCCESS[some], "clicked": CLICKS[some]})
        for recorder in (late, beside):
            recorder.settle(whole=True)
        assert kept(late.store) == kept(beside.store)


def test_a_damaged_window_is_named_and_others_take_it(late_place):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder, segmented=False)
        recorder.settle()
        with closing(sqlite3.connect(late_place.folder / "gauge.db")) as hand, hand:
            hand.execute("UPDATE tidegauge_windows SET data = X'00' WHERE length = 60 AND start = 0")
        added = recorder.outcomes(IDS[:60], {"success": SUCCESS[:60]})
        assert added.added == 60
        assert [event.kind for event in recorder.store.events("queries")].count("corrupt") == 1
        starts = [each.key.start for each in recorder.store.measured("queries", length=60)]
        assert 0 not in starts
        [longer] = recorder.store.measured("queries", length=120, until=120)
        assert longer.denominator == 60


def test_rows_from_before_another_reference_still_get_their_outcomes(late_place):
    from tidegauge import Reference
    from tidegauge.run.baseline import rebaseline

    with late_place.recorder(**LATE) as recorder:
        observed(recorder)
        before = recorder.store.state("queries").reference
        rebaseline(recorder.store, recorder.spec, Reference.fit(ROWS[1000:1600]), at=1.0)
        added = recorder.outcomes(IDS, {"success": SUCCESS})
        assert added.added == N
        old = recorder.store.measured("queries", reference=before, length=60, segment=ALL)
        assert sum(each.denominator for each in old) == N


def test_a_forgotten_row_is_not_known_any_more(late_place):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder)
        held = forget(recorder.store, "queries", ["q-7"], at=1.0)
        assert held >= 1
        assert recorder.outcomes(["q-7", "q-8"], {"success": [1, 1]}).aside == {"unknown": 1}


def test_a_copy_of_the_store_takes_late_outcomes(late_place, tmp_path):
    with late_place.recorder(**LATE) as recorder:
        observed(recorder)
        recorder.settle()
        recorder.outcomes(IDS[:100], {"success": SUCCESS[:100]})
        copy: SqlStore = open_store(str(tmp_path / "copy.db"))
        assert copy_store(recorder.store, copy) == ("queries",)
        assert copy_store(recorder.store, copy) == ()
        assert kept(copy) == kept(recorder.store)
        found = late_outcomes.late(copy, recorder.spec, IDS, {"success": SUCCESS}, at=5000.0)
        assert (found.added, found.repeated) == (N - 100, 100)
        copy.close()


def test_panes_of_rows_without_times(late_place):
    settings = {"columns": {"id": "id"}, "outcomes": {"success": {"late": "1d"}}, "pane": "100 rows", "windows": []}
    with late_place.recorder(**settings) as recorder:
        recorder.observe(ROWS[:250], ids=IDS[:250], name="a")
        recorder.settle()
        added = recorder.outcomes(IDS[:250], {"success": SUCCESS[:250]})
        assert added.added == 250
        found = {each.key.start: each.numerator for each in recorder.store.measured("queries", length=100)}
        assert found == {0: SUCCESS[:100].sum(), 100: SUCCESS[100:200].sum()}


def test_nothing_is_kept_of_rows_where_no_outcome_comes_late(place):
    with place.recorder() as recorder:
        recorder.observe(ROWS[:N], ids=IDS, times=TIMES, outcomes={"success": SUCCESS})
        assert recorder.store.places("queries", IDS.tolist()) == {}


def test_an_outcome_out_of_its_unit_leaves_its_row(place):
    place.clock.now = 5000.0
    settings = {
        "columns": {"id": "id"},
        "outcomes": {"success": {}, "spend": {"unit": "count"}, "any": {"unit": "number"}},
    }
    with place.recorder(**settings) as recorder:
        values = {"success": [1, 2, 0, np.inf], "spend": [3, -1, 0, 2], "any": [-5, 0, 0, 0]}
        recorder.observe(ROWS[:4], ids=IDS[:4], times=TIMES[:4], outcomes=values, source="a.csv")
        recorder.settle(whole=True)
        [window] = recorder.store.windows("queries", length=60)
        reasons = {
            "outcome success above its denominator": 1,
            "outcome success not finite": 1,
            "outcome spend below 0": 1,
        }
        assert (window.rows, dict(window.aside)) == (4, reasons)
        assert recorder.store.state("queries").aside == reasons
        found = {
            each.outcome: (each.numerator, each.denominator) for each in recorder.store.measured("queries", length=60)
        }
        assert found == {"success": (1, 2), "spend": (5, 3), "any": (-5, 4)}
        sketch = Sketch.from_bytes(recorder.store.sketches("queries", reference=REFERENCE.hash, length=60)[0].data)
        assert sketch.first_rejected["outcome success above its denominator"] == "a.csv, id q-1"


def test_outcomes_out_of_their_unit_do_not_make_the_data_poor(place):
    place.clock.now = 5000.0
    with place.recorder(outcomes={"success": {}}) as recorder:
        recorder.observe(ROWS[:200], times=np.arange(200) / 10, outcomes={"success": np.full(200, 2.0)})
        recorder.settle(whole=True)
        [window] = recorder.store.windows("queries", length=60)
        assert window.state != "data quality"
        assert window.aside == {"outcome success above its denominator": 200}
        assert recorder.store.measured("queries", length=60) == ()


def test_an_outcome_whose_name_cannot_be_kept_is_refused(place):
    with place.recorder() as recorder, pytest.raises(UsageError, match="control character"):
        recorder.observe(admit(ROWS[:4], times=TIMES[:4], outcomes={"a\nb": [1, 0, 1, 1]}))
