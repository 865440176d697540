"""Peak memory of ``tidegauge compare REF FOLDER``: the same whatever the number of rows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quality.harness import Mode, Row

WIDTH = 768
FILE_ROWS = 50_000
GROUP_ROWS = 10_000

# The child of a large parent starts out as large as it; a small one in between measures the command alone.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False)
assert done.returncode in (0, 1), done.returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def rows(mode: Mode) -> list[Row]:
    few, many = (20_000, 100_000) if mode == "quick" else (50_000, 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder, "normal.tg")
        write(Path(folder, "normal"), 5000)
        command("fit", Path(folder, "normal"), "-o", reference, "--exchangeable")
        megabytes = []
        for n in (few, many):
            write(Path(folder, str(n)), n)
            megabytes.append(peak("compare", reference, Path(folder, str(n))))
    small, large = megabytes
    what = f"peak of compare REF FOLDER on {many:,} x {WIDTH} float16 over that on {few:,}"
    return [Row(what, large / small, 1.3, "<=", beside={"MB": large, "MB of the few": small})]


def write(folder: Path, n: int) -> None:
    """Unit vectors as Parquet files of lists of float16, one file at a time."""
    folder.mkdir()
    rng = np.random.default_rng(n)
    for start in range(0, n, FILE_ROWS):
        count = min(FILE_ROWS, n - start)
        x = rng.standard_normal((count, WIDTH), dtype=np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        offsets = np.arange(0, (count + 1) * WIDTH, WIDTH, dtype=np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(x.astype(np.float16).ravel()))
        table = pa.table({"id": np.arange(start, start + count), "vector": lists})
        pq.write_table(table, folder / f"part-{start // FILE_ROWS}.parquet", row_group_size=GROUP_ROWS)


def command(*arguments: str | Path) -> None:
    subprocess.run([*PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, check=True)


def peak(*arguments: str | Path) -> float:
    """Peak resident memory of a command, MB."""
    words = [sys.executable, "-c", MEASURE, *PROGRAM, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


PROGRAM = (sys.executable, "-c", "from tidegauge.cli import main; main()")
