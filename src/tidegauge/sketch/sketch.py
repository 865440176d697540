"""The linear sketch of a set of vectors under one reference: update, merge, and bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis, Rows, project
from tidegauge.errors import ArtefactError, MismatchError, UsageError
from tidegauge.gate import merge_stored, pick, places
from tidegauge.numeric.threads import in_order
from tidegauge.records import Batch, SampleSizes, Side, Stored
from tidegauge.sketch.codec import (
    SKETCH,
    UNREADABLE,
    Arrays,
    counts_to_array,
    pack,
    sample_arrays,
    sample_from,
    take,
    unpack,
)
from tidegauge.sketch.hashing import content_hash, mix, row_hash, unit_interval
from tidegauge.sketch.pieces import PIECES, cell_index, contributions
from tidegauge.sketch.samples import LONGEST, SHORTEST, Distinct, Sample, recent, sizes_of

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
UInt = npt.NDArray[np.uint64]

Located = Callable[[Batch, Int], None]

CHUNK = 1024
SIGNED = ("mean", "features", "moments")


class Sketch:
    """A set of vectors as sums of a fixed function of each, plus two small samples; its size does not grow with n.

    Made by ``Reference.sketch``; added by ``+``. Nothing of a vector or text is kept where ``samples`` is False. Where
    two sketches keep samples of two sizes, their sum keeps those of the smaller one, and none where one keeps none.

    A work budget, ``share`` below 1, sums only the rows whose hash lies below it, the same ones on every replica and
    in every re-run; all rows are still counted, as are rejections, times and duplicates. What is summed is a random
    sample of the rows: every score is as precise as on a window of ``rows`` rows, and no less true.

    Attributes
    ----------
    reference : str
        Hash of the reference under which it was made; sketches of two references never mix.
    sums : dict of str to float64 array
        One array for each linear piece (see ``PIECES``).
    share : float
        Share of the rows that are summed, in (0, 1].
    seen : int
        Rows that came, summed or not.
    stored : Stored
        How the vectors were stored, where that is not how they are measured.
    outcomes : dict of str to float64 array, shape (2, 2 * cells)
        Numerators and denominators of each outcome per cell, ordinary then novel.
    uniform, novel : Sample
        Rows for pictures, and rows far from every cell.
    half_life : float
        Seconds after which a row weighs half as much in the samples; 0 weighs all alike.
    difference : bool
        Whether rows were taken away, so that it may be read and added, and not stored.
    """

    def __init__(self, basis: Basis, reference: str, *, samples: bool | SampleSizes = True, share: float = 1.0) -> None:
        sizes = sizes_of(samples)
        self.reference = reference
        self.share = share
        self.seen = 0
        self.cells = len(basis.centres)
        self.sums: dict[str, Float64] = {name: np.zeros(piece.size(basis)) for name, piece in PIECES.items()}
        self.outcomes: dict[str, Float64] = {}
        self.rejected: Counter[str] = Counter()
        self.first_rejected: dict[str, str] = {}
        self.times: tuple[float, float] | None = None
        self.distinct = Distinct(np.empty(0, np.uint64))
        self.uniform, self.novel = (Sample.empty(size, basis.width) for size in (sizes.uniform, sizes.novel))
        self.half_life = float(sizes.half_life)
        self.difference = False
        self.source = ""
        self.stored = Stored()

    @property
    def rows(self) -> int:
        """Rows summed."""
        return int(self.sums["count"][0])

    @property
    def sampled(self) -> bool:
        """Whether rows are kept."""
        return self.uniform.size + self.novel.size > 0

    def update(self, basis: Basis, batch: Batch, located: Located | None = None) -> Sketch:
        """Add a batch in place, and return the sketch; ``located`` hears of the rows that are summed, and of the cells
        where each is counted, int64 (n, levels).
        """
        self._check_times(batch)
        self.source = self.source or batch.source
        self.rejected.update({**batch.rejected, **batch.unfit})
        self.first_rejected = {**batch.first_rejected, **batch.first_unfit, **self.first_rejected}
        if not batch.rows:
            return self
        self.stored = merge_stored((self.stored, batch.stored))
        if batch.times is not None:
            self._see(float(batch.times.min()), float(batch.times.max()))
        content = np.concatenate(list(in_order(content_hash, [batch.x[span] for span in _spans(batch.rows)])))
        self.distinct = self.distinct.offer(content)
        keys, first = row_hash(batch, self.seen, content), self.seen
        self.seen += batch.rows
        worked = np.flatnonzero(unit_interval(keys) < self.share)
        if len(worked) < batch.rows:
            batch, keys = pick(batch, worked), keys[worked]
        spans = _spans(batch.rows)
        summed = in_order(partial(_summed, basis), [batch.x[span] for span in spans])
        for span, (rows, sums) in zip(spans, summed, strict=True):
            for name, values in sums.items():
                self.sums[name] += values
            part = pick(batch, span)
            if located is not None:
                located(part, cell_index(rows, self.cells))
            if part.outcomes:
                self._sum_outcomes(rows, part.outcomes)
            if self.sampled:
                self._draw(basis, rows, part, keys[span], first + worked[span])
        return self

    def _see(self, first: float, last: float) -> None:
        self.times = (first, last) if self.times is None else (min(first, self.times[0]), max(last, self.times[1]))

    def _check_times(self, batch: Batch) -> None:
        if self.half_life and self.sampled and batch.rows and batch.times is None:
            hint = "Name the column of event times, or sample without a half-life"
            raise UsageError(batch.source, got="rows without event times", want="a time for each row", hint=hint)

    def _sum_outcomes(self, rows: Rows, outcomes: Mapping[str, Float64]) -> None:
        index = cell_index(rows, self.cells)
        for name, values in outcomes.items():
            sums = self.outcomes.setdefault(name, np.zeros((2, 2 * self.cells)))
            for side in (0, 1):
                repeated = np.repeat(values[:, side], index.shape[1])
                sums[side] += np.bincount(index.ravel(), repeated, 2 * self.cells)

    def _draw(self, basis: Basis, rows: Rows, batch: Batch, keys: UInt, place: Int) -> None:
        def offered(sample: Sample, order: Float64) -> Sample:
            enter = sample.entering(order)
            ids = batch.ids[enter] if batch.ids is not None else _called(batch, place, enter)
            texts = np.full(len(enter), "", np.str_) if batch.texts is None else batch.texts[enter]
            x = rows.centred[enter] / np.float32(scale_of(basis))
            outcomes = {name: values[enter] for name, values in batch.outcomes.items()}
            return sample.offer(order[enter], x, np.asarray(ids), texts, outcomes)

        weight = 1 / np.maximum(1 - np.round(rows.tail, 3), 1e-3)  # rounded: the keys do not depend on the batching
        fair, far = unit_interval(keys), -np.log(unit_interval(mix(keys))) / weight
        if self.half_life and batch.times is not None:
            exponential = -np.log1p(-np.minimum(fair, 1 - 2.0**-53))
            fair, far = (recent(order, batch.times, self.half_life) for order in (exponential, far))
        self.uniform, self.novel = offered(self.uniform, fair), offered(self.novel, far)

    def _check_like(self, other: Sketch, doing: str) -> None:
        """Errors where the two cannot stand for one set; one of no rows goes with anything of its reference."""
        if self.reference != other.reference:
            raise MismatchError(
                doing,
                got=f"references {self.reference[:12]} and {other.reference[:12]}",
                want="one reference",
                hint="Sketch both under the same reference",
            )
        if self.shapes() != other.shapes():
            raise ArtefactError(doing, got="pieces of two sizes", want="pieces of one size")
        if self.share != other.share and self.seen and other.seen:
            raise MismatchError(
                doing,
                got=f"work budgets of {self.share:g} and {other.share:g} of the rows",
                want="one work budget",
                hint="Rows that were summed with different chances cannot stand for one window",
            )
        both = all(sketch.seen and sketch.sampled for sketch in (self, other))
        if self.half_life != other.half_life and both:
            raise MismatchError(
                doing,
                got=f"samples with half-lives of {self.half_life:g} and {other.half_life:g} seconds",
                want="one half-life",
                hint="Rows that were drawn with different chances cannot stand for one window",
            )

    def __add__(self, other: Sketch) -> Sketch:
        """The sketch of both sets together; one of no rows is added to anything of its reference."""
        self._check_like(other, "adding sketches")
        out = object.__new__(Sketch)
        out.reference, out.cells = self.reference, self.cells
        out.share, out.seen = (self if self.seen else other).share, self.seen + other.seen
        out.half_life = (self if self.seen else other).half_life
        out.difference = self.difference or other.difference
        out.sums = {name: self.sums[name] + other.sums[name] for name in self.sums}
        names = dict.fromkeys([*self.outcomes, *other.outcomes])
        out.outcomes = {
            n: sum((s.outcomes[n] for s in (self, other) if n in s.outcomes), np.zeros((2, 2 * self.cells)))
            for n in names
        }
        out.rejected = self.rejected + other.rejected
        out.first_rejected = {**other.first_rejected, **self.first_rejected}
        out.times = self.times
        if other.times is not None:
            out._see(*other.times)
        out.distinct = self.distinct.offer(other.distinct.hashes)
        out.uniform = _joined(self.uniform, self.seen, other.uniform, other.seen)
        out.novel = _joined(self.novel, self.seen, other.novel, other.seen)
        out.source = self.source or other.source
        out.stored = merge_stored((self.stored, other.stored))
        return out

    def without(self, removed: Sketch) -> Sketch:
        """The sketch of what remains of a snapshot once rows that it held are removed.

        Sums, outcomes and numbers of rows subtract; the samples are those of what remains, as far down as both sides
        know it. Times, rejections and duplicates cannot be taken back, and are those of all rows that were ever added.
        A row that was removed and came again under its id is in the sums, and not in the samples. It can be scored,
        compared and added, but not stored: ``to_bytes`` refuses it, as a difference of rounded sums is no sum.

        Parameters
        ----------
        removed : Sketch
            Of rows with the ids, vectors and outcomes that they were added with.

        Raises
        ------
        MismatchError
            Where the two cannot stand for one set, as for ``+``.
        UsageError
            Where more rows are removed than there are, or where the samples prefer recent rows.
        """
        self._check_like(removed, "removing a sketch")
        if removed.seen > self.seen or removed.rows > self.rows:
            raise UsageError("removing a sketch", got=f"{removed.seen} rows", want=f"at most the {self.seen} rows held")
        if (self.half_life or removed.half_life) and removed.seen:
            raise UsageError("removing a sketch", got="samples with a half-life", want="samples without one")
        out = copy(self)
        out.difference, out.seen, out.rejected = True, self.seen - removed.seen, self.rejected.copy()
        out.sums = {name: _less(name, values, removed.sums[name]) for name, values in self.sums.items()}
        cells = out.sums["cells"]
        out.sums["distances"] *= np.tile(cells[: self.cells] + cells[self.cells :] > 0, 2)
        none = np.zeros((2, 2 * self.cells))
        out.outcomes = {n: (v - removed.outcomes.get(n, none)) * (cells > 0) for n, v in self.outcomes.items()}
        for values in out.outcomes.values():
            np.maximum(values[1], 0, out=values[1])
        if not out.rows:
            out.sums = {name: np.zeros_like(values) for name, values in out.sums.items()}
        if removed.seen:
            out.uniform, out.novel = self.uniform.without(removed.uniform), self.novel.without(removed.novel)
        return out

    def forget(self, ids: Collection[str]) -> int:
        """Drop the rows of these ids from the samples, in place; how many there were. Sums tell of no single row."""
        before = len(self.uniform.keys) + len(self.novel.keys)
        self.uniform, self.novel = self.uniform.drop(ids), self.novel.drop(ids)
        return before - len(self.uniform.keys) - len(self.novel.keys)

    def shapes(self) -> dict[str, int]:
        """Length of every piece, cells and width of the samples: what a basis fixes."""
        return {**{n: len(v) for n, v in self.sums.items()}, "of cells": self.cells, "width": self.uniform.x.shape[1]}

    def side(self, label: str) -> Side:
        """Who and how many, for the report."""
        duplicates = max(0, self.seen - round(self.distinct.count()))
        if self.seen > self.distinct.size and duplicates < 0.1 * self.seen:
            duplicates = 0
        first, last = self.times or (None, None)
        return Side(label, self.source, self.seen, dict(self.rejected), self.first_rejected, duplicates, first, last)

    def to_bytes(self) -> bytes:
        """Bytes that ``Sketch.from_bytes`` reads back; equal sketches give equal bytes."""
        if self.difference:
            hint = "Store the sketches of what was added and of what was removed"
            raise UsageError("storing a sketch", got="a difference of sketches", want="a sketch of rows", hint=hint)
        arrays: Arrays = {f"sums.{name}": counts_to_array(values) for name, values in self.sums.items()}
        arrays |= {f"outcome.{i}": self.outcomes[name] for i, name in enumerate(sorted(self.outcomes))}
        names = sorted(self.outcomes)
        arrays |= sample_arrays("uniform", self.uniform, names) | sample_arrays("novel", self.novel, names)
        arrays["distinct"] = self.distinct.hashes
        header: dict[str, Any] = {
            "reference": self.reference,
            "cells": self.cells,
            "share": self.share,
            "seen": self.seen,
            "outcomes": sorted(self.outcomes),
            "rejected": dict(self.rejected),
            "first_rejected": self.first_rejected,
            "times": self.times,
            "source": self.source,
            "stored": [self.stored.scale, self.stored.width],
            "sizes": [self.uniform.size, self.novel.size, self.distinct.size],
        }
        if self.half_life:
            header["half_life"] = self.half_life
        return pack(SKETCH, arrays, header)

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "sketch") -> Sketch:
        """Read back; damaged, truncated, foreign or newer bytes raise ``ArtefactError``, which names ``what``."""
        arrays, header = unpack(SKETCH, data, what)
        try:
            return cls._from_parts(arrays, header)
        except UNREADABLE as error:
            raise ArtefactError(what, got=f"a payload without {error}", want="all pieces of a sketch") from error

    @classmethod
    def _from_parts(cls, arrays: Arrays, header: Mapping[str, Any]) -> Sketch:
        out = object.__new__(cls)
        out.reference, out.cells = str(header["reference"]), int(header["cells"])
        lengths = {"count": 1, "cells": 2 * out.cells, "distances": 2 * out.cells}
        out.sums = {
            n: take(arrays, f"sums.{n}", "float64 uint32", (lengths.get(n),), finite=False).astype(np.float64)
            for n in PIECES
        }
        out.outcomes = {
            str(name): take(arrays, f"outcome.{i}", "float64", (2, 2 * out.cells))
            for i, name in enumerate(header["outcomes"])
        }
        out.rejected = Counter({str(reason): int(rows) for reason, rows in header["rejected"].items()})
        out.first_rejected = {str(reason): str(at) for reason, at in header["first_rejected"].items()}
        out.times = None if header["times"] is None else (float(header["times"][0]), float(header["times"][1]))
        out.source = str(header["source"])
        scale, width_before = header["stored"]
        out.stored = Stored(float(scale), int(width_before))
        uniform, novel, distinct = (int(s) for s in header["sizes"])
        out.share, out.seen = float(header["share"]), int(header["seen"])
        if not 0 <= out.rows <= out.seen or not 0 < out.share <= 1:
            raise ValueError("sums.count in its range")
        out.half_life, out.difference = float(header.get("half_life", 0.0)), False
        if out.half_life and not SHORTEST <= out.half_life <= LONGEST:
            raise ValueError("half_life in its range")
        width = len(out.sums["mean"]) - 1
        names = sorted(out.outcomes)
        out.uniform = sample_from("uniform", uniform, width, arrays, names)
        out.novel = sample_from("novel", novel, width, arrays, names)
        if not len(arrays["distinct"]) <= distinct:
            raise ValueError("distinct in its number")
        out.distinct = Distinct(take(arrays, "distinct", "uint64", (len(arrays["distinct"]),)), distinct)
        return out


def _joined(one: Sample, rows: int, two: Sample, more: int) -> Sample:
    """Both samples together; one that is on, of a sketch without ``rows``, does not cut the other's size."""
    if rows and not more and two.size:
        return one
    return two if more and not rows and one.size else one.merge(two)


