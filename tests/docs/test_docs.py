"""Every example in README and docs runs, and every internal link leads somewhere.

Each page starts in a fresh folder with the files that its examples use (see ``sample_files``). Its ``python`` blocks
share one namespace; each ``$ `` line of a ``console`` block must end with the status in its ``# exit N``, or 0.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidegauge.records import Batch
from tidegauge.testing import Product

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


class Example(NamedTuple):
    kind: str
    code: str
    line: int


def examples(page: Path) -> Iterator[Example]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if match[1] in {"python", "console"}:
            yield Example(match[1], match[2], text.count("\n", 0, match.start()) + 2)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of."""
    folder = tmp_path_factory.mktemp("samples")
    product = Product(seed=0)
    before, same, after = (independent(product.week(k, rows=1200)) for k in (0, 1, 8))
    for file, batch in {"before": before, "same": same, "after": after}.items():
        np.save(folder / f"{file}.npy", batch.x)
    np.save(folder / "few.npy", same.x[:3])
    some_nan = same.x.copy()
    some_nan[7] = np.nan
    np.save(folder / "some_nan.npy", some_nan)
    for file, k in {"before": 0, "after": 8}.items():
        write_table(product.week(k, rows=600), folder / f"{file}.parquet")
    return folder


def independent(week: Batch) -> Batch:
    """One row of each session."""
    assert week.sessions is not None
    return Batch(x=week.x[np.sort(np.unique(week.sessions, return_index=True)[1])])


def write_table(batch: Batch, path: Path) -> None:
    columns = {
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(batch.x.ravel()), batch.width),
        "id": pa.array(batch.ids),
        "text": pa.array(batch.texts),
        "time": pa.array(batch.times),
        "session": pa.array(batch.sessions),
        "success": pa.array(batch.outcomes["success"][:, 0]),
    }
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize("page", [page for page in PAGES if any(examples(page))], ids=name)
def test_examples_run(page: Path, sample_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(sample_files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for example in examples(page):
        if example.kind == "python":
            # Blank lines in front, so that a traceback names the page's own line.
            source = "\n" * (example.line - 1) + example.code
            exec(compile(source, str(page), "exec"), namespace)
        else:
            for line in example.code.splitlines():
                if line.startswith("$ "):
                    run(line.removeprefix("$ "), f"{name(page)}, line {example.line}")


def run(line: str, where: str) -> None:
    command, _, comment = line.partition(" #")
    status = re.search(r"exit (\d+)", comment)
    want = int(status[1]) if status else 0
    program, *arguments = shlex.split(command)
    assert program == "tidegauge", f"{where}: a console block runs tidegauge only; use an sh block for {program}"
    executable = Path(sys.executable).with_name("tidegauge")
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run([executable, *arguments], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == want, f"{where}: {line}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name(page)} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(file), f"{name(page)} links to {target}: no such heading"


def anchors(page: Path) -> set[str]:
    """The anchors that common renderers give the headings of a page."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
