"""What every picture of one comparison shares, drawn or interactive: which rows, within which limits. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tidegauge.comparison.view import LEADING
from tidegauge.records import Comparison, FloatArray, NewCluster, View
from tidegauge.report.formats import count

_RIM = 0.06


def leading(view: View) -> View:
    """The same view with the first rows of each side only: what still pictures and JSON hold.

    They are a fair sample by themselves; tens of thousands of points are for the interactive map.
    """
    return replace(
        view,
        before=view.before[:LEADING],
        after=view.after[:LEADING],
        before_ids=view.before_ids[:LEADING],
        after_ids=view.after_ids[:LEADING],
        before_texts=view.before_texts[:LEADING],
        after_texts=view.after_texts[:LEADING],
        before_clusters=view.before_clusters[:LEADING],
        after_clusters=view.after_clusters[:LEADING],
        before_outcomes={name: values[:LEADING] for name, values in view.before_outcomes.items()},
        after_outcomes={name: values[:LEADING] for name, values in view.after_outcomes.items()},
    )


def is_line(c: Comparison) -> bool:
    """Whether the vectors have one dimension only, so that a map has lanes instead of a second axis."""
    return not c.view.explained[1] > 0


def in_lanes(c: Comparison) -> View:
    """The view with the rows of each side spread over a lane of their own, where there is one dimension only."""
    if not is_line(c):
        return c.view
    return replace(c.view, before=lane(c.view.before, 0.5), after=lane(c.view.after, -0.5))


def lane(rows: FloatArray, middle: float) -> FloatArray:
    """Rows (n, 2) spread over a lane about ``middle`` by the golden ratio, so that they can be told apart."""
    spread = (np.arange(len(rows)) * 0.618034) % 1 - 0.5
    return np.column_stack([np.asarray(rows, np.float64)[:, 0], middle + 0.7 * spread])


def finite(rows: FloatArray) -> FloatArray:
    """Rows (n, 2) without NaN and infinities."""
    rows = np.asarray(rows, dtype=np.float64).reshape(-1, 2)
    return rows[np.isfinite(rows).all(axis=1)]


def shown_clusters(c: Comparison) -> list[NewCluster]:
    """New clusters that have a place on the map, largest first."""
    placed = [k for k in c.novelty.clusters if all(map(math.isfinite, (*k.position, k.radius)))]
    return sorted(placed, key=lambda cluster: -cluster.share)


def limits(c: Comparison, axis: int) -> tuple[float, float]:
    """Axis limits: robust quantiles, widened to hold means and rings, and the ellipses unless outliers own them."""
    view = leading(c.view)
    sides = (finite(view.before), finite(view.after))
    pieces = [np.quantile(rows[:, axis], (0.004, 0.996)) for rows in sides if len(rows)]
    bulk = np.concatenate([*pieces, np.zeros(0)])
    reach = 0.25 * float(np.ptp(bulk)) if len(bulk) else 0.0
    for mean, cov in ((view.mean_before, view.cov_before), (view.mean_after, view.cov_after)):
        ellipse = float(mean[axis]) + 2 * math.sqrt(max(float(cov[axis, axis]), 0)) * np.array([-1, 1])
        pieces += [np.asarray(mean)[axis : axis + 1], np.clip(ellipse, *(_span(bulk) + np.array([-reach, reach])))]
    pieces += [cluster.position[axis] + cluster.radius * np.array([-1, 1]) for cluster in shown_clusters(c)]
    low, high = _span(np.concatenate(pieces))
    rim = _RIM * (high - low) or 1.0
    return float(low - rim), float(high + rim)


def _span(values: npt.NDArray[np.floating]) -> FloatArray:
    values = values[np.isfinite(values)]
    return np.array([values.min(), values.max()]) if len(values) else np.array([-1.0, 1.0])


def outside(c: Comparison, x: tuple[float, float], y: tuple[float, float]) -> str:
    """Say how many of the drawn rows lie beyond the picture's edges."""
    rows = np.concatenate([finite(c.view.before), finite(c.view.after)])
    beyond = (rows[:, 0] < x[0]) | (rows[:, 0] > x[1]) | (rows[:, 1] < y[0]) | (rows[:, 1] > y[1])
    return f" {count(int(beyond.sum()))} of {count(len(rows))} drawn rows lie beyond the edges." if beyond.any() else ""


def shares(counts: FloatArray) -> FloatArray:
    """Counts as shares of their sum, zeros where there are none."""
    total = float(np.sum(counts))
    return np.asarray(counts, dtype=np.float64) / total if total else np.zeros(len(counts))


def median(edges: FloatArray, masses: FloatArray) -> float:
    """Interpolate the median within its bin; NaN where there are no rows."""
    below = np.concatenate([[0.0], np.cumsum(masses)])
    return float(np.interp(0.5, below, edges)) if below[-1] > 0 else math.nan


def threshold(c: Comparison) -> float:
    """Return the z that corresponds to the panel's critical p if the null were normal; NaN where there is none."""
    critical = c.panel.critical
    return NormalDist().inv_cdf(1 - critical) if 0 < critical < 1 else math.nan
