"""Makes the golden files of this version: run ``python -m tests.golden.make`` once per released version, never again.

The reference has fewer frequencies and draws than the standard profile, so that it is small enough to keep: the layout
of its bytes is the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.sketch.cases import batch, light, normal
from tidegauge import Comparison, Reference, Sketch, compare

HERE = Path(__file__).parent
VERSION = "0.1"


def told(reference: Reference, sketch: Sketch) -> dict[str, Any]:
    """What the files must go on saying."""
    result: Comparison = compare(reference, sketch)
    return {
        "hash": reference.hash,
        "rows": [reference.rows, reference.base.rows, sketch.rows],
        "times": sketch.times,
        "rejected": dict(sketch.rejected),
        "source": sketch.source,
        "unit": [reference.calibration.unit, reference.calibration.units],
        "sums": {
            name: [float(values.sum()), float(values @ np.cos(np.arange(len(values))))]
            for name, values in sketch.sums.items()
        },
        "outcomes": {name: values.sum(1).tolist() for name, values in sketch.outcomes.items()},
        "distinct": sketch.distinct.count(),
        "uniform": [len(sketch.uniform.keys), *sketch.uniform.ids[:3].tolist(), *sketch.uniform.texts[:1].tolist()],
        "novel": [len(sketch.novel.keys), *sketch.novel.ids[:3].tolist()],
        "state": result.verdict.state,
        "p": result.panel.p,
        "drift": [result.drift.value, result.drift.low, result.drift.high],
        "scores": {s.name: [s.value, s.null_mean, s.null_sd] for s in result.scores if s.scope != "sample"},
    }


def make() -> None:
    """Fit, sketch, and write three files."""
    with light(frequencies=16, draws=99):
        reference = Reference.fit(batch(normal(150, 4, 1)), seed=5, model_id="golden", exchangeable=True)
    window = batch(
        normal(80, 4, 2) + np.float32(0.4),
        1000,
        rejected={"nan": 2},
        first_rejected={"nan": "a.npy, row 3"},
        source="a.npy",
    )
    sketch = reference.sketch(window)
    (HERE / f"reference-{VERSION}.bin").write_bytes(reference.to_bytes())
    (HERE / f"sketch-{VERSION}.bin").write_bytes(sketch.to_bytes())
    (HERE / f"told-{VERSION}.json").write_text(json.dumps(told(reference, sketch), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    make()
