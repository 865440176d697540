"""New clusters followed over time: false births on unchanged windows, births and ends of topics that come and go.

A story has windows without the new topic, then windows with it, then windows without it again. The topic is T4's new
cluster, or an intent of the travel domain, which the reference never had, its queries asked again and again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from unittest import mock

import numpy as np

from quality import data
from quality.data import Float32
from quality.harness import Cell, Mode, Result, Row, binomial, share
from tidegauge import Batch, Reference, score
from tidegauge.comparison.followed import follow
from tidegauge.records import FollowedCluster, PaneKey, SampleSizes
from tidegauge.reference import calibration
from tidegauge.reference.calibration import DIAGNOSTIC_DRAWS, DRAWS

ALPHA = 0.001
REFERENCE = 3000
UNCHANGED = 50
BEFORE, DURING, AFTER = 2, 6, 6
FOUND = 0.90
SLOW = 3
CALIBRATION = tuple({"DRAWS": n, "DIAGNOSTIC_DRAWS": m} for n, m in ((19, 9), (DRAWS, DIAGNOSTIC_DRAWS)))

Draw = Callable[[int, float], Float32]


def cells(mode: Mode) -> list[Cell]:
    """Unchanged windows of three sources, changes that bring no topic, and topics of three shares."""
    quick = mode == "quick"
    queries = data.clinc().name
    kinds = {"mixture": "Gaussian mixture", "world": "T4", "queries": queries}
    references = {"queries": 40, "mixture": 40, "world": 20}
    out = [
        Cell(f"unchanged: {kinds[source]}", 2 if quick else n, {"source": source, "rows": 1000, "what": "unchanged"})
        for source, n in references.items()
        if not quick or source != "world"
    ]
    stories = [
        (source, rows, percent, sample)
        for source, rows, percent, sample in (
            *((s, n, p, 1024) for s in ("queries", "world") for n in (1000, 5000) for p in (5, 2, 1)),
            *(("world", 5000, p, 4096) for p in (2, 1)),
        )
        if not quick or (source, rows, percent) == ("queries", 1000, 5)
    ]
    for source, rows, percent, sample in stories:
        settings = {"source": source, "rows": rows, "what": "topic", "percent": percent, "sample": sample}
        kept = "" if sample == 1024 else f", samples of {sample:,}"
        name = f"topic: {kinds[source]}, {percent} % of {rows:,} rows{kept}"
        out.append(Cell(name, 3 if quick else 5 if rows == 5000 else 8, settings))
    if not quick:
        changes = [name for name in data.DRIFTS if name != "null" and not name.startswith("new")]
        out += [Cell(f"no topic: T4, {n}", 3, {"source": "world", "rows": 1000, "what": n}) for n in changes]
        out += [
            Cell(f"cost: T4, {n} %", 1, {"source": "world", "rows": 1000, "what": "cost", "percent": n}) for n in (0, 5)
        ]
    return out


def measure(cell: Cell, rng: np.random.Generator) -> Result:
    """One reference, and a history of windows under it."""
    s = cell.settings
    sizes = SampleSizes(s.get("sample", 1024))
    draw = _source(s["source"], s["what"], rng)
    seed = int(rng.integers(2**31))
    with mock.patch.multiple(calibration, **CALIBRATION[s["what"] == "cost"]):  # following reads no null
        reference = Reference.fit(_batch(draw(REFERENCE, -1.0), "r"), seed=seed, exchangeable=True, samples=sizes)
    if s["what"] == "cost":
        shares = [s["percent"] / 100] * 10
    elif s["what"] == "topic":
        shares = [0.0] * BEFORE + [s["percent"] / 100] * DURING + [0.0] * AFTER
    else:
        shares = [0.0] * (UNCHANGED if s["what"] == "unchanged" else 10)
    known: dict[str, FollowedCluster] = {}
    born, gone, spent, scored = [], [], 0.0, 0.0
    for k, part in enumerate(shares):
        sketch = reference.sketch(_batch(draw(s["rows"], part), f"w{k}"), samples=sizes)
        window = PaneKey("stream", reference.hash, 3600, 3600 * k)
        began = time.process_time()
        found = follow(reference, sketch, window, tuple(known.values()), alpha=ALPHA, seed=seed)
        spent += time.process_time() - began
        if s["what"] == "cost":
            began = time.process_time()
            score(reference, sketch)
            scored += time.process_time() - began
        born += [k for c in found.clusters if c.born == window.start]
        gone += [(c.born // 3600, c.gone // 3600, k) for c in found.clusters if c.gone is not None]
        known |= {c.name: c for c in found.clusters}
    return {
        "windows": len(shares),
        "born": born,
        "gone": gone,
        "follow": round(spent / len(shares), 5),
        "score": round(scored / len(shares), 5),
    }


def _source(source: str, what: str, rng: np.random.Generator) -> Draw:
    """Rows of a window with a share of the new topic; a share below zero means rows of the reference."""
    if source == "mixture":
        return lambda n, new: data.draw_mixture(n, 32, rng)
    if source == "world":
        world = data.world()
        change = data.DRIFTS[what](world) if what in data.DRIFTS else {}
        return lambda n, new: world.draw(n, rng, **({} if new < 0 else change), new=max(new, 0.0))
    q = data.clinc()
    fresh = q.where(domains=data.TRAVEL)
    topic = q.where(intents=str(rng.choice(np.unique(q.intents[fresh]))), domains=data.TRAVEL)
    known = np.setdiff1d(q.where(oos=False), fresh)

    def draw(n: int, new: float) -> Float32:
        k = int(rng.binomial(n, max(new, 0.0)))
        return q.x[np.concatenate([rng.choice(known, n - k, replace=n - k > len(known)), rng.choice(topic, k)])]

    return draw


def _batch(x: Float32, tag: str) -> Batch:
    return Batch(np.ascontiguousarray(x), np.array([f"{tag}-{i}" for i in range(len(x))]))


def rows(results: dict[str, list[Result]]) -> list[Row]:
    """Births where there is no topic, by window; births and ends of topics, by story."""
    tell = {"topic": _topic, "cost": _cost}
    return [tell.get(name.split(":")[0], _none)(name, found) for name, found in results.items()]


def _cost(name: str, found: Sequence[Result]) -> Row:
    cost = {k: 1000 * float(np.mean([r[k] for r in found])) for k in ("follow", "score")}
    beside = {f"{k}, ms a window": v for k, v in cost.items()}
    return Row(f"time of following, that of scoring is 1; {name}", cost["follow"] / cost["score"], 1.0, "<=", None,
        sum(r["windows"] for r in found), beside)  # fmt: skip


def _none(name: str, found: Sequence[Result]) -> Row:
    windows = sum(r["windows"] for r in found)
    wrong = sum(len(set(r["born"])) for r in found)
    limit = binomial(ALPHA, windows)[1]
    beside = {"references": len(found), "births": wrong, "promised": ALPHA}
    guard = (0.0, binomial(ALPHA, windows, 0.999)[1])
    return Row(
        f"windows that gave birth; {name}", wrong / windows, limit, "<=", share(wrong, windows), windows, beside, guard
    )


def _topic(name: str, found: Sequence[Result]) -> Row:
    """Delay in windows: 0 where the cluster is born in the topic's first window."""
    during, end = range(BEFORE, BEFORE + DURING), BEFORE + DURING
    first = [next((k - BEFORE for k in sorted(r["born"]) if k in during), None) for r in found]
    reps, hits = len(found), sum(d is not None and d < SLOW for d in first)
    delays = [DURING if d is None else d for d in first]
    ended = [[g for g in r["gone"] if g[0] in during] for r in found]
    clusters = sum(sum(k in during for k in r["born"]) for r in found)
    right = [g for each in ended for g in each if g[1] >= end]
    beside: dict[str, Any] = {
        "in the first window": sum(d == 0 for d in first) / reps,
        "ever": sum(d is not None for d in first) / reps,
        "windows until born, mean": float(np.mean(delays)),
        "clusters for one topic": clusters / max(sum(d is not None for d in first), 1),
        "called gone while there": sum(len(each) for each in ended) - len(right),
        "of those born, gone in the end": len(right) / clusters if clusters else None,
        "windows from the topic's end until gone is said": float(np.mean([g[2] - end + 1 for g in right]))
        if right
        else None,
        "births without the topic": sum(k not in during for r in found for k in r["born"]),
    }
    target = FOUND if "5 %" in name else None
    what = f"born within {SLOW} windows; {name}"
    return Row(what, hits / reps, target, ">=" if target else "", share(hits, reps), reps, beside)


@cache
def fingerprint() -> str:
    """A name for what following decides: the digest of a fixed history, and of the queries at hand."""
    digest = hashlib.sha256(data.clinc().name.encode())
    rng = np.random.default_rng(8)
    reference = Reference.fit(rng.standard_normal((1500, 8)), exchangeable=True)
    known: dict[str, FollowedCluster] = {}
    for k, new in enumerate((0, 20, 40, 0, 0, 0)):
        x = rng.standard_normal((1000, 8)).astype(np.float32)
        x[:new] = 0.3 * x[:new] + 2.5
        window = PaneKey("stream", reference.hash, 60, 60 * k)
        found = follow(reference, reference.sketch(_batch(x, f"w{k}")), window, tuple(known.values()), alpha=ALPHA)
        known |= {c.name: c for c in found.clusters}
        said = [(c.name, c.born, c.gone, c.absent, [s.inside for s in c.shares]) for c in found.clusters]
        digest.update(str(said).encode())
    return digest.hexdigest()[:10]
