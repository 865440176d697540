"""Bokeh figures of one comparison: the map, the histograms along PC1, and the scores.

They hold what the still pictures hold, within the same limits and in the same words. Bokeh is an extra.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tidegauge.errors import UsageError
from tidegauge.records import Comparison, FloatArray
from tidegauge.report import frame, model
from tidegauge.report.formats import between, clean, number, percent, rough_percent, z_value
from tidegauge.report.groups import Group, groups
from tidegauge.report.payload import Points, points

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure as Figure

# Okabe and Ito's colours on light ground, lighter ones of the same hues on dark.
PALETTE: Mapping[str, Mapping[str, Any]] = {
    "light": {
        "before": "#0072B2", "after": "#D55E00", "ink": "#1b1f24", "quiet": "#57606a", "line": "#d0d7de",
        "ground": "#ffffff",
        "new": ["#D55E00", "#8f3b00", "#e8934e", "#b0301c"],
        "gained": ["#009E73", "#00604a", "#4cc3a0", "#3f7d20"],
        "lost": ["#0072B2", "#00446e", "#56a8dc", "#4b4fb3"],
        "not moved": ["#8b949e", "#a9b1ba", "#6e7781"],
        "two": ["#7b3294", "#00823b"], "missing": "#b3bac2",
        "ramp": ["#00224e", "#434e6c", "#7d7c78", "#bcae6c", "#e8cf3f"],
    },
    "dark": {
        "before": "#5ab4e8", "after": "#ff9455", "ink": "#e8ecf0", "quiet": "#a3adb8", "line": "#343c46",
        "ground": "#181d24",
        "new": ["#ff9455", "#d9632b", "#ffc49b", "#ff7a6b"],
        "gained": ["#3fd1a5", "#1f9b78", "#9be8cf", "#94c973"],
        "lost": ["#5ab4e8", "#2f86bd", "#a9d8f5", "#9a9df0"],
        "not moved": ["#6e7781", "#545d68", "#8b949e"],
        "two": ["#d19bea", "#63d48c"], "missing": "#545d68",
        "ramp": ["#5b7bb5", "#8792a8", "#b3ac95", "#d6c067", "#fee838"],
    },
}  # fmt: skip
_LIGHT = PALETTE["light"]
_SIZE, _FEW, _SMALL = 4.5, 9.0, 6.0
_ROW = "<strong>@text</strong><div>@id · @side</div><div>@cluster</div><div>@facts</div>"
_SCORE = (
    "<strong>@label</strong><div>value @value; unchanged data @null</div><div>z @z, p @p; @effect</div>"
    "<div>@meaning</div>"
)
_LINEAR_UP_TO = 30.0
FONT = "system-ui, DejaVu Sans, sans-serif"


def require() -> None:
    """Refuse with what to do where Bokeh is not installed."""
    from importlib.util import find_spec

    if find_spec("bokeh") is None:
        raise UsageError(
            "the interactive report",
            got="no Bokeh in this Python",
            want="the extra that draws it",
            hint="pip install 'tidegauge[interactive]'",
        )


def _bokeh() -> tuple[Any, Any]:
    """Bokeh's models and plotting, untyped: the types that it ships refuse what it takes."""
    from bokeh import models, plotting

    return models, plotting


def _tip(said: str) -> str:
    """What a hover shows; Bokeh escapes what it puts in place of the columns."""
    look = "max-width:20rem;white-space:normal;overflow-wrap:anywhere;font:13px/1.4 system-ui,sans-serif;color:#1b1f24"
    return f'<div style="{look}">{said}</div>'


def point_size(rows: int) -> float:
    """Diameter of a point on the screen, in pixels, by how many there are."""
    return _FEW if rows < 200 else _SMALL if rows < 5000 else _SIZE


def point_alpha(rows: int) -> float:
    """Opacity of a point by how many there are."""
    return 0.9 if rows < 200 else 0.6 if rows < 5000 else 0.35 if rows < 20_000 else 0.2


# ---------------------------------------------------------------- the map


def map_span(c: Comparison) -> tuple[tuple[float, float], tuple[float, float]]:
    """What the map shows at first, on PC1 and PC2: the limits of the still picture."""
    return frame.limits(c, 0), ((-1.1, 1.1) if frame.is_line(c) else frame.limits(c, 1))


