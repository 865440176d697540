"""Repeats cells of a table over processes, keeps every repetition, and turns them into rows beside their targets."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import subprocess
import time
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

RESULTS = Path(__file__).parent / "results"
PASSES = (40, 100)

Mode = Literal["full", "quick"]
Sense = Literal["<=", ">=", ">", "in", ""]
Target = float | tuple[float, float] | None
Result = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of a table: ours beside the target. ``guard`` is the interval outside which a quick run fails."""

    what: str
    ours: float
    target: Target = None
    sense: Sense = ""
    interval: tuple[float, float] | None = None
    reps: int = 0
    beside: dict[str, Any] = field(default_factory=dict)
    guard: tuple[float, float] | None = None

    @property
    def holds(self) -> bool | None:
        """Whether ours meets the target; None where there is none."""
        match self.sense, self.target:
            case "in", (low, high):
                return bool(low <= self.ours <= high)
            case "<=", float() | int() as limit:
                return bool(self.ours <= limit)
            case ">=", float() | int() as limit:
                return bool(self.ours >= limit)
            case ">", float() | int() as limit:
                return bool(self.ours > limit)
            case _:
                return None

    def as_json(self) -> dict[str, Any]:
        """What is kept of a row."""
        kept = {k: v for k, v in asdict(self).items() if k != "guard"}
        return {**kept, "holds": self.holds}


@dataclass(frozen=True)
class Cell:
    """One setting that is repeated ``reps`` times: a name that says it, and the parameters that ``measure`` reads."""

    name: str
    reps: int
    settings: dict[str, Any]


class Table(Protocol):
    """What a module of a table offers."""

    def cells(self, mode: Mode) -> list[Cell]:
        """The cells, the most informative first."""
        ...

    def fingerprint(self) -> str:
        """Names the behaviour measured; repetitions of another one are not mixed in."""
        ...

    def measure(self, cell: Cell, rng: np.random.Generator) -> Result:
        """One repetition."""
        ...

    def rows(self, results: dict[str, list[Result]]) -> list[Row]:
        """The table, from the cells that have any repetition."""
        ...


