"""Pictures along time, or along rows: where a moment lies, and what is drawn behind and below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateFormatter, AutoDateLocator, date2num, num2date
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from tidegauge.records import Annotation
from tidegauge.report.backtest import annotation_said
from tidegauge.report.canvas import FAINT, GROUND, drawable, tick_format
from tidegauge.report.formats import clean, count
from tidegauge.report.windows import Unit

Float64 = npt.NDArray[np.float64]

COLUMNS = 700
"""So many columns of a picture can be told apart."""
NOTE, MARKED = "#f2e3b3", "#b58100"
_LABELLED = 24


class Along:
    """Where moments, or rows, from ``since`` to ``until`` lie along the picture."""

    def __init__(self, unit: Unit, since: float, until: float) -> None:
        self.unit: Unit = unit
        self.since = since
        self.low, self.high = self.at(since), self.at(until)

    @property
    def width(self) -> float:
        """Of the whole picture."""
        return self.high - self.low

    def at(self, place: float) -> float:
        """One place."""
        return float(self.all(np.array([place], np.float64))[0])

    def all(self, places: Float64) -> Float64:
        """Some places: seconds as matplotlib's days, or rows."""
        if self.unit == "rows":
            return places
        return np.asarray(date2num(places.astype("datetime64[s]")), np.float64)

    def long(self, length: float) -> float:
        """How long a span is."""
        return self.at(self.since + length) - self.low

    def clipped(self, since: float, until: float) -> tuple[float, float]:
        """A span as far as the picture shows it."""
        return max(self.at(since), self.low), min(self.at(until), self.high)

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
    return num2date(number).strftime("%Y-%m-%d %H:%M")


def columns(x: Float64, y: Float64, along: Along, pane: float) -> tuple[Float64, Float64, Float64]:
    """Places, and the least and largest values there, NaN where there are none: every pane, or so many columns as can
    be told apart. ``pane`` is how long one is; where one is missing, the line breaks.
    """
    if len(x) > COLUMNS:
        width = along.width / COLUMNS
        known = np.isfinite(y)
        column = np.clip(((x[known] - along.low) / width).astype(int), 0, COLUMNS - 1)
        low, high = np.full(COLUMNS, np.inf), np.full(COLUMNS, -np.inf)
        np.minimum.at(low, column, y[known])
        np.maximum.at(high, column, y[known])
        low[np.isinf(low)], high[np.isinf(high)] = np.nan, np.nan
        middles = along.low + (np.arange(COLUMNS, dtype=np.float64) + 0.5) * width
        return middles, low, high
    breaks = np.flatnonzero(np.diff(x) > 1.5 * pane) + 1
    x, y = np.insert(x, breaks, x[breaks - 1]), np.insert(y, breaks, np.nan)
    return x, y, y


def ground(ax: Axes, along: Along, notes: Iterable[Annotation], gaps: Iterable[tuple[int, int]] = ()) -> None:
    """What people marked, and what is missing, behind everything."""
    for note in notes:
        low, high = along.clipped(note.since, note.until)
        ax.axvspan(low, max(high, low + 0.002 * along.width), color=NOTE, alpha=0.75, linewidth=0)
    for gap in gaps:
        ax.axvspan(*along.clipped(*gap), facecolor=FAINT, alpha=0.55, linewidth=0)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def bars(ax: Axes, along: Along, row: int, spans: Sequence[tuple[int, int]], colour: str) -> None:
    """Spans in one lane, none so short that it cannot be seen."""
    least = 0.004 * along.width
    cut = [along.clipped(*span) for span in spans]
    widths = [(low, max(high - low, least)) for low, high in cut]
    ax.broken_barh(widths, (row - 0.28, 0.56), facecolors=colour, linewidth=0, zorder=3)


def note_labels(ax: Axes, along: Along, notes: Sequence[Annotation], row: int) -> None:
    """Write what was marked beside it, where there is room."""
    width, free = along.width, -np.inf
    for note in notes[:_LABELLED]:
        low, high = along.clipped(note.since, note.until)
        said = drawable(clean(annotation_said(note), 23))
        room, left = 0.009 * len(said) * width, high + 0.006 * width
        if left + room > along.high:
            left = low - 0.006 * width - room
        if left < max(free, along.low):
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


def freeze(fig: Figure) -> None:
    """Lay it out once and for all: the solver's last digit is not the same every time."""
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    for ax in fig.axes:
        left, bottom, width, height = (round(float(each), 6) for each in ax.get_position().bounds)
        ax.set_position((left, bottom, width, height))
