"""What is left out on the way, counted by reason, and where the first of each stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something was left out, how often, and where it was first: a row, or a moment and what is missing there."""

    reason: str
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.count} {self.reason} (first: {self.first})"


class Faults:
    """Counts by reason, in the order in which reasons came up.

    Examples
    --------
    >>> faults = Faults()
    >>> faults.note("malformed", "a.csv, row 3")
    >>> faults.note("malformed", "a.csv, row 9", 2)
    >>> [str(fault) for fault in faults.listed()]
    ['3 malformed (first: a.csv, row 3)']
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def note(self, reason: str, at: str, count: int = 1) -> None:
        """Count something that is left out."""
        self._counts[reason] = self._counts.get(reason, 0) + count
        self._first.setdefault(reason, at)

    def listed(self) -> tuple[Fault, ...]:
        """What was counted so far."""
        return tuple(Fault(reason, count, self._first[reason]) for reason, count in self._counts.items())