def map_figure(c: Comparison, before: ColumnDataSource, after: ColumnDataSource) -> Figure:
    """Draw the map over two sources with the columns of ``empty_source``."""
    models, plotting = _bokeh()

    x, y = map_span(c)
    fig = plotting.figure(
        x_range=models.Range1d(*x),
        y_range=models.Range1d(*y),
        height=560,
        sizing_mode="stretch_width",
        output_backend="webgl",
        toolbar_location=None,
        tools=[models.PanTool(), models.WheelZoomTool(modifiers="ctrl")],
    )
    drawn = [
        fig.scatter(
            "x", "y", source=source, marker=marker, size="size", fill_color="colour", fill_alpha="alpha",
            line_color=None, name=name,
        )
        for name, source, marker in (("before", before, "circle"), ("after", after, "triangle"))
    ]  # fmt: skip
    for each in drawn:
        each.selection_glyph = each.nonselection_glyph = None
    fig.add_tools(models.HoverTool(renderers=drawn, tooltips=_tip(_ROW), limit=1), models.TapTool(renderers=drawn))
    _marks(fig, c)
    _axes(
        fig,
        model.axis_label(1, c.view.explained[0]),
        "" if frame.is_line(c) else model.axis_label(2, c.view.explained[1]),
    )
    if frame.is_line(c):
        fig.yaxis.visible = False
    return fig


def _marks(fig: Any, c: Comparison) -> None:
    """Ellipses of two standard deviations, the arrow from mean to mean, rings and keys of the clusters that moved."""
    view, flat = c.view, frame.is_line(c)
    for name, mean, cov, dash in (
        ("before", view.mean_before, view.cov_before, "solid"),
        ("after", view.mean_after, view.cov_after, "dashed"),
    ):
        if np.isfinite(mean).all() and np.isfinite(cov).all() and not flat:
            x, y = _ellipse(mean, cov).T
            fig.line(
                x, y, line_color=_LIGHT[name], line_width=2, line_dash=dash, name=f"ellipse {name}", level="overlay"
            )
    lanes = (0.5, -0.5) if flat else (float(view.mean_before[1]), float(view.mean_after[1]))
    ends = (float(view.mean_before[0]), lanes[0], float(view.mean_after[0]), lanes[1])
    if all(map(math.isfinite, ends)):
        _arrow(fig, ends)
    turn = np.linspace(0, 2 * np.pi, 73)
    rings = [(k.position, k.radius) for k in frame.shown_clusters(c)] if not flat else []
    fig.multi_line(
        [(at[0] + radius * np.cos(turn)).tolist() for at, radius in rings],
        [(at[1] + radius * np.sin(turn)).tolist() for at, radius in rings],
        line_color=_LIGHT["ink"], line_width=1.8, name="rings", level="overlay",
    )  # fmt: skip
    _keys(fig, c, groups(c))


def _ellipse(mean: FloatArray, cov: FloatArray) -> FloatArray:
    """The outline of two standard deviations, (73, 2)."""
    variances, axes = np.linalg.eigh(np.asarray(cov, np.float64))
    turn = np.linspace(0, 2 * np.pi, 73)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(mean, np.float64) + circle @ (axes * (2 * np.sqrt(np.maximum(variances, 0)))).T


def _arrow(fig: Any, ends: tuple[float, float, float, float]) -> None:

    models, _ = _bokeh()
    x0, y0, x1, y1 = ends
    for colour, width, name in ((_LIGHT["ground"], 6, "halo"), (_LIGHT["ink"], 2, "ink")):
        head = models.NormalHead(size=9 if name == "ink" else 12, fill_color=colour, line_color=colour)
        fig.add_layout(
            models.Arrow(
                end=head, x_start=x0, y_start=y0, x_end=x1, y_end=y1, line_color=colour, line_width=width,
                level="overlay", name=f"mean {name}",
            )
        )  # fmt: skip


def _keys(fig: Any, c: Comparison, rows: Sequence[Group]) -> None:
    """The key of every cluster that moved, on the map where it lies; new ones above their ring."""
    flat = frame.is_line(c)
    top = {clean(k.name, 60): k.radius for k in frame.shown_clusters(c)}
    x, y = map_span(c)
    placed = [
        (group, group.position) for group in rows
        if group.position is not None and all(map(math.isfinite, group.position))
    ]  # fmt: skip
    # Bokeh strokes a text's outline over it: the halo is a text of its own below.
    for part, colour, width in (("halo", "ground", 5), ("ink", "ink", 0)):
        fig.text(
            [float(np.clip(at[0], *x)) for _, at in placed],
            [0.0 if flat else float(np.clip(at[1] + top.get(group.name, 0.0), *y)) for group, at in placed],
            text=[f"{group.key}  {group.after}" if group.kind == "new" else group.key for group, _ in placed],
            text_align="center",
            text_baseline=["bottom" if group.kind == "new" else "middle" for group, _ in placed],
            text_font={"value": FONT}, text_font_size="14px", text_font_style="bold", text_color=_LIGHT[colour],
            text_outline_color=_LIGHT[colour] if width else None, text_outline_width=width, level="overlay",
            name=f"keys {part}",
        )  # fmt: skip


