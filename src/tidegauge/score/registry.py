"""Every score, literal: name, function, unit, direction, smallest n, meaning. No score knows a threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from tidegauge.basis import Basis
from tidegauge.score.divergence import gaussian_kl, js_cells, js_pc1, psi_cells, psi_pc1
from tidegauge.score.energy import energy, energy_pc1, whitened_energy
from tidegauge.score.frechet import frechet, frechet_pc1, trace_outside
from tidegauge.score.mmd import mmd, whitened_mmd
from tidegauge.score.novelty import beyond, novelty
from tidegauge.score.parts import Float64, Sums
from tidegauge.score.resolution import (
    cramer_resolution,
    energy_resolution,
    exact,
    mmd_resolution,
    pc1_bin_resolution,
    sliced2_resolution,
    sliced_resolution,
)
from tidegauge.score.scans import mass_scan, spread_scan
from tidegauge.score.shift import hotelling, mean_shift, mean_shift_pc1
from tidegauge.score.spread import spread, spread_panel, spread_pc1
from tidegauge.score.wasserstein import sliced_wasserstein1, sliced_wasserstein2, wasserstein1_pc1, wasserstein2_pc1

Function = Callable[[Basis, Sums, Sums], Float64]
Scope = Literal["all dimensions", "PC1", "components", "cells", "sample"]


def above_null(value: float, null_mean: float) -> float:
    """The value with its mean on unchanged data taken off."""
    return value - null_mean


def root_above_null(value: float, null_mean: float) -> float:
    """For a value that is a length: what is left of its square."""
    squared = value**2 - null_mean**2
    return float(np.sqrt(squared)) if squared > 0 else 0.0


def square_root(value: float, null_mean: float) -> float:
    """For a value that is a squared length: the length, its null mean taken off."""
    return float(np.sqrt(max(value - null_mean, 0.0)))


def per_cent_wider(value: float, null_mean: float) -> float:
    """For a log-ratio: per cent of change."""
    return 100 * float(np.expm1(value - null_mean))


def per_cent(value: float, null_mean: float) -> float:
    """For a share: per cent."""
    return 100 * (value - null_mean)


def root_per_row(value: float, null_mean: float) -> float:
    """For a squared z: how many times its null mean."""
    return value / null_mean if null_mean > 0 else 0.0


@dataclass(frozen=True, slots=True)
class ScoreDefinition:
    """One score. ``both`` says that a fall counts as much as a rise; ``smallest`` is the fewest rows a side
    for which it speaks; ``pivotal`` that its null hardly depends on the sizes; ``member`` puts it on the
    panel; ``pieces`` are the parts of a sketch that it reads besides the count.
    """

    name: str
    label: str
    function: Function
    scope: Scope
    pieces: tuple[str, ...]
    effect: Callable[[float, float], float]
    effect_unit: str
    meaning: str
    member: bool = False
    both: bool = False
    pivotal: bool = False
    smallest: int = 2
    resolution: Callable[[Basis, Sums, Sums], float] = exact


_DEFINITIONS = (
    ScoreDefinition(
        "mmd",
        "MMD²",
        mmd,
        "all dimensions",
        ("features",),
        square_root,
        "distance of mean features",
        "Distance of the mean embeddings: sees most shifts of the mean and of the mix.",
        member=True,
        resolution=mmd_resolution,
    ),
    ScoreDefinition(
        "whitened_mmd_10",
        "whitened MMD², λ = 0.1",
        partial(whitened_mmd, 0),
        "all dimensions",
        ("features",),
        square_root,
        "whitened distance",
        "The same with common directions damped: sees rotation and changes in rare directions.",
        member=False,
    ),
    ScoreDefinition(
        "whitened_mmd_1",
        "whitened MMD², λ = 0.01",
        partial(whitened_mmd, 1),
        "all dimensions",
        ("features",),
        square_root,
        "whitened distance",
        "Damped ten times harder: sees the smallest directions.",
        member=True,
    ),
    ScoreDefinition(
        "whitened_energy",
        "whitened sliced energy",
        whitened_energy,
        "components",
        ("coarse",),
        above_null,
        "sd",
        "Energy distance along every principal component, each counted alike.",
        member=True,
    ),
    ScoreDefinition(
        "spread_panel",
        "spread",
        spread_panel,
        "components",
        ("mean", "spread"),
        root_per_row,
        "× its null mean",
        "Change of the variance, overall or along the components.",
        member=True,
    ),
    ScoreDefinition(
        "mass_scan",
        "mass scan",
        mass_scan,
        "cells",
        ("cells",),
        above_null,
        "sd above the largest expected",
        "Largest gain or loss of traffic of any cell at any level.",
        member=True,
        pivotal=True,
    ),
    ScoreDefinition(
        "spread_scan",
        "spread scan",
        spread_scan,
        "cells",
        ("cells", "distances"),
        above_null,
        "sd above the largest expected",
        "Largest change of width of any cell at any level.",
        member=True,
        pivotal=True,
    ),
    ScoreDefinition(
        "novelty",
        "novelty",
        novelty,
        "cells",
        ("novelty",),
        above_null,
        "sd of its noise",
        "Rows far from every cell, the farthest counted most.",
        member=True,
    ),
    ScoreDefinition(
        "energy",
        "energy distance",
        energy,
        "all dimensions",
        ("slices",),
        above_null,
        "units of the vectors",
        "Energy distance by random slices.",
        resolution=energy_resolution,
    ),
    ScoreDefinition(
        "energy_pc1",
        "energy distance, PC1",
        energy_pc1,
        "PC1",
        ("slices",),
        above_null,
        "sd of PC1",
        "Energy distance along PC1.",
        resolution=cramer_resolution,
    ),
    ScoreDefinition(
        "sliced_w1",
        "sliced Wasserstein-1",
        sliced_wasserstein1,
        "all dimensions",
        ("slices", "tails"),
        root_above_null,
        "units of the vectors",
        "How far mass moved along random directions, on average.",
        resolution=sliced_resolution,
    ),
    ScoreDefinition(
        "sliced_w2",
        "sliced Wasserstein-2",
        sliced_wasserstein2,
        "all dimensions",
        ("slices",),
        root_above_null,
        "units of the vectors",
        "The same, long moves weighing more.",
        resolution=sliced2_resolution,
    ),
    ScoreDefinition(
        "w1_pc1",
        "Wasserstein-1, PC1",
        wasserstein1_pc1,
        "PC1",
        ("slices", "tails"),
        root_above_null,
        "sd of PC1",
        "How far mass moved along PC1.",
        resolution=pc1_bin_resolution,
    ),
    ScoreDefinition(
        "w2_pc1",
        "Wasserstein-2, PC1",
        wasserstein2_pc1,
        "PC1",
        ("slices",),
        root_above_null,
        "sd of PC1",
        "The same, long moves weighing more.",
        resolution=pc1_bin_resolution,
    ),
    ScoreDefinition(
        "psi_cells",
        "PSI of cells",
        psi_cells,
        "cells",
        ("cells",),
        above_null,
        "nats",
        "Population stability index of the fine cells' traffic, its null mean taken off.",
        smallest=100,
    ),
    ScoreDefinition(
        "psi_pc1",
        "PSI, PC1",
        psi_pc1,
        "PC1",
        ("slices",),
        above_null,
        "nats",
        "Population stability index of PC1.",
        smallest=50,
    ),
    ScoreDefinition(
        "js_cells",
        "Jensen-Shannon of cells",
        js_cells,
        "cells",
        ("cells",),
        above_null,
        "nats",
        "Jensen-Shannon divergence of the fine cells' traffic.",
        smallest=100,
    ),
    ScoreDefinition(
        "js_pc1",
        "Jensen-Shannon, PC1",
        js_pc1,
        "PC1",
        ("slices",),
        above_null,
        "nats",
        "Jensen-Shannon divergence of PC1.",
        smallest=50,
    ),
    ScoreDefinition(
        "gaussian_kl",
        "Gaussian KL",
        gaussian_kl,
        "components",
        ("mean", "moments"),
        above_null,
        "nats",
        "KL divergence of Gaussians fitted in the components: a diagnostic, never an alarm.",
        smallest=130,
    ),
    ScoreDefinition(
        "frechet",
        "Fréchet distance",
        frechet,
        "components",
        ("mean", "moments"),
        square_root,
        "units of the vectors",
        "Distance of mean and covariance in the components.",
    ),
    ScoreDefinition(
        "frechet_pc1",
        "Fréchet distance, PC1",
        frechet_pc1,
        "PC1",
        ("mean", "moments"),
        square_root,
        "sd of PC1",
        "Distance of mean and standard deviation along PC1.",
    ),
    ScoreDefinition(
        "trace_outside",
        "variance outside the PCs",
        trace_outside,
        "all dimensions",
        ("mean", "moments"),
        per_cent,
        "% of the variance",
        "Variance that the components do not see: gained or lost.",
        both=True,
    ),
    ScoreDefinition(
        "mean_shift",
        "mean shift",
        mean_shift,
        "all dimensions",
        ("mean",),
        root_above_null,
        "total sd",
        "Length of the shift of the mean over the reference's total standard deviation.",
    ),
    ScoreDefinition(
        "mean_shift_pc1",
        "mean shift, PC1",
        mean_shift_pc1,
        "PC1",
        ("mean",),
        above_null,
        "sd of PC1",
        "Shift of the mean along PC1.",
        both=True,
    ),
    ScoreDefinition(
        "hotelling",
        "Hotelling's T²",
        hotelling,
        "components",
        ("mean", "moments"),
        root_per_row,
        "× its null mean",
        "Shift of the mean in the components, each in its own standard deviation.",
    ),
    ScoreDefinition(
        "spread",
        "spread, all dimensions",
        spread,
        "all dimensions",
        ("mean",),
        per_cent_wider,
        "% wider",
        "Total standard deviation, after over before.",
        both=True,
    ),
    ScoreDefinition(
        "spread_pc1",
        "spread, PC1",
        spread_pc1,
        "PC1",
        ("mean", "spread"),
        per_cent_wider,
        "% wider",
        "Standard deviation along PC1, after over before.",
        both=True,
    ),
    ScoreDefinition(
        "novel_90",
        "beyond the 90 % distance",
        partial(beyond, 0),
        "cells",
        ("novelty",),
        per_cent,
        "% of the traffic",
        "Share of rows farther from every cell than nine in ten of the reference, in excess of its own.",
        both=True,
    ),
    ScoreDefinition(
        "novel_95",
        "beyond the 95 % distance",
        partial(beyond, 1),
        "cells",
        ("novelty",),
        per_cent,
        "% of the traffic",
        "The same at 95 %.",
        both=True,
    ),
    ScoreDefinition(
        "novel_98",
        "beyond the 98 % distance",
        partial(beyond, 2),
        "cells",
        ("novelty",),
        per_cent,
        "% of the traffic",
        "The same at 98 %.",
        both=True,
    ),
)

SCORES: dict[str, ScoreDefinition] = {d.name: d for d in _DEFINITIONS}
MEMBERS: tuple[str, ...] = tuple(d.name for d in _DEFINITIONS if d.member)


def pieces_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The pieces that these scores read, ``count`` first."""
    found = dict.fromkeys(piece for name in names for piece in SCORES[name].pieces)
    return ("count", *(p for p in found if p != "count"))


def evaluate(names: tuple[str, ...], basis: Basis, window: Sums, reference: Sums) -> Float64:
    """Values of these scores for every window of the leading axes, shape (..., scores)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([SCORES[name].function(basis, window, reference) for name in names], axis=-1)
