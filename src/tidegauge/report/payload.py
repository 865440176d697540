"""The rows of the interactive map as few bytes: what the page carries, and its exact inverse.

Every part is deflated and written in base64. Positions are two int16 each, outcomes one byte where they take few
values, clusters one byte or two; ids and texts a line each. A page reads them with ``DecompressionStream``.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.records import RowIndex, RowValues, View
from tidegauge.report.formats import clean

STEPS = 32_767
MISSING = 255
TEXT_LIMITS = (160, 120, 90, 70, 60, 50, 40, 30, 20, 10)
ID_LIMITS = (64, 40, 24, 12)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The rows of one side.

    ``xy`` float64 (n, 2); ``clusters`` int32 (n,); ``outcomes`` by name float32 (n,); ``ids`` and ``texts`` of n.
    """

    xy: npt.NDArray[np.float64]
    clusters: RowIndex
    outcomes: Mapping[str, RowValues] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def points(view: View) -> tuple[Points, Points]:
    """Both sides' rows that have a place: those with NaN or infinity in theirs are left out."""
    return (
        _points(view.before, view.before_clusters, view.before_outcomes, view.before_ids, view.before_texts),
        _points(view.after, view.after_clusters, view.after_outcomes, view.after_ids, view.after_texts),
    )


def _points(
    rows: npt.NDArray[Any],
    clusters: RowIndex,
    outcomes: Mapping[str, RowValues],
    ids: tuple[str, ...],
    texts: tuple[str, ...],
) -> Points:
    xy = np.asarray(rows, np.float64).reshape(-1, 2)
    keep = np.flatnonzero(np.isfinite(xy).all(axis=1))
    places = clusters if len(clusters) == len(xy) else np.zeros(len(xy), np.int32)
    return Points(
        xy[keep],
        places[keep],
        {name: values[keep] for name, values in outcomes.items()},
        _strings(ids, keep),
        _strings(texts, keep),
    )


def _strings(values: tuple[str, ...], keep: npt.NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(values[i] if i < len(values) else "" for i in keep.tolist())


def pack(data: bytes) -> str:
    """Deflate bytes and write them in base64; the same bytes give the same text.

    Examples
    --------
    >>> unpack(pack(b"tide")) == b"tide"
    True
    """
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def unpack(text: str) -> bytes:
    """The bytes that ``pack`` wrote."""
    return zlib.decompress(base64.b64decode(text))


def encode_places(xy: npt.NDArray[np.float64], x: tuple[float, float], y: tuple[float, float]) -> tuple[str, int]:
    """Positions as int16 steps across ``x`` and ``y``, all PC1 first; rows beyond are drawn in to the edge.

    Returns
    -------
    tuple of str and int
        The packed positions, and how many rows were drawn in. Others are off by at most half a step, a 65,534th of
        the width.
    """
    low, high = np.array([x, y]).T
    unit = (xy - low) / (high - low) * 2 - 1
    beyond = int((np.abs(unit) > 1).any(axis=1).sum())
    steps = np.rint(np.clip(unit, -1, 1) * STEPS).astype("<i2")
    return pack(steps.T.tobytes()), beyond


def decode_places(text: str, x: tuple[float, float], y: tuple[float, float]) -> npt.NDArray[np.float64]:
    """The positions (n, 2) that ``encode_places`` packed."""
    steps = np.frombuffer(unpack(text), "<i2").reshape(2, -1).T.astype(np.float64)
    low, high = np.array([x, y]).T
    return low + (steps / STEPS + 1) / 2 * (high - low)


def encode_values(values: RowValues, levels: Sequence[float]) -> str:
    """One outcome of every row: a byte, the place of its value among ``levels``, or float32 where there are none."""
    if not levels:
        return pack(values.astype("<f4").tobytes())
    known = np.nan_to_num(values, nan=levels[0])
    places = np.searchsorted(np.asarray(levels, np.float32), known)
    return pack(np.where(np.isnan(values), MISSING, places).astype(np.uint8).tobytes())


def decode_values(text: str, levels: Sequence[float]) -> RowValues:
    """The values that ``encode_values`` packed, exactly."""
    if not levels:
        return np.frombuffer(unpack(text), "<f4")
    places = np.frombuffer(unpack(text), np.uint8)
    return np.append(np.asarray(levels, np.float32), np.full(MISSING + 1 - len(levels), np.nan, np.float32))[places]


def levels_of(*sides: RowValues) -> tuple[float, ...]:
    """The different values of an outcome in rising order, or none where they do not fit a byte."""
    known = np.concatenate(sides)
    values = np.unique(known[~np.isnan(known)])
    return tuple(values.tolist()) if len(values) < MISSING else ()


def encode_clusters(clusters: RowIndex) -> str:
    """Each row's cluster in two bytes."""
    return pack(clusters.astype("<u2").tobytes())


def decode_clusters(text: str) -> RowIndex:
    """The clusters that ``encode_clusters`` packed."""
    return np.frombuffer(unpack(text), "<u2").astype(np.int32)


def encode_words(sides: Sequence[Sequence[str]], room: int, limits: Sequence[int]) -> tuple[list[str], int]:
    """Ids or texts of both sides, cleaned and cut to the longest of ``limits`` at which all fit ``room`` bytes.

    Returns
    -------
    tuple of list of str and int
        The packed words of each side, and the limit.
    """
    longest = max((len(word) for side in sides for word in side), default=0)
    for limit in (limits[0], *(each for each in limits[1:] if each < longest)):
        packed = [_words([clean(word, limit) if limit else "" for word in side]) for side in sides]
        if sum(map(len, packed)) <= room:
            return packed, limit
    return [_words([""] * len(side)) for side in sides], 0


def decode_words(text: str) -> list[str]:
    """The words that ``encode_words`` packed."""
    return unpack(text).decode().split("\n")[:-1]


def _words(words: Sequence[str]) -> str:
    # A cleaned word has no line break in it.
    return pack("".join(f"{word}\n" for word in words).encode("utf-8", "replace"))
