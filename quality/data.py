"""The data of the tables: generated mixtures, one generated embedding space, and real queries where they are at hand.

CLINC150 and xSID are read by path (``TIDEGAUGE_DATA``, or ``../shared/data`` beside the repository). Where they are
absent a generated stand-in takes their place, and ``clinc().name`` says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.records import Batch

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Str = npt.NDArray[np.str_]
Int = npt.NDArray[np.int64]

TRAVEL = "travel"
NEW_DOMAINS = (TRAVEL, "auto_and_commute")
SHARES = (0.0,) * 6 + (0.05, 0.10, 0.20, 0.30, 0.40, 0.50)
WEEK = 7 * 86_400.0
D, CLUSTERS = 768, 40


def four_gaussians(n: int, rng: np.random.Generator, sd: float = 1.0) -> Float32:
    """T3: four equal Gaussians around (+-20, +-20) with unit deviation, one of them with deviation ``sd``."""
    centres = np.array([(20, 20), (20, -20), (-20, 20), (-20, -20)])
    z = rng.integers(4, size=n)
    width = np.where(z == 0, sd, 1.0)[:, None]
    return (centres[z] + width * rng.standard_normal((n, 2))).astype(np.float32)


@cache
def mixture(d: int, parts: int = 8) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centres, widths and weights of one fixed Gaussian mixture in d dimensions."""
    rng = np.random.default_rng([5, d])
    return 2 * rng.standard_normal((parts, d)), rng.uniform(0.5, 2, size=(parts, d)), rng.dirichlet(np.full(parts, 2.0))


def draw_mixture(n: int, d: int, rng: np.random.Generator) -> Float32:
    """Rows of the fixed mixture."""
    centres, widths, weights = mixture(d)
    z = rng.choice(len(weights), size=n, p=weights)
    return (centres[z] + widths[z] * rng.standard_normal((n, d))).astype(np.float32)


class World:
    """T4: unit vectors in 768 dimensions, 40 clusters and one new, a power-law spectrum and a strong common mean."""

    def __init__(self, seed: int = 11) -> None:
        rng = np.random.default_rng(seed)
        self.spectrum = 1 / np.arange(1, D + 1) ** 0.7
        self.basis = np.linalg.qr(rng.normal(size=(D, D)))[0]
        self.centres = rng.normal(size=(CLUSTERS + 1, D)) * np.sqrt(self.spectrum)
        self.weights = rng.dirichlet(np.ones(CLUSTERS) * 3)
        self.mean = np.zeros(D)
        self.mean[0] = 1.5 * np.sqrt(self.spectrum.sum())
        tilted = self.weights * np.exp(rng.normal(size=CLUSTERS) * 0.15)
        self.tilted = tilted / tilted.sum()
        self.tail = np.zeros(D)
        self.tail[300:340] = 0.02 * np.sqrt(self.spectrum.sum())

    def draw(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        weights: npt.NDArray[np.float64] | None = None,
        new: float = 0.0,
        scale: float = 1.0,
        shift: npt.NDArray[np.float64] | None = None,
        rotation: float = 0.0,
    ) -> Float32:
        """Unit vectors, shape (n, 768)."""
        z = rng.choice(CLUSTERS, size=n, p=self.weights if weights is None else weights)
        z[rng.random(n) < new] = CLUSTERS
        x = self.centres[z] + rng.normal(size=(n, D)) * np.sqrt(self.spectrum) * 0.9 * scale + self.mean
        if shift is not None:
            x = x + shift
        if rotation:
            a, b = x[:, 20:40].copy(), x[:, 40:60].copy()
            x[:, 20:40] = np.cos(rotation) * a - np.sin(rotation) * b
            x[:, 40:60] = np.sin(rotation) * a + np.cos(rotation) * b
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return (x @ self.basis.T).astype(np.float32)


DRIFTS: dict[str, Callable[[World], dict[str, Any]]] = {
    "null": lambda w: {},
    "new cluster 1 %": lambda w: {"new": 0.01},
    "new cluster 3 %": lambda w: {"new": 0.03},
    "mix shift": lambda w: {"weights": w.tilted},
    "tail-dimension shift": lambda w: {"shift": w.tail},
    "spread x1.05": lambda w: {"scale": 1.05},
    "rotation": lambda w: {"rotation": 0.3},
}


@cache
def world() -> World:
    """The one world of T4."""
    return World()


@dataclass(frozen=True, eq=False)
class Queries:
    """Labelled queries with unit vectors; ``name`` says whether they are the real ones."""

    name: str
    x: Float32
    ids: Str
    texts: Str
    intents: Str
    domains: Str
    splits: Str
    langs: Str
    parallels: Str
    oos: Bool

    def where(self, **equal: str | bool | tuple[str, ...]) -> Int:
        """Positions of the rows whose columns have these values (a tuple: any of them)."""
        keep = np.ones(len(self.x), np.bool_)
        for column, value in equal.items():
            keep &= np.isin(getattr(self, column), value)
        return np.flatnonzero(keep)


