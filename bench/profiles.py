"""What a profile costs and what it sees: counts of frequencies, cells, components and slices, raw or projected rows.

Cost is the time of a row's sketch and of a decision, in those of ``standard`` on turns of one run; power is the share
of decisions for drift at .05 on the settings of ``quality.power`` that are hardest, the same draws for every variant.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from bench.timing import seconds
from quality import data
from quality.harness import Mode, Row, report, share
from tidegauge import basis
from tidegauge.basis import PROFILES, Basis, fit_basis, project
from tidegauge.comparison.two_samples import decide_two_samples
from tidegauge.numeric.principal import principal_components
from tidegauge.sketch.pieces import PIECES, contributions
from tidegauge.sketch.sketch import CHUNK

Float32 = data.Float32

STANDARD = PROFILES["standard"]
WIDTH = 768
ALPHA = 0.05
DRAWS = 199
PROJECTED = (64, 64)


@dataclass(frozen=True)
class Variant:
    """A profile, on the rows themselves or on their 128 projections."""

    label: str
    profile: basis.Profile
    projected: bool = False


VARIANTS = (
    Variant("standard", STANDARD),
    Variant("features and cells of 128 projections", STANDARD, projected=True),
    Variant("128 frequencies", replace(STANDARD, frequencies=128)),
    Variant("256 frequencies", replace(STANDARD, frequencies=256)),
    Variant("1,024 frequencies", replace(STANDARD, frequencies=1024)),
    Variant("32 cells", replace(STANDARD, levels=(1, 4, 16, 32))),
    Variant("64 cells", replace(STANDARD, levels=(1, 4, 16, 64))),
    Variant("256 cells", replace(STANDARD, levels=(1, 4, 16, 64, 256))),
    Variant("32 components", replace(STANDARD, components=32)),
    Variant("128 components", replace(STANDARD, components=128)),
    Variant("16 slices", replace(STANDARD, slices=16)),
    Variant("small", PROFILES["small"]),
    Variant("wide", PROFILES["wide"]),
)
SETTINGS = {
    "T3 s = 0.7": lambda rng: (data.four_gaussians(500, rng), data.four_gaussians(500, rng, 0.7)),
    "T4 new cluster 1 %": lambda rng: _t4("new cluster 1 %", rng),
    "T4 rotation": lambda rng: _t4("rotation", rng),
    "T8 new domain 5 %": lambda rng: data.query_window("new domain", 5, rng),
    "T8 out-of-scope 5 %": lambda rng: data.query_window("out-of-scope", 5, rng),
}


def _t4(kind: str, rng: np.random.Generator) -> tuple[Float32, Float32]:
    world = data.world()
    return world.draw(4000, rng), world.draw(1000, rng, **data.DRIFTS[kind](world))


def rows(mode: Mode) -> list[Row]:
    """A row for every variant: cost, then power on every setting."""
    reps, turns = (2, 1) if mode == "quick" else (20, 7)
    variants = (VARIANTS[0], *VARIANTS[-2:]) if mode == "quick" else VARIANTS
    settings = dict(list(SETTINGS.items())[:1]) if mode == "quick" else SETTINGS
    cost = _costs(variants, turns)
    out: list[Row] = []
    for variant in variants:
        power = {name: _power(variant, name, reps) for name in settings}
        report(f"{variant.label}: {power}")
        beside = {**cost[variant.label], **power}
        out.append(
            Row(f"{variant.label}: mean power over {len(settings)} settings", float(np.mean(list(power.values()))),
                reps=reps * len(settings), beside=beside,
                interval=share(round(sum(power.values()) * reps), reps * len(settings)))
        )  # fmt: skip
    return out


@contextmanager
def _named(variant: Variant) -> Iterator[str]:
    """The variant under a name that the basis knows, for as long as it is measured."""
    name = f"measured {variant.label}"
    PROFILES[name] = replace(variant.profile, name=name)
    try:
        yield name
    finally:
        del PROFILES[name]


def _power(variant: Variant, setting: str, reps: int) -> float:
    hits = 0
    with _named(variant) as name:
        for i in range(reps):
            before, after = SETTINGS[setting](np.random.default_rng([zlib.crc32(setting.encode()), i]))
            if variant.projected:
                before, after = _projections(before, after)
            hits += decide_two_samples(before, after, alpha=ALPHA, seed=i, draws=DRAWS, profile=name).p <= ALPHA
    return hits / reps


def _projections(before: Float32, after: Float32) -> tuple[Float32, Float32]:
    """Both sides on the pooled rows' principal components and on random directions, blind to the sides."""
    pooled = np.concatenate([before, after])
    centre = pooled.mean(0)
    axes = principal_components(pooled - centre, PROJECTED[0])[0]
    directions = np.random.default_rng(0).standard_normal((pooled.shape[1], PROJECTED[1])).astype(np.float32)
    both = np.concatenate([axes, directions / np.linalg.norm(directions, axis=0)], axis=1)
    return (before - centre) @ both, (after - centre) @ both


def _costs(variants: tuple[Variant, ...], turns: int) -> dict[str, dict[str, float]]:
    """Time of a row and of a decision over those of the first variant, and kB of the sums; variants take turns."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4 * CHUNK, WIDTH)).astype(np.float32)
    fitted: dict[str, Basis] = {}
    for variant in variants:
        with _named(variant) as name:
            found = fit_basis(x[:3000] if not variant.projected else x[:3000, : sum(PROJECTED)], 0, name)
            fitted[variant.label] = replace(found, profile=variant.profile.name)
    times: dict[str, list[tuple[float, float]]] = {v.label: [] for v in variants}
    for turn in range(turns + 1):
        for variant in variants:
            sketch = seconds(lambda v=variant: _sum(fitted[v.label], x, projected=v.projected))
            with _named(variant) as name:
                sides = _projections(x[:2000], x[2000:2400]) if variant.projected else (x[:2000], x[2000:2400])
                decide = seconds(lambda s=sides, n=name: decide_two_samples(*s, draws=999, profile=n))
            if turn:
                times[variant.label].append((sketch, decide))
    base = times[variants[0].label]
    return {
        label: {
            "row": median(t[0] / b[0] for t, b in zip(found, base, strict=True)),
            "decision": median(t[1] / b[1] for t, b in zip(found, base, strict=True)),
            "kB": sum(piece.size(fitted[label]) for piece in PIECES.values()) * 8 / 1000,
        }
        for label, found in times.items()
    }


def _sum(found: Basis, x: Float32, *, projected: bool) -> None:
    both = np.ones((WIDTH, sum(PROJECTED)), np.float32)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        rows_of = project(found, part @ both if projected else part)
        for columns in contributions(found, rows_of, tuple(PIECES)).values():
            columns.total()
