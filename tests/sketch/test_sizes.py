"""How many rows a sketch keeps is set, and how much recent ones are preferred: merging agrees with one pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sketch.cases import batch, normal, small
from tidegauge import MismatchError, Reference, Sketch, UsageError
from tidegauge.records import SampleSizes
from tidegauge.sketch.hashing import text_hash, unit_interval
from tidegauge.sketch.samples import recent

Float64 = npt.NDArray[np.float64]
ROWS = 600


def sketch(start: int, stop: int, samples: bool | SampleSizes) -> Sketch:
    return small().sketch(batch(normal(ROWS, 4, 9)[start:stop], start), samples=samples)


def kept(found: Sketch) -> tuple[list[str], list[str]]:
    return found.uniform.ids.tolist(), found.novel.ids.tolist()


# ------------------------------------------------------------------------------------------------------------- sizes


def test_sizes_are_what_was_asked_and_the_rows_are_those_of_larger_samples() -> None:
    large, little = sketch(0, ROWS, True), sketch(0, ROWS, SampleSizes(50, 20))
    assert [len(ids) for ids in kept(little)] == [50, 20]
    assert kept(little) == (kept(large)[0][:50], kept(large)[1][:20])
    assert [len(ids) for ids in kept(sketch(0, ROWS, SampleSizes(0, 20)))] == [0, 20]
    assert [len(ids) for ids in kept(sketch(0, ROWS, SampleSizes(50, 0)))] == [50, 0]
    assert sketch(0, ROWS, SampleSizes(0, 0)).to_bytes() == sketch(0, ROWS, False).to_bytes()
    assert sketch(0, ROWS, SampleSizes()).to_bytes() == sketch(0, ROWS, True).to_bytes()


def test_the_smaller_size_wins_and_none_wins_over_any() -> None:
    sizes = {"off": False, "little": SampleSizes(50, 20), "large": SampleSizes(200, 90)}
    for one in sizes.values():
        for other in sizes.values():
            total = sketch(0, 300, one) + sketch(300, ROWS, other)
            least = "off" if False in (one, other) else "little" if sizes["little"] in (one, other) else "large"
            assert kept(total) == kept(sketch(0, ROWS, sizes[least]))
            assert total.rows == ROWS


def test_an_empty_sketch_cuts_no_sample_unless_it_keeps_none() -> None:
    large = sketch(0, ROWS, SampleSizes(400, 300))
    for total in (large + small().empty(), small().empty(samples=SampleSizes(3, 3)) + large):
        assert kept(total) == kept(large)
        assert (total.uniform.size, total.novel.size) == (400, 300)
    for total in (large + small().empty(samples=False), small().empty(samples=False) + large):
        assert kept(total) == ([], [])
        assert not total.sampled
    both = small().empty(samples=SampleSizes(3, 4)) + small().empty()
    assert (both.uniform.size, both.novel.size) == (3, 4)


def test_sizes_pass_through_bytes_and_a_reference() -> None:
    found = sketch(0, ROWS, SampleSizes(50, 20, 3600))
    again = Sketch.from_bytes(found.to_bytes())
    assert (again.uniform.size, again.novel.size, again.half_life) == (50, 20, 3600)
    assert again.to_bytes() == found.to_bytes()
    rows = batch(normal(300, 4, 0))
    reference = Reference.fit(rows, samples=SampleSizes(64, 32), exchangeable=True)
    assert (len(reference.base.uniform.ids), len(reference.base.novel.ids)) == (64, 32)
    assert reference.hash == Reference.fit(rows, exchangeable=True).hash


@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        (SampleSizes(uniform=-1), "samples, uniform: got -1 rows"),
        (SampleSizes(novel=2_000_000), "samples, novel: got 2000000 rows"),
        (SampleSizes(half_life=-5), "samples, half_life: got -5 seconds"),
        (SampleSizes(half_life=0.1), "samples, half_life: got 0.1 seconds"),
        (SampleSizes(half_life=float("nan")), "samples, half_life: got nan seconds"),
        (SampleSizes(half_life=float("inf")), "samples, half_life: got inf seconds"),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes: SampleSizes, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        small().empty(samples=sizes)


# ----------------------------------------------------------------------------------------------------------- recency

RECENT = SampleSizes(40, 25, half_life=90.0)


@given(st.lists(st.integers(1, ROWS - 1), max_size=5, unique=True).map(sorted), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_merging_recent_samples_agrees_with_one_pass(at: list[int], shuffle: object) -> None:
    parts = [sketch(i, j, RECENT) for i, j in zip([0, *at], [*at, ROWS], strict=True)]
    shuffle.shuffle(parts)  # type: ignore[attr-defined]
    total = small().empty(samples=RECENT)
    for part in parts:
        total += part
    whole = sketch(0, ROWS, RECENT)
    assert kept(total) == kept(whole)
    np.testing.assert_array_equal(total.uniform.keys, whole.uniform.keys)
    np.testing.assert_array_equal(total.novel.x, whole.novel.x)


def sequential(weights: Float64, size: int, draws: int, seed: int) -> Float64:
    """How often each row is drawn, one after another without replacement, each time by its share of what is left."""
    rng, hits = np.random.default_rng(seed), np.zeros(len(weights))
    for _ in range(draws):
        left = weights.copy()
        for _ in range(size):
            row = rng.choice(len(left), p=left / left.sum())
            hits[row] += 1
            left[row] = 0
    return hits / draws


def test_rows_are_drawn_as_often_as_their_weights_say() -> None:
    """Against drawing one by one: two counts of 4,000 draws differ by less than five standard errors in every row."""
    rows, size, draws, half_life = 24, 6, 4000, 5.0
    times = np.linspace(0, 20, rows)
    weights = 2 ** (times / half_life)
    rng, hits = np.random.default_rng(3), np.zeros(rows)
    for _ in range(draws):
        keys = recent(-np.log1p(-rng.random(rows)), 1.7e9 + times, half_life)
        hits[np.argsort(keys)[:size]] += 1
    expected = sequential(weights, size, draws, 4)
    error = np.sqrt(2 * expected * (1 - expected) / draws)
    assert (np.abs(hits / draws - expected) < 5 * error).all()
    assert expected[-1] > 4 * expected[0]


def test_the_sample_of_a_sketch_follows_the_weights() -> None:
    """Ids are hashed, so that other ids are another draw: rows of each hour beside drawing one by one."""
    n, hits, draws = 60, np.zeros(60), 120
    x, sizes = normal(n, 4, 5), SampleSizes(12, 0, half_life=15.0)
    for k in range(draws):
        ids = np.array([f"{k}/{i}" for i in range(n)])
        found = small().sketch(batch(x, ids=ids), samples=sizes).uniform.ids
        hits[[int(str(name).split("/")[1]) for name in found]] += 1
    expected = sequential(2 ** (np.arange(n) / 15.0), 12, 2000, 6)
    thirds = [part.sum() / draws for part in np.split(hits, 3)]
    wanted = [part.sum() for part in np.split(expected, 3)]
    assert hits.sum() == 12 * draws
    np.testing.assert_allclose(thirds, wanted, atol=0.6)
    assert thirds[2] > 2 * thirds[1] > 3 * thirds[0]


def test_keys_are_those_of_the_ids_and_times() -> None:
    found = sketch(0, ROWS, RECENT).uniform
    u = unit_interval(text_hash(found.ids))
    times = np.array([float(str(name).removeprefix("id-")) for name in found.ids])
    np.testing.assert_allclose(found.keys, np.log(-np.log(1 - u)) - times * np.log(2) / 90, rtol=1e-9)


def test_a_long_half_life_keeps_the_rows_of_no_half_life() -> None:
    assert kept(sketch(0, ROWS, SampleSizes(50, 20, 1e11))) == kept(sketch(0, ROWS, SampleSizes(50, 20)))


def test_no_weight_overflows_however_far_apart_the_times_are() -> None:
    x = normal(40, 4, 1)
    times = np.concatenate([np.full(20, -6e10), np.full(20, 1.7e9)])
    found = small().sketch(batch(x, times=times), samples=SampleSizes(30, 25, half_life=1.0))
    assert np.isfinite(found.uniform.keys).all()
    assert {f"id-{i}" for i in range(20, 40)} <= set(found.uniform.ids.tolist()) & set(found.novel.ids.tolist())


def test_recency_needs_times_and_changes_nothing_where_there_are_none() -> None:
    found = small().empty(samples=RECENT)
    before = found.to_bytes()
    with pytest.raises(UsageError, match="got rows without event times, want a time for each row"):
        found.update(small().basis, batch(normal(10, 4, 1), times=None, source="a.npy", rejected={"nan": 1}))
    assert found.to_bytes() == before
    small().sketch(batch(normal(10, 4, 1), times=None), samples=SampleSizes(0, 0, 60))


def test_two_half_lives_never_mix() -> None:
    other = SampleSizes(40, 25, half_life=91.0)
    with pytest.raises(MismatchError, match="half-lives of 90 and 91 seconds"):
        sketch(0, 300, RECENT) + sketch(300, ROWS, other)
    for total in (small().empty() + sketch(0, 300, RECENT), sketch(0, 300, RECENT) + small().empty()):
        assert total.half_life == 90
        assert kept(total) == kept(sketch(0, 300, RECENT))
    assert not (sketch(0, 300, RECENT) + sketch(300, ROWS, False)).sampled
