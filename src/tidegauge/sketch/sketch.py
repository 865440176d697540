"""The linear sketch of a set of vectors under one reference: update, merge, and bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.basis import Basis, Rows, project
from tidegauge.errors import ArtefactError, MismatchError
from tidegauge.records import Batch, Side
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

CHUNK = 4096
UNIFORM_ROWS = 1024
NOVEL_ROWS = 256


class Sketch:
    """A set of vectors as sums of a fixed function of each, plus two small samples; its size does not grow with n.

    Made by ``Reference.sketch``; added by ``+``. Nothing of a vector or text is kept where ``samples`` is False.

    Attributes
    ----------
    reference : str
        Hash of the reference under which it was made; sketches of two references never mix.
    sums : dict of str to float64 array
        One array for each linear piece (see ``PIECES``).
    outcomes : dict of str to float64 array, shape (2, 2 * cells)
        Numerators and denominators of each outcome per cell, ordinary then novel.
    uniform, novel : Sample
        Rows for pictures, and rows far from every cell.
    """

    def __init__(self, basis: Basis, reference: str, *, samples: bool = True) -> None:
        self.reference = reference
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

    @property
    def rows(self) -> int:
        """Rows summed."""
        return int(self.sums["count"][0])

    def update(self, basis: Basis, batch: Batch) -> Sketch:
        """Add a batch in place, and return the sketch."""
        self.source = self.source or batch.source
        self.rejected.update(batch.rejected)
        self.first_rejected = {**batch.first_rejected, **self.first_rejected}
        if batch.times is not None and batch.rows:
            self._see(float(batch.times.min()), float(batch.times.max()))
        keys = row_hash(batch, self.rows)
        self.distinct = self.distinct.offer(content_hash(batch.x))
        for start in range(0, batch.rows, CHUNK):
            stop = min(start + CHUNK, batch.rows)
            rows = project(basis, batch.x[start:stop])
            for name, columns in contributions(basis, rows, tuple(PIECES)).items():
                self.sums[name] += columns.total()
            self._sum_outcomes(rows, {name: values[start:stop] for name, values in batch.outcomes.items()})
            if self.uniform.size:
                self._draw(basis, rows, batch, keys[start:stop], start)
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

    def _draw(self, basis: Basis, rows: Rows, batch: Batch, keys: npt.NDArray[np.uint64], start: int) -> None:
        stop = start + len(keys)
        scaled = rows.centred / np.float32(scale_of(basis))
        first = self.rows - len(keys)
        ids = (
            batch.ids[start:stop]
            if batch.ids is not None
            else np.array([f"row {first + i + 1}" for i in range(len(keys))])
        )
        texts = batch.texts[start:stop] if batch.texts is not None else np.full(len(keys), "", np.str_)
        self.uniform = self.uniform.offer(unit_interval(keys), scaled, ids, texts)
        weight = 1 / np.maximum(1 - np.round(rows.tail, 3), 1e-3)  # rounded: the keys do not depend on the batching
        self.novel = self.novel.offer(-np.log(unit_interval(mix(keys))) / weight, scaled, ids, texts)

    def __add__(self, other: Sketch) -> Sketch:
        """The sketch of both sets together."""
        if self.reference != other.reference:
            raise MismatchError(
                "adding sketches",
                got=f"references {self.reference[:12]} and {other.reference[:12]}",
                want="one reference",
                hint="Sketch both under the same reference",
            )
        if self.shapes() != other.shapes():
            raise ArtefactError("adding sketches", got="pieces of two sizes", want="pieces of one size")
        out = object.__new__(Sketch)
        out.reference, out.cells = self.reference, self.cells
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
        return out

    def shapes(self) -> dict[str, int]:
        """Length of every piece, cells and width of the samples: what a basis fixes."""
        return {**{n: len(v) for n, v in self.sums.items()}, "of cells": self.cells, "width": self.uniform.x.shape[1]}

    def side(self, label: str) -> Side:
        """Who and how many, for the report."""
        duplicates = max(0, self.rows - round(self.distinct.count()))
        if self.rows > self.distinct.size and duplicates < 0.1 * self.rows:
            duplicates = 0
        first, last = self.times or (None, None)
        return Side(label, self.source, self.rows, dict(self.rejected), self.first_rejected, duplicates, first, last)

    def to_bytes(self) -> bytes:
        """Bytes that ``Sketch.from_bytes`` reads back; equal sketches give equal bytes."""
        arrays: Arrays = {f"sums.{name}": counts_to_array(values) for name, values in self.sums.items()}
        arrays |= {f"outcome.{i}": self.outcomes[name] for i, name in enumerate(sorted(self.outcomes))}
        arrays |= sample_arrays("uniform", self.uniform) | sample_arrays("novel", self.novel)
        arrays["distinct"] = self.distinct.hashes
        header = {
            "reference": self.reference,
            "cells": self.cells,
            "outcomes": sorted(self.outcomes),
            "rejected": dict(self.rejected),
            "first_rejected": self.first_rejected,
            "times": self.times,
            "source": self.source,
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
        uniform, novel, distinct = (int(s) for s in header["sizes"])
        if out.rows < 0:
            raise ValueError("sums.count in its range")
        width = len(out.sums["mean"]) - 1
        out.uniform = sample_from("uniform", uniform, width, arrays)
        out.novel = sample_from("novel", novel, width, arrays)
        if not len(arrays["distinct"]) <= distinct:
            raise ValueError("distinct in its number")
        out.distinct = Distinct(take(arrays, "distinct", "uint64", (len(arrays["distinct"]),)), distinct)
        return out


def scale_of(basis: Basis) -> float:
    """Standard deviation of one dimension on average: samples are kept in this unit, where float16 neither
    overflows nor underflows.
    """
    return max(float(np.sqrt(basis.variance / basis.width)), 1e-30)


def sample_rows(basis: Basis, sample: Sample) -> Float32:
    """The vectors of a sample in their own unit, float32 (k, d), to float16's precision."""
    return sample.x.astype(np.float32) * np.float32(scale_of(basis)) + basis.centre
