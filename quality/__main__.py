"""``python -m quality [TABLE ...]``: measure, print, keep. QUICK=1 for the few minutes that CI affords."""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from quality import peers
from quality.harness import run_table

TABLES = (
    "false_alarms",
    "power",
    "consistency",
    "scenarios",
    "false_alarms_frozen",
    "power_frozen",
    "followed",
    "run_length",
    "delay",
    "hard_cases",
    "decomposition",
    "link",
    "faults",
    "event_study",
    "impact",
    "peers",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m quality", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all where none is named")
    parser.add_argument(
        "--only", action="append", default=[], metavar="SUBSTRING", help="run only cells whose name contains this"
    )
    parser.add_argument("--reps", type=int, help="at most so many repetitions a cell; a later run tops up")
    parser.add_argument("--keep", action="store_true", help="keep a table that is not complete; it says so")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    unknown = [name for name in given.tables if name not in TABLES]
    if unknown:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    mode = "quick" if os.environ.get("QUICK") else "full"
    rows = []
    left_out = peers.absent()
    if left_out and "peers" in given.tables and given.reps != 0:
        parser.error(f"peers: {left_out}")
    if left_out and not given.tables:
        print(f"peers: left out: {left_out}", flush=True)
    for name in given.tables or [t for t in TABLES if t != "peers" or not left_out]:
        rows += run_table(
            name, mode, only=given.only, reps=given.reps, workers=given.workers, seed=given.seed, keep=given.keep
        )
    judged = [r for r in rows if r.holds is not None]
    print(f"{sum(bool(r.holds) for r in judged)} of {len(judged)} rows hold")
    broken = [r for r in rows if r.guard and not r.guard[0] <= r.ours <= r.guard[1]]
    for r in broken:
        print(f"outside its 99.9 % interval: {r.what}: {r.ours:.3f}, not in {r.guard}")
    return 1 if mode == "quick" and broken else 0


if __name__ == "__main__":
    sys.exit(main())
