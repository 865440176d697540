"""Pictures of one comparison, and of a history of comparisons, as matplotlib figures.

Before is blue, with circles and solid lines; after is vermillion, with triangles and dashed lines, so that neither
colour blindness nor a greyscale printer loses the difference.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Ellipse, Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from tidegauge.records import Comparison, FloatArray, NewCluster
from tidegauge.report import frame, model
from tidegauge.report.canvas import (
    FAINT,
    GREY,
    GROUND,
    INK,
    drawable,
    figure,
    key,
    png,
    style,
    svg,
    tick_format,
    title,
    write,
)
from tidegauge.report.formats import clean, count, drift_value, rough_percent, z_value
from tidegauge.report.model import WeekRow

__all__ = ["history_figure", "pc1_figure", "pc1_side_figure", "pca_figure", "png", "scores_figure", "svg", "write"]

BLUE, VERMILLION = "#0072B2", "#D55E00"
_OUTCOME_STYLES = ((BLUE, "o", "-"), (VERMILLION, "^", "--"), ("#009E73", "s", "-."), ("#8f4b7a", "D", ":"))
_VECTOR_POINTS = 2000
_CONTOUR_ROWS = 50
_ELLIPSE_ROWS = 10
_LABELLED = 8


@dataclass(frozen=True, slots=True)
class _Look:
    """How one side is drawn."""

    side: Literal["before", "after"]
    colour: str
    marker: str
    line: str


_BEFORE = _Look("before", BLUE, "o", "-")
_AFTER = _Look("after", VERMILLION, "^", "--")


# ---------------------------------------------------------------- the first two components


def _side_label(c: Comparison, look: _Look) -> str:
    return drawable(model.side_label(c.before if look is _BEFORE else c.after))


def _scatter(ax: Axes, rows: FloatArray, look: _Look, rasterized: bool) -> None:
    size, fade = (36, 0.9) if len(rows) < 50 else (16, 0.7) if len(rows) < 1000 else (9, 0.3)
    ax.scatter(
        rows[:, 0],
        rows[:, 1],
        s=size,
        c=look.colour,
        marker=look.marker,
        alpha=fade,
        linewidths=0,
        rasterized=rasterized,
    )


def _contours(ax: Axes, rows: FloatArray, look: _Look) -> None:
    """Draw the lines inside which a half and nine tenths of the rows lie, from a smoothed two-dimensional histogram."""
    if len(rows) < _CONTOUR_ROWS:
        return
    from scipy.ndimage import gaussian_filter

    grids = [np.linspace(*limits, 91) for limits in (ax.get_xlim(), ax.get_ylim())]
    counts, *_ = np.histogram2d(rows[:, 0], rows[:, 1], bins=grids)
    density = gaussian_filter(counts, sigma=min(6.0, 9.0 / len(rows) ** (1 / 6) + 1.0))
    ordered = np.sort(density, axis=None)[::-1]
    inside = np.cumsum(ordered)
    if not inside[-1]:
        return
    levels = sorted({float(ordered[np.searchsorted(inside, share * inside[-1])]) for share in (0.5, 0.9)})
    x, y = ((grid[1:] + grid[:-1]) / 2 for grid in grids)
    ax.contour(x, y, density.T, levels, colors=look.colour, linewidths=1.0, linestyles=look.line, alpha=0.85)


def _ellipse(ax: Axes, mean: FloatArray, cov: FloatArray, look: _Look) -> None:
    """Draw the ellipse of two standard deviations."""
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        return
    variances, axes = np.linalg.eigh(np.asarray(cov, dtype=np.float64))
    minor, major = 4 * np.sqrt(np.maximum(variances, 0))
    angle = math.degrees(math.atan2(axes[1, 1], axes[0, 1]))
    ax.add_patch(
        Ellipse(
            tuple(mean), major, minor, angle=angle, fill=False, edgecolor=look.colour, linestyle=look.line, linewidth=2
        )
    )


def _arrow(ax: Axes, tail: tuple[float, float], head: tuple[float, float]) -> None:
    if not all(map(math.isfinite, (*tail, *head))):
        return
    for at, look in ((tail, _BEFORE), (head, _AFTER)):
        ax.plot(
            *at, look.marker, color=look.colour, markersize=9, markeredgecolor=GROUND, markeredgewidth=1.4, zorder=6
        )
    style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13}
    note = ax.annotate("", head, tail, arrowprops=style, zorder=5)
    if note.arrow_patch is not None:
        note.arrow_patch.set_path_effects([withStroke(linewidth=3.6, foreground=GROUND)])


def _rings(ax: Axes, clusters: Sequence[NewCluster], means: Sequence[FloatArray]) -> None:
    """Draw a ring around every new cluster, their labels clear of each other and of the means."""
    to_axes = ax.transData + ax.transAxes.inverted()
    taken = [
        (float(x), float(y) - 0.012) for x, y in to_axes.transform([mean for mean in means if np.isfinite(mean).all()])
    ]
    for index, cluster in enumerate(clusters):
        ax.add_patch(Circle(cluster.position, cluster.radius, fill=False, edgecolor=INK, linewidth=1.6, zorder=5))
        if index < _LABELLED:
            _ring_label(ax, cluster, f"new cluster {index + 1}", taken)


def _halo() -> list[withStroke]:
    return [withStroke(linewidth=3, foreground=GROUND)]


def _ring_label(ax: Axes, cluster: NewCluster, otherwise: str, taken: list[tuple[float, float]]) -> None:
    """Write a cluster's label above its ring, below it where something stands there, or further up."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    x = (cluster.position[0] - left) / (right - left)
    above = (cluster.position[1] + cluster.radius - bottom) / (top - bottom) + 0.012
    below = (cluster.position[1] - cluster.radius - bottom) / (top - bottom) - 0.045
    y = next((at for at in (above, below) if 0 <= at <= 0.94 and _is_free(x, at, taken)), min(above, 0.94))
    while not _is_free(x, y, taken):
        y += 0.04
    taken.append((x, y))
    align, edge = ("left", -1) if x < 0.2 else ("right", 1) if x > 0.8 else ("center", 0)
    row = model.cluster_row(cluster)
    ax.text(
        x + edge * cluster.radius / (right - left), y, f"{drawable(clean(row.name, 28), otherwise)}, {row.share}",
        transform=ax.transAxes, ha=align, va="bottom", fontsize=9, fontweight="bold", zorder=7,
        path_effects=_halo(),
    )  # fmt: skip


