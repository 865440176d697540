from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from bokeh.models import GlyphRenderer
from matplotlib.figure import Figure

import tidegauge
from tests.report.cases import drifted, hostile
from tests.report.test_report_explore import clustered
from tidegauge import Comparison, Reference, Result, UsageError
from tidegauge.report import figures


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, 4)), rng.standard_normal((200, 4)) + 1


def test_compare_and_score_return_results(rows: tuple[np.ndarray, np.ndarray]) -> None:
    result = tidegauge.compare(*rows)
    reference = Reference.fit(rows[0])
    window = tidegauge.compare(reference, reference.sketch(rows[1]))
    for each in (result, window):
        assert isinstance(each, Result)
        assert isinstance(each, Comparison)
        assert each.verdict.sentence in each._repr_html_()
    assert tidegauge.compare.__doc__
    assert "alpha" in tidegauge.compare.__doc__


def test_a_result_is_its_comparison() -> None:
    c = drifted()
    result = Result.of(c)
    assert all(getattr(result, field.name) is getattr(c, field.name) for field in fields(Comparison))
    assert isinstance(replace(result, seed=4), Result)


@pytest.mark.parametrize(
    ("name", "draw"), [("map", figures.pca_figure), ("pc1", figures.pc1_figure), ("scores", figures.scores_figure)]
)
def test_figures_are_those_of_the_report(name: str, draw: object) -> None:
    assert callable(draw)
    drawn = Result.of(drifted()).figure(name)  # type: ignore[arg-type]
    assert isinstance(drawn, Figure)
    assert figures.svg(drawn) == figures.svg(draw(drifted()))


def test_other_figures_are_refused() -> None:
    with pytest.raises(UsageError, match="'map', 'pc1', 'scores'"):
        Result.of(drifted()).figure("pca")  # type: ignore[arg-type]


@pytest.mark.parametrize("colour", ["window", "cluster", "retrieval success"])
def test_map_holds_every_row(colour: str) -> None:
    drawn = Result.of(clustered(drifted())).map(colour)
    sources = {r.name: r.data_source.data for r in drawn.renderers if isinstance(r, GlyphRenderer)}
    for side in ("before", "after"):
        assert len(sources[side]["x"]) == len(sources[side]["text"]) == 60
    colours = set(sources["after"]["colour"])
    assert len(colours) == {"window": 1, "cluster": 6, "retrieval success": 2}[colour]
    assert sources["after"]["facts"][0] == "retrieval success: 0"


def test_map_refuses_what_it_does_not_know() -> None:
    with pytest.raises(UsageError, match="'window', 'cluster', 'retrieval success'"):
        Result.of(clustered(drifted())).map("price")


def test_inline_html_has_no_script_and_no_colours_of_its_own() -> None:
    page = Result.of(hostile())._repr_html_()
    assert "<script" not in page
    assert not re.findall(r"[;\"]\s*color:|http", page.replace("background:", ""))
    assert len(page) < 400_000
    for question in ("Did the mean shift?", "Did the spread change?", "Did new clusters emerge?"):
        assert question in page


def test_save_writes_the_report(tmp_path: Path) -> None:
    names = {path.name for path in Result.of(drifted()).save(tmp_path / "a")}
    assert "report.html" in names
    assert "explore.html" not in names
    assert "explore.html" in {path.name for path in Result.of(drifted()).save(tmp_path / "b", interactive=True)}


def test_to_compare_loads_no_surface() -> None:
    code = (
        "import sys, tidegauge, numpy as np; rng = np.random.default_rng(0);"
        "tidegauge.compare(rng.standard_normal((40, 3)), rng.standard_normal((40, 3)));"
        "sys.exit(str([m for m in ('matplotlib', 'jinja2', 'bokeh', 'typer') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
