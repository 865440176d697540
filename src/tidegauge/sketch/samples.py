"""Bottom-k samples by hash: union-and-keep-k, so that merging loses nothing and order does not matter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tidegauge.errors import UsageError
from tidegauge.records import SampleSizes, StrArray

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
UInt = npt.NDArray[np.uint64]
Bool = npt.NDArray[np.bool_]

MOST_ROWS = 1_000_000
SHORTEST = 1.0
LONGEST = 1e11
TINY = 1e-300


def sizes_of(samples: bool | SampleSizes) -> SampleSizes:
    """The sizes that are meant; ``UsageError`` where they cannot be.

    Examples
    --------
    >>> sizes_of(False), sizes_of(True)
    (SampleSizes(uniform=0, novel=0, half_life=0.0), SampleSizes(uniform=1024, novel=256, half_life=0.0))
    """
    if isinstance(samples, bool):
        return SampleSizes() if samples else SampleSizes(0, 0)
    for name, rows in (("uniform", samples.uniform), ("novel", samples.novel)):
        if not 0 <= rows <= MOST_ROWS:
            raise UsageError(f"samples, {name}", got=f"{rows} rows", want=f"from 0 (off) to {MOST_ROWS:,}")
    if samples.half_life and not SHORTEST <= samples.half_life <= LONGEST:
        raise UsageError(
            "samples, half_life", got=f"{samples.half_life:g} seconds", want=f"0 (off), or {SHORTEST:g} to {LONGEST:g}"
        )
    return samples


def recent(keys: Float64, times: Float64, half_life: float) -> Float64:
    """Exponential keys (n,) of rows that weigh 2^(time / half_life) more: in log form, so that no weight overflows.

    The rows of smallest key are a sample without replacement with chances as the weights (Efraimidis and Spirakis,
    2006), whatever the moment that the weights are taken at: another moment adds one number to all keys.
    """
    return np.log(np.maximum(keys, TINY)) - times * (np.log(2) / half_life)


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

    @property
    def bar(self) -> float:
        """The largest key up to which every row is here: infinite while all are, and below any where none is kept."""
        return np.inf if len(self.keys) < self.size else float(self.keys[-1]) if self.size else -np.inf

    def entering(self, keys: Float64) -> Int:
        """Which of the rows with these keys can enter, at most ``size``: all that need be looked at further."""
        enter = np.flatnonzero(keys < self.bar)
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
        """Union, less repeated keys (the same row offered twice), cut to the smaller ``size`` of both."""
        keys, size = np.concatenate([self.keys, other.keys]), min(self.size, other.size)
        _, first = np.unique(keys, return_index=True)
        keep = first[:size]
        outcomes = dict.fromkeys([*self.outcomes, *other.outcomes])
        return Sample(
            size,
            keys[keep],
            np.concatenate([self.x, other.x])[keep],
            _joined(self.ids, other.ids)[keep],
            _joined(self.texts, other.texts)[keep],
            {name: np.concatenate([self.outcome(name), other.outcome(name)])[keep] for name in outcomes},
        )

    def without(self, removed: Sample) -> Sample:
        """The sample of what remains once the rows that ``removed`` samples are gone.

        A removed row is known to be gone only up to that sample's bar, and an added one to be here only up to ours:
        what remains below both bars is all that there is below them, a fair sample of its own, smaller size.
        """
        bar = min(self.bar, removed.bar)
        return self._kept((self.keys <= bar) & ~np.isin(self.keys, removed.keys), full=bar < np.inf)

    def drop(self, ids: Collection[str]) -> Sample:
        """The sample less the rows of these ids; where it was full, of a smaller size, as the next rows are not
        known.
        """
        gone = np.isin(np.asarray(self.ids, np.str_), np.asarray(list(ids), np.str_))
        return self._kept(~gone, full=len(self.keys) == self.size) if gone.any() else self

    def _kept(self, keep: Bool, *, full: bool) -> Sample:
        outcomes = {name: values[keep] for name, values in self.outcomes.items()}
        size = int(keep.sum()) if full else self.size
        return Sample(size, self.keys[keep], self.x[keep], self.ids[keep], self.texts[keep], outcomes)

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
