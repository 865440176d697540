"""Peers side by side: false alarms, power at an equal measured false-alarm rate, seconds and memory, on the same data.

Every peer runs in a process and an environment of its own (``scripts/peers`` makes them), in turn within each
repetition. Power: each method's statistic beyond the same quantile of its own null repetitions.
"""

from __future__ import annotations

import atexit
import hashlib
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from quality import data, two_samples
from quality.data import Float32
from quality.harness import Cell, Mode, Result, Row, binomial, share
from quality.rivals.peer import HERE, PEERS, Answer, Ask, Talk, absent, question
from quality.two_samples import ALPHA

__all__ = ["absent", "cells", "fingerprint", "measure", "rows"]

# Raise it when a runner computes anything else.
EDITION = 1
OURS, ALIBI = "tidegauge", "Alibi Detect MMD"
NULLS, CHANGES, DECISIONS, FRESH = 100, 60, 100, 5
SIZES = (2000, 400)
SMALL = (200, 200, 32)
T4_SIZES = (4000, 1000)
UNCHANGED = "unchanged"
# Data set -> changes, each an argument of ``draw``.
CHANGED: dict[str, tuple[str, ...]] = {
    "T8 out-of-scope": ("5 %", "10 %"),
    "T8 new domain": ("5 %", "10 %"),
    "scenario A": ("week 7, 5 %", "week 8, 10 %"),
    "scenarios B and C": ("week 7, 5 %", "week 8, 10 %"),
    "T4": tuple(k for k in data.DRIFTS if k != "null"),
}
BOTH: tuple[Ask, ...] = ("default", "repaired")


def cells(mode: Mode) -> list[Cell]:
    """Whole decisions on unchanged rows, fresh processes for memory, and statistics for power; one of each if quick."""
    whole = [_cell(f"decisions, {name}", DECISIONS, "decisions", name, UNCHANGED) for name in ("T7", "T8")]
    fresh = [_cell("memory, T8", FRESH, "memory", "T8", UNCHANGED)]
    power = [
        _cell(f"{name}: {change}", NULLS if change == UNCHANGED else CHANGES, "power", name, change)
        for name, changes in CHANGED.items()
        for change in (UNCHANGED, *changes)
    ]
    if mode == "full":
        return fresh + whole + power
    return [Cell(c.name, 2, c.settings) for c in (whole[0], *power[:2])]


def _cell(name: str, reps: int, kind: str, source: str, change: str) -> Cell:
    return Cell(name, reps, {"kind": kind, "source": source, "change": change})