def folder() -> Path:
    """Where the real embeddings lie."""
    return Path(os.environ.get("TIDEGAUGE_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


@cache
def clinc() -> Queries:
    """CLINC150, 384 dimensions; or its stand-in."""
    return _read("clinc150.parquet", "CLINC150") or _stand_in("generated stand-in for CLINC150", 10, 15, ("en",))


@cache
def xsid() -> Queries:
    """xSID, 384 dimensions, 14 languages; or its stand-in."""
    return _read("xsid.parquet", "xSID") or _stand_in("generated stand-in for xSID", 3, 6, ("en", "de", "tr"))


def _read(file: str, name: str) -> Queries | None:
    path = folder() / file
    if not path.exists():
        return None
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    rows = len(table)

    def column(key: str) -> Str:
        return np.array(table[key].to_pylist(), dtype=str) if key in table.column_names else np.full(rows, "en")

    x = table["embedding"].combine_chunks().flatten().to_numpy().astype(np.float32).reshape(rows, -1)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    oos = np.array(table["oos"].to_pylist()) if "oos" in table.column_names else np.zeros(rows, np.bool_)
    splits = np.where(column("split") == "valid", "val", column("split"))
    texts, intents, domains = column("text"), column("intent"), column("domain")
    return Queries(name, x, column("id"), texts, intents, domains, splits, column("lang"), column("parallel_id"), oos)


def _stand_in(name: str, domains: int, intents: int, langs: tuple[str, ...]) -> Queries:
    """Unit vectors in 384 dimensions: domains hold intents hold queries; a language turns and shifts them all."""
    rng = np.random.default_rng([17, domains])
    d, spectrum = 384, np.sqrt(1 / np.arange(1, 385) ** 0.7)
    names = np.array([TRAVEL, "auto_and_commute", *(f"domain {k}" for k in range(2, domains))])
    middle = rng.standard_normal((domains, 1, d)) * 0.6 + rng.standard_normal((domains, intents, d)) * 0.7
    parts: list[tuple[Any, ...]] = []
    for lang in langs:
        turn = np.eye(d) if lang == "en" else np.linalg.qr(np.eye(d) + 0.02 * rng.standard_normal((d, d)))[0]
        move = np.zeros(d) if lang == "en" else 0.4 * rng.standard_normal(d)
        for split, each in (("train", 100), ("val", 20), ("test", 30)):
            n = domains * intents * each
            k = np.repeat(np.arange(domains * intents), each)
            x = (middle.reshape(-1, d)[k] + 0.7 * rng.standard_normal((n, d)) + move) @ turn * spectrum
            parts.append((x, k, np.full(n, split), np.full(n, lang), np.zeros(n, np.bool_)))
        if domains > 3:
            x = 1.2 * rng.standard_normal((1200, d)) * spectrum
            splits = np.repeat(["train", "val", "test"], [100, 100, 1000])
            parts.append((x, np.full(1200, -1), splits, np.full(1200, lang), np.ones(1200, np.bool_)))
    x, k, splits, tongue, oos = (np.concatenate(column) for column in zip(*parts, strict=True))
    x = x + 1.5 * spectrum
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    ids = np.array([f"row-{i}" for i in range(len(x))])
    parallels = np.char.mod("query %d", np.arange(len(x)) % (len(x) // len(langs)))
    intent = np.where(oos, "oos", np.char.add("intent ", k.astype(str)))
    domain = np.where(oos, "out_of_scope", names[k // intents])
    return Queries(name, x, ids, ids, intent, domain, splits, tongue, parallels, oos)


def unchanged_queries(n: int, m: int, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Two samples of in-scope queries of all splits, no row in both."""
    q = clinc()
    rows = rng.choice(q.where(oos=False), n + m, replace=False)
    return q.x[rows[:n]], q.x[rows[n:]]


def query_window(kind: str, percent: int, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """T8: a reference of 2,700 in-scope queries of the validation and test splits, and a window of 400 others.

    ``percent`` of the window is out-of-scope (``kind`` "out-of-scope") or of the travel domain ("new domain": then
    neither the reference nor the rest of the window has any travel).
    """
    q = clinc()
    old = q.where(oos=False, splits=("val", "test"))
    if kind == "new domain":
        fresh = q.where(domains=TRAVEL, splits=("val", "test"))
        old = np.setdiff1d(old, fresh)
    else:
        fresh = q.where(oos=True, splits=("val", "test"))
    new = round(400 * percent / 100)
    rows = rng.choice(old, 2700 + 400 - new, replace=False)
    window = np.concatenate([rows[2700:], rng.choice(fresh, new, replace=False)])
    return q.x[rows[:2700]], q.x[rng.permutation(window)]


@dataclass(frozen=True, eq=False)
class Week:
    """One week of a scenario: its traffic, the share of it that is new, and whether it differs from the reference."""

    number: int
    batch: Batch
    share: float
    drift: bool


@dataclass(frozen=True, eq=False)
class Scenario:
    """A story with known truth; outcomes ``success`` and ``no_answer`` by the nearest neighbour in the index, of which
    ``index`` has the rows, at the reference and in the last week.
    """

    name: str
    what: str
    source: str
    reference: Batch
    weeks: tuple[Week, ...]
    right: str
    index: tuple[Int, Int]


# Name -> what happens, the right verdict.
SCENARIOS = {
    "A": ("out-of-scope queries ramp up", "drift, harmful; the fall sits in new, out-of-scope traffic"),
    "B": ("two domains, absent from index and reference, ramp up", "drift, harmful; new clusters"),
    "C": ("the very same traffic as B, and the index covers it", "the same drift, harmless"),
    "D": ("no query drift; the index loses 20 % of the intents after week 6", "no query drift; success falls"),
    "E": ("nothing changes", "no drift"),
    "F": ("the same queries turn from English to German", "drift, harmful; the language explains it"),
}


def scenario(name: str, rng: np.random.Generator) -> Scenario:
    """Scenarios A to F: a reference of 800 queries (F: 400) and 12 weeks of 400 (F: 200).

    Weeks 1 to 6 are stable, weeks 7 to 12 carry 5 to 50 % of the new traffic. B and C from generators in the same state
    hold the same rows. In F the queries are drawn anew every week from those that are not in the reference.
    """
    q = xsid() if name == "F" else clinc()
    reference, weeks = _turning(q, rng) if name == "F" else _ramp(name, q, rng)
    index = [_index(name, q)] * 6
    index += [_without_some(q, index[0], rng) if name == "D" else index[0]] * 6
    floor = float(np.quantile(_nearest(q, reference, index[0])[1], 0.05))
    before = _batch(q, reference, rng.uniform(-8 * WEEK, 0, len(reference)), index[0], floor)
    out = []
    for k, (rows, share) in enumerate(zip(weeks, SHARES, strict=True)):
        times = rng.uniform(k * WEEK, (k + 1) * WEEK, len(rows))
        batch = _batch(q, rows, times, index[k], floor)
        out.append(Week(k + 1, batch, share if name in "ABCF" else 0.0, name in "ABCF" and share > 0))
    what, right = SCENARIOS[name]
    return Scenario(name, what, q.name, before, tuple(out), right, (index[0], index[-1]))


def _ramp(name: str, q: Queries, rng: np.random.Generator) -> tuple[Int, list[Int]]:
    """Rows of the reference and of every week, none drawn twice."""
    old = q.where(oos=False, splits=("val", "test"))
    fresh = q.where(oos=True, splits=("val", "test"))
    if name in "BC":
        fresh = q.where(domains=NEW_DOMAINS, splits=("val", "test"))
        old = np.setdiff1d(old, fresh)
    old, fresh = rng.permutation(old), rng.permutation(fresh)
    reference, old = old[:800], old[800:]
    weeks = []
    for share in SHARES:
        new = round(400 * share) if name in "ABC" else 0
        weeks.append(rng.permutation(np.concatenate([old[: 400 - new], fresh[:new]])))
        old, fresh = old[400 - new :], fresh[new:]
    return reference, weeks


def _turning(q: Queries, rng: np.random.Generator) -> tuple[Int, list[Int]]:
    """English rows of the reference, and weeks in which a share of the queries is put in German."""
    english = q.where(langs="en", splits=("val", "test"))
    german = {key: row for row in q.where(langs="de", splits=("val", "test")) for key in [q.parallels[row]]}
    english = rng.permutation([row for row in english if q.parallels[row] in german])
    reference, pool = english[:400], english[400:800]
    weeks = []
    for share in SHARES:
        rows = rng.choice(pool, 200, replace=False)
        turned = round(200 * share)
        rows[:turned] = [german[q.parallels[row]] for row in rows[:turned]]
        weeks.append(rng.permutation(rows))
    return reference, weeks


def _index(name: str, q: Queries) -> Int:
    """Rows of the training split that the index holds."""
    rows = q.where(oos=False, splits="train", langs="en")
    return np.setdiff1d(rows, q.where(domains=NEW_DOMAINS)) if name == "B" else rows


def _without_some(q: Queries, index: Int, rng: np.random.Generator) -> Int:
    """The index without a fifth of its intents."""
    intents = np.unique(q.intents[index])
    lost = rng.choice(intents, len(intents) // 5, replace=False)
    return index[~np.isin(q.intents[index], lost)]


def _nearest(q: Queries, rows: Int, index: Int) -> tuple[Int, npt.NDArray[np.float64]]:
    """The nearest row of the index, and its cosine."""
    cosine = q.x[rows] @ q.x[index].T
    best = cosine.argmax(1)
    return index[best], cosine[np.arange(len(rows)), best].astype(np.float64)


def _batch(q: Queries, rows: Int, times: npt.NDArray[np.float64], index: Int, floor: float) -> Batch:
    nearest, cosine = _nearest(q, rows, index)
    whole = np.ones(len(rows))
    outcomes = {
        "success": np.stack([(q.intents[nearest] == q.intents[rows]).astype(np.float64), whole], axis=1),
        "no_answer": np.stack([(cosine < floor).astype(np.float64), whole], axis=1),
    }
    return Batch(q.x[rows], q.ids[rows], q.texts[rows], np.sort(times), None, q.langs[rows], outcomes, source=q.name)
