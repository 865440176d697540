"""One decision on 2,000 against 400 rows, 999 relabellings, in times of one matrix product of the same size."""

from __future__ import annotations

import numpy as np

from bench.timing import ratio
from quality.harness import Mode, Row
from tidegauge import compare
from tidegauge.comparison.two_samples import decide_two_samples

WIDTH = 384


def rows(mode: Mode) -> list[Row]:
    turns = 1 if mode == "quick" else 7
    rng = np.random.default_rng(0)
    before, after = (rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (2000, 400))
    labels, features = (rng.standard_normal(s).astype(np.float32) for s in ((1000, 2400), (2400, 3000)))
    times, ours, product = ratio(lambda: decide_two_samples(before, after), lambda: labels @ features, turns)
    whole, report, _ = ratio(lambda: compare(before, after), lambda: decide_two_samples(before, after), turns)
    return [
        Row("2,000 against 400, d = 384: the decision, in times of the product of 1,000 labels with 3,000 sums", times,
            beside={"seconds": ours, "seconds of the product": product}),
        Row("2,000 against 400, d = 384: compare with everything it says, in times of the decision", whole,
            beside={"seconds": report}),
    ]  # fmt: skip
