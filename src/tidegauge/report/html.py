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
def _template(name: Literal["compare.html.j2"]) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tidegauge.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


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
    text = _template("compare.html.j2").render(page=page, pictures=pictures)
    return text.encode("utf-8", "replace").decode("utf-8")
