"""The tutorial runs from top to bottom in a fresh kernel, and its cells say what its words promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"


def said(cell: Any) -> str:
    """All that a cell put out as text or HTML."""
    parts: list[str] = []
    for output in cell.outputs:
        parts += [output.get("text", ""), *(str(text) for text in output.get("data", {}).values())]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each code cell put out, by its source."""
    notebook = nbformat.read(TUTORIAL, as_version=4)
    folder = tmp_path_factory.mktemp("tutorial")
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    return {cell.source: said(cell) for cell in notebook.cells if cell.cell_type == "code"}


def only(run: dict[str, str], words: str) -> str:
    (found,) = [output for source, output in run.items() if words in source]
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_every_cell_says_what_the_words_promise(run: dict[str, str]) -> None:
    assert "gift cards" in only(run, "truth(8)")
    inline = only(run, "tidegauge.compare(before")
    assert "Did new clusters emerge?" in inline
    assert "data:image/png" in inline
    assert "image/png" in only(run, "result.figure()") or "Figure" in only(run, "result.figure()")
    assert "drift" in only(run, "result.panel.p")
    assert "gift card" in only(run, "cluster.examples")
    assert "bokeh" in only(run, "result.map(").lower()
    outcomes = only(run, "outcome.before").splitlines()
    assert "clear of zero" in next(line for line in outcomes if line.startswith("success"))
    assert "may be chance" in next(line for line in outcomes if line.startswith("answered"))
    rates = [float(word.rstrip("%,\n")) for word in only(run, "np.nanmean").split() if "%" in word]
    assert rates[0] < 40
    assert rates[1] > 80
    assert "a week of 1500 rows takes" in only(run, "days = ")
    assert "reference" in only(run, "tidegauge.compare(reference")


def test_it_is_stored_without_outputs() -> None:
    notebook = nbformat.read(TUTORIAL, as_version=4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
    assert TUTORIAL.stat().st_size < 20_000
