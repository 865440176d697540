"""Calibration: what a history, or the reference alone, teaches a detector, and how long it then stays quiet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.alarm.detector import Detector, fit_detector
from tidegauge.alarm.normal import Normal, Series
from tidegauge.alarm.run_length import POWER, Achieved, RunLength, fit_run_length
from tidegauge.alarm.season import Season
from tidegauge.alarm.tally import Layout, Tallier
from tidegauge.alarm.windows import MEMBERS
from tidegauge.errors import ArtefactError, UsageError
from tidegauge.reference import Reference
from tidegauge.sketch.codec import CALIBRATION, UNREADABLE, pack, take, unpack
from tidegauge.sketch.sketch import sample_rows

Float64 = npt.NDArray[np.float64]

FEWEST_PANES = 128
"""A history of fewer panes teaches less than the reference does."""
FEWEST_BLOCK = 4
SYNTHETIC, STRETCH, LONGEST = 2048, 64, 16
"""Panes made of the reference's rows; panes that share one error of the reference; panes of their longest window."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A detector and its law of run lengths.

    ``panes`` of history taught it; none where the reference alone did, for panes of about ``rows`` rows.
    """

    detector: Detector
    law: RunLength
    panes: int
    rows: float

    def firm(self, promise: float) -> bool:
        """Whether the history is at least as long as the promised run length; otherwise all is provisional."""
        return self.panes >= promise

    def threshold(self, promise: float) -> float:
        """The threshold whose mean run length is ``promise`` panes."""
        return self.law.threshold(promise)

    def achieved(self, promise: float) -> Achieved:
        """What that threshold is known to hold."""
        return self.law.achieved(self.threshold(promise))

    def to_bytes(self) -> bytes:
        """As bytes that ``from_bytes`` reads."""
        normal, season = self.detector.normal, self.detector.normal.season
        arrays = {
            "season.mean": season.mean,
            "season.day": season.day,
            "season.week": season.week,
            "coefficients": normal.coefficients,
            "natural": normal.natural,
            "per_row": normal.per_row,
            "whitener": normal.whitener,
            "mass_rows": self.detector.mass_rows,
            "laws": self.detector.laws,
            "gaps": self.detector.gaps,
        }
        law = self.law
        header = {
            "step": season.step,
            "inverse": normal.inverse,
            "power": POWER,
            "members": list(MEMBERS),
            "lengths": list(self.detector.lengths),
            "law": [law.block, law.place, law.scale, law.blocks, law.panes],
            "panes": self.panes,
            "rows": self.rows,
        }
        return pack(CALIBRATION, arrays, header)

    @classmethod
    def from_bytes(cls, data: bytes, layout: Layout, what: str = "calibration") -> Calibration:
        """Reverse ``to_bytes``; ``ArtefactError`` where the bytes are damaged or of another layout."""
        arrays, header = unpack(CALIBRATION, data, what)
        try:
            return cls(*_parsed(arrays, header, layout))
        except UNREADABLE as error:
            raise ArtefactError(what, got=f"parts that do not fit ({error})", want="those of its reference") from error


def _parsed(arrays: dict[str, Any], header: dict[str, Any], layout: Layout) -> tuple[Detector, RunLength, int, float]:
    if (header["power"], header["members"]) != (POWER, list(MEMBERS)):
        raise ValueError("other members or another tail")
    q, lengths = layout.size, tuple(int(each) for each in header["lengths"])

    def profile(name: str) -> Float64:
        return take(arrays, name, "float64", (None, q)) if len(arrays[name]) else np.empty((0, q))

    mean = take(arrays, "season.mean", "float64", (q,))
    season = Season(mean, profile("season.day"), profile("season.week"), int(header["step"]))
    order = len(arrays["coefficients"])
    normal = Normal(
        season,
        take(arrays, "coefficients", "float64", (order, q)),
        take(arrays, "natural", "float64", (q,)),
        take(arrays, "per_row", "float64", (q,)),
        float(header["inverse"]),
        take(arrays, "whitener", "float32", (layout.features, layout.features)),
    )
    mass_rows = take(arrays, "mass_rows", "float64", (layout.cells,))
    laws = take(arrays, "laws", "float64", (len(lengths), 4, len(MEMBERS)))
    gaps = take(arrays, "gaps", "float64", (len(lengths),))
    detector = Detector(layout, normal, mass_rows, lengths, laws, gaps)
    law, panes = _law_and_panes(header)
    return detector, law, panes, float(header["rows"])


def law_in(data: bytes, what: str = "calibration") -> tuple[RunLength, int]:
    """The law of a calibration's run lengths, and how many panes taught it; all else takes the reference to read."""
    _, header = unpack(CALIBRATION, data, what)
    try:
        return _law_and_panes(header)
    except UNREADABLE as error:
        raise ArtefactError(what, got=f"parts that do not fit ({error})", want="a law of run lengths") from error


