"""Canaries: rows whose vectors must not change, so that a swapped embedding model is called that and not drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidegauge.errors import DataError
from tidegauge.records import Batch, StrArray

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Canaries:
    """Vectors, float32 (k, d), as the model makes them, of rows told by their ids, or by their texts where these have
    none; and the largest cosine distance that is no change.

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> known = Canaries.of(admit([[1.0, 0.0], [0.0, 1.0]], ids=["one", "two"]), tolerance=0.01)
    >>> batch = admit([[5.0, 5.0], [0.0, 1.0]], ids=["a query", "one"])
    >>> known.heard(batch, known.among(batch))
    [(1, "canary 'one' moved by a cosine distance of 1, beyond 0.01")]
    """

    names: StrArray
    x: npt.NDArray[np.float32]
    by: str
    tolerance: float

    @classmethod
    def of(cls, batch: Batch, tolerance: float) -> Canaries:
        """Take the rows of a batch as canaries; ``DataError`` where they have neither ids nor texts."""
        names = batch.texts if batch.ids is None else batch.ids
        if names is None or not batch.rows:
            raise DataError(batch.source, got="canaries without ids and texts", want="an id or a text for each")
        return cls(names, batch.x, "texts" if batch.ids is None else "ids", tolerance)

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {str(name): i for i, name in enumerate(self.names)}

    def among(self, batch: Batch) -> Int:
        """Which rows of a batch are canaries, int64 (k,)."""
        names = batch.ids if self.by == "ids" else batch.texts
        if names is None:
            return np.empty(0, np.int64)
        return np.array([i for i, name in enumerate(names) if name in self._place], np.int64)

    def heard(self, batch: Batch, rows: Int) -> list[tuple[int, str]]:
        """What each canary says, these ``rows`` of a batch: as its row and what is wrong, empty where nothing is."""
        names = batch.ids if self.by == "ids" else batch.texts
        if names is None or not len(rows):
            return []
        was = self.x[[self._place[str(name)] for name in names[rows]]]
        distances = _cosine_distance(batch.x[rows], was)
        return [
            (int(row), "" if distance <= self.tolerance else self._moved(str(names[row]), float(distance)))
            for row, distance in zip(rows, distances, strict=True)
        ]

    def _moved(self, name: str, distance: float) -> str:
        return f"canary {name!r} moved by a cosine distance of {distance:.2g}, beyond {self.tolerance:g}"


def _cosine_distance(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> Float64:
    a, b = x.astype(np.float64), y.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return 1 - (a * b).sum(1) / np.maximum(lengths, 1e-300)
