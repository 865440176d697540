"""The two doors give one answer with the same parts, refuse the same things, and say how they decided."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.sketch.cases import DRAWS, Float32, batch, light_doors, normal, small
from tidegauge import Batch, Comparison, DataError, MismatchError, UsageError, compare
from tidegauge.score.registry import MEMBERS, SCORES


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    light_doors(monkeypatch)


@cache
def two_samples(shift: float = 0.0) -> Comparison:
    return compare(batch(normal(200, 4, 20)), batch(normal(150, 4, 21) + np.float32(shift), 1000), exchangeable=True)


@cache
def frozen(shift: float = 0.0) -> Comparison:
    return compare(small(), small().sketch(batch(normal(150, 4, 21) + np.float32(shift), 1000)))


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_both_doors_give_the_same_scores(shift: float) -> None:
    one, two = two_samples(shift), frozen(shift)
    assert [s.name for s in one.scores][: len(SCORES)] == list(SCORES)
    for a, b in zip(one.scores, two.scores, strict=True):
        for field in ("name", "label", "scope", "effect_unit", "member", "meaning"):
            assert getattr(a, field) == getattr(b, field)
    assert set(one.panel.members) == set(two.panel.members) == set(MEMBERS)
    assert one.verdict.state == two.verdict.state == ("drift" if shift else "no drift")


@pytest.mark.parametrize("door", [two_samples, frozen])
@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_every_field_is_answered(door: Any, shift: float) -> None:
    result = door(shift)
    unasked = {field.name for field in fields(result) if getattr(result, field.name) is None}
    assert unasked == {"coverage"}
    assert result.door == ("two samples" if door is two_samples else "frozen reference")
    assert bool(result.reference) == (door is frozen)
    assert (result.width, result.seed, result.min_effect, result.profile) == (4, 0, 0.0, "standard")
    assert (result.after.label, result.after.rows, result.after.duplicates) == (result.after.label, 150, 0)
    assert (result.after.first_time, result.after.last_time) == (1000, 1149)
    assert result.outcomes[0].name == "success"
    assert all(math.isfinite(v) for v in (result.drift.value, result.drift.low, result.drift.high, result.panel.p))
    assert 0 <= result.drift.low <= result.drift.high
    assert result.drift.detectable > 0
    assert 0 < result.panel.p <= 1
    assert min(result.panel.members.values()) >= 1 / (result.panel.draws + 1)
    for s in result.scores:
        assert s.refused or (math.isfinite(s.value) and math.isfinite(s.z) and 0 < s.p <= 1 and s.resolution >= 0)
    assert result.verdict.sentence.endswith(".")
    assert all((result.mean_shift.sentence, result.spread.sentence, result.novelty.sentence))
    assert result.verdict.next
    assert result.view.before.shape[1] == result.view.after.shape[1] == 2
    assert result.view.pc1_before.sum() > 0
    assert len(result.view.after) == len(result.view.after_ids) == len(result.view.after_texts)
    if shift:
        assert result.drift.low <= result.drift.value <= result.drift.high
        assert result.mean_shift.sd == pytest.approx(0.8 * 2, rel=0.2)


def test_the_same_seed_gives_the_same_answer_and_another_seed_nearly() -> None:
    one, x = two_samples(), [batch(normal(200, 4, 20)), batch(normal(150, 4, 21), 1000)]
    two = compare(*x, exchangeable=True)
    assert (one.panel, one.drift, one.verdict) == (two.panel, two.drift, two.verdict)
    assert repr(one.scores) == repr(two.scores)
    np.testing.assert_array_equal(one.view.after, two.view.after)
    other = compare(*x, exchangeable=True, seed=1)
    assert other.seed == 1
    assert other.panel != one.panel
    assert other.panel.members["mmd"] == pytest.approx(one.panel.members["mmd"], abs=0.1)


def test_swapping_the_sides_keeps_what_is_symmetric() -> None:
    for shift in (0.0, 0.15):
        a, b = normal(120, 4, 20), normal(120, 4, 21) + np.float32(shift)
        one, two = compare(a, b, exchangeable=True), compare(b, a, exchangeable=True)
        for name in ("mmd", "whitened_mmd_1", "whitened_energy"):
            p, q = one.panel.members[name], two.panel.members[name]
            assert abs(p - q) <= 5 * np.sqrt(2 * p * (1 - p) / DRAWS) + 0.01, name
        assert abs(one.drift.value - two.drift.value) <= 0.2 * one.drift.detectable


def test_input_is_not_changed() -> None:
    a, b = normal(60, 4, 1), normal(50, 4, 2)
    before = a.copy(), b.copy()
    compare(a, b)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


def in_sessions(x: Float32, length: int, name: str) -> Batch:
    return Batch(x, sessions=np.array([f"{name}{i // length}" for i in range(len(x))]))


def of_sessions(rows: int, length: int, seed: int) -> Float32:
    """Rows of a session lie together; sessions come in random order of rows."""
    rng = np.random.default_rng(seed)
    middle = np.repeat(normal(rows // length, 4, seed), length, axis=0)
    return (middle + np.float32(0.2) * rng.standard_normal((rows, 4))).astype(np.float32)


def test_sessions_swap_sides_together_where_both_sides_have_them() -> None:
    a, b = of_sessions(200, 10, 1), of_sessions(200, 10, 2)
    together = compare(in_sessions(a, 10, "a"), in_sessions(b, 10, "b"))
    assert (together.panel.unit, together.panel.units) == ("session", 40)
    assert "Decided session by session." in together.verdict.notes
    assert together.panel.p > 0.05
    assert compare(a, b, exchangeable=True).panel.p <= 0.01
    one_side = compare(in_sessions(a, 10, "a"), Batch(b), exchangeable=True)
    assert one_side.panel.unit == "row"


def test_a_session_of_one_name_on_both_sides_stays_two() -> None:
    a, b = of_sessions(200, 10, 1), of_sessions(200, 10, 2)
    assert compare(in_sessions(a, 10, "s"), in_sessions(b, 10, "s")).panel.units == 40


def walk(rows: int, seed: int) -> Float32:
    x = normal(rows, 4, seed)
    for i in range(1, rows):
        x[i] += np.float32(0.8) * x[i - 1]
    return x


def test_rows_that_depend_on_those_before_are_permuted_in_blocks() -> None:
    a, b = walk(400, 5), walk(400, 6)
    result = compare(a, b)
    assert result.panel.unit.startswith("block of ")
    length = int(result.panel.unit.split()[2])
    assert length >= 10
    assert any(f"blocks of {length}" in note and "--exchangeable" in note for note in result.verdict.notes)
    assert result.panel.p > 0.01
    plain = compare(a, b, exchangeable=True)
    assert (plain.panel.unit, plain.panel.units) == ("row", 800)
    assert not any("blocks" in note for note in plain.verdict.notes)
    assert plain.panel.p < result.panel.p


def test_independent_rows_are_permuted_row_by_row() -> None:
    assert compare(normal(120, 4, 1), normal(120, 4, 2)).panel.unit == "row"


@pytest.mark.parametrize("rows", [2, 3, 10, 29])
def test_a_few_rows_are_too_few(rows: int) -> None:
    result = compare(normal(rows, 4, 1), normal(rows, 4, 2))
    assert result.verdict.state == "insufficient data"
    assert result.verdict.needed is not None
    assert result.verdict.needed >= 30
    assert str(result.verdict.needed) in result.verdict.sentence
    assert result.verdict.exit_status == 3
    against = compare(small(), small().sketch(normal(rows, 4, 3)))
    assert against.verdict.state == "insufficient data"
    assert (against.verdict.needed or 0) >= 50


def test_fewer_than_two_rows_are_refused() -> None:
    with pytest.raises(DataError, match="got 1 usable row, want at least 2"):
        compare(normal(1, 4, 1), normal(30, 4, 2))
    with pytest.raises(DataError):
        compare(normal(30, 4, 1), np.full((20, 4), np.nan))


def test_a_few_rows_far_away_are_found_all_the_same() -> None:
    result = compare(normal(20, 4, 1), normal(20, 4, 2) + 3)
    assert (result.verdict.state, result.verdict.needed) == ("drift", None)


KINDS = ["constant dimension", "one dimension", "duplicates", "equal rows on one side", "tiny", "large", "far away"]


@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_rows_are_answered(kind: str) -> None:
    a, b = normal(120, 4, 30), normal(100, 4, 31)
    if kind == "constant dimension":
        a[:, 2] = b[:, 2] = 5
    elif kind == "one dimension":
        a, b = a[:, :1], b[:, :1]
    elif kind == "duplicates":
        a, b = np.repeat(a[:40], 3, axis=0), np.repeat(b[:25], 4, axis=0)
    elif kind == "equal rows on one side":
        b[:] = b[0]
    elif kind == "tiny":
        a, b = a * np.float32(1e-12), b * np.float32(1e-12)
    elif kind == "large":
        a, b = a * np.float32(1e6), b * np.float32(1e6)
    else:
        a, b = a + 1000, b + 1000
    result = compare(a, b, exchangeable=True)
    assert math.isfinite(result.drift.value)
    assert len(result.scores) == len(SCORES) + 2
    if kind == "equal rows on one side":
        assert result.verdict.state == "drift"
    elif kind == "duplicates":
        assert (result.before.duplicates, result.after.duplicates) == (80, 75)
        assert sum("repeat a vector" in note for note in result.verdict.notes) == 2
    else:
        assert result.verdict.state == "no drift"
        shifted = compare(a, b + np.float32(a.std()), exchangeable=True)
        assert shifted.verdict.state == "drift"


def test_one_vector_repeated_is_refused() -> None:
    with pytest.raises(DataError, match="got one vector, repeated, want rows that differ"):
        compare(np.ones((50, 4)), np.ones((40, 4)))


def test_different_widths_are_refused() -> None:
    with pytest.raises(MismatchError, match="got vectors of width 5, want width 4"):
        compare(normal(50, 4, 1), normal(50, 5, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"alpha": v} for v in (0, 0.0005, 0.6, 1, -1, float("nan"))),
        *({"min_effect": v} for v in (-0.1, 100.5, float("nan"), float("inf"))),
        *({"seed": v} for v in (-1, 2**31)),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        compare(normal(50, 4, 1), normal(50, 4, 2), **wrong)
    assert caught.value.what in wrong
    assert caught.value.got
    assert caught.value.want


def test_a_drift_smaller_than_what_interests_is_no_drift_and_a_note_says_so() -> None:
    found = two_samples(0.8)
    x = batch(normal(200, 4, 20)), batch(normal(150, 4, 21) + np.float32(0.8), 1000)
    beyond = min(math.ceil(found.drift.value + 1), 100)
    result = compare(*x, min_effect=float(beyond), exchangeable=True)
    assert (result.verdict.state, result.panel, result.min_effect) == ("no drift", found.panel, beyond)
    assert any(f"smallest effect of interest, {beyond} %" in note for note in result.verdict.notes)
    assert result.gained == result.lost == result.novelty.clusters == ()
    below = compare(*x, min_effect=math.floor(found.drift.value - 1), exchangeable=True)
    assert below.verdict.state == "drift"


def test_alpha_decides() -> None:
    a, b = normal(150, 4, 20), normal(150, 4, 21)
    p = compare(a, b, exchangeable=True).panel.p
    assert compare(a, b, alpha=min(0.5, p + 0.001), exchangeable=True).verdict.state == (
        "drift" if p < 0.499 else "no drift"
    )
    assert compare(a, b, alpha=max(0.001, p - 0.002), exchangeable=True).verdict.state == "no drift"


def test_outcomes_are_compared_with_an_interval() -> None:
    def with_success(x: Float32, successes: int) -> Batch:
        n = len(x)
        values = np.stack(
            [(np.arange(n) < successes).astype(np.float64), (np.arange(n) < n - 10).astype(float)], axis=1
        )
        return Batch(x, outcomes={"success": values, f"only {n}": values})

    before, after = with_success(normal(210, 4, 20), 160), with_success(normal(110, 4, 21), 60)
    for result in (compare(before, after), compare(small(), small().sketch(after))):
        (change,) = result.outcomes
        if result.door == "two samples":
            assert (change.name, change.rows_before, change.rows_after) == ("success", 200, 100)
            assert (change.before, change.after) == (0.8, 0.6)
            assert change.change == pytest.approx(-0.2)
            p, q = 161 / 202, 61 / 102
            half = 1.959964 * math.sqrt(p * (1 - p) / 202 + q * (1 - q) / 102)
            assert (change.low, change.high) == pytest.approx((q - p - half, q - p + half))
        else:
            assert (change.after, change.rows_after) == (0.6, 100)
            assert change.before == pytest.approx(2 / 3, abs=0.1)
        assert change.low < change.change < change.high < 0.1


def test_a_sketch_of_another_reference_is_refused() -> None:
    with pytest.raises(MismatchError, match="Sketch the window under this reference"):
        compare(small(), small(1).sketch(normal(100, 4, 1)))


def test_a_window_larger_than_the_reference_says_what_limits_it() -> None:
    result = compare(small(), small().sketch(normal(2000, 4, 1)))
    assert any("the reference limits the answer" in note for note in result.verdict.notes)
    assert any(note.startswith("Provisional") for note in result.verdict.notes)
