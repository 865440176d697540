"""The joint decision on made-up values."""

from __future__ import annotations

import numpy as np
import pytest

from tidegauge.score.panel import decide
from tidegauge.score.registry import MEMBERS

K = len(MEMBERS)


def null(seed: int = 0, draws: int = 199) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((draws, K))


def test_members_come_in_order_with_their_own_p() -> None:
    observed = np.zeros(K)
    observed[2] = 50
    found = decide(observed, null(), 0.05)
    assert tuple(found.members) == MEMBERS
    assert found.members[MEMBERS[2]] == 1 / 200
    assert all(found.members[m] > 0.2 for m in MEMBERS if m != MEMBERS[2])
    assert found.p <= 0.05


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_a_member_at_the_critical_p_decides(alpha: float) -> None:
    """The joint p is at most alpha exactly where some member's own p is at most the critical one."""
    for seed in range(60):
        rng = np.random.default_rng([seed, 1])
        found = decide(rng.standard_normal(K) + rng.choice([0, 1.2]), null(seed), alpha)
        if found.p <= alpha:
            assert min(found.members.values()) <= found.critical + 1e-12
        elif found.p > alpha + 0.05:
            assert min(found.members.values()) >= found.critical - 1e-12


def test_a_scale_or_an_order_of_draws_changes_nothing() -> None:
    observed, draws = np.linspace(0, 2, K), null()
    plain = decide(observed, draws, 0.05)
    assert decide(observed * 8, draws * 8, 0.05) == plain
    assert decide(observed, draws[::-1], 0.05) == plain


def test_a_member_that_cannot_be_computed_stands_aside() -> None:
    observed, draws = np.full(K, 9.0), null()
    observed[0] = np.nan
    draws[:, 0] = np.nan
    found = decide(observed, draws, 0.05)
    assert found.members[MEMBERS[0]] == 1
    assert found.p <= 0.05


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_one_odd_draw_does_not_silence_a_member(odd: float) -> None:
    observed, draws = np.full(K, 9.0), null()
    draws[7, 3] = odd
    assert decide(observed, draws, 0.05).members[MEMBERS[3]] <= 2 / 200
