"""Samples carry each row's outcomes: through merging, bytes, and beside rows that have none."""

from __future__ import annotations

import numpy as np

from tests.sketch.cases import batch, normal, small
from tidegauge import Sketch
from tidegauge.sketch.samples import Sample


def test_each_sampled_row_keeps_its_own_outcome() -> None:
    rows = batch(normal(2000, 4, 3))
    assert rows.ids is not None
    kept = (
        small().sketch(batch(normal(2000, 4, 3)[:900])) + small().sketch(batch(normal(2000, 4, 3)[900:], 900))
    ).uniform
    truth = {str(name): values for name, values in zip(rows.ids, rows.outcomes["success"], strict=True)}
    assert len(kept.ids) == 1024
    np.testing.assert_array_equal(kept.outcomes["success"], [truth[str(name)] for name in kept.ids])


def test_bytes_keep_them_and_a_sketch_without_outcomes_has_none() -> None:
    window = small().sketch(batch(normal(50, 4, 3)))
    again = Sketch.from_bytes(window.to_bytes())
    np.testing.assert_array_equal(again.novel.outcomes["success"], window.novel.outcomes["success"])
    assert Sketch.from_bytes(small().sketch(normal(50, 4, 3)).to_bytes()).uniform.outcomes == {}


def test_rows_that_had_no_such_outcome_count_zero_of_zero() -> None:
    with_outcome, without = batch(normal(5, 4, 1)), batch(normal(5, 4, 2), 5, outcomes={})
    both = (small().sketch(with_outcome) + small().sketch(without)).uniform
    for name, values in zip(both.ids, both.outcomes["success"], strict=True):
        assert values[1] == (1 if int(str(name).removeprefix("id-")) < 5 else 0)


def test_rows_that_cannot_enter_are_not_looked_at() -> None:
    full = Sample.empty(2, 1).offer(
        np.array([0.1, 0.2]), np.ones((2, 1), np.float32), np.array(["a", "b"]), np.array(["", ""])
    )
    assert full.entering(np.array([0.3, 0.15, 0.2, 0.05])).tolist() == [1, 3]
