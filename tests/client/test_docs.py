"""What the page says that is printed is printed; that its examples run is seen to by ``tests/docs``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"


def test_the_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    namespace: dict[str, object] = {"__name__": "__main__"}
    said = 0
    for block in blocks:
        # The page's own address, at which somebody may listen.
        exec(compile(block.replace(":8765", ":9"), str(PAGE), "exec"), namespace)
        want = re.findall(r"^print\(.*\n# (.*)$", block, re.MULTILINE)
        assert capsys.readouterr().out.splitlines() == want
        said += len(want)
    assert said == 3
