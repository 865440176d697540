"""Where a row stands, for messages: rows are numbered from 1, as a person counts the data rows of a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands, for messages."""

    source: str
    first_row: int = 0

    def row(self, index: int) -> str:
        """Name a row, counted from 0 within what was given."""
        return f"{self.source}, row {self.first_row + index + 1}"

    def part(self, name: str) -> Place:
        """Name a part of the source, such as a column."""
        return Place(f"{self.source}, {name}", self.first_row)