def _less(name: str, values: Float64, gone: Float64) -> Float64:
    """Sums less those of some of their rows; what cannot be negative is not, whatever was rounded."""
    left = values - gone
    return left if name in SIGNED else np.maximum(left, 0, out=left)


def _called(batch: Batch, place: Int, rows: Int) -> list[str]:
    """What rows without ids are called."""
    if batch.name:
        return [f"{batch.name}#{i}" for i in places(batch)[rows]]
    return [f"row {i + 1}" for i in place[rows]]


def _spans(rows: int) -> list[slice]:
    return [slice(i, i + CHUNK) for i in range(0, rows, CHUNK)]


def _summed(basis: Basis, x: Float32) -> tuple[Rows, dict[str, Float64]]:
    """What the sketch needs of a chunk of rows, and its sums."""
    rows = project(basis, x)
    return rows, {name: columns.total() for name, columns in contributions(basis, rows, tuple(PIECES)).items()}


def scale_of(basis: Basis) -> float:
    """Standard deviation of one dimension on average: samples are kept in this unit, where float16 neither
    overflows nor underflows.
    """
    return max(float(np.sqrt(basis.variance / basis.width)), 1e-30)


def sample_rows(basis: Basis, sample: Sample) -> Float32:
    """The vectors of a sample in their own unit, float32 (k, d), to float16's precision."""
    return sample.x.astype(np.float32) * np.float32(scale_of(basis)) + basis.centre