def _is_free(x: float, y: float, taken: Sequence[tuple[float, float]]) -> bool:
    return not any(abs(y - other_y) < 0.04 and abs(x - other_x) < 0.35 for other_x, other_y in taken)


def _pca_legend(fig: Figure, c: Comparison, line: bool) -> None:
    def entry(look: _Look) -> Line2D:
        linestyle = look.line if line else ""
        return key(look.colour, _side_label(c, look), marker=look.marker, linestyle=linestyle, markersize=6)

    handles = [
        entry(_BEFORE),
        entry(_AFTER),
        key(INK, "mean, before to after", marker=">", linestyle="-", markersize=6),
    ]
    if frame.shown_clusters(c):
        ring = (
            {"marker": "o", "markersize": 11, "markerfacecolor": "none"} if line else {"marker": "s", "markersize": 9}
        )
        handles.append(key(INK if line else FAINT, "new cluster, with its share of the window", **ring))
    fig.legend(handles=handles, loc="outside lower left", ncols=2, handlelength=2.8)


def _below(ax: Axes, label: str, caption: str, warning: str) -> None:
    ax.set_xlabel(label)
    ax.annotate(
        textwrap.fill(caption, 104),
        (0, 0),
        (0, -44),
        xycoords="axes fraction",
        textcoords="offset points",
        color=GREY,
        fontsize=8.5,
        va="top",
    )
    if warning:
        ax.annotate(
            warning, (0, 1), (6, -6), xycoords="axes fraction", textcoords="offset points", va="top", fontweight="bold",
            bbox={"facecolor": "#fff3cd", "edgecolor": "#b58100", "boxstyle": "square,pad=0.45"}, zorder=8,
        )  # fmt: skip


def pca_figure(c: Comparison) -> Figure:
    """Draw both sides on the reference's first two principal components.

    Points, the lines that hold a half and nine tenths of the rows, ellipses of two standard deviations, an arrow from
    mean to mean, and a ring around every new cluster. Vectors of width 1 are drawn as two lanes over the one axis.

    Parameters
    ----------
    c : Comparison
        Only ``view``, the labels, the verdict and the new clusters are used.

    Returns
    -------
    Figure
        8 x 6.6 inches (8 x 4 with one dimension).
    """
    c = replace(c, view=frame.leading(c.view))
    with style():
        return _lanes(c) if frame.is_line(c) else _plane(c)


