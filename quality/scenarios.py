"""Scenarios A to F, week by week, through ``compare`` and through a frozen reference: the verdict beside the right one.

The README beside the data says what happens and which verdict is right. B and C have the very same traffic: one cell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from quality import data, frozen, two_samples
from quality.harness import Cell, Mode, Result, Row, binomial, share
from quality.two_samples import ALPHA
from tidegauge import Reference, compare
from tidegauge.records import Comparison, Example

HISTORIES = 20
FOUND = 0.80
SPEAKS_FROM = 0.10
DOORS = ("two samples", "frozen")
QUICK = {"A": (7, 9), "BC": (9,), "D": (12,), "F German": (9,)}
NAMES = {
    "A": "out-of-scope queries ramp up; right: drift",
    "BC": "two new domains ramp up; right: drift (B harmful, C harmless)",
    "D": "the index loses intents after week 6; right: no query drift",
    "E": "nothing changes; right: no drift",
    "F German": "English turns to German; right: drift",
    "F Turkish": "English turns to Turkish; right: drift",
}


def cells(mode: Mode) -> list[Cell]:
    """Every scenario with all its weeks; in a quick run a few of them through two samples."""
    every = tuple(range(1, 13))
    if mode == "full":
        return [Cell(name, HISTORIES, {"weeks": every, "doors": DOORS}) for name in NAMES]
    return [Cell(name, 2, {"weeks": weeks, "doors": DOORS[:1]}) for name, weeks in QUICK.items()]


def story(name: str, rng: np.random.Generator) -> data.Scenario:
    """One history."""
    found = data.scenario("B" if name == "BC" else name[0], rng)
    return in_turkish(found) if name.endswith("Turkish") else found


def in_turkish(scenario: data.Scenario) -> data.Scenario:
    """The same history, its German queries put in Turkish."""
    q = data.xsid()
    turkish = {q.parallels[row]: row for row in q.where(langs="tr", splits=("val", "test"))}
    place = {key: row for row, key in enumerate(q.ids)}
    index = q.where(oos=False, splits="train", langs="en")
    rows = np.array([place[i] for i in np.asarray(scenario.reference.ids)])
    floor = float(np.quantile(data._nearest(q, rows, index)[1], 0.05))
    weeks = []
    for week in scenario.weeks:
        rows = np.array([place[i] for i in np.asarray(week.batch.ids)])
        rows = np.array([turkish[q.parallels[r]] if q.langs[r] == "de" else r for r in rows])
        weeks.append(replace(week, batch=data._batch(q, rows, np.asarray(week.batch.times), index, floor)))
    return replace(scenario, weeks=tuple(weeks), what=scenario.what.replace("German", "Turkish"))


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One history: what every door says about every week."""
    found, seed = story(cell.name, rng), int(rng.integers(2**31))
    reference = Reference.fit(found.reference, seed=seed) if "frozen" in cell.settings["doors"] else None
    weeks = []
    for week in found.weeks:
        if week.number not in cell.settings["weeks"]:
            continue
        said: dict[str, Any] = {"two samples": told(compare(found.reference, week.batch, seed=seed), found.source)}
        if reference is not None:
            said["frozen"] = told(compare(reference, reference.sketch(week.batch)), found.source)
        rates = {k: float(v[:, 0].sum() / v[:, 1].sum()) for k, v in week.batch.outcomes.items()}
        weeks.append({"week": week.number, "share": week.share, "drift": week.drift, "rates": rates, "said": said})
    return {"source": found.source, "weeks": weeks}


def told(c: Comparison, source: str) -> dict[str, Any]:
    """A verdict with the clusters that it names, and of what their examples truly are."""
    kinds = kinds_of(source)
    return {
        "state": c.verdict.state,
        "p": c.panel.p,
        "unit": c.panel.unit,
        "drift": [round(v, 3) for v in (c.drift.value, c.drift.low, c.drift.high)],
        "novelty": [round(c.novelty.excess, 4), c.novelty.p],
        "members": {k: round(p, 4) for k, p in c.panel.members.items()},
        "clusters": [
            {"share": round(n.share, 4), "kinds": [kinds[e.id] for e in n.examples]} for n in c.novelty.clusters
        ],
    }


@cache
def kinds_of(source: str) -> dict[str, str]:
    """What each query truly is: its domain, or its language where it is not English; by id."""
    q = data.xsid() if source == data.xsid().name else data.clinc()
    kind = np.where(q.oos, "out of scope", np.where(q.langs != "en", q.langs, q.domains))
    return dict(zip(q.ids.tolist(), kind.tolist(), strict=True))


