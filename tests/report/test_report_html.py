from __future__ import annotations

import html as standard_html
import re
from html.parser import HTMLParser

import pytest

from tests.report.cases import drifted, hostile, insufficient
from tidegauge.records import Comparison
from tidegauge.report import html, model

_SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'
_FIGURES = dict.fromkeys(("embedding-drift-pca", "pc1", "scores"), _SVG)
_VOID = {"meta", "img", "br"}


class _Balanced(HTMLParser):
    """Collects tags, attributes and headings, and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _parse(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Balanced()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser.tags


def test_every_tag_is_closed_and_known(comparison: Comparison) -> None:
    tags = _parse(html.render(comparison, _FIGURES))
    assert not {name for name, _ in tags} & {"script", "iframe", "object", "embed", "link", "form", "base", "a"}
    assert not [attribute for _, given in tags for attribute in given if attribute.startswith("on")]


def test_refers_to_nothing_outside(comparison: Comparison) -> None:
    page = html.render(comparison, _FIGURES)
    outward = {"src", "srcset", "href", "action", "data", "poster", "background", "xlink:href"}
    targets = [given[name] or "" for _, given in _parse(page) for name in outward & set(given)]
    assert all(target.startswith("data:image/svg+xml;base64,") for target in targets)
    assert not re.findall(r"url\(|@import|https?://", page)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page


def test_says_verdict_pictures_and_meanings(comparison: Comparison) -> None:
    page = standard_html.unescape(html.render(comparison, _FIGURES))
    values = model.page(comparison)
    assert values.verdict in page
    assert values.drift.value in page
    for picture in values.pictures:
        assert (f'alt="{picture.alt}"' in page) == (picture.name in _FIGURES)
    for score in values.scores:
        assert score.meaning in page
        assert score.refused in page


def test_headings_and_tables_are_semantic() -> None:
    tags = _parse(html.render(drifted(), _FIGURES))
    assert ("html", {"lang": "en"}) in tags
    assert [name for name, _ in tags].count("h1") == 1
    assert all("scope" in given for name, given in tags if name == "th")
    assert all(given.get("alt") for name, given in tags if name == "img")


def test_texts_are_escaped() -> None:
    page = html.render(hostile(), _FIGURES)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    page.encode("utf-8")


def test_quality_and_decision_are_told() -> None:
    page = html.render(drifted(), _FIGURES)
    for words in ("week-4.parquet, row 17", "Seed", "two samples", "standard-1 (4f9a2c11)", "Duplicates", "bge-small"):
        assert words in page


def test_pictures_may_be_missing() -> None:
    assert "<img" not in html.render(insufficient(), {})


@pytest.mark.parametrize("scheme", ["prefers-color-scheme: dark", "@media print", "max-width: 34rem"])
def test_styles_for_every_reader(scheme: str) -> None:
    assert scheme in html.render(drifted(), {})