def draw(source: str, change: str, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Both sides of one repetition, no row in both."""
    match source:
        case "T7":
            n, m, d = SMALL
            return data.draw_mixture(n, d, rng), data.draw_mixture(m, d, rng)
        case "T4":
            w = data.world()
            drift = data.DRIFTS["null" if change == UNCHANGED else change](w)
            return w.draw(T4_SIZES[0], rng), w.draw(T4_SIZES[1], rng, **drift)
        case "scenario A" | "scenarios B and C":
            q = data.clinc()
            reference, weeks = data._ramp(source.split()[1], q, rng)
            week = 1 if change == UNCHANGED else int(change.split()[1].rstrip(","))
            return q.x[reference], q.x[weeks[week - 1]]
        case _:
            percent = 0 if change == UNCHANGED else int(change.removesuffix(" %"))
            before, after = data.query_window(source.removeprefix("T8").strip() or "out-of-scope", percent, rng)
            return before[: SIZES[0]], after


@cache
def talk(name: str) -> Talk:
    """The peer of this name, running as long as this process."""
    found = Talk(next(p for p in PEERS if p.name == name))
    atexit.register(found.close)
    return found


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One repetition: every peer on the same rows, in an order drawn anew."""
    kind = cell.settings["kind"]
    before, after = draw(cell.settings["source"], cell.settings["change"], rng)
    seed, order = int(rng.integers(2**31)), [PEERS[k].name for k in rng.permutation(len(PEERS))]
    if kind == "memory":
        return {"methods": in_fresh_processes(before, after, seed, order)}
    if kind == "power":
        return {"methods": {k: v["statistic"] for k, v in together(before, after, seed, order).items()}}
    return {"methods": {ask: in_turn(before, after, seed, order, ask) for ask in BOTH}}


def in_turn(before: Float32, after: Float32, seed: int, order: Sequence[str], ask: Ask) -> Answer:
    """All peers' answers, one after the other, so that their seconds can be compared."""
    said: Answer = {}
    with question(before, after, seed, ask) as request:
        for name in order:
            talk(name).send(request)
            said |= talk(name).receive()
    return said


def together(before: Float32, after: Float32, seed: int, order: Sequence[str]) -> Answer:
    """All peers' statistics, asked at once: their seconds do not count."""
    said: Answer = {}
    with question(before, after, seed, "statistic") as request:
        for name in order:
            talk(name).send(request)
        for name in order:
            said |= talk(name).receive()
    return said


def in_fresh_processes(before: Float32, after: Float32, seed: int, order: Sequence[str]) -> Answer:
    """Every method's default decision in a process that has only made a small one before."""
    said: Answer = {}
    for name in order:
        peer = next(p for p in PEERS if p.name == name)
        with question(before[:60], after[:40], seed, "default") as small:
            with Talk(peer) as first:
                first.send(small)
                methods = list(first.receive())
            with question(before, after, seed, "default") as request:
                for method in methods:
                    with Talk(peer) as fresh:
                        fresh.send({**small, "methods": [method]})
                        fresh.receive()
                        fresh.send({**request, "methods": [method]})
                        said |= fresh.receive()
    return said


def threshold(null: Sequence[float], level: float = ALPHA) -> float:
    """The value that a new null value exceeds with probability at most ``level``; infinite if the null is too small."""
    rank = math.ceil((1 - level) * (len(null) + 1) - 1e-9)
    return sorted(null)[rank - 1] if rank <= len(null) else math.inf


def power(null: Sequence[Result], changed: Sequence[Result]) -> dict[str, float]:
    """Every method's share of changed repetitions beyond its own threshold."""
    limits = {k: threshold([r["methods"][k] for r in null]) for k in null[0]["methods"]}
    return {k: float(np.mean([r["methods"][k] > limit for r in changed])) for k, limit in limits.items()}


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """False alarms, power, seconds, memory, and what a peer does better."""
    known = {c.name: c.settings for c in cells("full")}
    out: list[Row] = []
    for name, found in results.items():
        kind, source, change = (known[name][k] for k in ("kind", "source", "change"))
        null = results.get(f"{source}: {UNCHANGED}")
        if kind == "decisions":
            out += _false_alarms(name, source, found)
        elif kind == "power" and change != UNCHANGED and null:
            out.append(_power(name, source, null, found))
    if "decisions, T8" in results:
        out.append(_seconds(results["decisions, T8"]))
    if "memory, T8" in results:
        out += _memory(results["memory, T8"])
    return [*out, *_better(out)]


def _told(source: str) -> str:
    if source == "T7":
        return f"Gaussian mixture, {SMALL[0]:,} : {SMALL[1]:,}, d = {SMALL[2]}"
    if source == "T4":
        return f"{T4_SIZES[0]:,} : {T4_SIZES[1]:,}, d = {data.D}"
    n, m = (800, 400) if source.startswith("scenario") else SIZES
    return f"{data.clinc().name}, {n:,} : {m:,}, d = 384"


def _fired(found: Sequence[Result], ask: Ask) -> dict[str, float]:
    names = found[0]["methods"][ask]
    return {k: float(np.mean([r["methods"][ask][k]["fired"] for r in found])) for k in names}


def _false_alarms(name: str, source: str, found: Sequence[Result]) -> list[Row]:
    reps, ours = len(found), _fired(found, "default")[OURS]
    within, seen = binomial(ALPHA, reps), share(round(ours * reps), reps)
    return [
        Row(
            f"false alarms on unchanged rows ({_told(source)}), peers {how}",
            ours, within, "in", seen, reps,
            {"peers": {k: v for k, v in _fired(found, ask).items() if k != OURS}},
        )
        for ask, how in (("default", "at their defaults"), ("repaired", "at repaired settings"))
    ]  # fmt: skip


def _power(name: str, source: str, null: Sequence[Result], found: Sequence[Result]) -> Row:
    reps, found_by = len(found), power(null, found)
    ours = found_by.pop(OURS)
    best = max(found_by, key=found_by.__getitem__)
    itself = float(np.mean([r["methods"][OURS] >= -math.log(ALPHA) - 1e-9 for r in found]))
    beside = {"best peer": best, "null repetitions": len(null), f"ours at p {ALPHA:g}": itself, "peers": found_by}
    what = f"power, {name} ({_told(source)}) at a measured false-alarm rate of {ALPHA:g}, against the best peer"
    return Row(what, ours, found_by[best], ">=", share(round(ours * reps), reps), reps, beside)


def _medians(found: Sequence[Answer], key: str) -> dict[str, float]:
    return {k: float(np.median([r[k][key] for r in found])) for k in found[0]}


def _seconds(found: Sequence[Result]) -> Row:
    turns = [r["methods"]["default"] for r in found]
    ratio = float(np.median([t[ALIBI]["seconds"] / t[OURS]["seconds"] for t in turns]))
    what = f"one decision, {SIZES[0]:,} against {SIZES[1]:,}, d = 384: seconds of Alibi Detect (100 permutations) "
    beside = {"seconds": _medians(turns, "seconds")}
    return Row(what + "over ours (1,000 relabellings)", ratio, 10.0, ">=", None, len(found), beside)


def _memory(found: Sequence[Result]) -> list[Row]:
    turns = [r["methods"] for r in found]
    if not all(t[ALIBI]["megabytes"] for t in turns):
        return []  # the kernel does not tell
    ratio = float(np.median([t[OURS]["megabytes"] / t[ALIBI]["megabytes"] for t in turns]))
    what = f"one decision, {SIZES[0]:,} against {SIZES[1]:,}, d = 384: our memory over Alibi Detect's"
    return [Row(what, ratio, 0.25, "<=", None, len(found), {"megabytes": _medians(turns, "megabytes")})]


def _better(judged: Sequence[Row]) -> list[Row]:
    """Every cell in which a peer is ahead."""
    ahead: dict[str, Any] = {}
    for row in judged:
        for key, says in (("peers", "power"), ("seconds", "seconds"), ("megabytes", "megabytes")):
            of = dict(row.beside.get(key, {}))
            ours = of.pop(OURS, row.ours)
            if key == "peers" and not row.what.startswith("power"):
                continue
            won = {k: v for k, v in of.items() if (v > ours if key == "peers" else v < ours)}
            if won:
                listed = ", ".join(f"{k} {v:.3g}" for k, v in sorted(won.items(), key=lambda kv: kv[1]))
                ahead[row.what.split(" (")[0] if key == "peers" else says] = f"{listed}; ours {ours:.3g}"
    return [Row(f"what a peer does better: rows of {len(judged)} in which one is ahead", len(ahead), beside=ahead)]


@cache
def fingerprint() -> str:
    """Our panel's, with the peers' pinned versions and the edition of their runners."""
    digest = hashlib.sha256(f"{two_samples.fingerprint()} {EDITION}".encode())
    for pins in sorted(HERE.glob("*.txt")):
        digest.update(pins.read_bytes())
    return digest.hexdigest()[:10]