def _law_and_panes(header: dict[str, Any]) -> tuple[RunLength, int]:
    block, place, scale, blocks, panes = header["law"]
    return RunLength(int(block), float(place), float(scale), int(blocks), int(panes)), int(header["panes"])


def learn(series: Series, layout: Layout, *, pane: int | None = None, season: bool = True) -> Calibration:
    """Learn from a history of panes in which all was well.

    Parameters
    ----------
    series : Series
        At least FEWEST_PANES panes.
    layout : Layout
    pane : int, optional
        Seconds of a pane; None where panes are of rows.
    season : bool
        Whether panes are compared with the same hours.
    """
    if not season:
        series = replace(series, moments=np.full(len(series), np.nan))
    if len(series) < FEWEST_PANES:
        raise UsageError("calibration", got=f"a history of {len(series)} panes", want=f"at least {FEWEST_PANES}")
    detector, statistic = fit_detector(series, layout, pane=pane)
    law = fit_run_length(statistic, max(detector.lengths[-1], FEWEST_BLOCK))
    return Calibration(detector, law, len(series), float(np.median(series.rows)))


def from_reference(reference: Reference, tallier: Tallier, rows: int) -> Calibration | None:
    """Learn from the rows that a reference keeps, as many as it has independent units; None where it keeps too few.

    Panes of ``rows`` rows are drawn from them again and again. Every STRETCH panes their weights are drawn anew (a
    Bayesian bootstrap: Rubin, 1981), so that the error of the reference itself, which all panes share, is in it. What
    no reference knows, how weeks differ by themselves, is not.
    """
    x = sample_rows(reference.basis, reference.base.uniform)
    if len(x) < FEWEST_PANES:
        return None
    rng = np.random.default_rng([reference.seed, 11])
    library = tallier.of_rows(x).astype(np.float64)
    library = (library - library.mean(0)).astype(np.float32)
    independent = reference.calibration.units / reference.calibration.rows
    sizes = [max(round(count * independent), 1) for count in (reference.base.rows, rows)]
    known = np.full(len(x), sizes[0] / len(x))
    values = []
    for _ in range(SYNTHETIC // STRETCH):
        weights = rng.dirichlet(known)
        values.append(rng.multinomial(sizes[1], weights, size=STRETCH).astype(np.float32) @ library / sizes[1])
    count = len(values) * STRETCH
    series = Series(np.concatenate(values).astype(np.float64), np.full(count, float(rows)), np.full(count, np.nan))
    longest = int(np.clip(reference.base.rows // rows, 1, LONGEST))
    detector, statistic = fit_detector(series, tallier.layout, most=longest, independent=True)
    law = fit_run_length(statistic, max(detector.lengths[-1], FEWEST_BLOCK))
    normal = _of_any_size(detector.normal, rows, sizes[1], sizes[0])
    return Calibration(replace(detector, normal=normal), law, 0, float(rows))


def _of_any_size(normal: Normal, rows: int, independent: int, known: int) -> Normal:
    """The same for panes of any number of rows: what varies is the sampling of these rows and of those known."""
    each = (normal.natural + normal.per_row / rows) / (1 / independent + 1 / known)
    return replace(normal, natural=each / known, per_row=each * rows / independent)
