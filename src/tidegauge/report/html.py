"""A comparison as one self-contained HTML page: no script, no network, light and dark, and fit to print."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Literal

import jinja2

from tidegauge.records import Comparison
from tidegauge.report import model


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')}"


@cache
def template(
    name: Literal[
        "backtest.html.j2", "compare.html.j2", "explore.html.j2", "home.html.j2", "inline.html.j2", "link.html.j2"
    ],
) -> jinja2.Template:
    """One of the templates beside this file; whatever it is given is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tidegauge.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


TONES: Mapping[model.Tone, str] = {"alert": "#c2410c", "calm": "#15803d", "unknown": "#a16207"}


def inline(c: Comparison) -> str:
    """Render a comparison for a notebook: verdict, drift, the three answers, outcomes and a small picture."""
    from tidegauge.report import figures

    page = model.page(c)
    png = figures.png(figures.pca_figure(c), dots=80)
    uri = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    picture = {"uri": uri, "alt": page.pictures[0].alt}
    text = template("inline.html.j2").render(page=page, picture=picture, tone=TONES[page.tone])
    return text.encode("utf-8", "replace").decode("utf-8")


def render(c: Comparison, figures: Mapping[str, str]) -> str:
    """Render a comparison as one HTML file.

    Parameters
    ----------
    c : Comparison
        What to say. Its texts are escaped, and control characters in them are left out.
    figures : mapping of name to SVG text
        Pictures by the names ``embedding-drift-pca``, ``pc1`` and ``scores``; one that is missing is left out.

    Returns
    -------
    str
        The page, which refers to nothing outside itself.
    """
    page = model.page(c)
    pictures = {
        picture.name: {"title": picture.title, "alt": picture.alt, "uri": _data_uri(figures[picture.name])}
        for picture in page.pictures
        if picture.name in figures
    }
    text = template("compare.html.j2").render(page=page, pictures=pictures)
    return text.encode("utf-8", "replace").decode("utf-8")
