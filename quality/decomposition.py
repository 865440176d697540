"""Decompositions of an outcome's change: exact, true to what was made to happen, and covered by their interval.

The generated histories have twenty topics of unequal traffic and success, sessions that keep to a topic and share
their luck, and one of five things that happen: traffic moves, every topic gets worse, a new topic comes, all three at
once, or nothing. Truth is what was put in, not what a codebook could see of it; the basis is fitted on other rows. In
the extreme mix traffic of topics changes tenfold, which cells of many topics cannot follow: its coverage is told, not
judged. On real queries, week 12 of scenario B is compared with its reference: two domains are new that the index lacks.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from quality import data
from quality.harness import Cell, Mode, Result, Row, binomial, share
from tidegauge import compare
from tidegauge.basis import Basis, fit_basis, project
from tidegauge.outcome.decompose import Units, decompose
from tidegauge.outcome.groups import of_cells
from tidegauge.records import Decomposition, Outcome
from tidegauge.sketch.pieces import cell_index

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

D, TOPICS, NEW = 32, 20, 20
SESSIONS, LONG = 500, 4
STAY, LUCK = 0.7, 0.15
KINDS = ("mix", "within", "new")
SUITES = {
    "nothing": {},
    "mix": {"tilt": 0.8},
    "within": {"worse": 0.15},
    "new": {"new": 0.2},
    "mixed": {"tilt": 0.8, "worse": 0.08, "new": 0.15},
    "extreme mix": {"tilt": 1.2},
}
EXTREME = "extreme mix"
REAL = "real queries, new domains"
SUCCESS = Outcome("success")


@cache
def topics() -> tuple[Float64, Float64, Float64]:
    """Centres of the topics, the last of them new, with their traffic and success before."""
    rng = np.random.default_rng(41)
    centres = 3 * rng.standard_normal((TOPICS + 1, D))
    return centres, rng.dirichlet(np.full(TOPICS, 4.0)), rng.uniform(0.55, 0.95, TOPICS)


@cache
def tilted(tilt: float) -> Float64:
    """Traffic of the topics after it moved towards those of less success."""
    _, weights, rates = topics()
    moved = weights * np.exp(-tilt * (rates - rates.mean()) / rates.std())
    return moved / moved.sum()


def draw(rng: np.random.Generator, weights: Float64, rates: Float64) -> tuple[Float32, Float64, Int]:
    """Rows, their outcome and their session: a session keeps to its topic, and all its rows share their luck."""
    centres, _, _ = topics()
    session = np.repeat(np.arange(SESSIONS), LONG)
    home = rng.choice(len(weights), SESSIONS, p=weights)[session]
    topic = np.where(rng.random(len(session)) < STAY, home, rng.choice(len(weights), len(session), p=weights))
    luck = rng.choice([-LUCK, LUCK], SESSIONS)[session]
    room = np.minimum(rates, 1 - rates)[topic]
    done = rng.random(len(session)) < rates[topic] + np.clip(luck, -room, room)
    x = (centres[topic] + rng.standard_normal((len(session), D))).astype(np.float32)
    return x, np.stack([done, np.ones(len(session))], axis=1).astype(np.float64), session


def sides_of(tilt: float = 0.0, worse: float = 0.0, new: float = 0.0) -> tuple[tuple[Float64, Float64], ...]:
    """Traffic and success of every topic, the new one last, before and after."""
    _, weights, rates = topics()
    moved = tilted(tilt) if tilt else weights
    after = np.append((1 - new) * moved, new), np.append(rates - worse, 0.25)
    return (np.append(weights, 0.0), np.append(rates, 0.25)), after


def truth(suite: str) -> dict[str, float]:
    """What was put in, by the definition, topic by topic."""
    (w0, r0), (w1, r1) = sides_of(**SUITES[suite])
    mean = float(w0 @ r0)
    old = slice(0, TOPICS)
    return {
        "mix": float(((w1 - w0) * ((r0 + r1) / 2 - mean))[old].sum()),
        "within": float(((w0 + w1) / 2 * (r1 - r0))[old].sum()),
        "new": float(w1[NEW] * (r1[NEW] - mean)),
        "change": float(w1 @ r1 - w0 @ r0),
    }


@cache
def basis() -> Basis:
    """Fitted on rows of before that no history has."""
    _, weights, rates = topics()
    rng = np.random.default_rng(42)
    return fit_basis(np.concatenate([draw(rng, weights, rates)[0] for _ in range(2)]), 0)


def of_rows(
    before: tuple[Float32, Float64, Int], after: tuple[Float32, Float64, Int], seed: int
) -> tuple[Decomposition, float]:
    """The decomposition by cells, and how far it is from adding up."""
    b = basis()
    fine = len(b.fine)
    places: list[Int] = []
    for x, _, _ in (before, after):
        cell = cell_index(project(b, x), len(b.centres))[:, -1] - b.fine[0]
        places.append(np.where(cell < fine, cell, cell - len(b.centres) + fine))
    counts = [np.bincount(place, minlength=2 * fine).astype(np.float64) for place in places]
    groups, home = of_cells(b, counts[0], counts[1])
    first, second = (
        Units(values, home[place], session, len(groups))
        for (_, values, session), place in zip((before, after), places, strict=True)
    )
    d = decompose(SUCCESS, first, second, groups, seed=seed)
    assert d is not None
    return d, error_of(d)


def error_of(d: Decomposition) -> float:
    """How far the parts are from adding up to the change."""
    parts = d.mix.change + d.within.change + d.new.change
    return max(abs(parts - d.change), abs(sum(c.change for c in d.groups) - d.change))


def cells(mode: Mode) -> list[Cell]:
    """The suites of generated histories, and real queries where they are at hand."""
    reps, real = (500, 40) if mode == "full" else (60, 3)
    return [*(Cell(name, reps, {"suite": name}) for name in SUITES), Cell(REAL, real, {"suite": REAL})]


def fingerprint() -> str:
    """A name for what a decomposition says of one history, and the queries at hand."""
    rng = np.random.default_rng(5)
    sides = [draw(rng, *side) for side in sides_of(**SUITES["mixed"])]
    d, _ = of_rows(sides[0], sides[1], 0)
    figures = [f"{v:.4g}" for c in (d.mix, d.within, d.new, *d.groups) for v in (c.change, c.low, c.high)]
    return hashlib.sha256(f"{data.clinc().name} {figures}".encode()).hexdigest()[:10]


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One history: every part, its interval, and the error of their sum."""
    if cell.settings["suite"] == REAL:
        return _real(rng)
    before, after = (draw(rng, *side) for side in sides_of(**SUITES[cell.settings["suite"]]))
    d, error = of_rows(before, after, int(rng.integers(2**31)))
    whole = {"change": [d.change, d.low, d.high]}
    return {**{c.kind: [c.change, c.low, c.high] for c in (d.mix, d.within, d.new)}, **whole, "error": error}


