"""What the tables of the frozen door share: a reference without diagnostics, which decides as the whole does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from quality import harness
from quality.data import Float32, clinc, draw_mixture
from quality.two_samples import ALPHA
from tidegauge.basis import Basis, fit_basis, project, with_thresholds
from tidegauge.records import Batch
from tidegauge.reference import reference as whole
from tidegauge.reference.calibration import DRAWS, FEWER, FULL, SIZES, Calibration, null_table
from tidegauge.score.panel import Decision, decide
from tidegauge.score.parts import Float64
from tidegauge.score.registry import MEMBERS, evaluate, pieces_of
from tidegauge.sketch.pieces import contributions
from tidegauge.sketch.sketch import CHUNK

Sums = dict[str, Float64]


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """A frozen reference that knows only the scores in ``names`` and the pieces that they read."""

    basis: Basis
    sums: Sums
    calibration: Calibration
    names: tuple[str, ...]

    def window(self, x: Float32) -> Sums:
        """The sketch of a window."""
        return sums_of(self.basis, x, self.names)

    def decide(self, x: Float32) -> Decision:
        """The panel's decision on a window."""
        null = self.calibration.null(len(x))
        observed = evaluate(MEMBERS, self.basis, self.window(x), self.sums)
        return decide(observed, np.stack([null[name] for name in MEMBERS], axis=1), ALPHA)


def sums_of(basis: Basis, x: Float32, names: tuple[str, ...]) -> Sums:
    """Sums of the pieces that these scores read, chunk by chunk as a sketch adds them."""
    out: Sums = {}
    for start in range(0, len(x), CHUNK):
        found = contributions(basis, project(basis, x[start : start + CHUNK]), pieces_of(names))
        out = {k: out[k] + c.total() if out else c.total() for k, c in found.items()}
    return out


def freeze(x: Float32, seed: int, names: tuple[str, ...] = MEMBERS) -> Frozen:
    """What ``Reference.fit(x, seed=seed)`` does for these scores, draw by draw; several times cheaper."""
    rng = np.random.default_rng([seed, 2])
    units, unit = whole.units_of(Batch(x), exchangeable=False)
    fit, rest = whole._split(units, rng)
    basis = with_thresholds(fit_basis(x[fit], seed), x[rest])
    sums = sums_of(basis, x[rest], names)
    some, some_units = whole._some(x[rest], units[rest], rng)
    table = np.zeros((len(SIZES), DRAWS, len(FULL)), np.float32)
    columns = [FULL.index(name) for name in names]
    table[:, :, columns] = null_table(basis, some, some_units, sums, names, DRAWS, rng)
    fewer = np.zeros((len(SIZES), 2, len(FEWER)), np.float32)
    sizes = np.asarray(SIZES, np.int64)
    calibration = Calibration(sizes, table, fewer, int(sums["count"][0]), unit, int(some_units.max()) + 1)
    return Frozen(basis, sums, calibration, names)


def told(found: Decision) -> dict[str, Any]:
    """A decision as a result, as ``two_samples.decision`` tells it."""
    members = {k: round(p, 5) for k, p in found.members.items()}
    return {"p": found.p, "critical": round(found.critical, 5), "members": members}


def two_sample_rows(table: str) -> dict[str, dict[str, Any]]:
    """Rows of a kept table by name, or of the unfinished one, to be shown beside."""
    for path in (harness.RESULTS / f"{table}.json", harness.RESULTS / "partial" / f"{table}.json"):
        if path.exists():
            return {row["what"]: row for row in json.loads(path.read_text())["rows"]}
    return {}


def clustered(hits: Sequence[Sequence[bool]], level: float) -> tuple[float, float, float]:
    """Share of hits, its standard error with the references as clusters, and the half-width of its interval.

    The standard error is never taken to be less than what the rate ALPHA alone would make.
    """
    from scipy.stats import norm

    rates = np.array([np.mean(h) for h in hits])
    least = np.sqrt(ALPHA * (1 - ALPHA) / sum(len(h) for h in hits))
    error = max(float(rates.std(ddof=1) / np.sqrt(len(rates))) if len(rates) > 1 else 0.0, float(least))
    return float(rates.mean()), error, float(norm.ppf(0.5 + level / 2)) * error


@cache
def fingerprint() -> str:
    """A name for what the frozen panel does: the digest of its decisions on fixed rows, and of the queries at hand."""
    digest = hashlib.sha256(clinc().name.encode())
    for d, n, m in ((2, 200, 80), (40, 500, 300)):
        rng = np.random.default_rng(d)
        frozen = freeze(draw_mixture(n, d, rng), 3)
        found = frozen.decide(1.05 * draw_mixture(m, d, rng))
        some = frozen.calibration.full[:, ::100].ravel()
        figures = [f"{v:.3g}" for v in (*some, *found.members.values(), found.p, found.critical)]
        digest.update(str(figures).encode())
    return digest.hexdigest()[:10]
