"""What every figure stands on: our own settings, a light ground, and files whose bytes are the same every time.

Each figure brings its own light ground, so that it reads the same on a dark page and in print. No pyplot: nothing
global is touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from tidegauge.report.files import replace_file

INK, GREY, FAINT, GROUND = "#1b1f24", "#57606a", "#d0d7de", "#ffffff"

_STYLE: Mapping[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.dpi": 100.0,
    "figure.facecolor": GROUND,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "legend.frameon": False,
    "savefig.dpi": 144.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "tidegauge",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@contextmanager
def style() -> Generator[None]:
    """Draw with our own settings alone, whatever the person's matplotlibrc says."""
    fresh: dict[Any, Any] = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")}
    with mpl.rc_context():
        mpl.rcParams.update(fresh | dict(_STYLE))
        yield


def figure(width: float, height: float) -> Figure:
    """Make an empty figure of ``width`` x ``height`` inches that lays itself out."""
    return Figure(figsize=(width, height), layout="constrained")


def title(ax: Axes, text: str, subtitle: str) -> None:
    """Write a title, and a smaller line below it, flush left above the axes."""
    ax.set_title(f"{text}\n", loc="left", fontsize=12, fontweight="bold", linespacing=1.7)
    ax.annotate(
        drawable(subtitle), (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", color=GREY, fontsize=9
    )


def key(colour: str, label: str, **look: Any) -> Line2D:
    """Make a legend's entry; ``look`` is marker, linestyle and so on, and without a linestyle there is no line."""
    given: dict[str, Any] = {"linestyle": "", "markersize": 7.5} | look
    return Line2D([], [], color=colour, label=label, **given)


def tick_format(axis: Axis, say: Callable[[float], str]) -> None:
    """Write an axis' tick labels with one of the functions of ``tidegauge.report.formats``."""

    def label(value: float, _position: int | None = None) -> str:
        return say(value)

    axis.set_major_formatter(FuncFormatter(label))


@cache
def _glyphs() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def drawable(text: str, otherwise: str = "?") -> str:
    """Keep the characters that the font has: others would be drawn as boxes."""
    kept = "".join(char for char in text if ord(char) in _glyphs()).strip()
    return kept or otherwise


def svg(drawing: Figure) -> bytes:
    """Render a figure as SVG: text as paths, and neither date nor version, so that equal input gives equal bytes."""
    return _render(drawing, "svg", {"Date": None, "Creator": None})


def png(drawing: Figure, dots: int = 144) -> bytes:
    """Render a figure as PNG at so many dots per inch, without metadata."""
    return _render(drawing, "png", {"Software": None}, dpi=dots)


def _render(drawing: Figure, kind: str, metadata: dict[str, Any], **more: Any) -> bytes:
    out = io.BytesIO()
    with style():
        drawing.savefig(out, format=kind, metadata=metadata, **more)
    return out.getvalue()


def write(drawing: Figure, path_without_suffix: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a figure as SVG and PNG.

    Parameters
    ----------
    drawing : Figure
        A figure of ``tidegauge.report.figures``.
    path_without_suffix : path
        Such as ``out/pc1``; the folder must exist.

    Returns
    -------
    tuple of Path
        The SVG's path and the PNG's.
    """
    stem = os.fspath(path_without_suffix)
    return replace_file(Path(f"{stem}.svg"), svg(drawing)), replace_file(Path(f"{stem}.png"), png(drawing))
