"""Hashes of rows that replicas and re-runs agree on: of the id, of the content, and of both with the position."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegauge.gate import places
from tidegauge.records import Batch

UInt = npt.NDArray[np.uint64]

MOST_DIMENSIONS = 64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(values: UInt) -> UInt:
    """Splitmix64's finaliser (Steele, Lea and Flood, 2014): every input bit reaches every output bit.

    Examples
    --------
    >>> hex(int(mix(np.array([1], np.uint64))[0]))
    '0x5692161d100b05e5'
    """
    z = values.copy()
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _combine(words: npt.NDArray[np.uint32]) -> UInt:
    """Hash rows of 32-bit words, shape (n, w) to (n,); trailing zero words change nothing."""
    odd = mix(np.arange(1, words.shape[1] + 1, dtype=np.uint64) * _GOLDEN) | np.uint64(1)
    return mix(np.einsum("ij,j->i", words.astype(np.uint64), odd))


def content_hash(x: npt.NDArray[np.float32]) -> UInt:
    """Hash of the vectors' bits in at most 64 dimensions spread over the width, uint64 (n,)."""
    step = -(-x.shape[1] // MOST_DIMENSIONS)
    some = np.ascontiguousarray(x[:, ::step]) + np.float32(0)  # a negative zero is a zero
    return _combine(some.view(np.uint32))


def text_hash(ids: npt.NDArray[np.generic]) -> UInt:
    """Hash of texts, uint64 (n,): the same whatever the batch they come in."""
    fixed = np.ascontiguousarray(np.asarray(ids, dtype=np.str_))
    if fixed.dtype.itemsize == 0 or not len(fixed):
        return np.zeros(len(fixed), np.uint64)
    return _combine(fixed.view(np.uint32).reshape(len(fixed), -1))


def row_hash(batch: Batch, first: int, content: UInt) -> UInt:
    """Hash that draws the samples: of the id where there is one, else of ``content`` (n,) and the row's place in the
    batch that has a name, or else in the set (``first`` rows went before).
    """
    if batch.ids is not None:
        return text_hash(batch.ids)
    if batch.name:
        return mix(content + places(batch).astype(np.uint64) * _GOLDEN + text_hash(np.array([batch.name])))
    position = np.arange(first, first + batch.rows, dtype=np.uint64)
    return mix(content + position * _GOLDEN)


def unit_interval(hashes: UInt) -> npt.NDArray[np.float64]:
    """Hashes as numbers in (0, 1)."""
    return ((hashes >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
