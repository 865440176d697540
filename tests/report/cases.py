"""Fake but realistic comparisons, one builder per case."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tidegauge.records import (
    ChangeKind,
    Comparison,
    Contribution,
    Coverage,
    Decomposition,
    Drift,
    Example,
    Explained,
    Impact,
    MeanShift,
    NewCluster,
    Novelty,
    Outcome,
    OutcomeChange,
    OutcomeUnit,
    Panel,
    Region,
    Score,
    Side,
    SpreadChange,
    Verdict,
    View,
)

HOSTILE = "<script>alert('x')</script>"
ANSI = "\x1b[31mred\x1b[0m\x1b]0;title\x07"

_SCORES = (
    ("mmd", "MMD", "all dimensions", True, "MMD^2", "How far apart the two means lie in the space of random features."),
    ("wmmd", "Whitened MMD", "all dimensions", True, "sd", "Like MMD, with rare directions weighted up."),
    (
        "wenergy",
        "Whitened sliced energy",
        "components",
        True,
        "sd",
        "Mean distance of the one-dimensional views, whitened.",
    ),
    ("spread", "Spread", "all dimensions", True, "log-ratio", "Log-ratio of the total variances."),
    ("mass_scan", "Mass scan", "cells", True, "% of traffic", "The cell with the largest gain or loss of traffic."),
    ("spread_scan", "Spread scan", "cells", True, "log-ratio", "The cell whose rows moved most from its centre."),
    ("novelty", "Novelty", "cells", True, "% of traffic", "Share of rows far from every cell of the reference."),
    ("w1_pc1", "Wasserstein-1 on PC1", "PC1", False, "sd of PC1", "Mean distance that rows moved along PC1."),
    ("psi", "PSI", "cells", False, "nats", "Population stability index on the masses of cells."),
    ("js", "Jensen-Shannon", "cells", False, "nats", "Jensen-Shannon divergence on the masses of cells."),
    (
        "frechet",
        "Frechet distance",
        "components",
        False,
        "squared units",
        "Distance of the two fitted Gaussians in the components.",
    ),
    ("auc", "Domain classifier", "sample", False, "AUC above 0.5", "How well a classifier tells the two sides apart."),
)


def _scores(z: tuple[float, ...]) -> tuple[Score, ...]:
    rows: list[Score] = []
    for (name, label, scope, member, unit, meaning), at in zip(_SCORES, z, strict=True):
        p = 0.5 * math.erfc(at / math.sqrt(2))
        value = 0.0012 + 0.0004 * at
        rows.append(
            Score(name, label, scope, value, 0.0012, 0.0004, at, p, 0.0004 * at, unit, 1e-5, member, meaning)  # type: ignore[arg-type]
        )
    return tuple(rows)


def _side(label: str, rows: int, **more: object) -> Side:
    return replace(Side(label, f"data/{label.replace(' ', '-')}.parquet", rows), **more)  # type: ignore[arg-type]


def _view(after_shift: tuple[float, float], n: int = 2700, m: int = 400, newcomers: int = 0) -> View:
    rng = np.random.default_rng(7)
    centres = np.array([[-3.0, 0.5], [0.0, 2.0], [2.5, -1.0], [0.5, -2.5]])
    before = centres[rng.integers(0, 4, n)] + rng.normal(size=(n, 2)) * [0.9, 0.7]
    after = centres[rng.integers(0, 4, m)] + rng.normal(size=(m, 2)) * [0.9, 0.7] + after_shift
    if newcomers:
        after[:newcomers] = [5.5, 3.5] + rng.normal(size=(newcomers, 2)) * 0.35
        after[newcomers : newcomers + newcomers // 2] = [5.0, -3.8] + rng.normal(size=(newcomers // 2, 2)) * 0.3
    edges = np.linspace(-6, 7, 65)
    return View(
        before=before.astype(np.float32),
        after=after.astype(np.float32),
        before_ids=tuple(f"b{i}" for i in range(n)),
        after_ids=tuple(f"a{i}" for i in range(m)),
        before_texts=(),
        after_texts=(),
        mean_before=before.mean(axis=0),
        mean_after=after.mean(axis=0),
        cov_before=np.cov(before.T),
        cov_after=np.cov(after.T),
        explained=(0.124, 0.081),
        visible=0.61,
        pc1_edges=edges,
        pc1_before=np.histogram(before[:, 0], edges)[0].astype(np.float64),
        pc1_after=np.histogram(after[:, 0], edges)[0].astype(np.float64),
    )


def _region(cell: str, before: float, after: float, *texts: str) -> Region:
    examples = tuple(Example(f"a{i}", text) for i, text in enumerate(texts))
    return Region(cell, before, after, 1.02, 5.1 if after > before else -4.2, 0.0004, (1.0, 2.0), examples)


def _part(kind: ChangeKind, group: str, change: float, *texts: str) -> Contribution:
    examples = tuple(Example(f"a{i}", text) for i, text in enumerate(texts))
    return Contribution(kind, group, change, change - 0.02, change + 0.02, 0.1, 0.2, math.nan, 0.4, examples)


def _decomposed(name: str = "retrieval success", unit: OutcomeUnit = "share") -> Decomposition:
    """A fall by 7.1 points: two new clusters, a cell that got worse, and two rests."""
    groups = (
        _part("new", "new cluster 1", -0.045, "can I get a refund on a gift card"),
        _part("within", "cell 7 of 64", -0.02, "opening hours on sunday"),
        _part("new", "new cluster 2", -0.015, "locker says my code is expired"),
        _part("mix", "all", 0.004),
        _part("within", "everything else", 0.005),
    )
    mix, within, new = _part("mix", "all", 0.004), _part("within", "all", -0.015), _part("new", "all", -0.06)
    outcome = Outcome(name, "falls", unit)
    return Decomposition(
        outcome, "clusters", 0.812, 0.741, -0.071, -0.115, -0.027, mix, within, new, groups, "sessions", False
    )


def drifted() -> Comparison:
    """Drift with two new clusters, outcomes, rejected rows and duplicates."""
    clusters = (
        NewCluster(
            "refund gift card", 31, 0.0775, 0.055, 0.108, 0.0, 0.0001, (5.5, 3.5), 0.9,
            (Example("a3", "can I get a refund on a gift card"), Example("a9", "gift card refund time")),
        ),
        NewCluster(
            "parcel locker code", 15, 0.0375, 0.021, 0.061, 0.0004, 0.002, (5.0, -3.8), 0.8,
            (Example("a40", "locker says my code is expired"),),
        ),
    )  # fmt: skip
    gained = (
        _region("8/3", 0.031, 0.074, "return label for sale items"),
        _region("32/17", 0.008, 0.021, "exchange size"),
    )
    lost = (_region("8/1", 0.142, 0.101, "opening hours on sunday"),)
    return Comparison(
        verdict=Verdict(
            "drift",
            "Drift: queries of week 4 differ from week 0 as if 9.3 % of the traffic had moved (joint p < 0.001); "
            "two new clusters hold 11.5 % of the rows.",
            ("3 rows of week 4 were set aside.", "Rows were permuted session by session."),
            (
                "Read the examples of the two new clusters and check that the index covers them.",
                "Compare retrieval success inside the clusters with the rest.",
            ),
        ),
        drift=Drift(9.3, 7.1, 11.6, 1.8),
        panel=Panel(
            0.0002, 0.05, {"mmd": 0.0001, "novelty": 0.0001}, 0.0091, 4999, "session", 812,
            "Rows of one session depend on each other.",
        ),
        scores=_scores((14.2, 11.6, 6.3, 2.1, 9.8, 3.1, 17.5, 8.1, 7.7, 7.9, 5.2, 6.6)),
        mean_shift=MeanShift(
            0.42, 0.0002, gained, lost, "Yes: the mean moved by 0.42 sd, towards returns and away from opening hours."
        ),
        spread=SpreadChange(1.08, 0.03, gained[:1], "Slightly: the total sd is 1.08 times what it was."),
        novelty=Novelty(0.109, 0.0002, clusters, "Yes: two new clusters hold 11.5 % of the rows."),
        gained=gained,
        lost=lost,
        outcomes=(
            OutcomeChange("retrieval success", 0.812, 0.741, -0.071, -0.115, -0.027, 2_690, 398),
            OutcomeChange("click-through", 0.314, 0.309, -0.005, -0.053, 0.043, 2_690, 398),
        ),
        before=_side("week 0", 2_700, duplicates=12, first_time=1.7e9, last_time=1.7006e9),
        after=_side(
            "week 4", 400, duplicates=2, first_time=1.7024e9, last_time=1.703e9,
            rejected={"nan": 2, "zero": 1},
            first_rejected={"nan": "week-4.parquet, row 17", "zero": "week-4.parquet, row 80"},
        ),
        view=_view((0.3, 0.1), newcomers=31),
        door="two samples",
        width=384,
        seed=0,
        min_effect=0.0,
        profile="standard-1 (4f9a2c11)",
        model_id="bge-small-en-v1.5",
        decompositions=(_decomposed(), _decomposed("latency", "number")),
        coverage=Coverage(0.81, 0.77, 0.85, 0.94, 0.0004, 398, 12_000, (_part("new", "near refunds", 0.08),)),
        explained=(Explained("client", "kiosk", 0.02, 0.21, 0.7, 0.6, "retrieval success"),),
        impact=Impact("harmful drift", "The drift is harmful: retrieval success fell by 7.1 points.", (), ("Look.",)),
    )  # fmt: skip


def unchanged() -> Comparison:
    """No drift."""
    c = drifted()
    return replace(
        c,
        verdict=Verdict("no drift", "No drift: week 4 looks like week 0 (joint p = 0.41).", (), ("Nothing to do.",)),
        drift=Drift(-0.1, -0.9, 0.7, 1.2),
        panel=replace(c.panel, p=0.41, members={"mmd": 0.3}, unit="row", units=3100, reason=""),
        scores=_scores((0.5, -0.3, 0.8, -1.1, 1.4, 0.2, -0.6, 0.1, 0.7, 0.6, -0.2, 0.9)),
        mean_shift=MeanShift(0.03, 0.6, (), (), "No: the mean did not shift beyond chance."),
        spread=SpreadChange(1.0, 0.7, (), "No: the spread did not change beyond chance."),
        novelty=Novelty(-0.002, 0.5, (), "No: no new cluster emerged."),
        gained=(),
        lost=(),
        outcomes=(),
        view=_view((0.0, 0.0), n=1500, m=450),
        decompositions=(),
        coverage=None,
        explained=(),
        impact=None,
    )


def insufficient() -> Comparison:
    """Too few rows for any verdict: nothing is measured."""
    nan = math.nan
    c = unchanged()
    refused = tuple(
        replace(
            s, value=nan, null_mean=nan, null_sd=nan, z=nan, p=nan, effect=nan, refused="needs 30 rows on each side"
        )
        for s in c.scores
    )
    return replace(
        c,
        verdict=Verdict("insufficient data", "Insufficient data: 4 rows in week 4, 30 are needed.", needed=30),
        drift=Drift(nan, nan, nan, nan),
        panel=Panel(nan, 0.05, {}, nan, 0, "row", 0, "too few rows"),
        scores=refused,
        mean_shift=MeanShift(nan, nan, (), (), "Unknown: too few rows."),
        spread=SpreadChange(nan, nan, (), "Unknown: too few rows."),
        novelty=Novelty(nan, nan, (), "Unknown: too few rows."),
        after=_side("week 4", 4),
        view=replace(_view((0.0, 0.0), n=40, m=4), visible=nan),
    )


def empty() -> Comparison:
    """A window without a single row."""
    c = insufficient()
    none = np.zeros((0, 2), dtype=np.float32)
    nans = np.full(2, np.nan)
    bins = np.zeros(64)
    view = replace(c.view, after=none, after_ids=(), mean_after=nans, cov_after=np.full((2, 2), np.nan), pc1_after=bins)
    return replace(c, after=_side("week 4", 0), view=view)


def one_dimension() -> Comparison:
    """Vectors of width 1: there is no second component."""
    c = drifted()
    flat = np.array([1.0, 0.0])
    view = replace(
        c.view,
        before=c.view.before * flat.astype(np.float32),
        after=c.view.after * flat.astype(np.float32),
        mean_before=c.view.mean_before * flat,
        mean_after=c.view.mean_after * flat,
        cov_before=c.view.cov_before * np.outer(flat, flat),
        cov_after=c.view.cov_after * np.outer(flat, flat),
        explained=(1.0, 0.0),
        visible=1.0,
    )
    clusters = tuple(replace(k, position=(k.position[0], 0.0)) for k in c.novelty.clusters[:1])
    return replace(c, width=1, view=view, novelty=replace(c.novelty, clusters=clusters))


def refused_scores() -> Comparison:
    """Some scores refused, a drift of which the first two components show little, and outliers far away."""
    c = drifted()
    nan = math.nan
    odd = replace(
        c.scores[8], value=nan, null_mean=nan, null_sd=nan, z=nan, p=nan, effect=nan, refused="fewer than 200 rows"
    )
    before = c.view.before.copy()
    before[:3] = [[4e4, 1.0], [1.0, -9e5], [-3e3, 2.0]]
    scores = (replace(c.scores[0], z=240.0), *c.scores[1:8], odd, *c.scores[9:])
    return replace(c, scores=scores, view=replace(c.view, before=before, visible=0.03))


def _hostile(d: Decomposition, examples: tuple[Example, ...]) -> Decomposition:
    groups = tuple(replace(c, group=HOSTILE + ANSI, examples=examples) for c in d.groups)
    return replace(d, outcome=replace(d.outcome, name=HOSTILE + ANSI), by=ANSI, groups=groups, note=HOSTILE)


def hostile() -> Comparison:
    """Texts that try to break out of every format."""
    c = drifted()
    texts = (
        HOSTILE,
        "x" * 50_000,
        "🦄🏳️‍🌈 emoji",
        "مرحبا \u202eabc",
        "two\nlines\r\n",
        ANSI,
        "$\\frac{1}{0}$ {{ 7*7 }}",
        "\udc80",
    )
    examples = tuple(Example(text, text) for text in texts)
    named = tuple(
        replace(k, name=name, examples=examples) for k, name in zip(c.novelty.clusters, (HOSTILE, ANSI), strict=True)
    )
    regions = (replace(c.gained[0], cell=ANSI + "\nx", examples=examples), replace(c.gained[1], cell="日本語 🦄"))
    return replace(
        c,
        verdict=replace(c.verdict, sentence=f"Drift: {HOSTILE} {ANSI}", notes=texts, next=texts),
        novelty=replace(c.novelty, clusters=named, sentence=HOSTILE),
        gained=regions,
        lost=regions,
        outcomes=(replace(c.outcomes[0], name=HOSTILE + ANSI),),
        decompositions=tuple(_hostile(d, examples) for d in c.decompositions),
        explained=(Explained(HOSTILE, ANSI, 0.1, 0.2, math.nan, math.nan, HOSTILE),),
        impact=Impact("harmful drift", HOSTILE + ANSI, texts, texts),
        before=replace(c.before, label=HOSTILE, source="javascript:alert(1)"),
        after=replace(
            c.after, label="$\\bad{ 日本語 \u202e" + ANSI, rejected={HOSTILE: 3}, first_rejected={HOSTILE: ANSI}
        ),
        view=replace(c.view, before_texts=texts, after_texts=texts),
        model_id=HOSTILE,
    )


CASES: dict[str, Callable[[], Comparison]] = {
    build.__name__: build for build in (drifted, unchanged, insufficient, empty, one_dimension, refused_scores, hostile)
}
