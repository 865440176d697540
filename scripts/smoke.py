"""Does an installed tidegauge work? Compares generated files by the command line, and writes a report."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np


def tidegauge(*args: str, want: int) -> str:
    """Run the command beside this interpreter and insist on its exit status."""
    command = [str(Path(sys.executable).with_name("tidegauge")), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != want:
        sys.exit(f"{' '.join(args)}: got exit status {done.returncode}, want {want}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        rows = rng.standard_normal((1200, 32)).astype(np.float32)
        np.save(here / "before.npy", rows[:600])
        np.save(here / "same.npy", rows[600:])
        np.save(here / "moved.npy", rows[600:] + np.float32(0.5))
        before, same, moved = (str(here / f"{name}.npy") for name in ("before", "same", "moved"))
        # A small level, so that unchanged data does not fail this by chance.
        tidegauge("compare", before, same, "--alpha", "0.001", want=0)
        tidegauge("compare", before, moved, want=1)
        tidegauge("compare", before, str(here / "missing.npy"), want=2)
        tidegauge("compare", before, moved, "--format", "html", "--out", str(here / "out"), want=1)
        pages = list((here / "out").rglob("*.html"))
        if not pages or pages[0].stat().st_size < 10_000:
            sys.exit(f"no report was written: {sorted((here / 'out').rglob('*'))}")
    parts = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pyarrow", "scikit-learn", "matplotlib"))
    print(f"smoke test passed: tidegauge {version('tidegauge')} on Python {platform.python_version()}, {parts}")


if __name__ == "__main__":
    main()
