"""The waterfall of an outcome's change: from its rate before, step by step, to its rate after."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tidegauge.records import ChangeKind
from tidegauge.report.canvas import FAINT, GREY, GROUND, INK, drawable, figure, style, tick_format, title
from tidegauge.report.formats import clean, number, rough_percent
from tidegauge.report.model import ChangeView, PartRow

_LOOKS: dict[ChangeKind, tuple[str, str, str]] = {
    "new": ("#D55E00", "///", "new"),
    "mix": ("#0072B2", "...", "mix: traffic moved"),
    "within": ("#009E73", "xxx", "within: groups changed"),
}
_FROM_ZERO = 0.25


def waterfall_figure(view: ChangeView) -> Figure:
    """Draw where an outcome's change lies, each step with its size and 95 % interval.

    Returns
    -------
    Figure
        8 inches wide, and as high as there are steps.
    """
    rows = view.parts
    with style():
        fig = figure(8, 2.6 + 0.36 * (len(rows) + 2))
        ax = fig.subplots()
        left = _limits(ax, view)
        _total(ax, 0, left, view.rate_before, view.before)
        for y, row in enumerate(rows, 1):
            _step(ax, y, row)
        _total(ax, len(rows) + 1, left, view.rate_after, view.after)
        ends = [view.rate_before, *(row.end for row in rows)]
        for y, end in enumerate(ends):
            ax.plot([end, end], [y - 0.34, y + 1.34], color=GREY, linewidth=0.9, linestyle=":", zorder=1)
        ax.set_yticks(range(len(rows) + 2), ["before", *map(_label, rows), "after"])
        ax.set_ylim(len(rows) + 1.6, -0.6)
        ax.tick_params(axis="y", length=0)
        tick_format(ax.xaxis, rough_percent if view.share else number)
        ax.set_xlabel(drawable(view.name, "outcome") + ("" if left == 0 else ", on an axis that does not begin at 0"))
        title(ax, f"Where the change of {drawable(clean(view.name, 40), 'an outcome')} lies", _subtitle(view))
        drawn = {row.kind for row in rows}
        handles = [
            Patch(facecolor=colour, edgecolor=GROUND, hatch=hatch, label=label)
            for kind, (colour, hatch, label) in _LOOKS.items()
            if kind in drawn
        ]
        if handles:
            fig.legend(handles=handles, loc="outside lower left", ncols=3)
        return fig


def _subtitle(view: ChangeView) -> str:
    return f"{view.before} to {view.after}, {view.change}; whiskers are 95 % intervals. {view.harm.capitalize()}."


def _label(row: PartRow) -> str:
    name = drawable(clean(row.label, 40), row.kind)
    return f"{name}\n“{drawable(clean(row.examples[0], 34))}”" if row.examples else name


def _limits(ax: Axes, view: ChangeView) -> float:
    """Set the axis, from 0 where the change is a good part of the whole; returns where it begins."""
    seen = [view.rate_before, view.rate_after]
    for row in view.parts:
        seen += [at for at in (row.start, row.end, row.low, row.high) if math.isfinite(at)]
    low, high = min(seen), max(seen)
    room = max(high - low, 1e-9 * max(abs(high), 1e-30))
    begins = 0.0 if low >= 0 and room >= _FROM_ZERO * high else low - 0.15 * room
    ax.set_xlim(begins, high + 0.25 * room)
    return begins


def _total(ax: Axes, y: int, left: float, rate: float, said: str) -> None:
    ax.barh(y, rate - left, left=left, height=0.62, color=FAINT, edgecolor=INK, linewidth=1.0, zorder=2)
    ax.annotate(said, (rate, y), (6, 0), textcoords="offset points", va="center", fontweight="bold")


def _step(ax: Axes, y: int, row: PartRow) -> None:
    colour, hatch, _ = _LOOKS[row.kind]
    ax.barh(
        y, row.end - row.start, 0.62, row.start, facecolor=colour, edgecolor=GROUND, hatch=hatch, linewidth=0, zorder=2
    )
    right = max(row.start, row.end)
    if math.isfinite(row.low + row.high):
        ax.plot([row.low, row.high], [y, y], color=INK, linewidth=1.4, marker="|", markersize=7, zorder=3)
        right = max(right, row.high)
    ax.annotate(row.change, (right, y), (6, 0), textcoords="offset points", va="center")