def is_new(name: str, kind: str) -> bool:
    """Whether such a query is what the scenario brings in."""
    return kind in {"A": ("out of scope",), "B": data.NEW_DOMAINS, "F": ("de", "tr")}.get(name[0], ())


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Every week of every scenario in both doors, the stable weeks together, and E by history."""
    out: list[Row] = []
    for name, found in results.items():
        for door in DOORS:
            weeks = [[w for w in r["weeks"] if door in w["said"]] for r in found]
            if not weeks[0]:
                continue
            out += [_week(name, door, [h[k] for h in weeks], found[0]["source"]) for k in range(len(weeks[0]))]
            out += _stable(name, door, weeks)
    return out + [row for door in DOORS for row in _everywhere(door, results)]


def _hit(week: dict[str, Any], door: str) -> bool:
    return week["said"][door]["state"] == "drift"


def _week(name: str, door: str, weeks: Sequence[dict[str, Any]], source: str) -> Row:
    first, reps = weeks[0], len(weeks)
    said = [w["said"][door] for w in weeks]
    hit = sum(_hit(w, door) for w in weeks)
    target: float | None = binomial(ALPHA, reps)[1]
    sense = "<="
    if first["drift"]:
        target, sense = (FOUND, ">=") if first["share"] >= SPEAKS_FROM - 1e-9 else (None, "")
    named = [s for s in said if s["clusters"]]
    kinds = [kind for s in named for c in s["clusters"] for kind in c["kinds"]]
    beside: dict[str, Any] = {
        "new share": first["share"],
        "drift %": float(np.mean([s["drift"][0] for s in said])),
        "interval": [float(np.mean([s["drift"][k] for s in said])) for k in (1, 2)],
        **{k: float(np.mean([w["rates"][k] for w in weeks])) for k in first["rates"]},
        "insufficient data": float(np.mean([s["state"] == "insufficient data" for s in said])),
        "names clusters": len(named) / reps,
        "clusters": float(np.mean([len(s["clusters"]) for s in said])),
        "named share": float(np.mean([sum(c["share"] for c in s["clusters"]) for s in said])),
        "examples that are new": float(np.mean([is_new(name, k) for k in kinds])) if kinds else None,
        "excess far away": float(np.mean([s["novelty"][0] for s in said])),
        "members alone": {k: float(np.mean([s["members"][k] <= ALPHA for s in said])) for k in said[0]["members"]},
    }
    if name == "BC":
        both = [set(data.NEW_DOMAINS) <= {k for c in s["clusters"] for k in c["kinds"]} for s in said]
        beside["names both domains"] = float(np.mean(both))
    what = f"{name}, {door}, week {first['week']}: verdict drift ({NAMES[name]}; {source})"
    return Row(what, hit / reps, target, sense, share(hit, reps), reps, beside)


def _stable(name: str, door: str, weeks: Sequence[Sequence[dict[str, Any]]]) -> list[Row]:
    """Weeks without drift of all histories, which share a reference within each; and whole histories without any."""
    hits = [found for h in weeks if (found := [_hit(w, door) for w in h if not w["drift"]])]
    if not hits:
        return []
    rate, error, half = frozen.clustered(hits, 0.99)
    total = sum(len(h) for h in hits)
    beside: dict[str, Any] = {"standard error, histories as clusters": error}
    out = [Row(f"{name}, {door}: weeks without drift called drift", rate, ALPHA + half, "<=", None, total, beside)]
    if len(hits[0]) == 12 and len(hits) == len(weeks):
        smallest = [min(w["said"][door]["p"] for w in h) for h in weeks]
        wrong, reps = sum(p * 12 <= ALPHA for p in smallest), len(weeks)
        beside = {"histories with any such week": float(np.mean([any(h) for h in hits]))}
        what = f"{name}, {door}: whole histories called drift at {ALPHA:g} (12 times the smallest p)"
        out.append(Row(what, wrong / reps, binomial(ALPHA, reps)[1], "<=", share(wrong, reps), reps, beside))
    return out


def _everywhere(door: str, results: dict[str, list[Result]]) -> list[Row]:
    """The weeks without drift of all scenarios and histories."""
    weeks = [[w for w in r["weeks"] if door in w["said"]] for found in results.values() for r in found]
    return _stable("all scenarios", door, weeks)[:1] if weeks and all(weeks) else []


@cache
def fingerprint() -> str:
    """A name for what both doors decide."""
    both = two_samples.fingerprint() + frozen.fingerprint() + data.xsid().name
    return hashlib.sha256(both.encode()).hexdigest()[:10]


def show(name: str, seed: int = 0) -> None:
    """Print one history as a reader sees it: every week's verdict in both doors, clusters, regions and outcomes."""
    found = story(name, np.random.default_rng(seed))
    reference = Reference.fit(found.reference, seed=seed)
    print(f"\n{name}: {NAMES[name]} ({found.source}; reference {found.reference.rows} queries)")
    for week in found.weeks:
        rates = ", ".join(f"{k} {v[:, 0].mean():.2f}" for k, v in week.batch.outcomes.items())
        print(f"\nweek {week.number}: {week.batch.rows} queries, {week.share:.0%} new; {rates}")
        for c in (compare(found.reference, week.batch, seed=seed), compare(reference, reference.sketch(week.batch))):
            print("\n    ".join([f"  {c.door}: {c.verdict.sentence}", *_details(c, kinds_of(found.source))]))


def _details(c: Comparison, kinds: dict[str, str]) -> list[str]:
    """The three answers, the clusters and the regions of a drift, with the truth about every example."""
    if c.verdict.state != "drift":
        return []

    def listed(examples: Sequence[Example]) -> str:
        return "; ".join(f"{e.text} [{kinds[e.id]}]" for e in examples)

    out = [c.mean_shift.sentence, c.spread.sentence, c.novelty.sentence]
    for n in c.novelty.clusters:
        interval = f"{n.share:.1%} ({n.share_low:.1%} to {n.share_high:.1%}), before {n.share_before:.1%}"
        out.append(f"{n.name}: {interval}: {listed(n.examples)}")
    for label, regions in (("gained", c.gained), ("lost", c.lost)):
        for r in regions:
            moved = f"{r.cell} {r.share_before:.1%} to {r.share_after:.1%}, p {r.p:.3f}"
            out.append(f"{label}: {moved}: {listed(r.examples)}")
    return [*out, *c.verdict.next]


if __name__ == "__main__":
    import sys

    for wanted in sys.argv[1:] or NAMES:
        show(wanted)