def _plane(c: Comparison) -> Figure:
    fig = figure(8, 6.6)
    ax = fig.subplots()
    view, warning, x, y = c.view, model.visible_warning(c), frame.limits(c, 0), frame.limits(c, 1)
    if warning:
        y = (y[0], y[1] + 0.09 * (y[1] - y[0]))
    ax.set(xlim=x, ylim=y, ylabel=model.axis_label(2, view.explained[1]))
    sides = (
        (_BEFORE, frame.finite(view.before), view.mean_before, view.cov_before),
        (_AFTER, frame.finite(view.after), view.mean_after, view.cov_after),
    )
    heavy = sum(len(rows) for _, rows, _, _ in sides) > _VECTOR_POINTS
    for look, rows, mean, cov in sides:
        _scatter(ax, rows, look, heavy)
        _contours(ax, rows, look)
        if len(rows) >= _ELLIPSE_ROWS:
            _ellipse(ax, mean, cov, look)
    _arrow(
        ax,
        (float(view.mean_before[0]), float(view.mean_before[1])),
        (float(view.mean_after[0]), float(view.mean_after[1])),
    )
    _rings(ax, frame.shown_clusters(c), (view.mean_before, view.mean_after))
    title(ax, model.headline(c), model.matchup(c))
    caption = "Thick: ellipse of two sd. Thin: the lines that hold a half and nine tenths of the rows." + frame.outside(
        c, x, y
    )
    _below(ax, model.axis_label(1, view.explained[0]), caption, warning)
    _pca_legend(fig, c, line=True)
    return fig


