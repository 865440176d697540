"""What one comparison says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidegauge.records.example import Example
from tidegauge.records.impact import Coverage, Decomposition, Explained, Impact

FloatArray = npt.NDArray[np.float32] | npt.NDArray[np.float64]
RowIndex = npt.NDArray[np.int32]
RowValues = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: the reference (before) or the window (after)."""

    label: str
    source: str
    rows: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    first_rejected: Mapping[str, str] = field(default_factory=dict)
    duplicates: int = 0
    first_time: float | None = None
    last_time: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """One drift measure of a window.

    ``value`` is the measure itself; ``null_mean`` and ``null_sd`` are what it does on unchanged data at the
    same sizes; ``z = (value - null_mean) / null_sd``; ``p`` is its own (not joint) p-value; ``effect`` is the
    bias-corrected size in ``effect_unit``; ``resolution`` is the error that the approximation itself adds to
    ``value`` (0 for an exact one). ``member`` says whether the score sits on the panel that decides. A score
    that cannot be computed has ``refused`` set to the reason, and NaN figures.
    """

    name: str
    label: str
    scope: Literal["all dimensions", "PC1", "components", "cells", "sample"]
    value: float
    null_mean: float
    null_sd: float
    z: float
    p: float
    effect: float
    effect_unit: str
    resolution: float
    member: bool
    meaning: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """The one consistent number: as if ``value`` per cent of the traffic had moved to a typical other cell.

    ``value`` is unbiased at zero, so that it may be slightly negative on unchanged data; ``low`` and ``high``
    bound it at confidence ``level``; ``detectable`` is the smallest drift that these sizes find four times in
    five.
    """

    value: float
    low: float
    high: float
    detectable: float
    level: float = 0.95
    unit: str = "% of the traffic"


@dataclass(frozen=True, slots=True)
class Panel:
    """The joint decision: the smallest member p, and how often unchanged data gives one as small."""

    p: float
    alpha: float
    members: Mapping[str, float]
    critical: float
    draws: int
    unit: str
    units: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """A cell of the codebook whose traffic or spread changed. Shares are fractions in [0, 1]; ``spread_ratio``
    is the ratio (after / before) of the mean distance to the cell's centre; ``position`` is on PC1 and PC2.
    """

    cell: str
    share_before: float
    share_after: float
    spread_ratio: float
    z: float
    p: float
    position: tuple[float, float]
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class NewCluster:
    """A group of rows that lies where the reference has (almost) nothing."""

    name: str
    rows: int
    share: float
    share_low: float
    share_high: float
    share_before: float
    p: float
    position: tuple[float, float]
    radius: float
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class MeanShift:
    """Did the mean shift? ``sd``: length of the shift in standard deviations along its own direction."""

    sd: float
    p: float
    towards: tuple[Region, ...]
    away_from: tuple[Region, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class SpreadChange:
    """Did the spread change? ``ratio``: total standard deviation after / before."""

    ratio: float
    p: float
    where: tuple[Region, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Novelty:
    """Did new clusters emerge? ``share``: share of rows in named new clusters; ``excess``: share of the
    traffic beyond the reference's own rate of rows far from every cell.
    """

    excess: float
    p: float
    clusters: tuple[NewCluster, ...]
    sentence: str

    @property
    def share(self) -> float:
        """Share of the window's rows that sit in named new clusters."""
        return sum(c.share for c in self.clusters)


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """One outcome on both sides: rate before and after, its difference with a 95 % interval, rows that had it."""

    name: str
    before: float
    after: float
    change: float
    low: float
    high: float
    rows_before: int
    rows_after: int


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the pictures draw, on the reference's own first two principal components.

    ``before`` and ``after`` are samples of at most 25,000 rows, float32 (n, 2), of which the first 2,000 are a fair
    sample by themselves; means are (2,), covariances (2, 2), computed from all rows; ``pc1_edges`` (bins + 1,) with
    ``pc1_before`` and ``pc1_after`` counts (bins,); ``explained`` are the variance shares of PC1 and PC2; ``visible``
    is the share of the drift that these two axes show. ``clusters`` names the clusters, in the words of ``gained``,
    ``lost`` and ``novelty.clusters``; ``before_clusters`` and ``after_clusters``, int32 (n,), say by its place in
    ``clusters`` to which one each row belongs. ``before_outcomes`` and ``after_outcomes`` hold, by name, each row's own
    outcome, float32 (n,), NaN where it has none; they are empty where single rows' outcomes are not kept.
    """

    before: FloatArray
    after: FloatArray
    before_ids: tuple[str, ...]
    after_ids: tuple[str, ...]
    before_texts: tuple[str, ...]
    after_texts: tuple[str, ...]
    mean_before: FloatArray
    mean_after: FloatArray
    cov_before: FloatArray
    cov_after: FloatArray
    explained: tuple[float, float]
    visible: float
    pc1_edges: FloatArray
    pc1_before: FloatArray
    pc1_after: FloatArray
    clusters: tuple[str, ...] = ()
    before_clusters: RowIndex = field(default_factory=lambda: np.zeros(0, np.int32))
    after_clusters: RowIndex = field(default_factory=lambda: np.zeros(0, np.int32))
    before_outcomes: Mapping[str, RowValues] = field(default_factory=dict)
    after_outcomes: Mapping[str, RowValues] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What tidegauge says in one sentence. ``notes`` are the caveats that belong beside it; ``next`` is what to do."""

    state: Literal["no drift", "drift", "insufficient data"]
    sentence: str
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    needed: int | None = None

    @property
    def exit_status(self) -> int:
        """0 no drift, 1 drift, 3 insufficient data."""
        return {"no drift": 0, "drift": 1, "insufficient data": 3}[self.state]


@dataclass(frozen=True, slots=True)
class Scores:
    """What the sums of a window say, without its rows: the state, the headline number, the panel and every score.

    ``needed`` is the number of rows wanted on each side where these are too few to tell.
    """

    state: Literal["no drift", "drift", "insufficient data"]
    drift: Drift
    panel: Panel
    scores: tuple[Score, ...]
    rows: int
    needed: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Everything that one comparison says; reports, pictures and JSON are functions of it alone.

    ``decompositions`` say where the change of each outcome lies, ``coverage`` how much of the window the documents
    cover, ``explained`` who it is that changed, ``impact`` what the drift does to the product; each where it was asked.
    """

    verdict: Verdict
    drift: Drift
    panel: Panel
    scores: tuple[Score, ...]
    mean_shift: MeanShift
    spread: SpreadChange
    novelty: Novelty
    gained: tuple[Region, ...]
    lost: tuple[Region, ...]
    outcomes: tuple[OutcomeChange, ...]
    before: Side
    after: Side
    view: View
    door: Literal["two samples", "frozen reference"]
    width: int
    seed: int
    min_effect: float
    profile: str
    reference: str = ""
    model_id: str = ""
    decompositions: tuple[Decomposition, ...] = ()
    coverage: Coverage | None = None
    explained: tuple[Explained, ...] = ()
    impact: Impact | None = None
