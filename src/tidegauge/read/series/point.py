"""A point of a ready series, and what gives points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tidegauge.read.faults import Fault


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """What a product metric was from the moment ``at`` on, epoch seconds, as numerator / denominator.

    Both are finite, and else as they came: whether they fit the outcome's unit is for the caller to judge. ``segment``
    is empty where the series has no segments, and ``none`` where it has but this point names none, as of rows; what all
    segments are together is their sum.
    """

    at: float
    numerator: float
    denominator: float
    segment: str = ""


class Series(Protocol):
    """A ready series, wherever it is kept."""

    def points(self, since: float, until: float) -> Iterator[SeriesPoint]:
        """Yield the points of a span, epoch seconds; what cannot be used of it is left out and counted."""
        ...

    def faults(self) -> tuple[Fault, ...]:
        """Return what the last call of `points` left out so far, by reason."""
        ...