def _lanes(c: Comparison) -> Figure:
    """Draw vectors of width 1: a lane for each side, its rows spread over the lane so that they can be told apart."""
    fig = figure(8, 4)
    ax = fig.subplots()
    x = frame.limits(c, 0)
    ax.set(xlim=x, ylim=(-1.1, 1.1))
    ax.set_yticks((0.5, -0.5), ("before", "after"))
    for cluster in frame.shown_clusters(c):
        middle, half = cluster.position[0], cluster.radius
        ax.axvspan(middle - half, middle + half, facecolor=FAINT, alpha=0.6, edgecolor=INK, linewidth=1.2)
        row = model.cluster_row(cluster)
        label = f"{drawable(clean(row.name, 28), 'new cluster')}, {row.share}"
        ax.text(
            min(middle + half, x[1]),
            1.02,
            label,
            ha="right",
            va="top",
            fontsize=9,
            fontweight="bold",
            path_effects=_halo(),
        )
    for look, rows, lane in ((_BEFORE, frame.finite(c.view.before), 0.5), (_AFTER, frame.finite(c.view.after), -0.5)):
        _scatter(ax, frame.lane(rows, lane), look, len(rows) > _VECTOR_POINTS // 2)
    _arrow(ax, (float(c.view.mean_before[0]), 0.5), (float(c.view.mean_after[0]), -0.5))
    title(ax, model.headline(c), model.matchup(c))
    caption = "One dimension only: the rows of each side are spread over a lane so that they can be told apart."
    _below(ax, model.axis_label(1, c.view.explained[0]), caption, model.visible_warning(c))
    _pca_legend(fig, c, line=False)
    return fig


# ---------------------------------------------------------------- the first component


def _histogram(ax: Axes, c: Comparison, look: _Look, label: str, faint: bool = False) -> None:
    edges = np.asarray(c.view.pc1_edges, dtype=np.float64)
    shares = frame.shares(c.view.pc1_before if look is _BEFORE else c.view.pc1_after)
    colour = GREY if faint else look.colour
    if not faint:
        ax.stairs(shares, edges, fill=True, color=colour, alpha=0.16)
    ax.stairs(shares, edges, color=colour, linestyle=look.line, linewidth=0.9 if faint else 1.8, label=label)
    median = frame.median(edges, shares)
    if math.isfinite(median) and not faint:
        ax.axvline(median, color=colour, linestyle=look.line, linewidth=1.2)
        ax.plot(
            median, 0, marker=look.marker, color=colour, markersize=8, markeredgecolor=GROUND, clip_on=False, zorder=5
        )


def _pc1_axes(c: Comparison) -> tuple[Figure, Axes]:
    """Axes that are the same for every PC1 picture of one comparison, so that the pictures can be laid side by side."""
    fig = figure(8, 4)
    ax = fig.subplots()
    edges = c.view.pc1_edges
    peak = max(float(np.max(frame.shares(counts), initial=0)) for counts in (c.view.pc1_before, c.view.pc1_after))
    ax.set(xlim=(float(edges[0]), float(edges[-1])), ylim=(0, 1.1 * peak or 1.0), ylabel="share of the rows, per bin")
    ax.set_xlabel(model.axis_label(1, c.view.explained[0]))
    tick_format(ax.yaxis, rough_percent)
    return fig, ax


def pc1_figure(c: Comparison) -> Figure:
    """Draw both sides' histograms along PC1, on the same bins, as shares of their own rows; medians are marked.

    Returns
    -------
    Figure
        8 x 4 inches.
    """
    with style():
        fig, ax = _pc1_axes(c)
        for look in (_BEFORE, _AFTER):
            _histogram(ax, c, look, _side_label(c, look))
        title(ax, "Along the first principal component", "Upright lines mark the medians.")
        fig.legend(loc="outside lower left", ncols=2, handlelength=2.8)
        return fig


def pc1_side_figure(c: Comparison, side: Literal["before", "after"]) -> Figure:
    """Draw one side's histogram along PC1, with the other's outline faint.

    Bins and both axes are the same for the two sides, so that the two pictures can be laid side by side.

    Parameters
    ----------
    c : Comparison
        The comparison.
    side : {"before", "after"}
        Which side is drawn in full.

    Returns
    -------
    Figure
        8 x 4 inches.
    """
    main, other = (_BEFORE, _AFTER) if side == "before" else (_AFTER, _BEFORE)
    with style():
        fig, ax = _pc1_axes(c)
        _histogram(ax, c, other, _side_label(c, other), faint=True)
        _histogram(ax, c, main, _side_label(c, main))
        title(ax, f"{_side_label(c, main)} along PC1", "The upright line marks the median.")
        fig.legend(loc="outside lower left", ncols=2, reverse=True, handlelength=2.8)
        return fig


# ---------------------------------------------------------------- the scores


_TICKS = (-1000, -100, -30, -10, -5, 0, 5, 10, 30, 100, 300, 1000, 3000, 10_000)
_LINEAR_UP_TO = 30


def _score_limits(at: Sequence[float], threshold: float) -> tuple[float, float]:
    values = [z for z in (*at, threshold, 3.0, -3.0) if math.isfinite(z)]
    return min(values), max(values)


def _score_scale(ax: Axes, low: float, high: float) -> None:
    """Scale the z axis: linear as far as it can be read, compressed beyond 10 where one score would dwarf the rest."""
    if max(-low, high) <= _LINEAR_UP_TO:
        room = 0.04 * (high - low)
        ax.set(
            xlim=(low - room, high + room),
            xlabel="z: distance from what unchanged data does, in its standard deviations",
        )
        return
    ax.set_xscale("symlog", linthresh=10, linscale=2)
    ax.set(xlim=(1.3 * low, 1.6 * high), xlabel="z, in standard deviations of unchanged data (compressed beyond 10)")
    ticks = [tick for tick in _TICKS if 1.3 * low <= tick <= 1.6 * high]
    ax.set_xticks(ticks, [count(tick) for tick in ticks])
    ax.set_xticks([], minor=True)


def _lollipop(ax: Axes, y: int, row: model.ScoreRow) -> None:
    beside = ax.get_yaxis_transform()
    if not math.isfinite(row.at):
        ax.text(
            0.012,
            y,
            f"not computed: {drawable(row.refused)}",
            transform=beside,
            va="center",
            color=GREY,
            style="italic",
        )
        return
    colour = VERMILLION if row.decides else BLUE
    ax.hlines(y, 0, row.at, color=colour, linewidth=2)
    face = colour if row.member else GROUND
    ax.plot(row.at, y, "D" if row.decides else "o", color=colour, markerfacecolor=face, markersize=7.5, clip_on=False)
    ax.text(1.02, y, row.z, transform=beside, va="center", ha="left", fontweight="bold" if row.decides else "normal")


def _score_legend(fig: Figure, threshold: float) -> None:
    handles: list[Line2D | Patch] = [
        key(VERMILLION, "on the panel, and past its threshold", marker="D"),
        key(BLUE, "on the panel", marker="o"),
        key(BLUE, "shown only, never decides", marker="o", markerfacecolor=GROUND),
        Patch(facecolor=FAINT, label="unchanged data, two sd either way"),
    ]
    if math.isfinite(threshold):
        label = f"threshold of the panel (about z = {z_value(threshold)})"
        handles.append(key(INK, label, linestyle=":", linewidth=1.6))
    fig.legend(handles=handles, loc="outside lower left", ncols=2)


def scores_figure(c: Comparison) -> Figure:
    """Draw z of every score against its null band, the panel's members first.

    Returns
    -------
    Figure
        8 inches wide, and as high as there are scores.
    """
    rows = model.score_rows(c)
    threshold = frame.threshold(c)
    with style():
        fig = figure(8, 2.4 + 0.3 * len(rows))
        ax = fig.subplots()
        _score_scale(ax, *_score_limits([row.at for row in rows], threshold))
        ax.axvspan(-2, 2, color=FAINT, alpha=0.6, linewidth=0)
        ax.axvline(0, color=GREY, linewidth=0.9)
        if math.isfinite(threshold):
            ax.axvline(threshold, color=INK, linestyle=":", linewidth=1.6)
        for y, row in enumerate(rows):
            _lollipop(ax, y, row)
        ax.set_yticks(range(len(rows)), [drawable(row.label) for row in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        title(ax, "Every score against unchanged data", f"{model.matchup(c)}; z of each score at the right.")
        _score_legend(fig, threshold)
        return fig


# ---------------------------------------------------------------- a history


_STATE_MARKS = {
    "drift": (VERMILLION, "D", True),
    "no drift": (BLUE, "o", False),
    "insufficient data": (GREY, "x", False),
}


def _weeks_axis(ax: Axes, rows: Sequence[WeekRow]) -> None:
    step = max(1, math.ceil(len(rows) / 13))
    shown = range(0, len(rows), step)
    crowded = max((len(row.label) for row in rows), default=0) * len(shown) > 80
    ax.set_xticks(list(shown), [drawable(clean(rows[at].label, 16)) for at in shown], rotation=40 if crowded else 0)
    ax.set_xlim(-0.6, max(len(rows), 1) - 0.4)


def _drift_history(ax: Axes, rows: Sequence[WeekRow]) -> None:
    at = np.arange(len(rows))
    level = rough_percent(rows[0].drift.level) if rows else ""
    value, low, high = (np.array([getattr(row.drift, name) for row in rows]) for name in ("value", "low", "high"))
    ax.fill_between(at, low, high, color=FAINT, alpha=0.7, linewidth=0, label=f"{level} interval")
    ax.plot(at, value, color=GREY, linewidth=1.2)
    for state, (colour, marker, filled) in _STATE_MARKS.items():
        here = [index for index, row in enumerate(rows) if row.state == state]
        heights = np.nan_to_num(value[here], nan=0.0)
        face = colour if filled else GROUND
        if here:
            ax.plot(
                at[here],
                heights,
                marker,
                color=colour,
                markerfacecolor=face,
                markersize=7.5,
                label=state,
                clip_on=False,
            )
    ax.axhline(0, color=GREY, linewidth=0.9)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    tick_format(ax.yaxis, drift_value)
    ax.set_ylabel("drift, as if so much\nof the traffic had moved")
    ax.set_ylim(top=ax.get_ylim()[1] + 0.2 * np.ptp(ax.get_ylim()))
    ax.legend(loc="upper left", ncols=4)


def _outcome_history(ax: Axes, rows: Sequence[WeekRow]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row.outcomes))
    for index, name in enumerate(names):
        colour, marker, line = _OUTCOME_STYLES[index % len(_OUTCOME_STYLES)]
        rates = [row.outcomes.get(name, math.nan) for row in rows]
        label = drawable(clean(name, 40), f"outcome {index + 1}")
        ax.plot(range(len(rows)), rates, marker=marker, linestyle=line, color=colour, markersize=5, label=label)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    tick_format(ax.yaxis, rough_percent)
    ax.set_ylabel("outcome rate")
    ax.margins(y=0.12)
    ax.legend(loc="upper left", bbox_to_anchor=(0, 1.2), ncols=4)


def history_figure(rows: Sequence[WeekRow]) -> Figure:
    """Draw drift with its interval over the weeks, and below it, on the same weeks, the rates of the outcomes.

    Parameters
    ----------
    rows : sequence of WeekRow
        In time order.

    Returns
    -------
    Figure
        8 x 6 inches, or 8 x 3.6 where no outcome is given.
    """
    told = any(row.outcomes for row in rows)
    with style():
        fig = figure(8, 6 if told else 3.6)
        axes = list(np.ravel(fig.subplots(2 if told else 1, 1, sharex=True, squeeze=False)))
        _drift_history(axes[0], rows)
        if told:
            _outcome_history(axes[1], rows)
        _weeks_axis(axes[-1], rows)
        title(axes[0], "Drift, week by week", "What moves together is associated; this picture shows no cause.")
        return fig
