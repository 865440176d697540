"""The laws of the sketch: it adds, batching does not matter, and its size does not grow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sketch.cases import Float32, batch, light, normal, small
from tidegauge import Batch, MismatchError, Sketch
from tidegauge.basis import Basis, fit_basis
from tidegauge.records import SampleSizes
from tidegauge.sketch.samples import Distinct, Sample
from tidegauge.sketch.sketch import sample_rows

ROWS = 700
cuts = st.lists(st.integers(1, ROWS - 1), max_size=6, unique=True).map(sorted)


def rows() -> Float32:
    return normal(ROWS, 4, 9)


def part(start: int, stop: int, *, ids: bool = True) -> Batch:
    found = batch(rows()[start:stop], start, rejected={"nan": stop - start}, first_rejected={"nan": f"row {start}"})
    return found if ids else Batch(found.x)


COUNTED = ("slices", "diagnostics", "cells", "distances", "novelty", "tails")
EDGE_ROWS = 3
RESIDUAL = slice(66, 132)


def same_sums(a: Sketch, b: Sketch, error: float) -> None:
    """Up to rows on an edge, which rounding may count on either side; the residual of four components is rounding."""
    assert list(a.sums) == list(b.sums)
    for name, values in a.sums.items():
        one, two = values.copy(), b.sums[name].copy()
        if name == "diagnostics" and error > 1e-9:
            assert one[RESIDUAL].sum() == two[RESIDUAL].sum()
            one[RESIDUAL] = two[RESIDUAL] = 0
        if name in COUNTED and error > 1e-9:
            different = ~np.isclose(one, two, rtol=1e-5, atol=1e-3)
            assert different.sum() <= 2 * EDGE_ROWS * (3 if name != "slices" else 1), name
            one[different] = two[different]
        np.testing.assert_allclose(one, two, rtol=error, atol=error * max(np.abs(values).max(), 1))
    assert set(a.outcomes) == set(b.outcomes)
    for name, values in a.outcomes.items():
        np.testing.assert_allclose(values, b.outcomes[name], rtol=error)


def same_samples(a: Sketch, b: Sketch) -> None:
    for one, two in ((a.uniform, b.uniform), (a.novel, b.novel)):
        np.testing.assert_array_equal(one.keys, two.keys)
        np.testing.assert_array_equal(one.ids, two.ids)
        np.testing.assert_array_equal(one.texts, two.texts)
        np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(a.distinct.hashes, b.distinct.hashes)


def same(a: Sketch, b: Sketch, error: float = 1e-12) -> None:
    same_sums(a, b, error)
    same_samples(a, b)
    assert (a.rows, a.times, a.rejected) == (b.rows, b.times, b.rejected)


@given(st.tuples(st.integers(1, 300), st.integers(301, ROWS - 1)))
@settings(max_examples=10, deadline=None)
def test_merging_is_commutative_and_associative(at: tuple[int, int]) -> None:
    a, b, c = (small().sketch(part(i, j)) for i, j in zip((0, *at), (*at, ROWS), strict=True))
    same(a + b, b + a)
    same((a + b) + c, a + (b + c))
    assert (a + b + c).rows == ROWS
    assert (a + b + c).times == (0, ROWS - 1)


@pytest.mark.parametrize("ids", [True, False])
def test_the_empty_sketch_is_the_identity(ids: bool) -> None:
    a, nothing = small().sketch(part(0, 400, ids=ids)), small().empty()
    same(a + nothing, a)
    same(nothing + a, a)
    same(nothing + nothing, nothing)
    assert (nothing.rows, nothing.times, nothing.distinct.count()) == (0, None, 0)
    assert (a + nothing).source == (nothing + a).source == a.source


@given(cuts, st.booleans())
@settings(max_examples=15, deadline=None)
def test_any_batching_of_the_same_rows_agrees(at: list[int], ids: bool) -> None:
    whole = small().sketch(part(0, ROWS, ids=ids))
    pieces = [part(i, j, ids=ids) for i, j in zip([0, *at], [*at, ROWS], strict=True)]
    same(small().sketch(pieces), whole, 1e-6)
    same(small().sketch(iter(pieces)), whole, 1e-6)


def test_batches_longer_than_a_chunk_agree() -> None:
    x = normal(9000, 4, 2)
    parts = [Batch(x[:5000]), Batch(x[5000:])]
    same(small().sketch(parts), small().sketch(Batch(x)), 1e-6)


def test_sketches_of_parts_add_to_the_sketch_of_all() -> None:
    whole = small().sketch(part(0, ROWS))
    same(small().sketch(part(0, 300)) + small().sketch(part(300, ROWS)), whole, 1e-6)


def test_rows_offered_twice_are_sampled_once() -> None:
    a = small().sketch(part(0, 300))
    twice = a + a
    assert twice.rows == 600
    same_samples(twice, a)


def test_samples_are_the_rows_with_their_own_ids_and_texts() -> None:
    reference, x = small(), rows()
    sketch = reference.sketch(part(0, ROWS))
    assert (len(sketch.uniform.keys), len(sketch.novel.keys)) == (ROWS, SampleSizes().novel)
    for sample in (sketch.uniform, sketch.novel):
        which = np.array([int(name.removeprefix("id-")) for name in sample.ids])
        assert sample.texts.tolist() == [f"text of {i}" for i in which]
        np.testing.assert_allclose(sample_rows(reference.basis, sample), x[which], atol=4e-3)
    far = ((x - x.mean(0)) ** 2).sum(1)
    taken = np.array([int(name.removeprefix("id-")) for name in sketch.novel.ids])
    assert far[taken].mean() > 1.2 * far.mean()


def test_without_ids_rows_are_named_by_their_place() -> None:
    reference, x = small(), rows()
    sample = reference.sketch([Batch(x[:250]), Batch(x[250:])]).uniform
    which = np.array([int(name.removeprefix("row ")) for name in sample.ids]) - 1
    np.testing.assert_allclose(sample_rows(reference.basis, sample), x[which], atol=4e-3)


def test_input_is_neither_changed_nor_kept() -> None:
    x = rows()
    given_rows = batch(x.copy(), 0)
    before = [given_rows.x.copy(), given_rows.outcomes["success"].copy()]
    sketch = small().sketch(given_rows)
    np.testing.assert_array_equal(given_rows.x, before[0])
    np.testing.assert_array_equal(given_rows.outcomes["success"], before[1])
    data = sketch.to_bytes()
    given_rows.x[:] = 7
    given_rows.outcomes["success"][:] = 7
    assert given_rows.ids is not None
    given_rows.ids[:] = "gone"
    assert sketch.to_bytes() == data


def test_adding_changes_neither_part() -> None:
    a, b = small().sketch(part(0, 300)), small().sketch(part(300, ROWS))
    before = a.to_bytes(), b.to_bytes()
    total = a + b
    same(total, a + b)
    for values in (*total.sums.values(), *total.outcomes.values()):
        values[:] = 1
    assert (a.to_bytes(), b.to_bytes()) == before


def test_outcomes_that_only_one_side_has_are_kept() -> None:
    a, b = small().sketch(part(0, 300)), small().sketch(Batch(rows()[300:]))
    for total in (a + b, b + a):
        np.testing.assert_array_equal(total.outcomes["success"], a.outcomes["success"])


def test_no_rows_at_all() -> None:
    empty = small().sketch(Batch(np.empty((0, 4), np.float32), rejected={"nan": 3}))
    assert (empty.rows, dict(empty.rejected)) == (0, {"nan": 3})
    assert small().sketch(Batch(np.empty((0, 0), np.float32))).rows == 0


def test_two_references_never_mix() -> None:
    with pytest.raises(MismatchError, match=r"got references [0-9a-f]{12} and [0-9a-f]{12}, want one reference"):
        small().sketch(rows()) + small(1).sketch(rows())


def test_another_width_is_refused() -> None:
    with pytest.raises(MismatchError, match="got vectors of width 5, want width 4"):
        small().sketch(Batch(normal(20, 5, 0)))


@pytest.mark.parametrize("samples", [True, False])
def test_size_does_not_grow_with_the_rows(samples: bool) -> None:
    x = normal(20_000, 4, 3)
    few = len(small().sketch(Batch(x[:1100]), samples=samples).to_bytes())
    many = len(small().sketch(Batch(x), samples=samples).to_bytes())
    assert abs(many - few) <= (10_000 if samples else 100)  # ids grow by a digit


@pytest.fixture(scope="module")
def wide() -> Basis:
    with light(512):
        return fit_basis(normal(2000, 768, 4), 0)


def kept(basis: Basis) -> Sketch:
    return Sketch(basis, "0" * 64, samples=False).update(basis, Batch(normal(1100, 768, 5)))


def test_a_sketch_is_under_100_kb(wide: Basis) -> None:
    assert len(kept(wide).to_bytes()) < 100_000


def test_the_sample_keeps_the_smallest_keys_whatever_the_order() -> None:
    rng = np.random.default_rng(0)
    keys, x = rng.random(400), normal(400, 3, 6)
    names: npt.NDArray[np.str_] = np.array([str(i) for i in range(400)])
    order = rng.permutation(400)
    one = Sample.empty(50, 3).offer(keys, x, names, names)
    two = Sample.empty(50, 3)
    for some in np.array_split(order, 7):
        two = two.offer(keys[some], x[some], names[some], names[some])
    np.testing.assert_array_equal(one.keys, np.sort(keys)[:50])
    assert one.ids.tolist() == two.ids.tolist() == np.argsort(keys)[:50].astype(str).tolist()
    np.testing.assert_array_equal(one.x, two.x)


def test_a_sample_of_no_rows_keeps_none() -> None:
    x, names = normal(5, 3, 6), np.array(list("abcde"))
    assert len(Sample.empty(0, 3).offer(np.arange(5.0), x, names, names).keys) == 0


@given(st.integers(0, 1023), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_distinct_rows_are_counted_exactly_below_1024(rows: int, repeats: int) -> None:
    hashes = np.random.default_rng(rows).integers(0, 2**64, rows, np.uint64)
    seen = Distinct(np.empty(0, np.uint64))
    for _ in range(repeats):
        seen = seen.offer(hashes)
    assert seen.count() == len(np.unique(hashes))


@pytest.mark.parametrize("rows", [1024, 3000, 20_000, 300_000])
def test_more_distinct_rows_are_counted_within_the_published_error(rows: int) -> None:
    hashes = np.random.default_rng(rows).integers(0, 2**64, rows, np.uint64)
    seen = Distinct(np.empty(0, np.uint64))
    for some in np.array_split(np.concatenate([hashes, hashes[::3]]), 5):
        seen = seen.offer(some)
    assert abs(seen.count() / rows - 1) <= 4 / np.sqrt(1024)
    assert abs(seen.count() / rows - 1) <= 4 * small().resolution()["duplicates_error"]


def test_duplicates_of_a_side() -> None:
    x = normal(5000, 4, 8)
    assert small().sketch(Batch(x)).side("window").duplicates == 0
    retried = small().sketch(Batch(np.repeat(x, 2, axis=0))).side("window")
    assert (retried.label, retried.rows) == ("window", 10_000)
    assert abs(retried.duplicates - 5000) <= 5000 * 4 / np.sqrt(1024)
    assert small().sketch(Batch(np.repeat(x[:400], 2, axis=0))).side("window").duplicates == 400
