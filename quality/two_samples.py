"""What the tables of the two-sample door share: a decision as a result, shares, and a name for the behaviour."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from quality.data import Float32, clinc, draw_mixture
from quality.harness import Result
from tidegauge.comparison.two_samples import decide_two_samples
from tidegauge.score.registry import MEMBERS

ALPHA = 0.05


def decision(before: Float32, after: Float32, draws: int, rng: np.random.Generator) -> Result:
    """One decision of the panel at ALPHA, with every member's p."""
    found = decide_two_samples(before, after, alpha=ALPHA, seed=int(rng.integers(2**31)), draws=draws)
    members = {k: round(p, 5) for k, p in found.members.items()}
    return {"p": found.p, "critical": round(found.critical, 5), "members": members}


def hits(results: Sequence[Result]) -> int:
    """Decisions for drift."""
    return sum(r["p"] <= ALPHA + 1e-9 for r in results)


def alone(results: Sequence[Result]) -> dict[str, float]:
    """Share of repetitions in which each member alone is at or below ALPHA."""
    return {k: float(np.mean([r["members"][k] <= ALPHA + 1e-9 for r in results])) for k in MEMBERS}


def jointly(results: Sequence[Result]) -> dict[str, float]:
    """Share in which each member is below the p at which one member carries the panel by itself."""
    return {k: float(np.mean([r["members"][k] <= r["critical"] + 1e-9 for r in results])) for k in MEMBERS}


@cache
def fingerprint() -> str:
    """A name for what the panel does: the digest of its decisions on fixed rows, and of the queries at hand.

    Decisions, not values: what only rounds differently keeps its name.
    """
    digest = hashlib.sha256(clinc().name.encode())
    for d, n, m in ((2, 120, 80), (40, 300, 60)):
        for seed in range(5):
            rng = np.random.default_rng([d, seed])
            a, b = draw_mixture(n, d, rng), (1 + 0.05 * seed) * draw_mixture(m, d, rng)
            found = decide_two_samples(a, b, seed=seed, draws=59)
            digest.update(str([round(60 * p) for p in (found.p, *found.members.values())]).encode())
    return digest.hexdigest()[:10]
