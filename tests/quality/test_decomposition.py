"""The truths of the decomposition's table, and its judgement of intervals that are known."""

from __future__ import annotations

import numpy as np
import pytest

from quality.decomposition import KINDS, SUITES, measure, rows, sides_of, truth
from quality.harness import Cell


@pytest.mark.parametrize("suite", SUITES)
def test_the_truth_adds_up_and_is_of_the_kind_that_was_put_in(suite: str) -> None:
    true = truth(suite)
    assert sum(true[kind] for kind in KINDS) == pytest.approx(true["change"], abs=1e-12)
    for kind in KINDS:
        if suite in KINDS:
            assert (abs(true[kind]) > 0.05) == (kind == suite)
    assert all(side[0].sum() == pytest.approx(1) for side in sides_of(**SUITES[suite]))


def test_a_history_tells_what_was_put_in() -> None:
    found = measure(Cell("mixed", 1, {"suite": "mixed"}), np.random.default_rng(0))
    assert found["error"] < 1e-12
    for kind, true in truth("mixed").items():
        value, low, high = found[kind]
        assert low < value < high
        assert abs(value - true) < high - low


def test_an_interval_beside_the_truth_is_not_counted() -> None:
    right = {kind: [value, value - 0.01, value + 0.01] for kind, value in truth("new").items()}
    wrong = {kind: [value + 0.05, value + 0.04, value + 0.06] for kind, value in truth("new").items()}
    table = {row.what: row for row in rows({"new": [{**right, "error": 0.0}] * 3 + [{**wrong, "error": 1e-9}]})}
    assert table["new: mix covered by its 95 % interval"].ours == 0.75
    assert table["new: bias of new, points"].ours == pytest.approx(1.25)
    assert table["all: largest error of the sum"].holds is False
