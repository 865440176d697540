"""Power of two samples: how often drift of a known kind and size is found, beside the targets and what others reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from quality import data
from quality.harness import Cell, Mode, Result, Row, Sense, Target, share
from quality.two_samples import alone, decision, fingerprint, hits, jointly

__all__ = ["cells", "fingerprint", "measure", "rows"]

DRAWS = 999
REPS = 200
T4_SIZES = (4000, 1000)

# T3, level .05, from the authors' stored arrays: deviation of one component -> MMD-FUSE, MMDAgg.
T3_WIDTHS = {
    0.5: (0.995, 0.995), 0.6: (0.945, 0.915), 0.7: (0.51, 0.46), 0.8: (0.135, 0.12), 0.9: (0.065, 0.09),
    1.0: (0.035, 0.05), 1.2: (0.105, 0.105), 1.4: (0.235, 0.25), 1.6: (0.635, 0.675), 1.8: (0.84, 0.91),
    2.0: (0.905, 0.945),
}  # fmt: skip
# The same at deviation 1.3, by rows on each side.
T3_SIZES = {
    500: (0.18, 0.19), 1000: (0.38, 0.385), 1500: (0.635, 0.665), 2000: (0.765, 0.785), 2500: (0.88, 0.89),
    3000: (0.97, 0.99),
}  # fmt: skip

# T4 and T8: target, and the prototype's power.
T4: dict[str, tuple[float | None, float]] = {
    "mix shift": (None, 0.17),
    "rotation": (0.90, 0.92),
    "new cluster 1 %": (0.75, 0.75),
    "new cluster 3 %": (0.98, 1.0),
    "spread x1.05": (0.90, 1.0),
    "tail-dimension shift": (0.90, 1.0),
}
T8 = {
    ("new domain", 5): (0.70, 0.67),
    ("out-of-scope", 5): (0.80, 0.73),
    ("new domain", 10): (0.95, 0.97),
    ("out-of-scope", 10): (0.95, 1.0),
}
QUICK = {"T4 mix shift": 6, "T4 new cluster 1 %": 6, "T8 out-of-scope 5 %": 10, "T3 s = 0.7": 20, "T3 s = 1.6": 20}
MIX_MARGIN = 0.15


def cells(mode: Mode) -> list[Cell]:
    """All settings, what is least certain first; a few of them in a quick run."""
    hard, easy = list(T4)[:3], list(T4)[3:]
    out = [_t4(kind) for kind in hard]
    out += [_cell(f"T8 {kind} {percent} %", table="T8", kind=kind, percent=percent) for kind, percent in T8]
    out += [_cell(f"T3 s = {s}, n = 500", table="T3", s=s, n=500) for s in T3_WIDTHS]
    out += [_cell(f"T3 s = 1.3, n = {n:,}", table="T3", s=1.3, n=n) for n in T3_SIZES]
    out += [_t4(kind) for kind in easy]
    if mode == "full":
        return out
    return [Cell(c.name, reps, c.settings) for c in out for start, reps in QUICK.items() if c.name.startswith(start)]


def _cell(name: str, **settings: Any) -> Cell:
    return Cell(name, REPS, settings)


def _t4(kind: str) -> Cell:
    return _cell(f"T4 {kind}", table="T4", kind=kind)


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One decision on rows that did change."""
    s = cell.settings
    match s["table"]:
        case "T3":
            before, after = data.four_gaussians(s["n"], rng), data.four_gaussians(s["n"], rng, s["s"])
        case "T4":
            w = data.world()
            before, after = w.draw(T4_SIZES[0], rng), w.draw(T4_SIZES[1], rng, **data.DRIFTS[s["kind"]](w))
        case _:
            before, after = data.query_window(s["kind"], s["percent"], rng)
    return decision(before, after, DRAWS, rng)


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Every cell beside its target, with the members alone and at the joint level."""
    by_name = {c.name: c.settings for c in cells("full")}
    return [_row(name, by_name[name], found) for name, found in results.items()]


def _row(name: str, settings: dict[str, Any], found: list[Result]) -> Row:
    reps, hit = len(found), hits(found)
    single = alone(found)
    what, (target, sense, beside) = name, _target(settings, single)
    if settings["table"] == "T8":
        what = f"{name} ({data.clinc().name}, 2,700 : 400)"
    elif settings["table"] == "T4":
        what = f"{name} ({T4_SIZES[0]:,} : {T4_SIZES[1]:,})"
    best = max(single, key=single.__getitem__)
    beside = {
        **beside,
        "best member alone": f"{best} {single[best]:.2f}",
        "members alone": single,
        "members at the joint level": jointly(found),
        "joint level": float(np.mean([r["critical"] for r in found])),
        "seconds each": float(np.mean([r["seconds"] for r in found])),
    }
    return Row(what, hit / reps, target, sense, share(hit, reps), reps, beside)


def _target(settings: dict[str, Any], single: dict[str, float]) -> tuple[Target, Sense, dict[str, Any]]:
    match settings["table"]:
        case "T3":
            fuse, agg = T3_SIZES[settings["n"]] if settings["s"] == 1.3 else T3_WIDTHS[settings["s"]]
            judged = any(0.07 <= p <= 0.95 for p in (fuse, agg))
            return (max(fuse, agg), ">", _peers(fuse, agg)) if judged else (None, "", _peers(fuse, agg))
        case "T4":
            target, prototype = T4[settings["kind"]]
            if target is None:
                target = max(single.values()) - MIX_MARGIN
            return target, ">=", {"prototype": prototype}
        case _:
            target, prototype = T8[settings["kind"], settings["percent"]]
            return target, ">=", {"prototype": prototype}


def _peers(fuse: float, agg: float) -> dict[str, Any]:
    return {"MMD-FUSE": fuse, "MMDAgg": agg}
