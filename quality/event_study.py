"""Event studies on made-up histories: how often they find what is not there, and how well what is.

An outcome has a season of days and weeks, an autoregressive wander, traffic that follows the hour, and missing panes.
Alarms begin at random; where there is an effect the outcome falls with them, and where there is a trend before it, the
fall begins some panes earlier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from quality.harness import Cell, Mode, Result, Row, binomial, share
from tidegauge.outcome.event_study import AFTER, LEVEL, study

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

HISTORIES = {"null": 1000, "truth": 300}
LASTS = 24
EARLY = 3
HISTORY = {
    "hourly, 8 weeks": {"panes": 8 * 168, "step": 3600.0, "rows": 300.0},
    "daily, 9 months": {"panes": 270, "step": 86_400.0, "rows": 2000.0},
}
STORIES: dict[str, dict[str, Any]] = {
    "nothing happens, past .6": {"past": 0.6},
    "nothing happens, past .9": {"past": 0.9},
    "falls by 3 points": {"past": 0.6, "fall": 0.03},
    "falls by 6 points": {"past": 0.6, "fall": 0.06},
    "began 3 panes before, falls by 6 points": {"past": 0.6, "fall": 0.06, "early": EARLY},
    "three events, falls by 6 points": {"past": 0.6, "fall": 0.06, "events": 3},
}


def cells(mode: Mode) -> list[Cell]:
    """Every story on both kinds of history."""
    out = []
    for history, shape in HISTORY.items():
        for story, truth in STORIES.items():
            reps = HISTORIES["truth" if "fall" in truth else "null"]
            out.append(Cell(f"{history}: {story}", reps // 20 if mode == "quick" else reps, {**shape, **truth}))
    return out


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One history."""
    s = cell.settings
    numerators, denominators, onsets, alarmed, moments = history(s, rng)
    found = study(
        numerators,
        denominators,
        onsets,
        alarmed,
        np.array([-1]),
        moments=moments,
        step=s["step"],
        placebos=999,
        seed=int(rng.integers(2**31)),
    )[0]
    figures = {k: round(getattr(found, k), 5) for k in ("effect", "low", "high", "p", "before")}
    return {"state": found.state, "events": found.events, "controls": found.controls, **figures}


def history(
    s: dict[str, Any], rng: np.random.Generator
) -> tuple[Float64, Float64, Int, npt.NDArray[np.bool_], Float64]:
    """Numerators and denominators (T, 1), onsets, panes with an alarm, and when the panes began."""
    panes, step = s["panes"], s["step"]
    moments = 1.7e9 + step * np.arange(panes)
    turn = 2 * np.pi * moments / 86_400
    season = 0.03 * np.sin(turn + 1) * (step < 86_400) + 0.02 * np.cos(turn / 7)
    wander, past = np.zeros(panes), s["past"]
    for t in range(1, panes):
        wander[t] = past * wander[t - 1] + rng.standard_normal() * 0.015 * np.sqrt(1 - past**2)
    events = s.get("events", int(rng.integers(6, 13)))
    onsets = spread(panes, events, rng)
    alarmed, fall = np.zeros(panes, np.bool_), np.zeros(panes)
    for onset in onsets:
        lasts = int(rng.integers(AFTER, LASTS + 1)) if panes > 500 else int(rng.integers(AFTER, 2 * AFTER))
        alarmed[onset : onset + lasts] = True
        fall[max(onset - s.get("early", 0), 0) : onset + lasts] = s.get("fall", 0.0)
    rate = np.clip(0.8 + season + wander - fall, 0.01, 0.99)
    rows = rng.poisson(s["rows"] * (1 + 0.6 * np.sin(turn) * (step < 86_400)))
    rows[rng.random(panes) < 0.03] = 0
    good = rng.binomial(rows, rate)
    return good[:, None].astype(float), rows[:, None].astype(float), onsets, alarmed, moments


def spread(panes: int, events: int, rng: np.random.Generator) -> Int:
    """Dates at random, no two nearer than an event study asks for, and none at the ends."""
    gap = 2 * AFTER + 6
    room = panes - 4 * AFTER - (events - 1) * gap
    return np.sort(rng.choice(room, events, replace=False)) + 2 * AFTER + gap * np.arange(events)


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Level and law of p where nothing happens; power, bias and intervals where something does."""
    out: list[Row] = []
    for name, found in results.items():
        truth = next(s for story, s in STORIES.items() if name.endswith(f": {story}"))
        if "fall" not in truth:
            out += _null(name, found)
        elif "events" in truth:
            out.append(_states(name, found, "anecdote", 1.0))
        elif "early" in truth:
            out.append(_states(name, found, "pre-trend", 0.8))
        else:
            out += _effect(name, found, -truth["fall"])
    return out


def _null(name: str, found: Sequence[Result]) -> list[Row]:
    from scipy.stats import kstest

    reps, out = len(found), []
    for what, key in (("p", "p"), ("p of the pre-trend", "before")):
        p = np.array([r[key] for r in found if np.isfinite(r[key])])
        hits = int((p <= LEVEL).sum())
        out.append(
            Row(f"{name}: {what} <= .05", hits / len(p), binomial(LEVEL, len(p)), "in", share(hits, len(p)), len(p))
        )
    p = np.array([r["p"] for r in found if np.isfinite(r["p"])])
    out.append(
        Row(
            f"{name}: p of uniform p (Kolmogorov, Smirnov)", float(kstest(p, "uniform").pvalue), 0.01, ">=", reps=len(p)
        )
    )
    hits = sum(r["state"] == "effect" for r in found)
    out.append(
        Row(f"{name}: said to be an effect", hits / reps, binomial(LEVEL, reps)[1], "<=", share(hits, reps), reps)
    )
    return [*out, _cover(name, found, 0.0)]


def _effect(name: str, found: Sequence[Result], truth: float) -> list[Row]:
    reps, hits = len(found), sum(r["p"] <= LEVEL for r in found)
    effects = np.array([r["effect"] for r in found])
    beside = {"state effect": float(np.mean([r["state"] == "effect" for r in found])), "sd": float(effects.std(ddof=1))}
    bias = float(effects.mean() / truth - 1)
    error = 2.6 * float(effects.std(ddof=1)) / abs(truth) / np.sqrt(reps)
    return [
        Row(f"{name}: p <= .05", hits / reps, 0.8, ">=", share(hits, reps), reps, beside),
        Row(f"{name}: bias over the effect", bias, (-0.05, 0.05), "in", (bias - error, bias + error), reps),
        _cover(name, found, truth),
    ]


def _cover(name: str, found: Sequence[Result], truth: float) -> Row:
    known = [r for r in found if np.isfinite(r["low"])]
    hits = sum(r["low"] <= truth <= r["high"] for r in known)
    return Row(
        f"{name}: the 95 % interval holds the truth", hits / len(known), 0.93, ">=", share(hits, len(known)), len(known)
    )


def _states(name: str, found: Sequence[Result], state: str, target: float) -> Row:
    hits = sum(r["state"] == state for r in found)
    return Row(f"{name}: told as {state}", hits / len(found), target, ">=", share(hits, len(found)), len(found))


@cache
def fingerprint() -> str:
    """A name for what the study finds."""
    digest = hashlib.sha256()
    for seed in range(3):
        rng = np.random.default_rng([41, seed])
        digest.update(
            str(measure(Cell("x", 1, {**HISTORY["daily, 9 months"], "past": 0.6, "fall": 0.02}), rng)).encode()
        )
    return digest.hexdigest()[:10]
