"""Decompositions add up exactly, agree with a slow reference, find what is true, and say when they guess."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tidegauge import Batch, Reference, UsageError, compare
from tidegauge.basis import fit_basis
from tidegauge.outcome.decompose import NAMED, Units, cell_sums, decompose, parts
from tidegauge.outcome.groups import FEWEST, Groups, of_cells, of_values
from tidegauge.outcome.panes import decompose_panes
from tidegauge.records import Decomposition, Outcome

SUCCESS = Outcome("success")
DAY = 86_400.0


def plain(count: int, new: int = 0) -> Groups:
    fresh = np.arange(count) >= count - new
    return Groups(tuple(f"group {i}" for i in range(count)), fresh, np.full(count, -1), np.ones(count, np.bool_))


def slow(before: np.ndarray, after: np.ndarray, new: np.ndarray) -> list[tuple[float, float, float]]:
    """Mix, within and new, group by group, as the definition says them."""
    mean = before[0].sum() / before[1].sum()
    out = []
    for g in range(before.shape[1]):
        w0, w1 = before[1, g] / before[1].sum(), after[1, g] / after[1].sum()
        r0 = before[0, g] / before[1, g] if before[1, g] else None
        r1 = after[0, g] / after[1, g] if after[1, g] else None
        r0, r1 = r0 if r0 is not None else r1, r1 if r1 is not None else r0
        if r0 is None or r1 is None:
            out.append((0.0, 0.0, 0.0))
        elif new[g]:
            out.append((0.0, 0.0, w1 * (r1 - mean) - w0 * (r0 - mean)))
        else:
            out.append(((w1 - w0) * ((r0 + r1) / 2 - mean), (w0 + w1) / 2 * (r1 - r0), 0.0))
    return out


sums = arrays(np.float64, (2, 2, 12), elements=st.floats(0, 1e6, allow_subnormal=False))


@given(sums, st.integers(0, 6), st.floats(0, 100))
def test_the_parts_add_up_exactly_whatever_is_empty(values: np.ndarray, kind: int, thin: float) -> None:
    values = np.where(values < 1e5, 0.0, values)
    values[:, 1, 0] += 1.0
    values[:, 0] *= values[:, 1] > 0
    names = tuple(map(str, range(12)))
    new = np.arange(12) >= 12 - kind
    twin = np.where(new & (np.arange(12) % 2 == 0), np.arange(12) % max(12 - kind, 1), -1)
    groups = Groups(names, new, twin, np.ones(12, np.bool_))
    (n0, d0), (n1, d1) = values[0].sum(-1), values[1].sum(-1)
    found = parts(values[0], values[1], groups, (thin, thin))
    scale = max(1.0, float(np.abs(found).max()))
    assert abs(found.sum() - (n1 / d1 - n0 / d0)) <= 1e-12 * scale


@given(sums, st.integers(0, 6))
def test_the_parts_are_those_of_the_definition(values: np.ndarray, new: int) -> None:
    values = np.where(values < 1e5, 0.0, values)
    values[:, 1, 0] += 1.0
    values[:, 0] = np.minimum(values[:, 0], values[:, 1])
    groups = plain(12, new)
    expected = np.array(slow(values[0], values[1], groups.new)).T
    np.testing.assert_allclose(parts(values[0], values[1], groups), expected, atol=1e-12)


def test_a_group_of_few_rows_has_one_rate() -> None:
    before, after = np.array([[40.0, 50], [50, 50]]), np.array([[50.0, 0], [50, 2]])
    mix, within, _ = parts(before, after, plain(2), (5.0, 5.0))
    w0, w1, mean = 0.5, 2 / 52, 0.9
    pooled = (w0 * 1.0 + w1 * 0.0) / (w0 + w1)
    assert mix[1] == pytest.approx((w1 - w0) * (pooled - mean))
    assert within[1] == pytest.approx(-2 * w0 * w1 / (w0 + w1))


def test_a_novel_half_that_does_as_its_cell_is_not_new() -> None:
    """Both halves double their traffic and fall by the same: all of it is mix and within."""
    groups = Groups(("a", "b", "far a"), np.array([False, False, True]), np.array([-1, -1, 0]), np.zeros(3, np.bool_))
    before, after = np.array([[80.0, 90, 6], [100, 100, 10]]), np.array([[140.0, 90, 10], [200, 100, 20]])
    found = parts(before, after, groups)
    assert found[2].sum() == pytest.approx(0, abs=1e-12)
    assert found[1, 0] < -0.03


def sessions(
    rng: np.random.Generator, count: int, shares: np.ndarray, rates: np.ndarray
) -> tuple[Units, np.ndarray, np.ndarray]:
    unit = np.repeat(np.arange(count), 5)
    group = rng.choice(len(shares), len(unit), p=shares)
    done = rng.random(len(unit)) < rates[group]
    return Units(np.stack([done, np.ones(len(unit))], 1).astype(float), group, unit, len(shares)), group, unit


def test_neither_the_order_of_rows_nor_that_of_groups_matters() -> None:
    rng = np.random.default_rng(0)
    shares, rates = np.full(5, 0.2), np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    sides = [sessions(rng, 80, shares, rates - 0.1 * i)[0] for i in (0, 1)]
    first = decompose(SUCCESS, sides[0], sides[1], plain(5), draws=50)
    mixed = [
        Units(u.values[order], u.group[order], u.unit[order], 5) for u in sides for order in [rng.permutation(400)]
    ]
    assert first is not None
    assert_same(first, decompose(SUCCESS, mixed[0], mixed[1], plain(5), draws=50))
    turned = [Units(u.values, 4 - u.group, u.unit, 5) for u in sides]
    names = plain(5)
    other = Groups(names.names[::-1], names.new, names.twin, names.named)
    assert_same(first, decompose(SUCCESS, turned[0], turned[1], other, draws=50))


def assert_same(one: Decomposition, two: Decomposition | None) -> None:
    assert two is not None
    first, second = ((d.mix, d.within, d.new, *d.groups) for d in (one, two))
    for a, b in zip(first, second, strict=True):
        assert (a.kind, a.group) == (b.kind, b.group)
        np.testing.assert_allclose([a.change, a.low, a.high], [b.change, b.low, b.high], atol=1e-12)


def test_sessions_that_hang_together_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(200), 10)
    done = (rng.random(200) < 0.8)[unit]
    values = np.stack([done, np.ones(2000)], 1).astype(float)
    by_session, by_row = (
        decompose(SUCCESS, Units(values, np.zeros(2000, int), u, 1), Units(values, np.zeros(2000, int), u, 1), plain(1))
        for u in (unit, np.arange(2000))
    )
    assert by_session is not None
    assert by_row is not None
    assert (by_session.high - by_session.low) / (by_row.high - by_row.low) == pytest.approx(math.sqrt(10), rel=0.1)


def test_the_bootstrap_has_the_spread_of_a_slow_one() -> None:
    rng = np.random.default_rng(2)
    side, group, unit = sessions(rng, 60, np.full(3, 1 / 3), np.array([0.9, 0.5, 0.1]))
    draws = side.draws(rng, 4000)
    drawn = np.empty((4000, 2, 3))
    for b in range(4000):
        rows = np.concatenate([np.flatnonzero(unit == u) for u in rng.integers(60, size=60)])
        for g in range(3):
            drawn[b, :, g] = side.values[rows[group[rows] == g]].sum(0)
    for j in range(3):
        fast, true = draws[:, 0, j] / draws[:, 1, j], drawn[:, 0, j] / drawn[:, 1, j]
        assert fast.std() == pytest.approx(true.std(), rel=0.1)


def test_sums_alone_give_the_spread_of_independent_rows() -> None:
    rng = np.random.default_rng(3)
    rows, _, _ = sessions(rng, 400, np.array([0.5, 0.5]), np.array([0.9, 0.4]))
    single = Units(rows.values, rows.group, np.arange(2000), 2)
    known = cell_sums(SUCCESS, single.totals, 2000)
    spreads = [side.draws(np.random.default_rng(4), 4000)[:, 0].std(0) for side in (single, known)]
    np.testing.assert_allclose(spreads[0], spreads[1], rtol=0.06)


def test_of_a_number_without_rows_no_interval_is_told() -> None:
    total = np.array([[30.0, 90], [10, 10]])
    number = Outcome("latency", "rises", "number")
    side = cell_sums(number, total, 20)
    d = decompose(number, side, side, plain(2))
    assert d is not None
    assert d.change == 0
    assert math.isnan(d.low)


def test_at_most_so_many_are_named_and_the_rest_adds_up() -> None:
    rng = np.random.default_rng(5)
    sides = [sessions(rng, 400, np.full(30, 1 / 30), rng.random(30))[0] for _ in range(2)]
    d = decompose(SUCCESS, sides[0], sides[1], plain(30), draws=50)
    assert d is not None
    told = [c for c in d.groups if c.group not in ("all", "everything else")]
    assert len(told) == NAMED
    assert sum(c.change for c in d.groups) == pytest.approx(d.change, abs=1e-12)
    for whole in (d.mix, d.within, d.new):
        assert sum(c.change for c in d.groups if c.kind == whole.kind) == pytest.approx(whole.change, abs=1e-12)
    assert all(one.change <= two.change for one, two in pairwise(told))  # a fall is harm: the largest comes first


def test_harm_is_told_first_where_a_rise_is_harm() -> None:
    rng = np.random.default_rng(6)
    rates = np.array([0.2, 0.3, 0.5])
    sides = [sessions(rng, 400, np.full(3, 1 / 3), r)[0] for r in (rates, np.array([0.4, 0.2, 0.5]))]
    d = decompose(Outcome("escalated", "rises"), sides[0], sides[1], plain(3), draws=50)
    assert d is not None
    assert (d.groups[0].kind, d.groups[0].group) == ("within", "group 0")
    assert d.groups[0].change > 0


def test_a_side_without_the_outcome_has_no_decomposition() -> None:
    none = cell_sums(SUCCESS, np.zeros((2, 2)), 0)
    assert decompose(SUCCESS, none, none, plain(2)) is None


def test_values_that_are_not_before_are_new() -> None:
    groups, first, second = of_values(["en"] * 3, ["de", "en"])
    assert dict(zip(groups.names, groups.new.tolist(), strict=True)) == {"de": True, "en": False}
    assert ([groups.names[i] for i in first], [groups.names[i] for i in second]) == (["en"] * 3, ["de", "en"])


def test_every_ordinary_group_has_enough_rows_or_is_all_that_is_left() -> None:
    rng = np.random.default_rng(7)
    basis = fit_basis(rng.standard_normal((600, 6)).astype(np.float32), 0)
    fine = basis.ancestors.shape[1]
    counts = [np.concatenate([rng.poisson(m, fine), rng.poisson(0.3, fine)]).astype(float) for m in (8, 3)]
    groups, place = of_cells(basis, counts[0], counts[1])
    held = [np.bincount(place[:fine], side[:fine], len(groups)) for side in counts]
    smaller = min(side[:fine].sum() for side in counts) / sum(side[:fine].sum() for side in counts)
    expected = (held[0] + held[1]) * smaller
    small = [groups.names[g] for g in np.unique(place[:fine]) if expected[g] < FEWEST]
    assert small in ([], ["all small cells"])
    assert len(set(groups.names)) > 3
    assert (groups.twin[place[fine:]] == place[:fine]).all()


def batch(rng: np.random.Generator, rows: int, rate: float, day: float = 0.0) -> Batch:
    x = rng.standard_normal((rows, 4)).astype(np.float32)
    done = np.stack([rng.random(rows) < rate, np.ones(rows)], 1).astype(float)
    return Batch(x, outcomes={"success": done}, times=np.full(rows, day * DAY))


def test_panes_of_thirty_days_are_resampled_and_fewer_are_a_guess() -> None:
    rng = np.random.default_rng(8)
    reference = Reference.fit(batch(rng, 600, 0.9), exchangeable=True)
    first = [reference.sketch(batch(rng, 60, 0.9, day)) for day in range(30)]
    second = [reference.sketch(batch(rng, 60, 0.5, 40 + day)) for day in range(30)]
    months = decompose_panes(reference.basis, first, second, SUCCESS)
    assert months is not None
    assert (months.resampled, months.guess, months.note) == ("days", False, "")
    assert months.low < months.change < months.high < -0.3
    assert abs(months.within.change) > 0.8 * abs(months.change)
    weeks = decompose_panes(reference.basis, [reference.base], second[:7], SUCCESS)
    assert weeks is not None
    assert (weeks.resampled, weeks.guess) == ("rows", True)
    assert weeks.note
    half = decompose_panes(reference.basis, [reference.base], second, SUCCESS)
    assert half is not None
    assert (half.resampled, half.guess) == ("days", True)


def product(rng: np.random.Generator, rows: int, new: float, fell: float = 0.0) -> Batch:
    """Eight topics, of which one is new and never succeeds."""
    centres = 6 * np.random.default_rng(99).standard_normal((9, 16))
    topic = np.where(rng.random(rows) < new, 8, rng.integers(8, size=rows))
    x = (centres[topic] + rng.standard_normal((rows, 16))).astype(np.float32)
    done = (rng.random(rows) < 0.9 - fell) & (topic < 8)
    texts = np.array([f"topic {t}, question {i}" for i, t in enumerate(topic)])
    sessions = np.array([f"s{i // 4}" for i in range(rows)])
    outcomes = {"success": np.stack([done, np.ones(rows)], 1).astype(float)}
    return Batch(x, texts=texts, outcomes=outcomes, sessions=sessions, segments=np.where(topic == 8, "app", "web"))


@pytest.mark.parametrize("door", ["two samples", "frozen reference"])
def test_compare_names_the_new_cluster_that_the_loss_sits_in(door: str) -> None:
    rng = np.random.default_rng(10)
    first, second = product(rng, 800, 0.0), product(rng, 600, 0.2)
    result = compare(first if door == "two samples" else Reference.fit(first), second)
    (d,) = result.decompositions
    assert d.change == pytest.approx(result.outcomes[0].change, abs=0.03)
    assert d.mix.change + d.within.change + d.new.change == pytest.approx(d.change, abs=1e-12)
    assert d.new.change < 0.8 * d.change
    assert d.groups[0].group == result.novelty.clusters[0].name
    assert d.groups[0].examples[0].text.startswith("topic 8")
    assert d.guess is (door == "frozen reference")
    assert result.impact is not None
    assert result.impact.state == "harmful drift"


def test_compare_finds_a_fall_everywhere_and_says_who() -> None:
    rng = np.random.default_rng(11)
    first, second = product(rng, 800, 0.0), product(rng, 800, 0.0, fell=0.3)
    result = compare(first, second, by="client", outcomes={"success": "rises"})
    by_clusters, by_client = result.decompositions
    assert by_clusters.outcome == Outcome("success", "rises", "share")
    assert by_clusters.within.change < 0.9 * by_clusters.change
    assert (by_clusters.by, by_client.by) == ("clusters", "client")
    assert {row.property for row in result.explained} == {"client"}


def test_compare_without_outcomes_says_nothing_of_them() -> None:
    rng = np.random.default_rng(12)
    result = compare(rng.standard_normal((80, 3)), rng.standard_normal((80, 3)))
    assert (result.decompositions, result.coverage, result.explained, result.impact) == ((), None, (), None)


def test_compare_covers_the_window_by_its_documents() -> None:
    rng = np.random.default_rng(13)
    queries, later = product(rng, 300, 0.0), product(rng, 300, 0.4)
    documents = product(rng, 900, 0.0).x
    result = compare(queries, later, documents=documents, documents_before=documents)
    assert result.coverage is not None
    assert result.coverage.share < result.coverage.before - 0.2


def test_what_is_asked_wrongly_is_refused() -> None:
    rng = np.random.default_rng(14)
    first = product(rng, 120, 0.0)
    with pytest.raises(UsageError, match="falls"):
        compare(first, first, outcomes={"success": "sinks"})  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="index as it is now"):
        compare(first, first, documents_before=first)
    with pytest.raises(UsageError, match="without texts"):
        compare(Batch(first.x), Batch(first.x + 1), by="language")
    with pytest.raises(UsageError, match="reference"):
        compare(Reference.fit(first), first, by="client")
