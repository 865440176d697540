"""One Chromium for all tests of pages, and pages that tell what went wrong and what they asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@dataclass
class Opened:
    """A page in the browser, its errors, and the addresses that it asked for besides its own."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.fail("no Chromium found; 'make test-services' installs Debian's where it can")
    return found


@pytest.fixture(scope="session")
def engine(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(engine: Browser) -> Iterator[Any]:
    """Open a file: ``visit(path, dark=True, phone=True)``."""
    contexts = []

    def call(path: Path, *, dark: bool = False, phone: bool = False, before: str = "") -> Opened:
        context = engine.new_context(
            color_scheme="dark" if dark else "light",
            viewport={"width": 390, "height": 844} if phone else {"width": 1280, "height": 1200},
            is_mobile=phone,
            has_touch=phone,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        if before:
            page.add_init_script(before)
        opened = Opened(page)
        page.on("console", lambda said: opened.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("request", lambda asked: opened.asked.append(asked.url))
        page.goto(path.as_uri())
        opened.asked.remove(path.as_uri())
        return opened

    yield call
    for context in contexts:
        context.close()
