"""The picture of a backtest: the statistic and every budget's threshold over time, its alarms below, and the season."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateFormatter, AutoDateLocator, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from tidegauge.records import Alarm
from tidegauge.report.backtest import annotation_said, budget_said, length
from tidegauge.report.canvas import FAINT, GREY, GROUND, INK, drawable, figure, key, style, tick_format, title
from tidegauge.report.figures import BLUE, VERMILLION
from tidegauge.report.formats import clean, count, rough_percent
from tidegauge.report.windows import Unit, unit_of
from tidegauge.run.backtest import Backtest

Float64 = npt.NDArray[np.float64]

_LOOKS = ((VERMILLION, "-"), (BLUE, "--"), ("#009E73", "-."), ("#8f4b7a", ":"))
_COLUMNS, _FEW = 700, 120
_NOTE, _NORMAL = "#f2e3b3", "#8f4b7a"
_TICKS = (2, 4, 6, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_LANE, _LABELLED = 0.24, 24


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
        place = _Along(b)
        for ax in (top, middle, bottom):
            _ground(ax, b, place)
        _statistic(top, b, place)
        _lanes(middle, b, place, lanes)
        _season(bottom, b, place)
        place.axis(bottom)
        _legend(fig, b)
        n = len(b.tried[0].raised)
        said = f"{budget_said(b.tried[0])}: {'no alarm' if not n else f'{count(n)} alarm{chr(115) * (n != 1)}'}"
        title(top, said, f"{b.spec.name}, {length(b.until - b.since, place.unit)}, {count(len(b.starts))} panes")
        _freeze(fig)
        return fig


def _freeze(fig: Figure) -> None:
    """Lay it out once and for all: the solver's last digit is not the same every time."""
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    for ax in fig.axes:
        left, bottom, width, height = (round(float(each), 6) for each in ax.get_position().bounds)
        ax.set_position((left, bottom, width, height))


class _Along:
    """Where moments, or rows, lie along the picture."""

    def __init__(self, b: Backtest) -> None:
        self.unit: Unit = unit_of(b.spec)
        self.low, self.high = self.at(b.since), self.at(b.until)

    def at(self, place: float) -> float:
        """One place."""
        return float(self.all(np.array([place], np.float64))[0])

    def all(self, places: Float64) -> Float64:
        """Some places: seconds as matplotlib's days, or rows."""
        if self.unit == "rows":
            return places
        return np.asarray(date2num(places.astype("datetime64[s]")), np.float64)

    def axis(self, ax: Axes) -> None:
        """Ticks that say when."""
        ax.set_xlim(self.low, self.high)
        if self.unit == "rows":
            ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            tick_format(ax.xaxis, lambda value: count(round(value)))
            ax.set_xlabel("rows so far")
            return
        locator = AutoDateLocator(minticks=4, maxticks=9)
        formatter = AutoDateFormatter(locator)
        formatter.scaled = {
            365.0: "%Y",
            31.0: "%b %Y",
            1.0: "%d %b",
            1 / 24: "%d %b\n%H:%M",
            1 / 1440: "%H:%M",
        }
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(formatter)
        ax.set_xlabel(f"UTC, from {_day(self.low)} to {_day(self.high)}")


def _day(number: float) -> str:
    from matplotlib.dates import num2date

    return num2date(number).strftime("%Y-%m-%d %H:%M")


def _ground(ax: Axes, b: Backtest, place: _Along) -> None:
    """What people marked, and what was not judged, behind everything."""
    for note in b.annotations:
        low, high = _clipped(place, note.since, note.until)
        ax.axvspan(low, max(high, low + 0.002 * (place.high - place.low)), color=_NOTE, alpha=0.75, linewidth=0)
    for gap in b.gaps:
        ax.axvspan(*_clipped(place, gap.since, gap.until), facecolor=FAINT, alpha=0.55, linewidth=0)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def _clipped(place: _Along, since: float, until: float) -> tuple[float, float]:
    return max(place.at(since), place.low), min(place.at(until), place.high)


