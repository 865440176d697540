"""The picture of a backtest: the statistic and every budget's threshold over time, its alarms below, and the season."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tidegauge.records import Alarm
from tidegauge.report.backtest import budget_said, length
from tidegauge.report.canvas import GREY, INK, drawable, figure, key, style, tick_format, title
from tidegauge.report.figures import BLUE, VERMILLION
from tidegauge.report.formats import count, rough_percent
from tidegauge.report.timeline import COLUMNS, MARKED, Along, bars, columns, freeze, ground, note_labels
from tidegauge.report.windows import unit_of
from tidegauge.run.backtest import Backtest

Float64 = npt.NDArray[np.float64]

_LOOKS = ((VERMILLION, "-"), (BLUE, "--"), ("#009E73", "-."), ("#8f4b7a", ":"))
_FEW = 120
_NORMAL = "#8f4b7a"
_TICKS = (2, 4, 6, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_LANE = 0.24


def backtest_figure(b: Backtest) -> Figure:
    """Draw what budgets would have done.

    Returns
    -------
    Figure
        8 inches wide, and higher with every budget.
    """
    lanes = [budget_said(each) for each in b.tried]
    lanes += ["on record"] * bool(b.recorded) + ["marked"] * bool(b.annotations) + ["not judged"] * bool(b.gaps)
    below = 0.25 + _LANE * len(lanes)
    with style():
        fig = figure(8, 5.2 + below)
        top, middle, bottom = fig.subplots(3, 1, sharex=True, height_ratios=[2.6, below, 1.3])
        place = Along(unit_of(b.spec), b.since, b.until)
        for ax in (top, middle, bottom):
            ground(ax, place, b.annotations, [(gap.since, gap.until) for gap in b.gaps])
        _statistic(top, b, place)
        _lanes(middle, b, place, lanes)
        _season(bottom, b, place)
        place.axis(bottom)
        _legend(fig, b)
        n = len(b.tried[0].raised)
        said = f"{budget_said(b.tried[0])}: {'no alarm' if not n else f'{count(n)} alarm{chr(115) * (n != 1)}'}"
        title(top, said, f"{b.spec.name}, {length(b.until - b.since, place.unit)}, {count(len(b.starts))} panes")
        freeze(fig)
        return fig


def _middles(b: Backtest, place: Along) -> Float64:
    return place.all(b.starts.astype(np.float64) + b.spec.pane.length / 2)


def _statistic(ax: Axes, b: Backtest, place: Along) -> None:
    pane = place.long(b.spec.pane.length)
    at = _middles(b, place)
    x, low, high = columns(at, b.statistic, place, pane)
    if len(at) > COLUMNS:
        ax.fill_between(x, low, high, color=GREY, alpha=0.35, linewidth=0)
    few = len(at) <= _FEW
    ax.plot(x, high, color=GREY, linewidth=0.9, marker="o" if few else "", markersize=3)
    edges = place.all(np.array([*b.folds, b.until], np.float64))
    for index, tried in enumerate(b.tried):
        colour, line = _LOOKS[index % len(_LOOKS)]
        heights = np.array(tried.thresholds)
        ax.plot(
            np.repeat(edges, 2)[1:-1], np.repeat(heights, 2), color=colour, linestyle=line, linewidth=1.6, zorder=3.5
        )
    thresholds = np.array(b.tried[0].thresholds)
    fold = np.searchsorted(np.array(b.folds), b.starts, side="right") - 1
    loud = b.statistic >= thresholds[np.maximum(fold, 0)]
    ax.plot(at[loud], b.statistic[loud], "o", color=VERMILLION, markersize=3.2, zorder=3)
    _scale(ax, b)
    ax.set_ylabel("loudest score, sd")


def _scale(ax: Axes, b: Backtest) -> None:
    """Linear as far as the thresholds go, compressed beyond where one alarm would dwarf all."""
    top = max(*(max(each.thresholds) for each in b.tried), float(np.max(b.statistic)))
    bottom = min(0.0, float(np.min(b.statistic)))
    far = 1.5 * max(max(each.thresholds) for each in b.tried)
    if top <= 2 * far:
        ax.set_ylim(bottom - 0.02 * top, 1.1 * top)
        ax.yaxis.set_major_locator(MaxNLocator(6))
        return
    ax.set_yscale("symlog", linthresh=far, linscale=2.2)
    ax.set_ylim(bottom - 0.1, 1.35 * top)
    to_axes, ticks = ax.transData + ax.transAxes.inverted(), [0]
    for tick in _TICKS:
        far_off = float(to_axes.transform((0, tick))[1] - to_axes.transform((0, ticks[-1]))[1])
        if far_off > 0.07 and tick <= 1.2 * top:
            ticks.append(tick)
    ax.set_yticks(ticks, [count(tick) for tick in ticks])
    ax.set_yticks([], minor=True)


def _lanes(ax: Axes, b: Backtest, place: Along, lanes: list[str]) -> None:
    """One lane for the alarms of each budget, those on record, what people marked, and what was not judged."""
    for index, tried in enumerate(b.tried):
        colour, _ = _LOOKS[index % len(_LOOKS)]
        bars(ax, place, index, [(each.alarm.onset, each.end) for each in tried.raised], colour)
        for each in tried.raised:
            ax.plot(place.at(each.alarm.opened), index, "|", color=INK, markersize=7, markeredgewidth=1.0, zorder=4)
    row = len(b.tried)
    if b.recorded:
        bars(ax, place, row, [(each.onset, _end(each)) for each in b.recorded], INK)
        row += 1
    if b.annotations:
        bars(ax, place, row, [(note.since, note.until) for note in b.annotations], MARKED)
        note_labels(ax, place, b.annotations, row)
        row += 1
    if b.gaps:
        bars(ax, place, row, [(gap.since, gap.until) for gap in b.gaps], GREY)
    ax.set_yticks(range(len(lanes)), [drawable(lane) for lane in lanes])
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _end(alarm: Alarm) -> int:
    return alarm.updated if alarm.resolved is None else alarm.resolved


def _season(ax: Axes, b: Backtest, place: Along) -> None:
    """Each pane's own drift from the reference, and what is normal then."""
    pane = place.long(b.spec.pane.length)
    at = _middles(b, place)
    x, low, high = columns(at, b.drift, place, pane)
    if len(at) > COLUMNS:
        ax.fill_between(x, low, high, color=GREY, alpha=0.35, linewidth=0)
    else:
        ax.plot(x, high, color=GREY, linewidth=0.8)
    x, low, high = columns(at, b.normal, place, pane)
    ax.fill_between(x, low, high, color=_NORMAL, alpha=0.3, linewidth=0)
    ax.plot(x, (low + high) / 2, color=_NORMAL, linewidth=1.2)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    tick_format(ax.yaxis, lambda value: rough_percent(value / 100))
    ax.set_ylabel("drift of a pane")


def _legend(fig: Figure, b: Backtest) -> None:
    handles: list[Line2D | Patch] = [
        key(_LOOKS[index % len(_LOOKS)][0], f"threshold, {budget_said(tried)}", linestyle=line, linewidth=1.6)
        for index, tried in enumerate(b.tried)
        for line in (_LOOKS[index % len(_LOOKS)][1],)
    ]
    handles.append(key(VERMILLION, "pane beyond the first of them", marker="o", markersize=3.2))
    handles.append(
        key(_NORMAL, "normal at that hour" if b.spec.alarm.season else "normal", linestyle="-", linewidth=1.2)
    )
    handles.append(key(INK, "alarm opened", marker="|", markersize=9))
    fig.legend(handles=handles, loc="outside lower left", ncols=3, handlelength=2.4, fontsize=8.5)
