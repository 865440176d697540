"""What it costs to start: help in times of ``import numpy``, and what ``import tidegauge`` loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.timing import ratio
from quality.harness import Mode, Row

SURFACES = ("matplotlib", "jinja2", "typer", "rich", "bokeh", "sklearn", "scipy", "pyarrow")
SCRIPT = Path(sys.executable).with_name("tidegauge")
NUMPY = (sys.executable, "-c", "import numpy")
LOADED = f"import sys, tidegauge; print(*(name for name in {SURFACES} if name in sys.modules))"


def rows(mode: Mode) -> list[Row]:
    turns = 5 if mode == "quick" else 31
    helped, ours, numpy = ratio(lambda: run(SCRIPT, "--help"), lambda: run(*NUMPY), turns)
    imported, package, _ = ratio(lambda: run(sys.executable, "-c", "import tidegauge"), lambda: run(*NUMPY), turns)
    loaded = run(sys.executable, "-c", LOADED).split()
    return [
        Row("tidegauge --help, in times of python -c 'import numpy'", helped, 2.0, "<=",
            beside={"seconds": ours, "seconds of numpy": numpy}),
        Row("import tidegauge, in times of import numpy", imported, beside={"seconds": package}),
        Row(f"import tidegauge loads none of {', '.join(SURFACES)} (1: none)", float(not loaded), 1.0, ">=",
            beside={"loaded": loaded}),
    ]  # fmt: skip


def run(*command: str | Path) -> str:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
