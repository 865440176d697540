"""Thresholds of scores, held against what the panel decides."""

from __future__ import annotations

import numpy as np
import pytest

from tidegauge import Reference
from tidegauge.comparison import score
from tidegauge.export.threshold import thresholds
from tidegauge.score.registry import MEMBERS


@pytest.fixture(scope="module")
def reference() -> Reference:
    x = np.random.default_rng(0).standard_normal((1500, 6))
    return Reference.fit(x, exchangeable=True, profile="small")


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_a_window_is_drift_where_a_member_is_beyond(reference: Reference, alpha: float) -> None:
    """But for windows at the very edge, where the joint p also looks at how many members are almost there."""
    at, rng, decided = thresholds(reference, alpha), np.random.default_rng(1), {True: 0, False: 0}
    for place in range(75):
        n = int(rng.integers(60, 1200))
        found = score(reference, reference.sketch(rng.standard_normal((n, 6)) * (1 + 0.05 * (place % 3))), alpha=alpha)
        beyond = any(each.value > at.of(n)[each.name] for each in found.scores if each.member)
        if not 0.8 * alpha < found.panel.p < 1.25 * alpha:
            assert beyond == (found.panel.p <= alpha), (n, found.panel.p)
            decided[beyond] += 1
    assert min(decided.values()) > 8


def test_every_member_has_one_and_a_smaller_alpha_a_higher_one(reference: Reference) -> None:
    strict, mild = (thresholds(reference, alpha).of(300) for alpha in (0.01, 0.2))
    assert set(strict) == set(mild) == set(MEMBERS)
    assert all(strict[name] > mild[name] for name in MEMBERS)


def test_it_does_not_leave_the_sizes_that_were_calibrated(reference: Reference) -> None:
    at = thresholds(reference, 0.05)
    assert at.of(1) == at.of(0) == at.of(50)
    assert at.of(10**12) == at.of(10**7)


def test_a_score_that_says_nothing_has_none(reference: Reference) -> None:
    at = thresholds(reference, 0.05)
    at.values[:, 0] = np.inf
    assert set(at.of(300)) == set(MEMBERS) - {MEMBERS[0]}
