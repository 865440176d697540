"""Coverage: against loops, enumeration, and an index that loses content."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from tidegauge.errors import DataError, MismatchError, UsageError
from tidegauge.outcome import coverage as module
from tidegauge.outcome.coverage import coverage, coverage_of_cells, exceedance_p, fallen_p, nearest_similarity

Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]
TOPICS = 12


class World:
    """Topics in 24 dimensions, each with queries and documents."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.centres = 3 * np.random.default_rng(99).standard_normal((TOPICS + 3, 24))

    def topics(self, rows: int, most: int = TOPICS) -> Int:
        return self.rng.integers(most, size=rows)

    def about(self, topics: Int) -> Float32:
        return (self.centres[topics] + self.rng.standard_normal((len(topics), 24))).astype(np.float32)


def test_nearest_similarity_is_that_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, documents = (rng.standard_normal((n, 5)).astype(np.float32) * 3 for n in (23, 41))
    slow = [max(float(q @ d / np.linalg.norm(q) / np.linalg.norm(d)) for d in documents) for q in queries]
    assert nearest_similarity(queries, documents) == pytest.approx(slow, abs=1e-6)
    monkeypatch.setattr(module, "QUERY_BLOCK", 7)
    monkeypatch.setattr(module, "DOCUMENT_BLOCK", 6)
    assert nearest_similarity(queries, documents) == pytest.approx(slow, abs=1e-6)


@pytest.mark.parametrize(
    ("place", "below", "before", "after"), [(1, 2, 5, 4), (2, 1, 4, 3), (3, 3, 6, 4), (1, 4, 3, 4)]
)
def test_exceedance_p_counts_all_orders(place: int, below: int, before: int, after: int) -> None:
    orders = list(combinations(range(before + after), before))
    hits = sum(
        sum(rank < old[place - 1] for rank in range(before + after) if rank not in old) >= below for old in orders
    )
    assert exceedance_p(place, below, before, after) == pytest.approx(hits / len(orders))


def test_fallen_p_counts_all_draws() -> None:
    rows = [1] * 7 + [0] * 4
    draws = list(combinations(range(11), 5))
    hits = sum(sum(rows[i] for i in drawn) <= 2 for drawn in draws)
    assert fallen_p((5, 6), (2, 5)) == pytest.approx(hits / len(draws))


def test_coverage_falls_with_content_and_not_without() -> None:
    for by in ("similarity", "cells"):
        world = World(1)
        before = world.about(world.topics(500)), world.about(world.topics(1500))
        now = world.about(world.topics(600))
        same = coverage(now, before[1], before=before, by=by)  # type: ignore[arg-type]
        assert same.p > 0.01
        assert same.before == pytest.approx(same.share, abs=0.04)
        topics = world.topics(1500)
        less = coverage(now, world.about(topics[topics >= 3]), before=before, by=by)  # type: ignore[arg-type]
        assert less.p < 1e-6
        assert less.share == pytest.approx(same.share * 0.75, abs=0.08)
        assert less.low <= less.share <= less.high < less.before
        new = np.concatenate([now[:400], world.about(np.full(200, TOPICS))])
        strange = coverage(new, before[1], before=before, by=by)  # type: ignore[arg-type]
        covered = coverage(
            new,
            np.concatenate([before[1], world.about(np.full(250, TOPICS))]),
            before=before,
            by=by,  # type: ignore[arg-type]
        )
        assert strange.p < 1e-6
        assert covered.p > 0.01
        assert strange.gaps[0].kind == "new"


def test_by_similarity_a_fall_is_found_as_often_as_promised_where_there_is_none() -> None:
    world, hits = World(2), 0
    documents = world.about(world.topics(800))
    for _ in range(120):
        before, now = world.about(world.topics(150)), world.about(world.topics(300))
        hits += coverage(now, documents, before=(before, documents)).p <= 0.1
    assert 2 <= hits <= 23


