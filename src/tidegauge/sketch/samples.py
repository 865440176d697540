"""Bottom-k samples by hash: union-and-keep-k, so that merging loses nothing and order does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tidegauge.records import StrArray

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
UInt = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The ``size`` rows of smallest key among all that were offered.

    ``keys`` float64 (k,) rising; ``x`` float16 (k, d) in the basis's own scale; ``ids`` and ``texts`` of str (k,);
    ``outcomes`` by name, numerator and denominator of each row, float64 (k, 2).
    """

    size: int
    keys: Float64
    x: Float16
    ids: StrArray
    texts: StrArray
    outcomes: Mapping[str, Float64] = field(default_factory=dict[str, Float64])

    @classmethod
    def empty(cls, size: int, width: int) -> Sample:
        """No rows yet; ``size`` 0 keeps none, ever."""
        none = np.empty(0, np.str_)
        return cls(size, np.empty(0), np.empty((0, width), np.float16), none, none)

    def entering(self, keys: Float64) -> Int:
        """Which of the rows with these keys can enter, at most ``size``: all that need be looked at further."""
        bar = self.keys[-1] if len(self.keys) == self.size else np.inf
        enter = np.flatnonzero(keys < bar)
        return enter if len(enter) <= self.size else enter[np.argpartition(keys[enter], self.size - 1)[: self.size]]

    def offer(
        self,
        keys: Float64,
        x: Float32,
        ids: StrArray,
        texts: StrArray,
        outcomes: Mapping[str, Float64] | None = None,
    ) -> Sample:
        """The sample after these rows, in the basis's own scale."""
        if not self.size or not len(keys):
            return self
        half = np.clip(x, -6e4, 6e4).astype(np.float16)
        as_text = (np.asarray(ids, np.str_), np.asarray(texts, np.str_))
        return self.merge(Sample(self.size, keys, half, *as_text, outcomes or {}))

    def merge(self, other: Sample) -> Sample:
        """Union, less repeated keys (the same row offered twice), cut to the smallest ``size``."""
        keys = np.concatenate([self.keys, other.keys])
        _, first = np.unique(keys, return_index=True)
        keep = first[: self.size]
        outcomes = dict.fromkeys([*self.outcomes, *other.outcomes])
        return Sample(
            self.size,
            keys[keep],
            np.concatenate([self.x, other.x])[keep],
            _joined(self.ids, other.ids)[keep],
            _joined(self.texts, other.texts)[keep],
            {name: np.concatenate([self.outcome(name), other.outcome(name)])[keep] for name in outcomes},
        )

    def outcome(self, name: str) -> Float64:
        """Numerator and denominator of each row, (k, 2); zeros where the row has none of this name."""
        return self.outcomes.get(name, np.zeros((len(self.keys), 2)))


def _joined(a: StrArray, b: StrArray) -> npt.NDArray[np.str_]:
    return np.concatenate([np.asarray(a, np.str_), np.asarray(b, np.str_)])


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """The smallest content hashes seen: an estimate of how many rows differ (Bar-Yossef et al., 2002)."""

    hashes: UInt
    size: int = 1024

    def offer(self, hashes: UInt) -> Distinct:
        """The estimate after these rows."""
        bar = self.hashes[-1] if len(self.hashes) == self.size else np.uint64(2**64 - 1)
        rising = np.sort(np.concatenate([self.hashes, hashes[hashes <= bar]]))
        return Distinct(rising[np.diff(rising, prepend=~rising[:1]) != 0][: self.size], self.size)

    def count(self) -> float:
        """Distinct rows: exact up to ``size``, then with a relative error of about 1 / sqrt(size), 3 %."""
        if len(self.hashes) < self.size:
            return float(len(self.hashes))
        return (self.size - 1) / ((float(self.hashes[-1]) + 1) / 2.0**64)
