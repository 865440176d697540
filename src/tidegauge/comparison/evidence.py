"""What both doors hand to the part that draws conclusions: the two doors differ in how they get here, and in
nothing after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis
from tidegauge.records import Example, OutcomeChange, Side, StrArray
from tidegauge.score.parts import Float64, Sums
from tidegauge.sketch.sketch import Sketch

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Rows of one side that may be looked at: ``x`` float32 (n, d), ``ids`` and ``texts`` (n,), ``group`` (n,)
    what belongs together; ``outcomes`` each row's own outcomes by name, float32 (n,), NaN where it has none;
    ``measured`` the same as numerators and denominators, float64 (n, 2); ``days`` (n,) the day of each, where known.
    """

    x: Float32
    ids: StrArray
    texts: StrArray
    group: npt.NDArray[np.int64]
    outcomes: Mapping[str, Float32] = field(default_factory=dict)
    measured: Mapping[str, Float64] = field(default_factory=dict)
    days: npt.NDArray[np.int64] | None = None

    def example(self, row: int) -> Example:
        """One row for a person."""
        return Example(str(self.ids[row]), str(self.texts[row]))


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Sums of both sides under one basis, the null of every score at these sizes, and rows to show.

    ``unit`` and ``units`` say what was relabelled and how many there were; ``smallest_units`` those of the
    smaller side; ``axes`` (d, 2) and ``explained`` are the reference's own leading components, for the
    pictures; ``notes`` are caveats that the door itself found; ``sketches`` are the reference's own and the window's,
    where rows are only shown.
    """

    door: Literal["two samples", "frozen reference"]
    basis: Basis
    window: Sums
    reference: Sums
    null: dict[str, Float64]
    before: Side
    after: Side
    shown_before: Shown
    shown_after: Shown
    axes: Float32
    explained: tuple[float, float]
    outcomes: tuple[OutcomeChange, ...]
    unit: str
    units: int
    smallest_units: int
    notes: tuple[str, ...]
    reference_hash: str = ""
    model_id: str = ""
    sketches: tuple[Sketch, Sketch] | None = None