def test_gaps_are_where_the_documents_went() -> None:
    world = World(3)
    topics = world.topics(600)
    before, now = (world.about(world.topics(500)), world.about(world.topics(3000))), world.about(topics)
    kept = world.topics(3000)
    ids = np.array([f"query {i}" for i in range(600)])
    found = coverage(now, world.about(kept[kept >= 2]), before=before, ids=ids, texts=np.char.upper(ids))
    assert {topics[int(e.id.removeprefix("query "))] for gap in found.gaps[:2] for e in gap.examples} <= {0, 1}
    assert found.gaps[0].examples[0].text == found.gaps[0].examples[0].id.upper()
    for gap in found.gaps:
        assert gap.low <= gap.change <= gap.high
    assert found.gaps[0].rate_before > 0.8
    assert found.gaps[0].rate_after < 0.4
    assert -sum(g.change for g in found.gaps) <= found.before - found.share + 0.05
    unnamed = coverage(now, world.about(kept[kept >= 2]), before=before)
    row = int(unnamed.gaps[0].examples[0].id.removeprefix("row "))
    assert topics[row - 1] in (0, 1)


def test_only_so_many_queries_are_used_and_examples_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_QUERIES", 300)
    world = World(4)
    topics = world.topics(900)
    before, now = (world.about(world.topics(800)), world.about(world.topics(2000))), world.about(topics)
    kept = world.topics(2000)
    found = coverage(now, world.about(kept[kept >= 2]), before=before)
    assert found.queries == 900
    rows = [int(e.id.removeprefix("row ")) - 1 for gap in found.gaps[:1] for e in gap.examples]
    assert {topics[row] for row in rows} <= {0, 1}


def test_without_a_reference_cells_say_it_alone() -> None:
    world = World(5)
    found = coverage(world.about(world.topics(600)), world.about(world.topics(2000, 9)))
    assert found.by == "cells"
    assert np.isnan([found.before, found.p]).all()
    assert found.share == pytest.approx(9 / 12, abs=0.08)
    with pytest.raises(UsageError, match="want the reference's queries"):
        coverage(world.about(world.topics(60)), world.about(world.topics(60)), by="similarity")


def test_what_cannot_be_compared_is_refused_and_nothing_is_changed() -> None:
    x = np.random.default_rng(6).standard_normal((50, 4)).astype(np.float32)
    copy = x.copy()
    coverage(x[:20], x[20:], before=(x[:20], x[20:]))
    assert (x == copy).all()
    with pytest.raises(MismatchError, match="documents: got vectors of width 3, want width 4"):
        coverage(x, x[:, :3])
    with pytest.raises(DataError, match="documents before"):
        coverage(x, x, before=(x, x[:0]))


def test_cells_of_a_stream() -> None:
    rng = np.random.default_rng(7)
    queries0, documents0 = (rng.multinomial(n, np.ones(40) / 40).astype(float) for n in (2000, 8000))
    queries = rng.multinomial(1000, np.ones(40) / 40).astype(float)
    same = coverage_of_cells(queries, documents0, before=(queries0, documents0))
    assert (same.share, same.before) == (1.0, 1.0)
    assert same.p == 1.0
    assert not same.gaps
    documents = documents0.copy()
    documents[:8] = 0
    less = coverage_of_cells(queries, documents, before=(queries0, documents0))
    assert less.share == pytest.approx(1 - queries[:8].sum() / 1000)
    assert less.p < 1e-12
    assert {gap.group for gap in less.gaps} == {f"cell {k}" for k in range(1, 9)}
    assert sum(gap.change for gap in less.gaps) == pytest.approx(less.share - less.before)
    assert all(gap.kind == "within" for gap in less.gaps)
    grown = coverage_of_cells(queries, 7 * documents0, before=(queries0, documents0))
    assert grown.share == 1.0
    alone = coverage_of_cells(queries, documents)
    assert alone.share == less.share
    assert np.isnan(alone.before)


def test_a_new_empty_cell_is_a_gap_that_is_new() -> None:
    queries0, documents = np.array([100.0, 100.0, 0.0]), np.array([500.0, 500.0, 0.0])
    found = coverage_of_cells(np.array([70.0, 80.0, 50.0]), documents, before=(queries0, documents))
    assert (found.gaps[0].group, found.gaps[0].kind) == ("cell 3", "new")
    assert np.isnan(found.gaps[0].rate_before)
    with pytest.raises(DataError, match="the same cells"):
        coverage_of_cells(queries0, documents[:2])
    with pytest.raises(DataError, match="no rows"):
        coverage_of_cells(0 * queries0, documents)
