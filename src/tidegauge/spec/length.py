"""How long: spans of time and numbers of rows, as a person writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from tidegauge.spec.fault import Refused

Unit = Literal["seconds", "rows"]

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
"""Seconds of each unit; a year has 365 days."""

SPAN_PATTERN: Final = r"^\s*[0-9]{1,12}\s*[smhdwy]?\s*$"
ROWS_PATTERN: Final = r"^\s*[0-9]{1,12}\s*rows?\s*$"

PANE_PATTERN: Final = r"^\s*[0-9]{1,12}\s*([smhdwy]|rows?)\s*$"

_LENGTH = re.compile(r"\s*([0-9]{1,12})\s*([smhdwy]|rows?)\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[0-9]{1,12}\s*", re.ASCII)
_SPAN_WANTED: Final = "a span of time, such as '90s', '5m', '1h', '7d', '1w' or '10y'"
_ROWS_WANTED: Final = "a number of rows, such as '1000 rows'"
_PANE_WANTED: Final = f"{_SPAN_WANTED}, or {_ROWS_WANTED}"
_MOST: Final = 10**11


@dataclass(frozen=True, slots=True)
class Pane:
    """The smallest window that is kept: a span of event time, or a number of rows.

    Examples
    --------
    >>> pane = Pane.parse("90m")
    >>> pane, str(pane), str(Pane.parse("1000 rows"))
    (Pane(unit='seconds', length=5400), '90m', '1000 rows')
    """

    unit: Unit
    length: int

    @classmethod
    def parse(cls, text: str) -> Pane:
        """Read ``"5m"`` or ``"1000 rows"``; ``ValueError`` where it is neither, or is nothing."""
        found = _split(text)
        if found is None or not 0 < found[1] <= _MOST:
            raise Refused(text, _PANE_WANTED)
        return cls(*found)

    def __str__(self) -> str:
        return length_text(self.length, self.unit)


def length_text(length: int, unit: Unit = "seconds") -> str:
    """Say a length in the largest unit in which it is whole.

    Examples
    --------
    >>> [length_text(seconds) for seconds in (90, 300, 5400, 172_800, 604_800, 315_360_000, 0)]
    ['90s', '5m', '90m', '2d', '1w', '10y', '0s']
    """
    if unit == "rows":
        return f"{length} rows"
    name, size = next((each for each in reversed(SECONDS.items()) if length and length % each[1] == 0), ("s", 1))
    return f"{length // size}{name}"


def read_pane(value: Any) -> Pane:
    """Read a pane of a file; a bare number could be either, and is refused."""
    if isinstance(value, Pane):
        return value
    if not isinstance(value, str):
        raise Refused(value, _PANE_WANTED)
    return Pane.parse(value)


def read_seconds(value: Any) -> int:
    """Read a span of time as seconds; a bare number is seconds.

    Examples
    --------
    >>> read_seconds("1h"), read_seconds("90"), read_seconds(90)
    (3600, 90, 90)
    """
    return read_length(value, "seconds")


def read_length(value: Any, unit: Unit) -> int:
    """Read a length of a known unit, which a bare number has; ``ValueError`` where it is of another unit or none."""
    wanted = _SPAN_WANTED if unit == "seconds" else _ROWS_WANTED
    found: tuple[Unit, int] | None = None
    if isinstance(value, str):
        found = (unit, int(value)) if _NUMBER.fullmatch(value) else _split(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        found = (unit, value)
    if found is None or found[0] != unit or not 0 <= found[1] <= _MOST:
        raise Refused(value, wanted)
    return found[1]


def _split(text: str) -> tuple[Unit, int] | None:
    match = _LENGTH.fullmatch(text)
    if match is None:
        return None
    number, unit = int(match[1]), match[2]
    return ("rows", number) if unit.startswith("row") else ("seconds", number * SECONDS[unit])
