"""The law of ``drift``: linear in the share of moved traffic, unbiased at zero, the same at any size, covered."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from quality.data import Float32
from quality.frozen import freeze
from quality.harness import Cell, Mode, Result, Row, binomial, share
from quality.two_samples import ALPHA
from tidegauge.basis import Basis, fit_basis
from tidegauge.comparison.two_samples import decide_two_samples
from tidegauge.numeric.fourier import fourier
from tidegauge.numeric.permutation import label_draws
from tidegauge.records import Drift
from tidegauge.score.draws import in_chunks, relabel
from tidegauge.score.drift import drift
from tidegauge.score.mmd import mmd
from tidegauge.score.registry import pieces_of

D, CLUSTERS, MOVED = 64, 40, 4
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
REFERENCE, SMALL, MIDDLE, LARGE = 4000, 400, 4000, 40_000
SAME_AT = 0.1
DRAWS = 999
TRUTH_ROWS = 12_000
NAMES = ("mmd",)


@cache
def world() -> tuple[npt.NDArray[np.float64], ...]:
    """Centres, weights, weights of the traffic that moves in, and spectrum of a small space like that of T4."""
    rng = np.random.default_rng(11)
    spectrum = np.sqrt(1 / np.arange(1, D + 1) ** 0.7)
    centres = rng.normal(size=(CLUSTERS, D)) * spectrum
    other = np.zeros(CLUSTERS)
    other[rng.permutation(CLUSTERS)[:MOVED]] = 1 / MOVED
    return centres, rng.dirichlet(np.ones(CLUSTERS) * 3), other, spectrum


def draw(n: int, moved: float, rng: np.random.Generator) -> Float32:
    """Unit vectors of which a share is from a few cells alone: (1 - e) P + e Q."""
    centres, weights, other, spectrum = world()
    z = rng.choice(CLUSTERS, size=n, p=(1 - moved) * weights + moved * other)
    x = centres[z] + 0.9 * rng.normal(size=(n, D)) * spectrum
    x[:, 0] += 1.5 * np.sqrt((spectrum**2).sum())
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def cells(mode: Mode) -> list[Cell]:
    """Both doors, every share; and the pair of sizes."""
    few = {"null": 8, "shares": 2}
    line = {n: tuple((e, n) for e in SHARES) for n in (SMALL, MIDDLE)}
    pair = ((SAME_AT, SMALL), (SAME_AT, LARGE))
    out = [
        Cell("frozen, null", 200, {"door": "frozen", "points": ((0.0, SMALL), (0.0, MIDDLE))}),
        Cell("two samples, null", 200, {"door": "two samples", "points": ((0.0, SMALL),)}),
        Cell("frozen, sizes", 100, {"door": "frozen", "points": pair}),
        Cell("frozen, detectable", 60, {"door": "frozen"}),
        Cell("two samples, detectable", 60, {"door": "two samples"}),
        Cell("frozen, shares", 100, {"door": "frozen", "points": line[SMALL] + line[MIDDLE]}),
        Cell("two samples, shares", 60, {"door": "two samples", "points": line[SMALL]}),
        Cell("two samples, sizes", 40, {"door": "two samples", "points": pair}),
        Cell("two samples, shares, 4,000", 20, {"door": "two samples", "points": line[MIDDLE]}),
    ]  # fmt: skip
    if mode == "full":
        return out
    return [Cell(c.name, reps, c.settings) for c in out for kind, reps in few.items() if c.name.endswith(kind)]


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """Drift of every window from one sample, with what a huge sample says in the same unit."""
    s, seed = cell.settings, int(rng.integers(2**31))
    before = draw(REFERENCE, 0.0, rng)
    if "points" not in s:
        return _found(s["door"], before, seed, rng)
    points: list[list[float]] = []
    if s["door"] == "frozen":
        frozen = freeze(before, seed, NAMES)
        unit = moved_all(frozen.basis, rng)
        for e, n in s["points"]:
            null = frozen.calibration.null(n)["mmd"]
            points.append(_point(e, n, drift(frozen.basis, frozen.window(draw(n, e, rng)), frozen.sums, null), unit))
    else:
        for e, n in s["points"]:
            basis, found = two_samples(before, draw(n, e, rng), seed)
            points.append(_point(e, n, found, moved_all(basis, rng) if e else 0.0))
    return {"points": points}


def _found(door: str, before: Float32, seed: int, rng: np.random.Generator) -> Result:
    """What the panel says of a drift as large as the one that is said to be found four times in five."""
    still = draw(SMALL, 0.0, rng)
    if door == "frozen":
        frozen = freeze(before, seed)
        null = frozen.calibration.null(SMALL)["mmd"]
        basis, found = frozen.basis, drift(frozen.basis, frozen.window(still), frozen.sums, null)
    else:
        frozen = None
        basis, found = two_samples(before, still, seed)
    e = found.detectable / moved_all(basis, rng)
    after = draw(SMALL, e, rng)
    decision = frozen.decide(after) if frozen else decide_two_samples(before, after, alpha=ALPHA, seed=seed)
    return {"share": e, "detectable": found.detectable, "p": decision.p, "members": decision.members}


def _point(e: float, n: int, found: Drift, unit: float) -> list[float]:
    return [e, n, *(round(float(v), 5) for v in (found.value, found.low, found.high, e * unit, found.detectable))]


def two_samples(before: Float32, after: Float32, seed: int) -> tuple[Basis, Drift]:
    """The drift that ``compare`` gives, from the only piece that it reads, and the pooled basis."""
    x = np.concatenate([before, after])
    basis = fit_basis(x, seed)
    labels = label_draws(np.arange(len(x)) >= len(before), np.arange(len(x)), DRAWS, np.random.default_rng([seed, 1]))
    sums = relabel(basis, in_chunks(basis, x), labels, pieces_of(NAMES))
    window, reference = ({k: v[0] for k, v in side.items()} for side in (sums.labelled, sums.others))
    return basis, drift(basis, window, reference, mmd(basis, sums.labelled, sums.others)[1:])


def moved_all(basis: Basis, rng: np.random.Generator) -> float:
    """Drift, in per cent, when all traffic moves: from many rows of P and of Q, the sampling noise removed."""
    means = [
        fourier((draw(TRUTH_ROWS, e, rng) - basis.centre) @ basis.weights).mean(0, dtype=np.float64) for e in (0, 1)
    ]
    noise = sum((1 - float(m @ m)) / (TRUTH_ROWS - 1) for m in means)
    return 100 * float(np.sqrt(((means[0] - means[1]) ** 2).sum() - noise)) / basis.anchor


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """The four parts of the law, in both doors."""
    out: list[Row] = []
    for name, found in results.items():
        door, kind = name.split(", ")[:2]
        if kind == "detectable":
            out.append(_four_in_five(door, found))
            continue
        points = np.array([r["points"] for r in found])
        match kind:
            case "null":
                out += _null(door, points)
            case "sizes":
                out += _same(door, points)
            case _:
                for n in sorted(set(points[0, :, 1])):
                    out += _line(door, points[:, points[0, :, 1] == n])
    return out


def _null(door: str, points: npt.NDArray[np.float64]) -> list[Row]:
    out = []
    for k in range(points.shape[1]):
        value, reps = points[:, k, 2], len(points)
        mean, error = float(value.mean()), float(value.std(ddof=1) / np.sqrt(reps))
        what = f"{door}: drift of nothing, {REFERENCE:,} : {points[0, k, 1]:,.0f}"
        beside = {"standard error": error, "sd": float(value.std()), "median": float(np.median(value)),
                  "detectable": float(points[:, k, 6].mean())}  # fmt: skip
        out.append(Row(f"{what}, mean in %", mean, (-3 * error, 3 * error), "in", None, reps, beside))
        out.append(_covered(what, points[:, k]))
    return out


def _same(door: str, points: npt.NDArray[np.float64]) -> list[Row]:
    small, large = points[:, 0], points[:, 1]
    inside = int(((small[:, 3] <= large[:, 2]) & (large[:, 2] <= small[:, 4])).sum())
    beside = {
        "mean value": [float(s[:, 2].mean()) for s in (small, large)],
        "truth": [float(s[:, 5].mean()) for s in (small, large)],
        "half-width": [float((s[:, 4] - s[:, 3]).mean() / 2) for s in (small, large)],
    }
    what = f"{door}: share {SAME_AT}, drift of {LARGE:,} rows inside the interval of {SMALL} rows"
    reps = len(points)
    rest = [_covered(f"{door}: share {SAME_AT}, {REFERENCE:,} : {n:,}", s) for n, s in ((SMALL, small), (LARGE, large))]
    return [Row(what, inside / reps, 0.90, ">=", share(inside, reps), reps, beside), *rest]


def _four_in_five(door: str, found: list[Result]) -> Row:
    reps, hit = len(found), sum(r["p"] <= ALPHA + 1e-9 for r in found)
    beside: dict[str, Any] = {
        "detectable": float(np.mean([r["detectable"] for r in found])),
        "share moved": float(np.mean([r["share"] for r in found])),
        "MMD² alone": float(np.mean([r["members"]["mmd"] <= ALPHA + 1e-9 for r in found])),
    }
    what = f"{door}: {REFERENCE:,} : {SMALL}, the drift that would be found four times in five is found"
    return Row(what, hit / reps, binomial(0.8, reps)[0], ">=", share(hit, reps), reps, beside)


def _line(door: str, points: npt.NDArray[np.float64]) -> list[Row]:
    n, reps = int(points[0, 0, 1]), len(points)
    e, values, truth = points[0, :, 0], points[:, :, 2], points[:, :, 5]
    mean = values.mean(0)
    slope = float((e @ mean) / (e @ e))
    fit = np.polyfit(e, mean, 1)
    left = 1 - float(((mean - np.polyval(fit, e)) ** 2).sum() / ((mean - mean.mean()) ** 2).sum())
    away = mean / np.where(e > 0, slope * e, np.inf) - 1
    seen = truth.mean(0) >= points[:, :, 6].mean()
    single = [float(np.corrcoef(e, v)[0, 1] ** 2) for v in values]
    what = f"{door}: {REFERENCE:,} : {n:,}"
    beside: dict[str, Any] = {
        "slope, % a % moved": slope / 100,
        "slope of the truth": float((e @ truth.mean(0)) / (e @ e)) / 100,
        "R² of one series": float(np.mean(single)),
        "mean value by share": {f"{s:g}": float(v) for s, v in zip(e, mean, strict=True)},
        "median by share": {f"{s:g}": float(v) for s, v in zip(e, np.median(values, axis=0), strict=True)},
        "truth by share": {f"{s:g}": float(v) for s, v in zip(e, truth.mean(0), strict=True)},
        "sd of the truth over bases by share": {f"{s:g}": float(v) for s, v in zip(e, truth.std(0), strict=True)},
        "away from the line by share": {f"{s:g}": float(v) for s, v in zip(e[1:], away[1:], strict=True)},
    }
    return [
        Row(f"{what}, R² of the mean against the share", left, 0.99, ">=", None, reps, beside),
        Row(
            f"{what}, worst deviation from the line, of drifts that can be found",
            float(np.abs(away[seen]).max()),
            0.1,
            "<=",
            None,
            reps,
            {"detectable": float(points[:, :, 6].mean()), "shares": e[seen].tolist()},
        ),
        _covered_together(what, points[:, e > 0]),
        *(_covered(f"{what}, share {s:g}", points[:, k]) for k, s in enumerate(e)),
    ]


def _covered_together(what: str, points: npt.NDArray[np.float64]) -> Row:
    """Coverage over every share above zero, whose series share a reference: clustered by repetition."""
    each = ((points[:, :, 3] <= points[:, :, 5]) & (points[:, :, 5] <= points[:, :, 4])).mean(1)
    error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else 1.0
    beside = {"standard error": error}
    what = f"{what}, every share above 0: 95 % interval holds the truth"
    return Row(what, float(each.mean()), 0.95 - 2.58 * error, ">=", None, points[:, :, 0].size, beside)


def _covered(what: str, points: npt.NDArray[np.float64]) -> Row:
    inside, reps = int(((points[:, 3] <= points[:, 5]) & (points[:, 5] <= points[:, 4])).sum()), len(points)
    beside = {
        "above": float((points[:, 5] < points[:, 3]).mean()),
        "below": float((points[:, 5] > points[:, 4]).mean()),
        "bias": float((points[:, 2] - points[:, 5]).mean()),
        "sd": float((points[:, 2] - points[:, 5]).std()),
        "half-width": float((points[:, 4] - points[:, 3]).mean() / 2),
    }
    low = binomial(0.95, reps)[0]
    return Row(f"{what}: 95 % interval holds the truth", inside / reps, low, ">=", share(inside, reps), reps, beside)


@cache
def fingerprint() -> str:
    """A name for what drift says, in both doors, on fixed rows."""
    rng = np.random.default_rng(0)
    before, after = draw(600, 0.0, rng), draw(300, 0.2, rng)
    frozen = freeze(before, 1, NAMES)
    found = drift(frozen.basis, frozen.window(after), frozen.sums, frozen.calibration.null(300)["mmd"])
    figures = [f"{v:.3g}" for d in (found, two_samples(before, after, 1)[1]) for v in (d.value, d.low, d.high)]
    return hashlib.sha256(str(figures).encode()).hexdigest()[:10]
