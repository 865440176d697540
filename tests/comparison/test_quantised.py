"""Unchanged vectors, one side in int8: no more false alarms than the level allows, and what rounding would do alone."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from tidegauge.comparison.doors import _rounded_alike
from tidegauge.comparison.two_samples import decide_two_samples
from tidegauge.gate import admit

ROWS, WIDTH, ALPHA = 600, 384, 0.05


def unit(rng: np.random.Generator) -> np.ndarray:
    """Unit vectors of a steep spectrum, as text embeddings have it: most dimensions are smaller than int8 can tell."""
    x = rng.standard_normal((ROWS, WIDTH)) / np.arange(1, WIDTH + 1) ** 0.7
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def decisions(reps: int, *, alike: bool) -> int:
    drifts = 0
    for seed in range(reps):
        rng = np.random.default_rng([17, seed])
        sides = [admit(unit(rng)), admit(np.round(unit(rng) * 127).astype(np.int8))]
        if alike:
            sides, said = _rounded_alike(sides)
            assert said == ["before: rounded as the int8 vectors beside them are."]
        drifts += decide_two_samples(sides[0].x, sides[1].x, seed=seed, draws=99).p <= ALPHA
    return drifts


def test_rounded_alike_unchanged_vectors_do_not_drift() -> None:
    assert decisions(30, alike=True) <= binom.ppf(0.999, 30, ALPHA)


def test_without_it_rounding_alone_would_be_called_drift() -> None:
    assert decisions(6, alike=False) > binom.ppf(0.999, 6, ALPHA)
