"""False alarms of two samples: how often unchanged rows are called drift, by size, width and balance."""

from __future__ import annotations

from typing import Any

import numpy as np

from quality import data, two_samples
from quality.harness import Cell, Mode, Result, Row, binomial, share
from quality.two_samples import ALPHA, alone, decision, hits

__all__ = ["cells", "fingerprint", "measure", "rows"]

# The test is exact for any number of draws; few of them save time.
DRAWS = 199
# Source, width, rows before and after, repetitions in a quick run; cheap ones first.
SETTINGS: tuple[tuple[str, int, int, int, int], ...] = (
    ("mixture", 2, 100, 100, 150),
    ("mixture", 32, 100, 100, 100),
    ("queries", 384, 100, 100, 60),
    ("world", 768, 100, 100, 60),
    ("queries", 384, 300, 300, 0),
    ("mixture", 2, 1000, 100, 20),
    ("mixture", 32, 500, 500, 0),
    ("queries", 384, 1000, 100, 0),
    ("mixture", 32, 2000, 200, 0),
    ("world", 768, 1000, 100, 0),
    ("mixture", 2, 2000, 2000, 0),
    ("world", 768, 2000, 200, 0),
)


def fingerprint() -> str:
    """The panel's, and the number of draws."""
    return f"{two_samples.fingerprint()}-{DRAWS}"


def cells(mode: Mode) -> list[Cell]:
    """All settings, each 2,000 times; fewer and cheaper ones in a quick run."""
    out = []
    for source, d, n, m, quick in SETTINGS:
        name = {"mixture": "Gaussian mixture", "world": "T4", "queries": data.clinc().name}[source]
        cell = Cell(
            f"{name}, d = {d}, {n:,} : {m:,}",
            2000 if mode == "full" else quick,
            {"source": source, "d": d, "sizes": (n, m)},
        )
        if cell.reps:
            out.append(cell)
    return out


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One decision on unchanged rows."""
    n, m = cell.settings["sizes"]
    match cell.settings["source"]:
        case "mixture":
            before, after = (data.draw_mixture(k, cell.settings["d"], rng) for k in (n, m))
        case "world":
            before, after = (data.world().draw(k, rng) for k in (n, m))
        case _:
            before, after = data.unchanged_queries(n, m, rng)
    return decision(before, after, DRAWS, rng)


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Every cell against its 99 % interval, how many are outside, and all of them pooled."""
    out = []
    for name, found in results.items():
        reps, hit = len(found), hits(found)
        beside: dict[str, Any] = {
            "draws": DRAWS,
            "seconds each": float(np.mean([r["seconds"] for r in found])),
            "members alone": alone(found),
        }
        out.append(_row(f"unchanged: {name}", hit, reps, beside))
    from scipy.stats import binom

    total, hit = sum(r.reps for r in out), sum(round(r.ours * r.reps) for r in out)
    outside = sum(not r.holds for r in out)
    limit = float(binom.ppf(0.99, len(out), 0.01))
    return [
        *out,
        Row("unchanged: cells outside their 99 % interval", outside, limit, "<=", None, total, {"cells": len(out)}),
        _row("unchanged: all cells pooled", hit, total, {"draws": DRAWS}),
    ]


def _row(what: str, hit: int, reps: int, beside: dict[str, Any]) -> Row:
    return Row(
        what,
        hit / reps,
        binomial(ALPHA, reps),
        "in",
        share(hit, reps),
        reps,
        beside,
        guard=binomial(ALPHA, reps, 0.999),
    )
