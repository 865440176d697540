from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.report.cases import drifted, hostile, one_dimension, refused_scores, unchanged
from tidegauge.records import Comparison, Drift
from tidegauge.report import figures, model
from tidegauge.report.model import WeekRow
from tidegauge.report.waterfall import waterfall_figure

_DRAW: dict[str, Callable[[Comparison], Figure]] = {
    "pca": figures.pca_figure,
    "pc1": figures.pc1_figure,
    "scores": figures.scores_figure,
    "before": lambda c: figures.pc1_side_figure(c, "before"),
    "after": lambda c: figures.pc1_side_figure(c, "after"),
}


def _weeks(n: int, outcomes: bool = True) -> list[WeekRow]:
    rates = {"retrieval success": 0.8, "click-through": 0.3} if outcomes else {}
    rows = [
        WeekRow(f"week {i}", Drift(i, i - 0.5, i + 0.5, 1.0), "drift" if i > 3 else "no drift", rates) for i in range(n)
    ]
    nothing = Drift(math.nan, math.nan, math.nan, math.nan)
    return [*rows, WeekRow("$\\bad{", nothing, "insufficient data", {})]


def _texts(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("kind", sorted(_DRAW))
def test_every_case_can_be_drawn(comparison: Comparison, kind: str) -> None:
    svg = figures.svg(_DRAW[kind](comparison))
    assert svg.startswith(b"<?xml")
    assert len(svg) < 500_000


@pytest.mark.parametrize("kind", sorted(_DRAW))
def test_bytes_are_the_same_every_time(kind: str) -> None:
    assert figures.svg(_DRAW[kind](drifted())) == figures.svg(_DRAW[kind](drifted()))
    assert figures.png(_DRAW[kind](drifted())) == figures.png(_DRAW[kind](drifted()))


def test_bytes_do_not_depend_on_the_persons_settings() -> None:
    usual = figures.svg(figures.pc1_figure(drifted()))
    with mpl.rc_context({"font.size": 22, "axes.facecolor": "black", "svg.hashsalt": "other"}):
        assert figures.svg(figures.pc1_figure(drifted())) == usual
        assert mpl.rcParams["font.size"] == 22


def test_files_say_neither_when_nor_by_what_they_were_made() -> None:
    figure = figures.pc1_figure(drifted())
    assert not {mark for mark in (b"dc:date", b"dc:creator", b"Matplotlib v") if mark in figures.svg(figure)}
    assert b"tEXt" not in figures.png(figure)


def test_many_points_stay_small() -> None:
    c = drifted()
    many = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
    svg = figures.svg(figures.pca_figure(replace(c, view=replace(c.view, before=many, after=many + 1))))
    assert len(svg) < 500_000


def test_title_states_the_verdict_and_rings_are_labelled() -> None:
    texts = " ".join(_texts(figures.pca_figure(drifted()))).replace("\u202f", " ")
    assert "Drift: as if 9.3 % of the traffic had moved" in texts
    assert "refund gift card, 7.8 %" in texts
    assert "PC1 (12 % of the reference's variance)" in texts


def test_little_visible_drift_is_warned_of() -> None:
    warned = " ".join(_texts(figures.pca_figure(refused_scores()))).replace("\u202f", " ")
    assert "Only 3 % of the drift is visible on these two axes; see the scores." in warned
    hidden = replace(unchanged(), view=replace(unchanged().view, visible=0.03))
    assert "visible" not in " ".join(_texts(figures.pca_figure(hidden)))


def test_outliers_do_not_own_the_axes_but_rings_and_means_fit() -> None:
    c = refused_scores()
    (low, high), (bottom, top) = (getattr(figures.pca_figure(c).axes[0], f"get_{axis}lim")() for axis in "xy")
    assert high - low < 40
    assert top - bottom < 40
    for cluster in c.novelty.clusters:
        x, y = cluster.position
        assert low <= x - cluster.radius <= x + cluster.radius <= high
        assert bottom <= y - cluster.radius <= y + cluster.radius <= top


def test_one_dimension_has_no_second_axis() -> None:
    assert not [text for text in _texts(figures.pca_figure(one_dimension())) if text.startswith("PC2")]


def test_side_pictures_share_their_axes() -> None:
    pair = [figures.pc1_side_figure(drifted(), side).axes[0] for side in ("before", "after")]
    assert pair[0].get_xlim() == pair[1].get_xlim()
    assert pair[0].get_ylim() == pair[1].get_ylim()


@pytest.mark.parametrize("rows", [[], _weeks(1), _weeks(12), _weeks(70), _weeks(5, outcomes=False)])
def test_history_of_any_length(rows: list[WeekRow]) -> None:
    figure = figures.history_figure(rows)
    assert figures.svg(figure) == figures.svg(figures.history_figure(rows))
    assert len(figure.axes) == (2 if any(row.outcomes for row in rows) else 1)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_write_gives_both_files(tmp_path: Path) -> None:
    svg, png = figures.write(figures.pc1_figure(drifted()), tmp_path / "pc1-week0.5")
    assert (svg.name, png.name) == ("pc1-week0.5.svg", "pc1-week0.5.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert sorted(tmp_path.iterdir()) == [png, svg]


@pytest.mark.parametrize("build", [drifted, hostile])
def test_a_waterfall_goes_from_before_to_after(build: Callable[[], Comparison]) -> None:
    for view in model.change_views(build()):
        steps = [(row.start, row.end) for row in view.parts]
        assert steps[0][0] == view.rate_before
        assert steps[-1][1] == pytest.approx(view.rate_after, abs=1e-12)
        assert all(one[1] == two[0] for one, two in pairwise(steps))
        assert figures.svg(waterfall_figure(view)) == figures.svg(waterfall_figure(view))


def test_a_waterfall_tells_kinds_apart_without_colour_and_says_each_step() -> None:
    figure = waterfall_figure(model.change_views(drifted())[0])
    bars = [bar for bar in figure.axes[0].patches if bar.get_hatch()]
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in bars}) == 3
    texts = " ".join(_texts(figure)).replace("\u202f", " ").replace("\u2212", "-")
    for said in ("81.2 %", "74.1 %", "-4.5 points", "New cluster 1", "“can I get a refund", "Harm is that it falls"):
        assert said in texts
