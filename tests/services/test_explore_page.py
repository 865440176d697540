"""The interactive page in a real browser: clean for axe-core, asks for nothing, and does what its controls say."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from tests.report.cases import hostile
from tests.report.test_report_explore import clustered
from tests.services.conftest import Opened
from tidegauge.comparison import compare
from tidegauge.comparison.conclude import relabelled
from tidegauge.records import Comparison
from tidegauge.report import explore, write_report
from tidegauge.testing import Product

pytestmark = pytest.mark.service

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
Visit = Callable[..., Opened]


@pytest.fixture(scope="module")
def weeks() -> Comparison:
    product = Product(1)
    return relabelled(compare(product.week(0, rows=800), product.week(8, rows=800), seed=1), "week 0", "week 8")


@pytest.fixture(scope="module")
def folder(weeks: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report")
    write_report(weeks, made, interactive=True)
    return made


def ready(opened: Opened) -> Any:
    opened.page.wait_for_selector("html[data-ready=yes]", state="attached")
    opened.page.wait_for_timeout(300)
    return opened.page


def violations(page: Any) -> list[str]:
    page.evaluate(
        "code => { const s = document.createElement('script'); s.textContent = code; document.head.append(s); }", AXE
    )
    found = page.evaluate("axe.run(document)")["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def pixels(page: Any, file: Path, selector: str = "#map") -> np.ndarray:
    page.locator(selector).screenshot(path=file)
    return matplotlib.image.imread(file)[..., :3]


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_interactive_page_is_clean_for_axe(visit: Visit, folder: Path, dark: bool, phone: bool) -> None:
    opened = visit(folder / "explore.html", dark=dark, phone=phone)
    page = ready(opened)
    assert violations(page) == []
    page.click("button.choose >> nth=0")
    page.select_option("#colour", "cluster")
    for closed in page.locator("details").all():
        closed.locator("summary").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= (390 if phone else 1280)
    assert (opened.errors, opened.asked) == ([], [])


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_still_page_is_clean_for_axe(visit: Visit, folder: Path, dark: bool, phone: bool) -> None:
    # The page allows no script at all, not even axe's own: the policy is taken out for the test.
    copy = folder / f"still-{dark}-{phone}.html"
    copy.write_text((folder / "report.html").read_text("utf-8").replace("Content-Security-Policy", "x"), "utf-8")
    opened = visit(copy, dark=dark, phone=phone)
    assert violations(opened.page) == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= (390 if phone else 1280)


def test_axe_finds_what_is_wrong(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<!doctype html><title>x</title><img src='data:,'><button></button>", "utf-8")
    found = violations(visit(tmp_path / "bad.html").page)
    assert {each.split(":")[0] for each in found} >= {"button-name", "image-alt", "html-has-lang"}


def test_colours_and_legend_switch(visit: Visit, folder: Path, weeks: Comparison, tmp_path: Path) -> None:
    page = ready(visit(folder / "explore.html"))
    pictures, legends = [], []
    for choice in ("window", "cluster", "0"):
        page.select_option("#colour", choice)
        page.wait_for_timeout(500)
        pictures.append(pixels(page, tmp_path / "map.png"))
        legends.append(page.inner_text("#legend"))
    assert "week 0 (800 rows)" in legends[0].replace("\u202f", " ")
    assert weeks.novelty.clusters[0].name in legends[1]
    assert "success 1" in legends[2]
    smallest = tuple(min(picture.shape[at] for picture in pictures) for at in (0, 1))
    cropped = [picture[: smallest[0], : smallest[1]] for picture in pictures]
    for one, other in itertools.combinations(cropped, 2):
        assert (np.abs(one - other).max(axis=2) > 0.1).mean() > 0.01


def test_windows_and_marks_can_be_hidden(visit: Visit, folder: Path, tmp_path: Path) -> None:
    page = ready(visit(folder / "explore.html"))
    ink = [(pixels(page, tmp_path / "map.png").min(axis=2) < 0.7).mean()]
    for control in ("#show-before", "#show-after", "#show-marks"):
        page.uncheck(control)
        page.wait_for_timeout(400)
        ink.append((pixels(page, tmp_path / "map.png").min(axis=2) < 0.7).mean())
    assert all(later < 0.95 * earlier for earlier, later in itertools.pairwise(ink))
    assert ink[-1] < 0.1 * ink[0]


def test_a_cluster_lists_its_rows(visit: Visit, folder: Path, weeks: Comparison) -> None:
    page = ready(visit(folder / "explore.html"))
    page.click("button.choose >> nth=0")
    view = weeks.view
    wanted = [text for text, place in zip(view.after_texts, view.after_clusters, strict=True) if place == 0]
    while page.is_visible("#more"):
        page.click("#more")
    listed = page.locator("#rows tr").all_inner_texts()
    assert len(listed) == len(wanted) + int((view.before_clusters == 0).sum())
    assert sorted(line.split("\t")[2] for line in listed if line.startswith("week 8")) == sorted(wanted)
    assert page.inner_text("#rows-title") == f"Rows of N1, {weeks.novelty.clusters[0].name}"
    page.fill("#find", "BALANCE")
    found = page.locator("#rows tr").all_inner_texts()
    assert len(found) == sum("balance" in text.lower() for text in wanted) > 0
    page.keyboard.press("Escape")
    assert page.inner_text("#rows-text") == "None is chosen."


def test_pointing_and_clicking_at_a_point(visit: Visit, folder: Path) -> None:
    page = ready(visit(folder / "explore.html"))
    box = page.locator("#map").bounding_box()
    for dx, dy in itertools.product(range(250, 420, 5), range(200, 330, 5)):
        page.mouse.move(box["x"] + dx, box["y"] + dy)
        page.wait_for_timeout(60)
        if page.locator(".bk-Tooltip strong").count():
            break
    text = page.locator(".bk-Tooltip strong").first.inner_text()
    name, cluster, facts = page.locator(".bk-Tooltip strong ~ div").all_inner_texts()[:3]
    assert name.startswith("w")
    assert facts.startswith("success: ")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_timeout(300)
    assert page.inner_text("#rows-title") == f"Rows of {cluster}"
    page.fill("#find", text)
    assert text in page.locator("#rows tr").all_inner_texts()[0]


def test_keyboard_alone_reaches_everything(visit: Visit, folder: Path, weeks: Comparison) -> None:
    page = ready(visit(folder / "explore.html"))
    reached: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.id || document.activeElement.className")
        reached.append(here)
        if here == "choose":
            break
    assert {"colour", "show-before", "show-after", "show-marks", "zoom-in", "zoom-out", "zoom-reset"} <= set(reached)
    page.keyboard.press("Enter")
    assert page.inner_text("#rows-title").endswith(weeks.novelty.clusters[0].name)
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.focus("#colour")
    page.keyboard.press("c")
    assert page.input_value("#colour") == "cluster"
    assert "N1" in page.inner_text("#legend")
    page.focus("#zoom-in")
    before = page.evaluate("Bokeh.documents[0].roots()[0].x_range.end")
    page.keyboard.press("Space")
    assert page.evaluate("Bokeh.documents[0].roots()[0].x_range.end") < before
    page.focus("#zoom-reset")
    page.keyboard.press("Enter")
    assert page.evaluate("Bokeh.documents[0].roots()[0].x_range.end") == pytest.approx(before)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_paper_gets_the_map_on_white(visit: Visit, folder: Path, tmp_path: Path, dark: bool) -> None:
    page = ready(visit(folder / "explore.html", dark=dark))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 760, "height": 1000})
    assert not page.is_visible("#colour")
    for name in ("map", "pc1", "scores"):
        assert page.is_visible(f"#{name} canvas.still")
        shown = pixels(page, tmp_path / "map.png", f"#{name} canvas.still")
        assert np.median(shown) > 0.95
        assert (shown.min(axis=2) < 0.6).mean() > 0.004
        assert page.locator(f"#{name} canvas.still").bounding_box()["width"] <= 760
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_hostile_texts_do_nothing(visit: Visit, tmp_path: Path) -> None:
    c = clustered(hostile())
    bad = (
        "</script><img src=x onerror=alert(1)>", "<b>bold</b> @text{safe} @id", "x" * 50_000, "a\u202egnp.exe",
        "$$\\frac{1}{0}$$", "{{ 7*7 }} ${alert(1)}", "`", "\\",
    )  # fmt: skip
    texts = tuple(bad[i % len(bad)] for i in range(60))
    view = replace(c.view, before_texts=texts, after_texts=texts, before_ids=texts, after_ids=texts)
    (tmp_path / "page.html").write_text(explore.render(replace(c, view=view)), "utf-8")
    opened = visit(tmp_path / "page.html", before="window.alert = () => { window.harmed = true; };")
    page = ready(opened)
    for place in range(page.locator("button.choose").count()):
        page.click(f"button.choose >> nth={place}")
        assert page.locator("#rows tr").count() == 24
    box = page.locator("#map").bounding_box()
    for dx, dy in itertools.product(range(100, 500, 25), range(60, 480, 25)):
        page.mouse.move(box["x"] + dx, box["y"] + dy)
    assert page.evaluate("window.harmed") is None
    assert page.locator("#rows img, #rows b, .bk-Tooltip img, .bk-Tooltip b").count() == 0
    assert "\u202e" not in page.inner_text("body")
    assert (opened.errors, opened.asked) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_an_old_browser_says_so_and_keeps_the_rest(visit: Visit, folder: Path, weeks: Comparison) -> None:
    opened = visit(folder / "explore.html", before="delete globalThis.DecompressionStream;")
    opened.page.wait_for_selector("html[data-ready=failed]", state="attached")
    assert "too old" in opened.page.inner_text("#trouble")
    assert weeks.verdict.sentence in opened.page.inner_text("h1")
    assert opened.page.locator("table").count() > 5
    assert opened.errors == []


def test_a_page_that_asks_is_caught(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "asks.html").write_text("<script src='https://cdn.invalid/x.js'></script>", "utf-8")
    assert visit(tmp_path / "asks.html").asked == ["https://cdn.invalid/x.js"]