def _columns(x: Float64, y: Float64, place: _Along, panes: float) -> tuple[Float64, Float64, Float64]:
    """Places, and the least and largest values there, NaN where there are none: every pane, or so many columns as can
    be told apart.
    """
    if len(x) > _COLUMNS:
        width = (place.high - place.low) / _COLUMNS
        column = np.clip(((x - place.low) / width).astype(int), 0, _COLUMNS - 1)
        low, high = np.full(_COLUMNS, np.inf), np.full(_COLUMNS, -np.inf)
        np.minimum.at(low, column, y)
        np.maximum.at(high, column, y)
        low[np.isinf(low)], high[np.isinf(high)] = np.nan, np.nan
        middles = place.low + (np.arange(_COLUMNS, dtype=np.float64) + 0.5) * width
        return middles, low, high
    breaks = np.flatnonzero(np.diff(x) > 1.5 * panes) + 1
    x, y = np.insert(x, breaks, x[breaks - 1]), np.insert(y, breaks, np.nan)
    return x, y, y


def _middles(b: Backtest, place: _Along) -> Float64:
    return place.all(b.starts.astype(np.float64) + b.spec.pane.length / 2)


def _statistic(ax: Axes, b: Backtest, place: _Along) -> None:
    pane = place.at(b.since + b.spec.pane.length) - place.low
    at = _middles(b, place)
    x, low, high = _columns(at, b.statistic, place, pane)
    if len(at) > _COLUMNS:
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


def _lanes(ax: Axes, b: Backtest, place: _Along, lanes: list[str]) -> None:
    """One lane for the alarms of each budget, those on record, what people marked, and what was not judged."""
    for index, tried in enumerate(b.tried):
        colour, _ = _LOOKS[index % len(_LOOKS)]
        _bars(ax, place, index, [(each.alarm.onset, each.end) for each in tried.raised], colour)
        for each in tried.raised:
            ax.plot(place.at(each.alarm.opened), index, "|", color=INK, markersize=7, markeredgewidth=1.0, zorder=4)
    row = len(b.tried)
    if b.recorded:
        _bars(ax, place, row, [(each.onset, _end(each)) for each in b.recorded], INK)
        row += 1
    if b.annotations:
        _bars(ax, place, row, [(note.since, note.until) for note in b.annotations], "#b58100")
        _note_labels(ax, b, place, row)
        row += 1
    if b.gaps:
        _bars(ax, place, row, [(gap.since, gap.until) for gap in b.gaps], GREY)
    ax.set_yticks(range(len(lanes)), [drawable(lane) for lane in lanes])
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _end(alarm: Alarm) -> int:
    return alarm.updated if alarm.resolved is None else alarm.resolved


def _bars(ax: Axes, place: _Along, row: int, spans: list[tuple[int, int]], colour: str) -> None:
    least = 0.004 * (place.high - place.low)
    cut = [_clipped(place, *span) for span in spans]
    bars = [(low, max(high - low, least)) for low, high in cut]
    ax.broken_barh(bars, (row - 0.28, 0.56), facecolors=colour, linewidth=0, zorder=3)


def _note_labels(ax: Axes, b: Backtest, place: _Along, row: int) -> None:
    """Write what was marked beside it, where there is room."""
    width, free = place.high - place.low, -np.inf
    for note in b.annotations[:_LABELLED]:
        low, high = _clipped(place, note.since, note.until)
        said = drawable(clean(annotation_said(note), 23))
        room, left = 0.009 * len(said) * width, high + 0.006 * width
        if left + room > place.high:
            left = low - 0.006 * width - room
        if left < max(free, place.low):
            continue
        right = left < low
        ax.text(
            left + room if right else left,
            row,
            said,
            ha="right" if right else "left",
            va="center",
            fontsize=8,
            zorder=4,
            path_effects=[withStroke(linewidth=2.5, foreground=GROUND)],
        )
        free = max(left + room, high)


def _season(ax: Axes, b: Backtest, place: _Along) -> None:
    """Each pane's own drift from the reference, and what is normal then."""
    pane = place.at(b.since + b.spec.pane.length) - place.low
    at = _middles(b, place)
    x, low, high = _columns(at, b.drift, place, pane)
    if len(at) > _COLUMNS:
        ax.fill_between(x, low, high, color=GREY, alpha=0.35, linewidth=0)
    else:
        ax.plot(x, high, color=GREY, linewidth=0.8)
    x, low, high = _columns(at, b.normal, place, pane)
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
