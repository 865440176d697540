"""Scenarios A to F through ``compare``, coverage and the verdict on harm: is it the right one, for the right reason?

The reference against weeks 7 to 12 together. The README beside the data says which verdict is right. B and C have the
very same traffic: one cell, both verdicts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from quality import data, scenarios, two_samples
from quality.harness import Cell, Mode, Result, Row, share
from tidegauge import Batch, compare
from tidegauge.outcome.coverage import coverage
from tidegauge.outcome.explain import explained, languages_of
from tidegauge.outcome.impact import impact
from tidegauge.records import Comparison, Coverage, Explained, Impact, Outcome

HISTORIES = 200
ALPHA = 0.01
RIGHT = 0.95
OUTCOMES = (Outcome("success"), Outcome("no_answer", "rises"))
FIRST = 7
STORIES: dict[str, tuple[str, str]] = {
    "A": ("harmful drift", "most examples of what is not covered are out of scope"),
    "B": ("harmful drift", "most examples of what is not covered are of the new domains"),
    "C": ("harmless drift", "coverage has not fallen"),
    "D": ("failure without drift", "to the index"),
    "E": ("no drift", "coverage has not fallen"),
    "F German": ("harmful drift", "German holds most of the drift"),
    "F Turkish": ("harmful drift", "Turkish holds most of the drift"),
}
TONGUE = {"F German": "de", "F Turkish": "tr"}


def cells(mode: Mode) -> list[Cell]:
    """Every scenario; B and C in one."""
    reps = HISTORIES if mode == "full" else 2
    return [Cell(name, reps, {}) for name in ("D", "E", "BC", "A", "F German", "F Turkish")]


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One history: the verdict on each of the cell's stories."""
    names = tuple(cell.name) if cell.name == "BC" else (cell.name,)
    seed, state = int(rng.integers(2**31)), rng.bit_generator.state
    told = {}
    for name in names:
        rng.bit_generator.state = state
        told[name] = verdict(name, rng, seed)
    return {"told": told}


def verdict(name: str, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    """What is said of one history."""
    story = data.scenario(name[0], rng)
    story = scenarios.in_turkish(story) if name == "F Turkish" else story
    before, after = story.reference, pooled([week.batch for week in story.weeks[FIRST - 1 :]])
    found = compare(before, after, alpha=ALPHA, seed=seed, outcomes=OUTCOMES)
    q = data.xsid() if name[0] == "F" else data.clinc()
    documents = [q.x[rows] for rows in story.index]
    covered = coverage(after.x, documents[1], before=(before.x, documents[0]), ids=after.ids, seed=seed)
    who = by_language(before, after, seed) if name in TONGUE else ()
    drifted = {"drift": True, "no drift": False}.get(found.verdict.state)
    said = impact(drifted, found.drift, found.decompositions, covered, who, alpha=ALPHA)
    points = pointer(name, found, covered, who, said)
    return {"source": story.source, **figures(found, covered, who, said), "pointer": points}


def pooled(weeks: Sequence[Batch]) -> Batch:
    """Several weeks as one batch."""
    columns = [np.concatenate([np.asarray(getattr(week, name)) for week in weeks]) for name in ("x", "ids", "texts")]
    times, segments = (np.concatenate([np.asarray(getattr(w, name)) for w in weeks]) for name in ("times", "segments"))
    outcomes = {name: np.concatenate([week.outcomes[name] for week in weeks]) for name in weeks[0].outcomes}
    return Batch(*columns, times, None, segments, outcomes, source=weeks[0].source)


def by_language(before: Batch, after: Batch, seed: int) -> tuple[Explained, ...]:
    """The drift and the loss of success by the language of the texts, which is told from the texts themselves."""
    assert before.texts is not None
    assert after.texts is not None
    tongues = languages_of([*before.texts.tolist(), *after.texts.tolist()])
    sides = tongues[: before.rows], tongues[before.rows :]
    outcome = OUTCOMES[0]
    rows = (outcome, before.outcomes[outcome.name], after.outcomes[outcome.name])
    return explained("language", sides, (before.x, after.x), rows, seed=seed)


def figures(found: Comparison, covered: Coverage, who: Sequence[Explained], said: Impact) -> dict[str, Any]:
    """What is kept of a verdict."""
    first = {d.outcome.name: d for d in found.decompositions}["success"]
    return {
        "state": said.state,
        "sentence": said.sentence,
        "p": found.panel.p,
        "success": [round(v, 4) for v in (first.before, first.after, first.low, first.high)],
        "parts": [round(c.change, 4) for c in (first.new, first.mix, first.within)],
        "coverage": [round(v, 6) for v in (covered.share, covered.before, covered.p)],
        "who": [[e.value, round(e.drift, 3), round(e.loss, 3)] for e in who[:2]],
    }


def pointer(name: str, found: Comparison, covered: Coverage, who: Sequence[Explained], said: Impact) -> bool:
    """Whether it points where the truth is."""
    match name:
        case "A" | "B":
            kinds = scenarios.kinds_of(found.before.source)
            new = [scenarios.is_new(name, kinds[e.id]) for gap in covered.gaps for e in gap.examples]
            return bool(np.mean(new or [False]) > 0.5)
        case "C" | "E":
            return covered.p > ALPHA
        case "D":
            return said.sentence.endswith("look at the index.")
        case _:
            return bool(who) and who[0].value == TONGUE[name] and who[0].drift > 0.5


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """The share of histories with the right verdict, and with the right pointer; B and C together."""
    out: list[Row] = []
    for name, (state, why) in STORIES.items():
        found = [r["told"][name] for told in results.values() for r in told if name in r["told"]]
        if not found:
            continue
        reps, hits = len(found), sum(f["state"] == state for f in found)
        others = {s: sum(f["state"] == s for f in found) / reps for s in sorted({f["state"] for f in found} - {state})}
        beside: dict[str, Any] = {**others, **_means(found)}
        what = f"{name}: verdict {state} ({found[0]['source']})"
        out.append(Row(what, hits / reps, RIGHT, ">=", share(hits, reps), reps, beside))
        points = sum(f["pointer"] for f in found)
        out.append(Row(f"{name}: points right: {why}", points / reps, RIGHT, ">=", share(points, reps), reps))
    both = [r["told"] for r in results.get("BC", ())]
    if both:
        hits = sum((t["B"]["state"], t["C"]["state"]) == ("harmful drift", "harmless drift") for t in both)
        what = "B and C, the very same traffic: harmful and harmless"
        out.append(Row(what, hits / len(both), RIGHT, ">=", share(hits, len(both)), len(both)))
    return out


def _means(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    mean = {key: np.mean([f[key] for f in found], axis=0) for key in ("success", "parts", "coverage")}
    return {
        "success before, after": mean["success"][:2].tolist(),
        "new, mix, within": mean["parts"].tolist(),
        "coverage now, before": mean["coverage"][:2].tolist(),
    }


@cache
def fingerprint() -> str:
    """A name for what is decided: the panel, and the verdicts of one history of C and D."""
    digest = hashlib.sha256((two_samples.fingerprint() + data.xsid().name).encode())
    for name in "CD":
        said = verdict(name, np.random.default_rng(3), 3)
        digest.update(str({k: v for k, v in said.items() if k != "sentence"}).encode())
    return digest.hexdigest()[:10]


def show(name: str, seed: int = 0) -> None:
    """Print what is said of one history."""
    for key, value in verdict(name, np.random.default_rng(seed), seed).items():
        print(f"{name} {key}: {value}")


if __name__ == "__main__":
    import sys

    for wanted in sys.argv[1:] or STORIES:
        show(wanted)