def _real(rng: np.random.Generator) -> Result:
    """Scenario B: what of the change compare says is new, beside what the new domains' own rows say."""
    story = data.scenario("B", rng)
    week = story.weeks[-1].batch
    (d,) = [d for d in compare(story.reference, week).decompositions if d.outcome.name == "success"]
    q = data.clinc()
    domain = dict(zip(q.ids.tolist(), q.domains.tolist(), strict=True))
    ids = [] if week.ids is None else week.ids.tolist()
    fresh = np.isin([domain[str(i)] for i in ids], data.NEW_DOMAINS)
    values = week.outcomes["success"]
    true = float(fresh.mean() * (values[fresh, 0].mean() - d.before))
    return {"change": d.change, "new": d.new.change, "true": true, "error": error_of(d)}


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Exactness of all, then bias, the share of the right kind, and coverage, suite by suite."""
    every = [r["error"] for found in results.values() for r in found]
    out = [Row("all: largest error of the sum", max(every), 1e-12, "<=", reps=len(every))]
    for suite, found in results.items():
        out += _real_rows(found) if suite == REAL else _suite_rows(suite, found)
    return out


def _suite_rows(suite: str, found: list[Result]) -> list[Row]:
    out: list[Row] = []
    true, n = truth(suite), len(found)
    for kind in (*KINDS, "change"):
        values = np.array([r[kind] for r in found])
        off = values[:, 0] - true[kind]
        covered = int(((values[:, 1] <= true[kind]) & (true[kind] <= values[:, 2])).sum())
        beside: dict[str, Any] = {
            "truth": 100 * true[kind],
            "bias": 100 * float(off.mean()),
            "sd": 100 * float(off.std()),
            "half width": 50 * float((values[:, 2] - values[:, 1]).mean()),
        }
        guard = binomial(0.95, n, 0.999)
        out.append(
            Row(
                f"{suite}: {kind} covered by its 95 % interval",
                covered / n,
                None if suite == EXTREME else (0.92, 0.98),
                "" if suite == EXTREME else "in",
                share(covered, n),
                n,
                beside,
                None if suite == EXTREME else (guard[0] - 0.03, 1.0),
            )
        )
        out.append(Row(f"{suite}: bias of {kind}, points", abs(100 * float(off.mean())), 1.0, "<=", reps=n))
    if suite in KINDS:
        most = [r[suite][0] / r["change"][0] > 0.5 for r in found]
        out.append(Row(f"{suite}: the right kind holds most of the change", float(np.mean(most)), 0.95, ">=", reps=n))
    return out


def _real_rows(found: list[Result]) -> list[Row]:
    held = [r["new"] / r["change"] for r in found]
    told = [r["new"] / r["true"] for r in found]
    beside = {"change, points": 100 * float(np.mean([r["change"] for r in found]))}
    n = len(found)
    return [
        Row(f"{REAL}: share of the fall that is told as new", float(np.mean(held)), 0.5, ">=", reps=n, beside=beside),
        Row(f"{REAL}: told as new over what is new", float(np.mean(told)), (0.7, 1.3), "in", reps=n),
    ]