def share(hits: int, reps: int, level: float = 0.99) -> tuple[float, float]:
    """Clopper and Pearson's interval for a share."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, reps - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, reps - hits)) if hits < reps else 1.0
    return low, high


def binomial(rate: float, reps: int, level: float = 0.99) -> tuple[float, float]:
    """Where a share of ``reps`` lies in ``level`` of all runs, if the rate is right."""
    from scipy.stats import binom

    tail = (1 - level) / 2
    return float(binom.ppf(tail, reps, rate)) / reps, float(binom.ppf(1 - tail, reps, rate)) / reps


def load(name: str) -> Table:
    """The module of a table."""
    return importlib.import_module(f"quality.{name}")  # type: ignore[return-value]


def repetition(name: str, cell: Cell, seed: int, i: int) -> Result:
    """Repetition ``i`` of a cell; depends on nothing but the arguments."""
    began = time.process_time()
    rng = np.random.default_rng([seed, zlib.crc32(cell.name.encode()), i])
    result = load(name).measure(cell, rng)
    return {"cell": cell.name, "i": i, **result, "seconds": round(time.process_time() - began, 3)}


class Kept:
    """The repetitions of a table so far, in a file of JSON lines: an interrupted run goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results: dict[str, dict[int, Result]] = {}
        self.broken_off = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            *lines, self.broken_off = path.read_text().split("\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, result: Result) -> None:
        self.results.setdefault(result["cell"], {})[result["i"]] = result

    def add(self, result: Result) -> None:
        """Keep one more repetition."""
        self._take(result)
        if self.broken_off:
            self.path.write_text(self.path.read_text().removesuffix(self.broken_off))
            self.broken_off = ""
        with self.path.open("a") as file:
            file.write(json.dumps(result) + "\n")

    def missing(self, cells: Sequence[Cell]) -> list[tuple[Cell, int]]:
        """What is left to do: every cell up to each of PASSES, then the rest."""
        todo = [(c, i) for c in cells for i in range(c.reps) if i not in self.results.get(c.name, {})]
        return sorted(todo, key=lambda job: bisect_right(PASSES, job[1]))

    def upto(self, cells: Sequence[Cell]) -> dict[str, list[Result]]:
        """Results of these cells, in order of repetition."""
        found = {c.name: [r for i, r in sorted(self.results.get(c.name, {}).items()) if i < c.reps] for c in cells}
        return {name: results for name, results in found.items() if results}


def repeat(name: str, jobs: Sequence[tuple[Cell, int]], seed: int, workers: int) -> Iterator[Result]:
    """Run the jobs in order over processes and yield each result as it comes."""
    if workers <= 1:
        yield from (repetition(name, cell, seed, i) for cell, i in jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        queue = iter(jobs)
        running = {pool.submit(repetition, name, cell, seed, i) for cell, i in islice(queue, 2 * workers)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(repetition, name, cell, seed, i) for cell, i in islice(queue, len(done))}
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run_table(
    name: str,
    mode: Mode,
    *,
    only: Sequence[str] = (),
    reps: int | None = None,
    workers: int = 2,
    seed: int = 0,
    keep: bool = False,
) -> list[Row]:
    """Run what is missing of one table, print it and keep it.

    Parameters
    ----------
    name : str
        A module of this package.
    mode : str
        A full table is kept under ``results`` when every cell is complete, and a quick one under ``results/quick``.
    only : sequence of str
        Run only cells whose name contains one of these; the others are shown as far as they are.
    reps : int, optional
        At most so many repetitions a cell: a later run tops up.
    keep : bool
        Keep the table as it stands; it says that it is not complete, and each row how many repetitions it has.
    """
    began = time.monotonic()
    table = load(name)
    whole = table.cells(mode)
    capped = [Cell(c.name, c.reps if reps is None else min(reps, c.reps), c.settings) for c in whole]
    chosen = [c for c in capped if not only or any(part in c.name for part in only)]
    kept = Kept(RESULTS / "partial" / f"{name}-{mode}-{seed}-{table.fingerprint()}.jsonl")
    jobs = kept.missing(chosen)
    report(f"{name}: {len(jobs)} repetitions in {len(chosen)} cells to run; {kept.path}")
    for done, result in enumerate(repeat(name, jobs, seed, workers), 1):
        kept.add(result)
        if done % 100 == 0:
            report(f"{name}: {done} of {len(jobs)}, {time.monotonic() - began:.0f} s, at {result['cell']}")
    results = kept.upto(whole)
    complete = all(len(results.get(c.name, ())) == c.reps for c in whole)
    rows = table.rows(results)
    seconds = sum(r["seconds"] for found in results.values() for r in found)
    print_rows(name, rows)
    path = save(name, rows, seed, mode, seconds, complete=complete, keep=keep)
    report(f"kept in {path}; {seconds:.0f} s of one core")
    return rows


def save(
    name: str,
    rows: Sequence[Row],
    seed: int,
    mode: Mode,
    seconds: float,
    *,
    complete: bool = True,
    keep: bool = False,
    results: Path | None = None,
) -> Path:
    """Write the table; a quick or incomplete one never in the place of a kept one. Returns where."""
    root = results or RESULTS
    folder = root / "quick" if mode == "quick" else root if complete or keep else root / "partial"
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "table": name,
        "seed": seed,
        "commit": commit(),
        "mode": mode,
        "complete": complete,
        "seconds": round(seconds, 1),
        "rows": [r.as_json() for r in rows],
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(_rounded(record), indent=1, ensure_ascii=False) + "\n")
    return path


def commit() -> str:
    """The commit measured, with a + where tracked files differ from it."""

    def git(*words: str) -> str:
        run = subprocess.run(["git", *words], cwd=RESULTS.parent, capture_output=True, text=True, check=False)
        return run.stdout.strip()

    dirty = git("status", "--porcelain", "--", "../src", "*.py")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if dirty else "")


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {k: _rounded(v) for k, v in value.items()}
        case list() | tuple():
            return [_rounded(v) for v in value]
        case _:
            return value


def _short(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.3f}"
        case tuple() | list():
            return "[" + ", ".join(_short(v) for v in value) + "]"
        case dict():
            return ", ".join(f"{k} {_short(v)}" for k, v in value.items() if not isinstance(v, dict))
        case _:
            return str(value)


def print_rows(name: str, rows: Sequence[Row]) -> None:
    """Print an aligned table."""
    answer = {True: "holds", False: "MISSED", None: "-"}
    head = ("what", "ours", "99 % interval", "reps", "target", "", "beside")
    lines = [
        (
            r.what,
            _short(r.ours),
            _short(r.interval),
            str(r.reps),
            f"{r.sense} {_short(r.target)}".strip(),
            answer[r.holds],
            _short(r.beside),
        )
        for r in rows
    ]
    widths = [max(len(line[k]) for line in (head, *lines)) for k in range(len(head) - 1)]
    print(f"\n{name}")
    for line, more in zip((head, *lines), ({}, *(r.beside for r in rows)), strict=True):
        print("  ".join([*(part.ljust(w) for part, w in zip(line, widths, strict=False)), line[-1]]).rstrip())
        for key, inner in more.items():
            if isinstance(inner, dict):
                print(f"    {key}: " + ", ".join(f"{k} {v:.2f}" for k, v in inner.items()))
    judged = [r for r in rows if r.holds is not None]
    print(f"{name}: {sum(bool(r.holds) for r in judged)} of {len(judged)} rows hold\n", flush=True)


def report(line: str) -> None:
    """Say how far it is."""
    print(f"[{time.strftime('%H:%M:%S')} {os.getpid()}] {line}", flush=True)
