"""Sketching against the bare matrix products of the same shapes and against a peer; scoring at two window sizes; bytes.

"Two cores" gives the linear algebra two threads on the one side, and two chunks of rows at a time on the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import numpy as np
from threadpoolctl import ThreadpoolController

from bench.timing import ratio, seconds
from quality.harness import Mode, Row, report
from quality.rivals.peer import ENVIRONMENTS, HERE, Peer, Talk, absent, question
from tidegauge import Batch, Reference, Sketch, score
from tidegauge.sketch.sketch import CHUNK

ROWS = 16 * CHUNK
PEER_WIDTH = 768
WHYLOGS = Peer("whylogs", ENVIRONMENTS / "whylogs" / "bin" / "python", HERE / "whylogs_rate.py")


def rows(mode: Mode) -> list[Row]:
    turns = 1 if mode == "quick" else 9
    widths = (384,) if mode == "quick" else (384, 768, 1536, 3072)
    found: list[Row] = []
    for width in widths:
        rng = np.random.default_rng(width)
        x = rng.standard_normal((ROWS, width)).astype(np.float32)
        reference = Reference.fit(x[:3000], exchangeable=True)
        found += [*_against_products(reference, x, turns), *_scoring(reference, x, turns)]
        size = len(reference.sketch(x, samples=False).to_bytes()) / 1000
        found.append(Row(f"d = {width}: kB of a sketch without samples", size, 100.0, "<="))
        if width == PEER_WIDTH:
            small = Reference.fit(x[:3000], exchangeable=True, profile="small")
            found += _against_whylogs({"standard": reference, "small": small}, x, turns)
    return found


@contextmanager
def cores(count: int) -> Iterator[None]:
    with ThreadpoolController().limit(limits=count, user_api="blas"):
        yield


def _against_products(reference: Reference, x: np.ndarray, turns: int) -> list[Row]:
    b = reference.basis
    factors = (b.axes, b.directions, b.weights, np.ascontiguousarray(b.centres.T))

    def bare() -> None:
        for start in range(0, ROWS, CHUNK):
            for factor in factors:
                x[start : start + CHUNK] @ factor

    found = []
    for count, samples in ((2, False), (2, True), (1, False)):
        with cores(count):
            part, ours, products = ratio(bare, lambda s=samples: reference.sketch(x, samples=s), turns)
        beside = {"rows a second": ROWS / products, "bare products, rows a second": ROWS / ours}
        judged = (0.6, ">=") if not samples else (None, "")
        how = f"{count} core{'s' * (count > 1)}{', with samples' * samples}"
        what = f"d = {x.shape[1]}, {how}: rate of sketching over that of its bare matrix products"
        found.append(Row(what, part, *judged, beside=beside))
    return found


def _scoring(reference: Reference, x: np.ndarray, turns: int) -> list[Row]:
    """A window of a million rows is a sum of sketches; its rows repeat, which no score can see."""
    small, large = reference.sketch(x[:1000]), reference.sketch(x)
    while large.rows < 1_000_000:
        large = large + large
    with cores(2):
        growth, _, _ = ratio(lambda: score(reference, large), lambda: score(reference, small), turns)
        five, each, _ = ratio(lambda: score(reference, large), lambda: _sketch(reference, x[:5000]), turns)
    width = x.shape[1]
    return [
        Row(f"d = {width}: scoring {large.rows:,} rows over scoring 1,000", growth, 1.2, "<="),
        Row(f"d = {width}: scoring a window, in times of sketching 5,000 rows", five, 1.0, "<=",
            beside={"milliseconds": 1000 * each}),
    ]  # fmt: skip


def _sketch(reference: Reference, x: np.ndarray) -> Sketch:
    return reference.sketch(Batch(x), samples=False)


def _against_whylogs(references: dict[str, Reference], x: np.ndarray, turns: int) -> list[Row]:
    if missing := absent([WHYLOGS]):
        report(f"left out: whylogs ({missing})")
        return []
    times: dict[str, list[tuple[float, float, float]]] = {profile: [] for profile in references}
    with Talk(WHYLOGS) as talk, question(x[:3000], x, 0, "statistic") as asked, cores(1):
        for turn in range(turns + 1):
            ours = {profile: seconds(lambda r=r: _sketch(r, x)) for profile, r in references.items()}
            talk.send(asked)
            theirs = talk.receive()["EmbeddingMetric"]["seconds"]
            if turn:
                for profile, spent in ours.items():
                    times[profile].append((theirs / spent, spent, theirs))
    found = []
    for profile, each in times.items():
        rate, spent, theirs = (median(values) for values in zip(*each, strict=True))
        beside = {"rows a second": ROWS / spent, "whylogs, rows a second": ROWS / theirs}
        judged = (0.5, ">=") if profile == "standard" else (None, "")
        what = f"d = {PEER_WIDTH}, 1 core, {profile}: rate of sketching over that of whylogs' EmbeddingMetric"
        found.append(Row(what, rate, *judged, beside=beside))
    return found
