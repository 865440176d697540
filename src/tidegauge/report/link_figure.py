"""The pictures of what ties outcomes to drift: lines on one time, and what outcomes did around the onsets of alarms."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tidegauge.records import ALL, Link, Study
from tidegauge.report.canvas import FAINT, GREY, INK, drawable, figure, key, style, tick_format, title
from tidegauge.report.figures import BLUE, VERMILLION
from tidegauge.report.formats import clean, count, number, points, rough_percent, signed
from tidegauge.report.link import drawn_studies, lag_said, span_said
from tidegauge.report.timeline import COLUMNS, MARKED, Along, bars, columns, freeze, ground, note_labels
from tidegauge.report.windows import unit_of
from tidegauge.run.link import Course, Courses, Linked, end_of

Float64 = npt.NDArray[np.float64]

_MOST = 8
_FEW = 120
_SHADE, _FOLLOWS = "#f6d5c3", "#8f4b7a"
_LANE = 0.3


def course_figure(linked: Linked | Courses) -> Figure:
    """Draw drift, and below it every outcome on the same time; alarms are shaded, what people marked are lines.

    Returns
    -------
    Figure
        8 inches wide, and higher with every outcome, of which eight are drawn.
    """
    courses = [each for each in linked.courses if each.segment == linked.segment][:_MOST]
    marked = bool(linked.annotations)
    with style():
        fig = figure(8, 3.3 + 1.45 * len(courses) + _LANE * marked)
        heights = [2.0, *([_LANE] if marked else []), *[1.25] * len(courses)]
        axes = list(np.ravel(fig.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)))
        along = Along(unit_of(linked.spec), linked.since, linked.until)
        _drift(axes[0], linked, along)
        if marked:
            _notes(axes[1], linked, along)
        for ax, course in zip(axes[1 + marked :], courses, strict=True):
            _outcome(ax, course, _link_of(linked, course), linked, along)
        along.axis(axes[-1])
        n = len(linked.alarms)
        alarms = f"{count(n)} alarm{'s' * (n != 1)}" if n else "no alarm"
        name = linked.spec.name if linked.segment == ALL else f"{linked.spec.name}/{clean(linked.segment, 40)}"
        windows = f"{count(len(linked.starts))} windows of {span_said(linked.length, along.unit)}"
        beside = ", and outcomes on the same time" if courses else ""
        title(axes[0], f"Drift{beside}", f"{name}, {windows}, {alarms}")
        fig.legend(handles=_handles(linked), loc="outside lower left", ncols=4, handlelength=2.0, fontsize=8.5)
        freeze(fig)
        return fig


def _link_of(linked: Linked | Courses, course: Course) -> Link | None:
    return next(
        (each for each in linked.links if (each.segment, each.outcome) == (course.segment, course.outcome)), None
    )


def _ground(ax: Axes, linked: Linked | Courses, along: Along) -> None:
    """Alarms and what people marked, behind everything."""
    ground(ax, along, [each for each in linked.annotations if each.until > each.since + linked.length])
    for alarm in linked.alarms:
        end = linked.until if alarm.lasts else end_of(alarm)
        low, high = along.clipped(alarm.onset, end)
        ax.axvspan(low, max(high, low + 0.003 * along.width), color=_SHADE, alpha=0.8, linewidth=0, zorder=0.5)
        ax.axvline(low, color=VERMILLION, linewidth=1.0, zorder=1.5)
    for note in linked.annotations:
        ax.axvline(along.clipped(note.since, note.since)[0], color=MARKED, linewidth=1.0, linestyle=":", zorder=1.6)


def _line(ax: Axes, values: Float64, linked: Linked | Courses, along: Along, colour: str) -> None:
    known = np.isfinite(values)
    at = along.all(linked.starts.astype(np.float64) + linked.length / 2)[known]
    x, low, high = columns(at, values[known], along, along.long(linked.length))
    many = len(at) > COLUMNS
    if many:
        ax.fill_between(x, low, high, color=colour, alpha=0.35, linewidth=0)
    few = len(at) <= _FEW
    middle = (low + high) / 2 if many else high
    ax.plot(x, middle, color=colour, linewidth=1.1, marker="o" if few else "", markersize=2.6, zorder=3)


def _drift(ax: Axes, linked: Linked | Courses, along: Along) -> None:
    _ground(ax, linked, along)
    _line(ax, linked.drift.get(linked.segment, np.full(len(linked.starts), np.nan)), linked, along, INK)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    tick_format(ax.yaxis, lambda value: rough_percent(value / 100))
    ax.set_ylabel("drift")


def _notes(ax: Axes, linked: Linked | Courses, along: Along) -> None:
    bars(ax, along, 0, [(note.since, note.until) for note in linked.annotations], MARKED)
    note_labels(ax, along, linked.annotations, 0)
    ax.set_yticks([0], ["marked"])
    ax.set_ylim(0.5, -0.5)
    ax.tick_params(axis="both", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)


def _outcome(ax: Axes, course: Course, link: Link | None, linked: Linked | Courses, along: Along) -> None:
    _ground(ax, linked, along)
    outcome, associated = course.outcome, link is not None and link.state == "associated"
    _line(ax, course.rates, linked, along, VERMILLION if associated else BLUE)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    tick_format(ax.yaxis, rough_percent if outcome.unit == "share" else number)
    ax.margins(y=0.12)
    name = drawable(clean(outcome.name, 24), "outcome")
    ax.set_ylabel(name if len(name) <= 14 else f"{name[:13]}…")
    falls = outcome.harmful == "falls"
    ends = ((1.012, 0.22), (1.012, 0.82)) if falls else ((1.012, 0.78), (1.012, 0.18))
    arrow = {"arrowstyle": "-|>", "color": VERMILLION, "linewidth": 1.6, "mutation_scale": 12}
    ax.annotate("", *ends, xycoords="axes fraction", textcoords="axes fraction", arrowprops=arrow)
    ax.text(1.024, 0.5, "harm", transform=ax.transAxes, rotation=90, va="center", fontsize=8, color=VERMILLION)
    ax.set_title(_said(link, linked), loc="left", fontsize=8.5, color=VERMILLION if associated else GREY, pad=3)


def _said(link: Link | None, linked: Linked | Courses) -> str:
    if link is None:
        return ""
    if link.state != "associated":
        return link.state
    lag = lag_said(link.lag, linked)
    slope = points(link.slope) if link.outcome.unit == "share" else signed(link.slope)
    return f"associated with drift: {slope} per % of drift, {lag}"


def _handles(linked: Linked | Courses) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    if linked.links:
        handles.append(key(VERMILLION, "outcome associated with drift", linestyle="-", linewidth=1.4))
    if linked.courses:
        handles.append(key(BLUE, "another outcome" if linked.links else "outcome", linestyle="-", linewidth=1.4))
    if linked.alarms:
        handles.append(Patch(facecolor=_SHADE, edgecolor=VERMILLION, label="alarm, from its onset"))
    if linked.annotations:
        handles.append(key(MARKED, "marked by people", linestyle=":", linewidth=1.4))
    return handles


# ---------------------------------------------------------------- around onsets


def study_figure(linked: Linked) -> Figure:
    """Draw the mean course of each outcome around the onsets of alarms, and the effect with its 95 % interval.

    Returns
    -------
    Figure
        8 inches wide, two outcomes in a row.
    """
    studies = drawn_studies(linked)
    rows = math.ceil(len(studies) / 2)
    with style():
        fig = figure(8, 1.0 + 2.4 * rows)
        axes = list(np.ravel(fig.subplots(rows, 2, squeeze=False)))
        for ax, study in zip(axes, studies, strict=False):
            _curve(ax, study, linked)
        for ax in axes[len(studies) :]:
            ax.set_visible(False)
        handles: list[Line2D | Patch] = [
            key(INK, "mean change, against windows like it", linestyle="-", marker="o", markersize=3.5, linewidth=1.2),
            Patch(facecolor=BLUE, alpha=0.25, label="mean after the onset, with its 95 % interval"),
        ]
        fig.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=8.5)
        freeze(fig)
        return fig


def _curve(ax: Axes, study: Study, linked: Linked) -> None:
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.axvline(-0.5, color=VERMILLION, linewidth=1.0)
    ax.plot(study.offsets, study.curve, color=INK, marker="o", markersize=3.5, linewidth=1.2, zorder=3)
    if math.isfinite(study.low + study.high):
        after = (-0.5, max(study.offsets) + 0.5)
        ax.fill_between(after, study.low, study.high, color=BLUE, alpha=0.25, linewidth=0)
        ax.plot(after, [study.effect] * 2, color=BLUE, linewidth=1.4)
    ax.set_xlim(min(study.offsets) - 0.5, max(study.offsets) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    tick_format(ax.xaxis, lambda value: signed(round(value)))
    ax.set_xlabel(f"windows of {span_said(linked.length, unit_of(linked.spec))} from the onset")
    ax.yaxis.set_major_locator(MaxNLocator(5))
    tick_format(ax.yaxis, points if study.outcome.unit == "share" else signed)
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    name = drawable(clean(study.outcome.name, 30), "outcome")
    ax.set_title(f"{name}: {study.state}, {count(study.events)} alarms", loc="left", fontsize=9.5)
