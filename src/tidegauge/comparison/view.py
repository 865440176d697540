"""What the pictures draw, on the reference's own first two components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegauge.basis import REACH
from tidegauge.comparison.evidence import Evidence, Shown
from tidegauge.records import View
from tidegauge.score.parts import Float64, average, rows, total_variance

Float32 = npt.NDArray[np.float32]

MOST_POINTS = 2000
BINS = 64


def view(e: Evidence, seed: int) -> View:
    """Points, means, covariances and PC1 histograms of both sides, in the unit of the vectors."""
    before, after = (_some(s, seed) for s in (e.shown_before, e.shown_after))
    flat = [_plane(e, s.x) for s in (before, after)]
    means = [average(s, "mean")[:-1] @ e.axes.astype(np.float64) for s in (e.reference, e.window)]
    all_rows = [_plane(e, s.x) for s in (e.shown_before, e.shown_after)]
    covariances = [np.cov(p.T) if len(p) > 1 else np.zeros((2, 2)) for p in all_rows]
    edges = _edges([p[:, 0] for p in all_rows], float(means[0][0]))
    counts = [np.histogram(p[:, 0], edges)[0].astype(np.float64) for p in all_rows]
    return View(
        flat[0],
        flat[1],
        _texts(before.ids),
        _texts(after.ids),
        _texts(before.texts),
        _texts(after.texts),
        means[0],
        means[1],
        covariances[0],
        covariances[1],
        e.explained,
        visible_share(e),
        edges,
        counts[0],
        counts[1],
    )


def visible_share(e: Evidence) -> float:
    """Share of the mean's (squared, noise-corrected) shift that lies in the picture's plane; 1 where nothing
    shifted.
    """
    gap = average(e.window, "mean")[:-1] - average(e.reference, "mean")[:-1]
    noise = float(1 / rows(e.window) + 1 / rows(e.reference))
    whole = float(gap @ gap) - noise * float(total_variance(e.reference))
    plane = gap @ e.axes.astype(np.float64)
    inside = float(plane @ plane) - noise * float(sum(e.explained)) * float(total_variance(e.reference))
    return float(np.clip(inside / whole, 0, 1)) if whole > 0 else 1.0


def _some(shown: Shown, seed: int) -> Shown:
    keep = np.sort(np.random.default_rng([seed, 6]).permutation(len(shown.x))[:MOST_POINTS])
    return Shown(shown.x[keep], shown.ids[keep], shown.texts[keep], shown.group[keep])


def _plane(e: Evidence, x: Float32) -> Float32:
    return ((x - e.basis.centre) @ e.axes).astype(np.float32, copy=False)


def _texts(values: npt.NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(str(v) for v in values)


def _edges(sides: list[Float32], middle: float) -> Float64:
    """Bin edges that hold all but the farthest thousandth of both sides, and at most four standard deviations
    of more.
    """
    both = np.concatenate([*sides, np.array([middle], np.float32)]).astype(np.float64)
    spread = float(np.std(sides[0])) if len(sides[0]) else float(np.std(both))
    low, high = np.quantile(both, [0.001, 0.999])
    margin = max(0.05 * (high - low), 1e-6 * max(abs(middle), spread, 1e-30))
    return np.linspace(
        max(low - margin, middle - 4 * REACH * spread - margin),
        min(high + margin, middle + 4 * REACH * spread + margin),
        BINS + 1,
    )
