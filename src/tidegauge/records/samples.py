"""How many rows a sketch keeps, and which."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleSizes:
    """How many rows a sketch keeps as they are; 0 keeps none.

    Attributes
    ----------
    uniform : int
        Rows of a fair sample.
    novel : int
        Rows of one that prefers those far from every cell.
    half_life : float
        Seconds after which a row weighs half as much in the draw; 0 weighs all rows alike. Rows then need event times.
    """

    uniform: int = 1024
    novel: int = 256
    half_life: float = 0.0