def _axes(fig: Any, x: str, y: str) -> None:
    fig.xaxis.axis_label, fig.yaxis.axis_label = x, y
    for axis in fig.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "12px"
        axis.minor_tick_line_color = None
        axis.axis_line_color = axis.major_tick_line_color = _LIGHT["line"]
        axis.axis_label_text_color = axis.major_label_text_color = _LIGHT["quiet"]
    for grid in fig.grid:
        grid.grid_line_color, grid.grid_line_alpha = _LIGHT["line"], 0.6
    fig.background_fill_color = fig.border_fill_color = None
    fig.outline_line_color = None
    fig.min_border_right = 12


def empty_source() -> ColumnDataSource:
    """A source that the page fills."""
    models, _ = _bokeh()

    names = ("x", "y", "colour", "alpha", "size", "id", "text", "side", "cluster", "facts")
    return models.ColumnDataSource({name: [] for name in names})


def filled_map(c: Comparison, colour: str) -> Figure:
    """Draw the map with its rows, for a notebook.

    Parameters
    ----------
    c : Comparison
    colour : str
        ``window``, ``cluster``, or the name of an outcome.
    """
    require()
    models, _ = _bokeh()

    known = ("window", "cluster", *c.view.after_outcomes)
    if colour not in known:
        raise UsageError("colour", got=repr(colour), want=f"one of {', '.join(map(repr, known))}")
    sides = points(frame.in_lanes(c))
    rows = groups(c)
    sources = [
        models.ColumnDataSource(_columns(c, side, name, label, rows, colour))
        for side, name, label in zip(sides, ("before", "after"), (c.before.label, c.after.label), strict=True)
    ]
    fig: Any = map_figure(c, *sources)
    fig.background_fill_color = fig.border_fill_color = _LIGHT["ground"]
    fig.toolbar_location = "right"
    fig.title.text = model.headline(c)
    renderers = {r.name: r for r in fig.renderers}
    labels = {"before": model.side_label(c.before), "after": model.side_label(c.after)}
    legend = models.Legend(
        items=[(label, [renderers[name]]) for name, label in labels.items()],
        click_policy="hide",
        orientation="horizontal",
    )
    fig.add_layout(legend, "below")
    return fig


def _columns(c: Comparison, side: Points, name: str, label: str, rows: Sequence[Group], colour: str) -> dict[str, Any]:
    n = len(side.xy)
    names = np.array([clean(k, 60) for k in c.view.clusters] or ["all rows"], object)
    total = len(c.view.before) + len(c.view.after)
    return {
        "x": side.xy[:, 0],
        "y": side.xy[:, 1],
        "colour": _colours(side, name, rows, colour),
        "alpha": np.full(n, point_alpha(total)),
        "size": np.full(n, point_size(total)),
        "id": [clean(word, 64) for word in side.ids],
        "text": [clean(word, 160) for word in side.texts],
        "side": [clean(label, 60)] * n,
        "cluster": names[side.clusters].tolist() if n else [],
        "facts": _facts(side),
    }


def _facts(side: Points) -> list[str]:
    """Each row's outcomes in words."""
    said = [
        [f"{clean(name, 40)}: {'n/a' if math.isnan(v) else number(v)}" for v in values.tolist()]
        for name, values in side.outcomes.items()
    ]
    return ["; ".join(parts) for parts in zip(*said, strict=True)] if said else [""] * len(side.xy)


def _colours(side: Points, name: str, rows: Sequence[Group], colour: str) -> list[str]:
    if colour == "window":
        return [_LIGHT[name]] * len(side.xy)
    if colour == "cluster":
        shades = {group.place: shade(group) for group in rows}
        return [shades[place] for place in side.clusters.tolist()]
    values = side.outcomes[colour].astype(np.float64)
    known = values[~np.isnan(values)]
    ramp = _LIGHT["two"] if set(known.tolist()) <= {0.0, 1.0} else _LIGHT["ramp"]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    if len(ramp) == 2:
        low, high = 0.0, 1.0
    place = np.nan_to_num((values - low) / max(high - low, 1e-30)) * (len(ramp) - 1)
    return [_LIGHT["missing"] if math.isnan(v) else ramp[round(p)] for v, p in zip(values, place, strict=True)]


