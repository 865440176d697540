"""The HTML report in a real browser: it shows something, in light and dark, and asks no network for anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import numpy.typing as npt
import pytest

from tidegauge.testing import Product

pytestmark = pytest.mark.service

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
    "--window-size=1200,2400",
)
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> str:
    return chromium_path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report as the command line writes it, on two weeks that differ."""
    folder = tmp_path_factory.mktemp("report")
    product = Product(seed=0)
    for file, k in {"a": 0, "b": 8}.items():
        np.save(folder / f"{file}.npy", product.week(k, rows=800).x)
    tidegauge = Path(sys.executable).with_name("tidegauge")
    command = [tidegauge, "compare", "a.npy", "b.npy", "--out", "out", "--format", "html"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    pages = sorted((folder / "out").rglob("*.html"))
    assert len(pages) == 1
    return pages[0]


def chromium(browser: str, profile: Path, *arguments: str) -> str:
    command = [browser, *FLAGS, f"--user-data-dir={profile}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def screenshot(browser: str, page: Path, folder: Path, scheme: str) -> npt.NDArray[np.float32]:
    """Red, green and blue of every pixel, in [0, 1]."""
    file = folder / "page.png"
    chromium(browser, folder / "profile", scheme, f"--screenshot={file}", page.as_uri())
    return matplotlib.image.imread(file)[..., :3].astype(np.float32)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_page_is_not_blank(browser: str, page: Path, tmp_path: Path, scheme: str) -> None:
    pixels = screenshot(browser, page, tmp_path, scheme)
    grey = pixels.mean(axis=2)
    background = np.median(grey)
    assert np.mean(np.abs(grey - background) > 0.2) > 0.01, "the page is blank"
    # Something stands out all the way down the first screens, not only in the heading.
    bands = np.array_split(np.abs(grey - background) > 0.2, 6)
    assert sum(band.any() for band in bands) >= 4
    assert (background > 0.8) == (scheme == LIGHT), f"the background is {background:.2f}"


def test_dom_has_the_verdict_and_the_pictures(browser: str, page: Path, tmp_path: Path) -> None:
    dom = chromium(browser, tmp_path / "profile", "--dump-dom", page.as_uri())
    assert "drift" in dom.lower()
    assert dom.count("<svg") + dom.count("<img") >= 3


def test_page_asks_no_network_for_anything(browser: str, page: Path, tmp_path: Path) -> None:
    wanted = requested(browser, page, tmp_path)
    assert not wanted, f"the page asked for {sorted(wanted)}"


def test_a_page_that_asks_is_caught(browser: str, tmp_path: Path) -> None:
    page = tmp_path / "asks.html"
    page.write_text('<script src="https://cdn.invalid/x.js"></script><img src="http://cdn.invalid/x.png">')
    assert requested(browser, page, tmp_path) == {"https://cdn.invalid/x.js", "http://cdn.invalid/x.png"}


def requested(browser: str, page: Path, folder: Path) -> set[str]:
    """The addresses that a page asked for, without those that the browser wants on its own account."""
    log = folder / "net.json"
    chromium(browser, folder / "profile", f"--log-net-log={log}", "--dump-dom", page.as_uri())
    found: set[str] = set()
    for event in json.loads(log.read_text(encoding="utf-8"))["events"]:
        parameters = event.get("params", {})
        url = str(parameters.get("url", ""))
        by_page = str(parameters.get("initiator", "not an origin")) != "not an origin"
        if by_page and url.startswith(("http:", "https:", "ws:", "wss:")):
            found.add(url)
    return found
