"""What remains of a snapshot, and rows that are forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sketch.cases import batch, normal, small, standard
from tests.sketch.test_sketch import same_sums
from tidegauge import Batch, MismatchError, Sketch, UsageError, compare, score
from tidegauge.gate import admit, pick
from tidegauge.records import SampleSizes
from tidegauge.sketch.samples import Sample

ROWS = 900
EVERY = batch(normal(ROWS, 4, 21))


def of(rows: np.ndarray, samples: bool | SampleSizes = True) -> Sketch:
    return small().sketch(pick(EVERY, rows), samples=samples)


def split(seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    gone = np.random.default_rng(seed).random(ROWS) < share
    return np.flatnonzero(gone), np.flatnonzero(~gone)


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_what_remains_is_the_sketch_of_the_rows_that_remain(seed: int, share: float) -> None:
    removed, left = split(seed, share)
    found, truth = of(np.arange(ROWS)).without(of(removed)), of(left)
    assert (found.seen, found.rows) == (truth.seen, truth.rows) == (len(left), len(left))
    if len(left):
        same_sums(found, truth, 1e-5 * ROWS / len(left))  # what is rounded is the whole
    for name in ("count", "slices", "cells", "diagnostics", "distances", "novelty", "spread", "tails"):
        assert found.sums[name].min() >= 0, name
    cells = found.sums["cells"]
    empty = np.flatnonzero(cells[: found.cells] + cells[found.cells :] == 0)
    assert not found.sums["distances"][empty].any()
    assert not found.outcomes["success"][:, cells == 0].any()


def test_it_can_be_scored_compared_and_added() -> None:
    removed, left = split(3, 0.3)
    found, truth = of(np.arange(ROWS)).without(of(removed)), of(left)
    one, two = score(small(), found), score(small(), truth)
    assert (one.state, one.rows) == (two.state, two.rows)
    assert one.drift.value == pytest.approx(two.drift.value, abs=1e-2)
    assert compare(small(), found).after.rows == len(left)
    total = found + of(removed)
    assert total.seen == ROWS
    same_sums(total, of(np.arange(ROWS)), 1e-5)


def test_a_row_on_an_edge_that_was_counted_elsewhere_leaves_no_negative_count() -> None:
    removed, _ = split(7, 0.5)
    whole, gone = of(np.arange(ROWS)), of(removed)
    for name in ("slices", "cells"):
        rare = int(np.flatnonzero(whole.sums[name] == 0)[0])
        gone.sums[name][rare] += 1
    found = whole.without(gone)
    assert all(found.sums[name].min() == 0 for name in ("slices", "cells"))


def test_nothing_remains_where_all_was_removed() -> None:
    found = of(np.arange(ROWS)).without(of(np.arange(ROWS)))
    assert (found.seen, found.rows, len(found.uniform.keys), len(found.novel.keys)) == (0, 0, 0, 0)
    assert not any(values.any() for values in (*found.sums.values(), *found.outcomes.values()))


def test_removing_nothing_changes_nothing_but_that_it_is_not_stored() -> None:
    whole = of(np.arange(ROWS))
    for nothing in (small().empty(), small().empty(samples=False)):
        found = whole.without(nothing)
        same_sums(found, whole, 1e-12)
        assert found.uniform.ids.tolist() == whole.uniform.ids.tolist()
        with pytest.raises(UsageError, match="got a difference of sketches, want a sketch of rows"):
            found.to_bytes()


def test_a_difference_stays_one_and_neither_side_is_changed() -> None:
    removed, left = split(5, 0.4)
    whole, gone = of(np.arange(ROWS)), of(removed)
    before = whole.to_bytes(), gone.to_bytes()
    found = whole.without(gone)
    for values in (*found.sums.values(), *found.outcomes.values()):
        np.add(values, 1, out=values)
    found.rejected.update({"nan": 3})
    assert (whole.to_bytes(), gone.to_bytes()) == before
    for total in (whole.without(gone) + of(left), of(left) + whole.without(gone)):
        with pytest.raises(UsageError, match="storing a sketch"):
            total.to_bytes()


@given(st.integers(0, 100), st.floats(0.01, 0.99), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_the_sample_is_all_that_remains_below_both_bars(seed: int, share: float, one: int, two: int) -> None:
    """Against the slow way: keys of all rows, the removed taken out, cut where either sample stops to know."""
    rng = np.random.default_rng(seed)
    keys = rng.random(80)
    gone = rng.random(80) < share
    names = np.array([f"r{i}" for i in range(80)])

    def kept(rows: np.ndarray, size: int) -> Sample:
        some = np.flatnonzero(rows)
        return Sample.empty(size, 1).offer(keys[some], np.ones((len(some), 1), np.float32), names[some], names[some])

    found = kept(np.ones(80, np.bool_), one).without(kept(gone, two))
    bars = [np.sort(keys)[one - 1], np.sort(keys[gone])[two - 1] if gone.sum() >= two else np.inf]
    expected = np.sort(keys[~gone & (keys <= min(bars))])
    np.testing.assert_array_equal(found.keys, expected)
    remaining = np.sort(keys[~gone])
    np.testing.assert_array_equal(found.keys, remaining[: len(expected)])
    assert found.size == len(expected)


def test_where_the_removed_rows_were_not_sampled_no_row_is_known_to_remain() -> None:
    found = of(np.arange(ROWS)).without(of(np.arange(100), samples=False))
    assert (found.rows, len(found.uniform.keys), len(found.novel.keys)) == (ROWS - 100, 0, 0)
    little = of(np.arange(ROWS)).without(of(np.arange(0, ROWS, 2), SampleSizes(40, 40)))
    assert 20 <= len(little.uniform.keys) <= 60
    assert all(int(str(name).removeprefix("id-")) % 2 for name in little.uniform.ids)


def test_what_cannot_be_removed_is_refused() -> None:
    half = of(np.arange(0, ROWS, 2))
    with pytest.raises(UsageError, match=f"got {ROWS} rows, want at most the {ROWS // 2} rows held"):
        half.without(of(np.arange(ROWS)))
    with pytest.raises(MismatchError, match="removing a sketch: got references"):
        half.without(small(1).sketch(pick(EVERY, np.arange(10))))
    recent = SampleSizes(half_life=60)
    with pytest.raises(UsageError, match="got samples with a half-life"):
        of(np.arange(ROWS), recent).without(of(np.arange(10), recent))


# ------------------------------------------------------------------------------------------------------------ forget


def test_forgotten_rows_are_nowhere_in_the_bytes_and_the_sums_stay() -> None:
    found = of(np.arange(ROWS))
    ids = {"id-5", "id-17", "id-no such row", str(found.novel.ids[0])}
    held = sum(int(np.isin(s.ids, list(ids)).sum()) for s in (found.uniform, found.novel))
    sums = {name: values.copy() for name, values in found.sums.items()}
    assert found.forget(ids) == held >= 4
    data = found.to_bytes()
    for name in ids:
        assert f'"{name}"'.encode() not in data
        assert f'"text of {name.removeprefix("id-")}"'.encode() not in data
    assert all((values == found.sums[name]).all() for name, values in sums.items())
    assert found.forget(ids) == 0
    assert f'"{found.uniform.ids[0]}"'.encode() in Sketch.from_bytes(data).to_bytes()


def test_a_full_sample_that_forgets_stays_fair_when_it_is_added() -> None:
    """The rows beyond its bar are not known: they must not be filled up from the other side alone."""
    sizes = SampleSizes(100, 50)
    one, two = of(np.arange(450), sizes), of(np.arange(450, ROWS), sizes)
    gone = set(one.uniform.ids[:30].tolist())
    one.forget(gone)
    total = one + two
    left = np.array([i for i in range(ROWS) if f"id-{i}" not in gone])
    truth = of(left, sizes)
    assert total.uniform.size == 70
    assert total.uniform.ids.tolist() == truth.uniform.ids[:70].tolist()
    few = of(np.arange(20), sizes)
    few.forget({"id-3"})
    assert (few.uniform.size, len(few.uniform.ids)) == (100, 19)


def test_a_reference_forgets_and_keeps_its_name() -> None:
    reference = small()
    ids = {str(reference.base.uniform.ids[3]), str(reference.base.novel.ids[1])}
    before = reference.to_bytes()
    less = reference.forgetting(ids)
    assert less.hash == reference.hash
    assert all(f'"{name}"'.encode() not in less.to_bytes() for name in ids)
    assert reference.to_bytes() == before
    assert all(f'"{name}"'.encode() in before for name in ids)
    assert less.forgetting(ids) is less
    window = normal(100, 4, 2)
    assert score(less, less.sketch(window)).panel == score(reference, reference.sketch(window)).panel
    assert less.from_bytes(less.to_bytes()).hash == reference.hash
    assert (reference.sketch(window) + less.sketch(window)).rows == 200


def test_a_row_set_aside_is_named_by_file_and_number_alone() -> None:
    x = normal(6, 4, 1)
    x[2] = np.nan
    rows = admit(x, ids=[f"person-{i}" for i in range(6)], texts=[f"secret {i}" for i in range(6)], source="a.npy")
    data = small().sketch(rows, samples=False).to_bytes()
    assert b"a.npy, row 3" in data
    assert b"person-" not in data
    assert b"secret" not in data


@pytest.mark.parametrize("ids", [True, False])
def test_without_samples_no_row_of_a_batch_is_in_the_bytes(ids: bool) -> None:
    """Vectors plain, centred and scaled, whole and by halves, in three types; ids and texts in any encoding."""
    window = batch(normal(60, 8, 33) + np.float32(0.3), 7000)
    window = window if ids else replace(window, ids=None)
    reference = standard()
    data = reference.sketch(window, samples=False).to_bytes()
    centred = window.x - reference.basis.centre
    scaled = centred / np.float32(np.sqrt(reference.basis.variance / 8))
    forms = [r.astype(t).tobytes() for x in (window.x, centred, scaled) for t in ("<f2", "<f4", "<f8") for r in x]
    assert not any(part in data for form in forms for part in (form, form[: len(form) // 2], form[len(form) // 2 :]))
    names = [f"{kind}{i}" for i in range(7000, 7060) for kind in ("id-", "text of ")]
    assert not any(name.encode(code) in data for name in names for code in ("utf-8", "utf-16-le", "utf-32-le"))
    kept = reference.sketch(window).to_bytes()
    assert sum(form in kept for form in forms) >= 60
    assert b"text of 7001" in kept


def test_an_update_after_a_difference_is_still_not_stored() -> None:
    found = of(np.arange(ROWS)).without(of(np.arange(10))).update(small().basis, Batch(normal(5, 4, 1)))
    with pytest.raises(UsageError):
        found.to_bytes()