def shade(group: Group) -> str:
    """The colour of a cluster on light ground."""
    family = _LIGHT[group.kind]
    return family[group.shade % len(family)]


# ---------------------------------------------------------------- the histograms and the scores


def pc1_figure(c: Comparison) -> Figure:
    """Draw both sides' histograms along PC1 on the same bins, as shares of their own rows."""
    models, plotting = _bokeh()

    edges = np.asarray(c.view.pc1_edges, np.float64)
    sides = [frame.shares(counts) for counts in (c.view.pc1_before, c.view.pc1_after)]
    peak = max(float(np.max(share, initial=0.0)) for share in sides) or 1.0
    fig = plotting.figure(
        x_range=models.Range1d(float(edges[0]), float(edges[-1])), y_range=models.Range1d(0, 1.1 * peak), height=300,
        sizing_mode="stretch_width", toolbar_location=None, tools=[],
    )  # fmt: skip
    bins = models.ColumnDataSource(
        {
            "left": edges[:-1].tolist(),
            "right": edges[1:].tolist(),
            "top": np.maximum(*sides).tolist(),
            "range": [between(number(low), number(high)) for low, high in itertools.pairwise(edges.tolist())],
            "before": [percent(v) for v in sides[0].tolist()],
            "after": [percent(v) for v in sides[1].tolist()],
        }
    )
    for name, share, dash in zip(("before", "after"), sides, ("solid", "dashed"), strict=True):
        x, y = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(share, 2), [0.0]])
        fig.varea(x, np.zeros(len(x)), y, fill_color=_LIGHT[name], fill_alpha=0.16, name=f"area {name}")
        fig.line(x, y, line_color=_LIGHT[name], line_width=2, line_dash=dash, name=f"line {name}")
        middle = frame.median(edges, share)
        if math.isfinite(middle):
            fig.line(
                [middle] * 2,
                [0, 1.1 * peak],
                line_color=_LIGHT[name],
                line_width=1.3,
                line_dash=dash,
                name=f"line {name}",
            )
    bars = fig.quad("left", "right", "top", 0, source=bins, fill_alpha=0, line_color=None, name="bins")
    labels = [_label(side.label) for side in (c.before, c.after)]
    said = f"<strong>PC1 @range</strong><div>{labels[0]}: @before</div><div>{labels[1]}: @after</div>"
    fig.add_tools(models.HoverTool(renderers=[bars], tooltips=_tip(said), attachment="above", limit=1))
    _axes(fig, model.axis_label(1, c.view.explained[0]), "share of the rows, per bin")
    ticks = [tick for tick in _round_ticks(peak) if tick <= 1.1 * peak]
    fig.yaxis.ticker = ticks
    fig.yaxis.major_label_overrides = {tick: rough_percent(tick) if tick else "0" for tick in ticks}
    return fig


def _label(text: str) -> str:
    """A person's label inside a hover's template: no markup, and nothing that the template would take as a column."""
    return "".join(f"&#{ord(char)};" if not char.isalnum() and char != " " else char for char in clean(text, 40))


def _round_ticks(peak: float) -> list[float]:
    step = 10 ** math.floor(math.log10(peak)) if peak > 0 else 1.0
    step = next(step * factor for factor in (0.2, 0.5, 1, 2, 5) if peak / (step * factor) <= 5)
    return [round(i * step, 12) for i in range(7)]


def z_place(z: float, compressed: bool) -> float:
    """Where z stands on the axis: linear up to 10, and logarithmic beyond where one score would dwarf the rest.

    Examples
    --------
    >>> z_place(5, True), z_place(100, True), z_place(100, False)
    (5, 20.0, 100)
    """
    if not compressed or abs(z) <= 10:
        return z
    return math.copysign(10 + 10 * math.log10(abs(z) / 10), z)


