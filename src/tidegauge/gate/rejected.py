"""How many rows may be set aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from tidegauge.errors import DataError
from tidegauge.records import OF_OUTCOME, rows_aside

MAX_REJECTED: Final = 0.05
"""Largest share of rows that `check_rejected` lets pass as set aside."""


class Counted(Protocol):
    """What carries counts of admitted and rejected rows: a `Batch`, or a `Side`."""

    @property
    def source(self) -> str:
        """Where the rows came from."""
        ...

    @property
    def rows(self) -> int:
        """Number of admitted rows."""
        ...

    @property
    def rejected(self) -> Mapping[str, int]:
        """Rows set aside, by reason."""
        ...

    @property
    def first_rejected(self) -> Mapping[str, str]:
        """Where the first of each reason stands."""
        ...


def check_rejected(counted: Counted, limit: float = MAX_REJECTED) -> None:
    """Raise `DataError` where more than the share `limit` of the rows given was set aside, or every row was.

    Examples
    --------
    >>> from tidegauge.gate import admit
    >>> check_rejected(admit([[1.0], [0.0]], source="a.npy"))
    Traceback (most recent call last):
    tidegauge.errors.DataError: a.npy: got 1 of 2 rows set aside (50.0 %): 1 zero (first: a.npy, row 2), want at most \
5 %. Repair the rows, or leave them out
    """
    lost = rows_aside(counted.rejected)
    given = lost + counted.rows
    if not lost or (counted.rows and lost <= limit * given):
        return
    reasons = "; ".join(
        f"{count} {reason} (first: {counted.first_rejected.get(reason, 'unknown')})"
        for reason, count in counted.rejected.items()
        if not reason.startswith(OF_OUTCOME)
    )
    got = f"{lost} of {given} rows set aside ({100 * lost / given:.1f} %): {reasons}"
    hint = "Repair the rows, or leave them out"
    raise DataError(counted.source, got=got, want=f"at most {100 * limit:g} %", hint=hint)
