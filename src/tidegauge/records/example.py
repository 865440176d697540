"""A row shown to a person."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One row shown to a person: its id (or position) and its text where one was given."""

    id: str
    text: str = ""