def scores_figure(c: Comparison) -> Figure:
    """Draw z of every score against the band of unchanged data, the panel's members first."""
    models, plotting = _bokeh()

    rows = [row for row in model.score_rows(c) if not row.refused and math.isfinite(row.at)]
    threshold = frame.threshold(c)
    values = [z for z in (*(row.at for row in rows), threshold, 3.0, -3.0) if math.isfinite(z)]
    squeezed = max(map(abs, values)) > _LINEAR_UP_TO
    low, high = (z_place(z, squeezed) for z in (min(values), max(values)))
    names = [clean(row.label, 30) for row in rows]
    fig = plotting.figure(
        x_range=models.Range1d(low - 0.06 * (high - low), high + 0.16 * (high - low)),
        y_range=models.Range1d(len(rows) - 0.4, -0.6),
        height=90 + 26 * len(rows), sizing_mode="stretch_width", toolbar_location=None, tools=[],
    )  # fmt: skip
    fig.add_layout(
        models.BoxAnnotation(
            left=-2,
            right=2,
            fill_color=_LIGHT["line"],
            fill_alpha=0.6,
            line_color=None,
            name="null band",
            level="underlay",
        )
    )
    fig.add_layout(models.Span(location=0, dimension="height", line_color=_LIGHT["quiet"], name="zero"))
    if math.isfinite(threshold):
        fig.add_layout(
            models.Span(
                location=threshold,
                dimension="height",
                line_color=_LIGHT["ink"],
                line_dash="dotted",
                line_width=2,
                name="threshold",
            )
        )
    for name, marker, colour, chosen in (
        ("decides", "diamond", "after", [i for i, row in enumerate(rows) if row.decides]),
        ("member", "circle", "before", [i for i, row in enumerate(rows) if row.member and not row.decides]),
        ("shown", "circle", "before", [i for i, row in enumerate(rows) if not row.member]),
    ):
        data = {
            "at": [z_place(rows[i].at, squeezed) for i in chosen], "place": chosen, "zero": [0] * len(chosen),
            "z": [rows[i].z for i in chosen], "label": [rows[i].label for i in chosen],
            "p": [rows[i].p for i in chosen], "effect": [rows[i].effect for i in chosen],
            "null": [rows[i].null for i in chosen], "value": [rows[i].value for i in chosen],
            "meaning": [rows[i].meaning for i in chosen],
        }  # fmt: skip
        source = models.ColumnDataSource(data)
        fig.segment(
            "zero", "place", "at", "place", source=source, line_color=_LIGHT[colour], line_width=2, name=f"stem {name}"
        )
        dots = fig.scatter(
            "at", "place", source=source, marker=marker, size=13 if name == "decides" else 10, line_width=2,
            line_color=_LIGHT[colour], fill_color=_LIGHT["ground" if name == "shown" else colour], name=f"dots {name}",
        )  # fmt: skip
        fig.text(
            "at", "place", text="z", source=source, x_offset=11, text_baseline="middle", text_font={"value": FONT},
            text_font_size="12px", text_font_style="bold" if name == "decides" else "normal",
            text_color=_LIGHT["ink"], name="numbers",
        )  # fmt: skip
        fig.add_tools(models.HoverTool(renderers=[dots], tooltips=_tip(_SCORE), limit=1))
    unit = "z (compressed beyond 10)" if squeezed else "z: distance from unchanged data, in its standard deviations"
    _axes(fig, unit, "")
    fig.yaxis.ticker = list(range(len(rows)))
    fig.yaxis.major_label_overrides = dict(enumerate(names))
    fig.yaxis.axis_line_color = fig.yaxis.major_tick_line_color = None
    fig.ygrid.visible = False
    if squeezed:
        marks = [
            z
            for z in (-1000, -100, -30, -10, -5, 0, 5, 10, 30, 100, 300, 1000, 3000, 10_000)
            if low <= z_place(z, True) <= high
        ]
        fig.xaxis.ticker = [z_place(z, True) for z in marks]
        fig.xaxis.major_label_overrides = {z_place(z, True): z_value(z).lstrip("+").replace(".0", "") for z in marks}
    return fig


# ---------------------------------------------------------------- what the page carries


def item(fig: Any) -> dict[str, Any]:
    """A figure as Bokeh's own JSON, its models numbered from 1, so that the same figure gives the same bytes."""
    from bokeh.embed import json_item

    raw = cast("dict[str, Any]", json.loads(json.dumps(json_item(fig))))
    names: dict[str, str] = {}
    whole = {"root_id": raw["root_id"], "doc": raw["doc"], "target_id": None}
    return cast("dict[str, Any]", _renumbered(whole, names))


def _renumbered(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renumbered(each, names) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, Any]", value)
    return {
        key: names.setdefault(each, f"m{len(names) + 1}")
        if key in ("id", "root_id") and isinstance(each, str)
        else _renumbered(each, names)
        for key, each in given.items()
    }


def library() -> str:
    """Bokeh's own JavaScript: the core and WebGL, nothing else."""
    from bokeh.resources import Resources

    scripts = Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw
    # What is left out would only say on the console at which level it logs.
    return "\n".join(script for script in scripts if not script.startswith("Bokeh.set_log_level"))
