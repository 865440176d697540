"""Power of a frozen reference beside that of two samples: what freezing costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from quality import data
from quality.frozen import fingerprint, freeze, told, two_sample_rows
from quality.harness import Cell, Mode, Result, Row, share
from quality.power import T3_SIZES, T3_WIDTHS, T8
from quality.two_samples import alone, hits, jointly

__all__ = ["cells", "fingerprint", "measure", "rows"]

REPS = 100
DRIFTS = tuple(kind for kind in data.DRIFTS if kind != "null")


def cells(mode: Mode) -> list[Cell]:
    """One cell is one kind of reference; a repetition judges a window of every drift against one reference."""
    out = [
        Cell(f"T8 {kind} {percent} %", REPS, {"table": "T8", "kind": kind, "percent": percent}) for kind, percent in T8
    ]
    widths = {n: (1.3,) if n > 500 else (*T3_WIDTHS, 1.3) for n in T3_SIZES}
    out += [Cell(f"T3 n = {n:,}", REPS, {"table": "T3", "n": n, "widths": s}) for n, s in widths.items()]
    out += [Cell("T4 reference 4,000", REPS, {"table": "T4", "sizes": (4000, 1000)})]
    out += [Cell("T4 reference 16,000", 60, {"table": "T4", "sizes": (16_000, 1000)})]
    return out if mode == "full" else [Cell(c.name, 3, c.settings) for c in out if c.settings["table"] != "T4"][1:6:2]


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One reference and a window of every drift."""
    s, seed = cell.settings, int(rng.integers(2**31))
    match s["table"]:
        case "T3":
            frozen = freeze(data.four_gaussians(s["n"], rng), seed)
            windows = {f"T3 s = {w}, n = {s['n']:,}": data.four_gaussians(s["n"], rng, w) for w in s["widths"]}
        case "T4":
            n, m = s["sizes"]
            w = data.world()
            frozen = freeze(w.draw(n, rng), seed)
            windows = {f"T4 {k} ({n:,} : {m:,})": w.draw(m, rng, **data.DRIFTS[k](w)) for k in DRIFTS}
        case _:
            before, after = data.query_window(s["kind"], s["percent"], rng)
            frozen = freeze(before, seed)
            windows = {f"{cell.name} ({data.clinc().name}, 2,700 : 400)": after}
    return {"windows": {what: told(frozen.decide(x)) for what, x in windows.items()}}


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Every drift, with the two-sample figure and the difference beside it."""
    beside = two_sample_rows("power")
    return [_row(what, [{**r["windows"][what], "seconds": r["seconds"]} for r in found], beside)
            for found in results.values() for what in found[0]["windows"]]  # fmt: skip


def _row(what: str, found: list[Result], two_samples: dict[str, dict[str, Any]]) -> Row:
    reps, hit = len(found), hits(found)
    single = alone(found)
    best = max(single, key=single.__getitem__)
    other = two_samples.get(what)
    beside: dict[str, Any] = {
        "two samples": other["ours"] if other else None,
        "freezing costs": other["ours"] - hit / reps if other else None,
        "best member alone": f"{best} {single[best]:.2f}",
        "seconds each reference": float(np.mean([r["seconds"] for r in found])),
        "members alone": single,
        "members at the joint level": jointly(found),
    }
    return Row(f"frozen: {what}", hit / reps, None, "", share(hit, reps), reps, beside)
