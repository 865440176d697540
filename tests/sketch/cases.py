"""Small references for the tests of sketches, references and doors: each is fitted once in a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from tidegauge import Batch, Reference, basis
from tidegauge.comparison import doors, two_samples
from tidegauge.reference import calibration

Float32 = npt.NDArray[np.float32]
DRAWS = 299


def normal(rows: int, width: int, seed: int) -> Float32:
    return np.random.default_rng([seed, 77]).standard_normal((rows, width)).astype(np.float32)


@contextmanager
def light(frequencies: int = 32, draws: int = 199) -> Iterator[None]:
    """Fewer random frequencies and draws: the same code and the same layout of bytes, at a tenth of the cost."""
    standard = replace(basis.PROFILES["standard"], frequencies=frequencies)
    with (
        mock.patch.dict(basis.PROFILES, standard=standard),
        mock.patch.object(calibration, "DRAWS", draws),
        mock.patch.object(calibration, "DIAGNOSTIC_DRAWS", draws // 2),
    ):
        yield


def batch(x: Float32, start: int = 0, **more: object) -> Batch:
    """Rows with an id, a text, a time and an outcome each."""
    n = len(x)
    names = np.arange(start, start + n)
    fields = {
        "ids": np.array([f"id-{i}" for i in names], np.str_),
        "texts": np.array([f"text of {i}" for i in names], np.str_),
        "times": names.astype(np.float64),
        "outcomes": {"success": np.stack([(names % 3 > 0).astype(np.float64), np.ones(n)], axis=1)},
    }
    return Batch(np.ascontiguousarray(x), **(fields | more))  # type: ignore[arg-type]


@cache
def small(seed: int = 0, *, samples: bool = True) -> Reference:
    """300 rows in four dimensions, with ids, texts and an outcome."""
    with light():
        return Reference.fit(batch(normal(300, 4, seed)), seed=seed, samples=samples, exchangeable=True)


@cache
def standard() -> Reference:
    """1,000 rows in eight dimensions under the standard profile, as people fit them."""
    return Reference.fit(normal(1000, 8, 1), exchangeable=True)


def light_doors(patch: pytest.MonkeyPatch) -> None:
    """The two-sample door with fewer frequencies and draws: the same machinery at a fifth of the cost."""
    patch.setitem(basis.PROFILES, "standard", replace(basis.PROFILES["standard"], frequencies=64))
    patch.setattr(two_samples.pool, "__kwdefaults__", {"seed": 0, "draws": DRAWS})
    patch.setattr(doors, "DIAGNOSTIC_DRAWS", 49)
