"""The linear sketch of a set of vectors under one reference: update, merge, and bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis, Rows, project
from tidegauge.errors import ArtefactError, MismatchError
from tidegauge.gate import merge_stored, pick
from tidegauge.numeric.threads import in_order
from tidegauge.records import Batch, Side, Stored
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
from tidegauge.sketch.samples import Distinct, Sample

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
UInt = npt.NDArray[np.uint64]

CHUNK = 1024
UNIFORM_ROWS = 1024
NOVEL_ROWS = 256


class Sketch:
    """A set of vectors as sums of a fixed function of each, plus two small samples; its size does not grow with n.

    Made by ``Reference.sketch``; added by ``+``. Nothing of a vector or text is kept where ``samples`` is False.

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
    """

    def __init__(self, basis: Basis, reference: str, *, samples: bool = True, share: float = 1.0) -> None:
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
        self.uniform = Sample.empty(UNIFORM_ROWS if samples else 0, basis.width)
        self.novel = Sample.empty(NOVEL_ROWS if samples else 0, basis.width)
        self.source = ""
        self.stored = Stored()

    @property
    def rows(self) -> int:
        """Rows summed."""
        return int(self.sums["count"][0])

    def update(self, basis: Basis, batch: Batch) -> Sketch:
        """Add a batch in place, and return the sketch."""
        self.source = self.source or batch.source
        self.rejected.update(batch.rejected)
        self.first_rejected = {**batch.first_rejected, **self.first_rejected}
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
            if part.outcomes:
                self._sum_outcomes(rows, part.outcomes)
            if self.uniform.size:
                self._draw(basis, rows, part, keys[span], first + worked[span])
        return self

    def _see(self, first: float, last: float) -> None:
        self.times = (first, last) if self.times is None else (min(first, self.times[0]), max(last, self.times[1]))

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
            ids = [f"row {i + 1}" for i in place[enter]] if batch.ids is None else batch.ids[enter]
            texts = np.full(len(enter), "", np.str_) if batch.texts is None else batch.texts[enter]
            x = rows.centred[enter] / np.float32(scale_of(basis))
            outcomes = {name: values[enter] for name, values in batch.outcomes.items()}
            return sample.offer(order[enter], x, np.asarray(ids), texts, outcomes)

        weight = 1 / np.maximum(1 - np.round(rows.tail, 3), 1e-3)  # rounded: the keys do not depend on the batching
        self.uniform = offered(self.uniform, unit_interval(keys))
        self.novel = offered(self.novel, -np.log(unit_interval(mix(keys))) / weight)

    def __add__(self, other: Sketch) -> Sketch:
        """The sketch of both sets together; one of no rows is added to anything of its reference."""
        if self.reference != other.reference:
            raise MismatchError(
                "adding sketches",
                got=f"references {self.reference[:12]} and {other.reference[:12]}",
                want="one reference",
                hint="Sketch both under the same reference",
            )
        if self.shapes() != other.shapes():
            raise ArtefactError("adding sketches", got="pieces of two sizes", want="pieces of one size")
        if self.share != other.share and self.seen and other.seen:
            raise MismatchError(
                "adding sketches",
                got=f"work budgets of {self.share:g} and {other.share:g} of the rows",
                want="one work budget",
                hint="Rows that were summed with different chances cannot stand for one window",
            )
        out = object.__new__(Sketch)
        out.reference, out.cells = self.reference, self.cells
        out.share, out.seen = (self if self.seen else other).share, self.seen + other.seen
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
        out.uniform, out.novel = self.uniform.merge(other.uniform), self.novel.merge(other.novel)
        out.source = self.source or other.source
        out.stored = merge_stored((self.stored, other.stored))
        return out

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
        arrays: Arrays = {f"sums.{name}": counts_to_array(values) for name, values in self.sums.items()}
        arrays |= {f"outcome.{i}": self.outcomes[name] for i, name in enumerate(sorted(self.outcomes))}
        names = sorted(self.outcomes)
        arrays |= sample_arrays("uniform", self.uniform, names) | sample_arrays("novel", self.novel, names)
        arrays["distinct"] = self.distinct.hashes
        header = {
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
        width = len(out.sums["mean"]) - 1
        names = sorted(out.outcomes)
        out.uniform = sample_from("uniform", uniform, width, arrays, names)
        out.novel = sample_from("novel", novel, width, arrays, names)
        if not len(arrays["distinct"]) <= distinct:
            raise ValueError("distinct in its number")
        out.distinct = Distinct(take(arrays, "distinct", "uint64", (len(arrays["distinct"]),)), distinct)
        return out


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
