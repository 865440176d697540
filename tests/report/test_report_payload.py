from __future__ import annotations

import string
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.cases import drifted, hostile, refused_scores
from tidegauge.report import frame, payload
from tidegauge.report.formats import clean

_X, _Y = (-3.0, 5.0), (-100.0, 20.0)


def _slowly(values: list[float], low: float, high: float) -> list[float]:
    """What each value becomes when it is rounded to the nearest of 65,535 places from low to high, one at a time."""
    places = 2 * payload.STEPS
    found = []
    for value in values:
        inside = min(max(value, low), high)
        found.append(low + round((inside - low) / (high - low) * places) / places * (high - low))
    return found


def test_positions_come_back_as_the_nearest_step() -> None:
    rng = np.random.default_rng(0)
    xy = np.column_stack([rng.uniform(-3, 5, 500), rng.uniform(-100, 20, 500)])
    xy[:3] = [[-3, 20], [5, -100], [1, -40]]
    text, beyond = payload.encode_places(xy, _X, _Y)
    back = payload.decode_places(text, _X, _Y)
    assert beyond == 0
    np.testing.assert_allclose(back[:, 0], _slowly(xy[:, 0].tolist(), *_X), atol=1e-9)
    np.testing.assert_allclose(back[:, 1], _slowly(xy[:, 1].tolist(), *_Y), atol=1e-9)
    half = [(high - low) / (4 * payload.STEPS) for low, high in (_X, _Y)]
    assert (np.abs(back - xy) <= np.array(half) * (1 + 1e-9)).all()


def test_rows_far_outside_are_drawn_in_and_counted() -> None:
    text, beyond = payload.encode_places(np.array([[0.0, 0.0], [4e4, 0.0], [1.0, -9e5]]), _X, _Y)
    assert beyond == 2
    np.testing.assert_allclose(payload.decode_places(text, _X, _Y)[1:], [[5.0, 0.0], [1.0, -100.0]], atol=2e-3)


def test_no_rows_at_all() -> None:
    text, beyond = payload.encode_places(np.zeros((0, 2)), _X, _Y)
    assert (payload.decode_places(text, _X, _Y).shape, beyond) == ((0, 2), 0)
    assert payload.decode_words(payload.encode_words([()], 100, (10,))[0][0]) == []


@given(st.lists(st.sampled_from([0.0, 1.0, 0.25, 7.5, float("nan")])))
def test_values_come_back_exactly(values: list[float]) -> None:
    side = np.array(values, np.float32)
    levels = payload.levels_of(side, np.array([3.0], np.float32))
    assert levels == tuple(sorted({3.0, *(v for v in values if not np.isnan(v))}))
    np.testing.assert_array_equal(payload.decode_values(payload.encode_values(side, levels), levels), side)


def test_many_values_are_kept_as_they_are() -> None:
    side = np.append(np.random.default_rng(1).random(1000), np.nan).astype(np.float32)
    assert payload.levels_of(side) == ()
    np.testing.assert_array_equal(payload.decode_values(payload.encode_values(side, ()), ()), side)
    assert len(payload.levels_of(np.arange(254, dtype=np.float32))) == 254
    assert payload.levels_of(np.arange(255, dtype=np.float32)) == ()


def test_clusters_come_back() -> None:
    clusters = np.array([0, 3, 65_535, 3], np.int32)
    np.testing.assert_array_equal(payload.decode_clusters(payload.encode_clusters(clusters)), clusters)


@given(st.lists(st.text(max_size=30), max_size=20))
def test_words_come_back_clean(words: list[str]) -> None:
    (packed,), limit = payload.encode_words([words], 10**6, (160, 10))
    assert limit == 160
    assert payload.decode_words(packed) == [clean(word, 160).encode("utf-8", "replace").decode() for word in words]


def test_words_are_cut_until_they_fit() -> None:
    rng = np.random.default_rng(2)
    letters = list(string.ascii_letters)
    words = ["".join(rng.choice(letters, 60)) for _ in range(200)]
    whole, kept = payload.encode_words([words, words], 10**6, payload.TEXT_LIMITS)
    assert kept == payload.TEXT_LIMITS[0]
    room = sum(map(len, whole)) // 2
    packed, limit = payload.encode_words([words, words], room, payload.TEXT_LIMITS)
    assert sum(map(len, packed)) <= room
    assert payload.decode_words(packed[0]) == [clean(word, limit) for word in words]
    longer = [each for each in payload.TEXT_LIMITS if limit < each < 60]
    for each in longer:
        assert sum(map(len, payload.encode_words([words, words], 10**6, (each,))[0])) > room
    nothing, limit = payload.encode_words([words], 90, payload.TEXT_LIMITS)
    assert (limit, payload.decode_words(nothing[0])) == (0, [""] * 200)


def test_rows_without_a_place_are_left_out_with_all_that_is_theirs() -> None:
    c = drifted()
    view = replace(
        c.view,
        after=np.array([[0, 0], [np.nan, 1], [2, 2]], np.float32),
        after_ids=("a", "b", "c"),
        after_texts=("first", "second"),
        after_clusters=np.array([1, 0, 1], np.int32),
        after_outcomes={"success": np.array([1, 0, np.nan], np.float32)},
    )
    side = payload.points(view)[1]
    assert (side.ids, side.texts, side.clusters.tolist()) == (("a", "c"), ("first", ""), [1, 1])
    np.testing.assert_array_equal(side.outcomes["success"], [1, np.nan])


@pytest.mark.parametrize("build", [drifted, hostile, refused_scores])
def test_still_pictures_draw_the_leading_rows_only(build: type) -> None:
    c = build()
    view = frame.leading(c.view)
    assert len(view.before) == len(view.before_ids) == 2000
    np.testing.assert_array_equal(view.before, c.view.before[:2000])
