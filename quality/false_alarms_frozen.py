"""False alarms of a frozen reference: how often unchanged windows are called drift, over redrawn references."""

from __future__ import annotations

from typing import Any

import numpy as np

from quality import data
from quality.frozen import clustered, fingerprint, freeze, told
from quality.harness import Cell, Mode, Result, Row
from quality.two_samples import ALPHA
from tidegauge.score.registry import MEMBERS

__all__ = ["cells", "fingerprint", "measure", "rows"]

REFERENCES, WINDOWS = 200, 5
FAMILY = 0.99
OFTEN = 0.2
# Source, width, rows of the reference and of the windows, references in a quick run; in order of need.
SETTINGS: tuple[tuple[str, int, int, tuple[int, ...], int], ...] = (
    ("mixture", 32, 1000, (100, 1000, 10_000), 4),
    ("queries", 384, 1000, (100, 400), 6),
    ("mixture", 32, 3000, (100, 1000, 10_000), 0),
    ("world", 768, 3000, (100, 1000), 0),
    ("mixture", 32, 10_000, (100, 1000, 10_000), 0),
)


def cells(mode: Mode) -> list[Cell]:
    """All settings, 200 references each; fewer of the small ones in a quick run."""
    out = []
    for source, d, n, windows, quick in SETTINGS:
        name = {"mixture": "Gaussian mixture", "world": "T4", "queries": data.clinc().name}[source]
        settings = {"source": source, "d": d, "reference": n, "windows": windows}
        cell = Cell(f"{name}, d = {d}, reference {n:,}", REFERENCES if mode == "full" else quick, settings)
        if cell.reps:
            out.append(cell)
    return out


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One reference, and five windows of every size."""
    s = cell.settings
    sizes = [s["reference"], *(n for n in s["windows"] for _ in range(WINDOWS))]
    match s["source"]:
        case "mixture":
            samples = (data.draw_mixture(n, s["d"], rng) for n in sizes)
        case "world":
            samples = (data.world().draw(n, rng) for n in sizes)
        case _:
            q = data.clinc()
            rows = rng.choice(q.where(oos=False), sum(sizes), replace=False)
            samples = (q.x[part] for part in np.split(rows, np.cumsum(sizes)[:-1]))
    frozen = freeze(next(samples), int(rng.integers(2**31)))
    found = [(n, told(frozen.decide(x))) for n, x in zip(sizes[1:], samples, strict=True)]
    return {"unit": frozen.calibration.unit, "windows": {str(n): [f for k, f in found if k == n] for n in s["windows"]}}


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Every cell against .05, the interval clustered by reference and family-wise over all cells."""
    todo = [(name, size) for name, found in results.items() for size in found[0]["windows"]]
    out = [_row(name, size, results[name], len(todo)) for name, size in todo]
    outside = sum(not r.holds for r in out)
    note = "a table of its own beside false_alarms, which has the two-sample door"
    return [*out, Row("frozen: cells outside", outside, 0, "<=", None, len(out), {"note": note})]


def _row(name: str, size: str, found: list[Result], family: int) -> Row:
    windows = [r["windows"][size] for r in found]
    hits = [[w["p"] <= ALPHA + 1e-9 for w in each] for each in windows]
    rate, error, half = clustered(hits, 1 - (1 - FAMILY) / family)
    guard = clustered(hits, 1 - 0.001 / family)[2]
    rates = np.array([np.mean(h) for h in hits])
    between = float(rates.var(ddof=1)) - rate * (1 - rate) / WINDOWS if len(rates) > 1 else 0.0
    every = [w for each in windows for w in each]
    beside: dict[str, Any] = {
        "references": len(found),
        "windows each": WINDOWS,
        "standard error": error,
        "sd over references": float(rates.std()),
        "sd over references, windows' own noise removed": float(np.sqrt(max(between, 0))),
        f"references with a rate above {OFTEN}": float((rates > OFTEN + 1e-9).mean()),
        "the same, were all references alike": 1 - 0.95**5 - 5 * 0.05 * 0.95**4,
        "calibrated in blocks": float(np.mean([r["unit"] != "row" for r in found])),
        "seconds each": float(np.mean([r["seconds"] for r in found])),
        "members alone": {k: float(np.mean([w["members"][k] <= ALPHA + 1e-9 for w in every])) for k in MEMBERS},
    }
    return Row(
        f"unchanged, frozen: {name}, window {int(size):,}", rate, (ALPHA - half, ALPHA + half), "in",
        (max(rate - half, 0.0), rate + half), len(every), beside, guard=(ALPHA - guard, ALPHA + guard),
    )  # fmt: skip
