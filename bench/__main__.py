"""``python -m bench [TABLE ...]``: measure, print, keep. QUICK=1 for the few minutes that CI affords.

Every figure is a ratio within one run, as the machine's own speed drifts; the two sides of a ratio take turns.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import client, decision, load, memory, profiles, sketching, start, watching
from quality.harness import Mode, Row, print_rows, report, save

RESULTS = Path(__file__).parent / "results"
TABLES: dict[str, Callable[[Mode], list[Row]]] = {
    "speed": sketching.rows,
    "decision": decision.rows,
    "profiles": profiles.rows,
    "memory": memory.rows,
    "start": start.rows,
    "watch": watching.rows,
    "client": client.rows,
    "load": load.rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all where none is named")
    given = parser.parse_args()
    unknown = [name for name in given.tables if name not in TABLES]
    if unknown:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    mode: Mode = "quick" if os.environ.get("QUICK") else "full"
    judged = []
    for name in given.tables or TABLES:
        began = time.perf_counter()
        rows = TABLES[name](mode)
        print_rows(name, rows)
        report(f"kept in {save(name, rows, 0, mode, time.perf_counter() - began, results=RESULTS)}")
        judged += [r for r in rows if r.holds is not None]
    print(f"{sum(bool(r.holds) for r in judged)} of {len(judged)} rows hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
