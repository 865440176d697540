"""Sketching against the bare matrix products of the same shapes, scoring at two window sizes, bytes of a sketch."""

from __future__ import annotations

import numpy as np

from bench.timing import ratio
from quality.harness import Mode, Row
from tidegauge import Reference, score
from tidegauge.sketch.sketch import CHUNK

ROWS = 3 * CHUNK


def rows(mode: Mode) -> list[Row]:
    turns = 1 if mode == "quick" else 7
    widths = (384,) if mode == "quick" else (384, 768, 1536, 3072)
    return [row for width in widths for row in _at(width, turns)]


def _at(width: int, turns: int) -> list[Row]:
    rng = np.random.default_rng(width)
    x = rng.standard_normal((ROWS, width)).astype(np.float32)
    reference = Reference.fit(x[:3000], exchangeable=True)
    b = reference.basis
    factors = (b.axes, b.directions, b.weights, np.ascontiguousarray(b.centres.T))

    def bare() -> None:
        for start in range(0, ROWS, CHUNK):
            for factor in factors:
                x[start : start + CHUNK] @ factor

    part, ours, products = ratio(bare, lambda: reference.sketch(x, samples=False), turns)
    small, large = reference.sketch(x[:1000]), reference.sketch(x)
    growth, _, each = ratio(lambda: score(reference, large), lambda: score(reference, small), turns)
    five = products * 5000 / ROWS
    size = len(reference.sketch(x, samples=False).to_bytes()) / 1000
    beside = {"rows a second": ROWS / products, "bare products, rows a second": ROWS / ours}
    return [
        Row(f"d = {width}: rate of sketching over that of its bare matrix products", part, 0.6, ">=", beside=beside),
        Row(f"d = {width}: scoring {ROWS:,} rows over scoring 1,000", growth, 1.2, "<="),
        Row(f"d = {width}: scoring a window, in times of sketching 5,000 rows", each / five, 1.0, "<="),
        Row(f"d = {width}: kB of a sketch without samples", size, 100.0, "<="),
    ]
