"""What holds for every linear piece of a sketch, under every basis."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws.registry import BASES, PIECE_NAMES, columns, instance, on_edge, size, sums
from tidegauge.basis import project
from tidegauge.sketch.pieces import DERIVED, PIECES, with_coarse

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

every_piece = pytest.mark.parametrize("piece", PIECE_NAMES)
every_basis = pytest.mark.parametrize("name", BASES)
quiet = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def totals(name: str, x: Float32, piece: str) -> Float64:
    basis = instance(name).basis
    return columns(basis, project(basis, x), piece).total()


def split(x: Float32, cuts: set[int]) -> list[Float32]:
    return [x[a:b] for a, b in pairwise([0, *sorted(cuts), len(x)])]


def assert_batches_agree(name: str, piece: str, cuts: set[int]) -> None:
    """Sums of batches equal the sum of all rows to 1e-6 of the summed sizes, but for what rows on an edge can move."""
    found = instance(name)
    rows = project(found.basis, found.after)
    whole = columns(found.basis, rows, piece)
    parts = [columns(found.basis, project(found.basis, x), piece) for x in split(found.after, cuts)]
    entries, again = whole.dense().astype(np.float64), np.concatenate([p.dense() for p in parts]).astype(np.float64)
    edge = on_edge(found.basis, rows, piece)
    moved = np.abs(entries[edge]).sum(0) + np.abs(again[edge]).sum(0)
    counted = set(np.unique(entries)) <= {0.0, 1.0}
    scale = np.maximum(np.abs(entries).sum(0), len(entries) * np.abs(entries).max() * 1e-2)
    if piece == "tails":  # what lies beyond an edge is as exact as the value itself
        scale += 4 * (entries > 0).sum(0)
    room = moved + (0 if counted else 1e-6 * scale)
    difference = np.abs(sum(p.total() for p in parts) - whole.total())
    assert (difference <= room + 1e-12).all(), f"{piece}: {np.max(difference - room)}"


@every_basis
@every_piece
@pytest.mark.parametrize("cuts", [{1}, {0, 3, 7}, {2, 4}])
def test_any_split_into_batches_agrees(name: str, piece: str, cuts: set[int]) -> None:
    assert_batches_agree(name, piece, cuts)


@every_basis
@quiet
@given(data=st.data())
def test_a_random_split_into_batches_agrees(name: str, data: st.DataObject) -> None:
    rows = len(instance(name).after)
    cuts = data.draw(st.sets(st.integers(0, rows), max_size=8))
    for piece in PIECE_NAMES:
        assert_batches_agree(name, piece, cuts)


@every_basis
@every_piece
def test_addition_commutes_and_associates(name: str, piece: str) -> None:
    found = instance(name)
    a, b, c = (totals(name, x, piece) for x in (found.before, found.after, found.fitted[::3]))
    np.testing.assert_array_equal(a + b, b + a)
    np.testing.assert_allclose((a + b) + c, a + (b + c), rtol=1e-12, atol=1e-12 * max(np.abs(a + b + c).max(), 1))


@every_basis
@every_piece
def test_the_two_ways_to_sum_agree(name: str, piece: str) -> None:
    found = instance(name)
    part = columns(found.basis, project(found.basis, found.after), piece)
    dense, total = part.dense(), part.total()
    assert dense.dtype == np.float32
    assert total.dtype == np.float64
    assert dense.shape == (len(found.after), size(found.basis, piece))
    assert total.shape == (size(found.basis, piece),)
    scale = max(float(np.abs(dense).sum(0, dtype=np.float64).max()), 1)
    np.testing.assert_allclose(total, dense.sum(0, dtype=np.float64), rtol=0, atol=1e-6 * scale)


@every_basis
@every_piece
def test_no_rows_add_nothing(name: str, piece: str) -> None:
    total = totals(name, instance(name).before[:0], piece)
    np.testing.assert_array_equal(total, np.zeros(size(instance(name).basis, piece)))


@every_basis
@every_piece
def test_rows_and_basis_are_not_changed(name: str, piece: str) -> None:
    found = instance(name)
    x = found.after.copy()
    rows = project(found.basis, x)
    before = {k: np.copy(v) for k, v in found.basis.arrays().items()}
    first = columns(found.basis, rows, piece).total()
    np.testing.assert_array_equal(x, found.after)
    for key, value in found.basis.arrays().items():
        np.testing.assert_array_equal(value, before[key])
    np.testing.assert_array_equal(columns(found.basis, rows, piece).total(), first)


@every_basis
@every_piece
def test_order_of_rows_is_forgotten(name: str, piece: str) -> None:
    found = instance(name)
    rows = project(found.basis, found.after)
    edge = on_edge(found.basis, rows, piece)
    dense = np.abs(columns(found.basis, rows, piece).dense()).astype(np.float64)
    room = 2 * dense[edge].sum() + 1e-6 * max(float(dense.sum(0).max()), 1)
    turned = totals(name, found.after[np.random.default_rng(5).permutation(len(found.after))], piece)
    np.testing.assert_allclose(turned, totals(name, found.after, piece), rtol=0, atol=room)


@every_basis
@every_piece
def test_every_sum_is_finite_far_outside_the_reference(name: str, piece: str) -> None:
    assert np.isfinite(totals(name, instance(name).after * np.float32(1e4), piece)).all()


@every_basis
def test_histograms_and_cells_count_every_row_once(name: str) -> None:
    found = instance(name)
    b, n, kept = found.basis, len(found.after), sums(found.basis, found.after)
    for piece, bins in (("slices", b.bins + 2), ("diagnostics", b.bins + 2), ("coarse", b.bins // 4 + 2)):
        np.testing.assert_array_equal(kept[piece].reshape(-1, bins).sum(1), n)
    assert kept["count"].tolist() == [n]
    both = kept["cells"][: len(b.centres)] + kept["cells"][len(b.centres) :]
    for level in b.ancestors:
        assert both[np.unique(level)].sum() == n


@every_basis
def test_novel_rows_are_those_beyond_the_second_threshold(name: str) -> None:
    found = instance(name)
    kept = sums(found.basis, found.after)
    novel = kept["cells"][len(found.basis.centres) :][found.basis.fine].sum()
    assert novel == kept["novelty"][2]


@every_basis
def test_coarse_is_slices_four_bins_in_one(name: str) -> None:
    """The bin edges of both are exact in binary, so that not even rows on an edge differ."""
    found = instance(name)
    rows = project(found.basis, found.after)
    derived = with_coarse(found.basis, {"slices": PIECES["slices"].columns(found.basis, rows).total()})["coarse"]
    np.testing.assert_array_equal(derived, DERIVED["coarse"](found.basis, rows).total())


@every_basis
def test_coarse_keeps_leading_axes_and_its_argument(name: str) -> None:
    found = instance(name)
    one, two = (sums(found.basis, x)["slices"] for x in (found.before, found.after))
    given_sums = {"slices": np.stack([one, two])}
    stacked = with_coarse(found.basis, given_sums)["coarse"]
    assert set(given_sums) == {"slices"}
    for row, alone in zip(stacked, (one, two), strict=True):
        np.testing.assert_array_equal(row, with_coarse(found.basis, {"slices": alone})["coarse"])
