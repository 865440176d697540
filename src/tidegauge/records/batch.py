"""Rows as they come in: a batch, how it was stored, and which columns hold what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tidegauge.records.impact import OutcomeUnit

StrArray = npt.NDArray[np.str_] | npt.NDArray[np.object_]

OF_OUTCOME = "outcome "
"""How a reason begins that is of an outcome: it was set aside, and its row is measured all the same."""


def rows_aside(counts: Mapping[str, int]) -> int:
    """How many rows were set aside, of counts by reason, those of outcomes left out.

    Examples
    --------
    >>> rows_aside({"nan": 2, "outcome success above its denominator": 5})
    2
    """
    return sum(count for reason, count in counts.items() if not reason.startswith(OF_OUTCOME))


@dataclass(frozen=True, slots=True)
class Stored:
    """How vectors were stored, where that is not how they are measured.

    Attributes
    ----------
    scale : float
        What int8 vectors were multiplied by; 0 where none were int8.
    width : int
        Their width before they were truncated and renormalised; 0 where they were not.
    unit : bool
        Of a reference: whether all its rows were of unit length, to one per cent.
    """

    scale: float = 0.0
    width: int = 0
    unit: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows that passed the gate, with what is known of each, and a count of those that did not.

    Attributes
    ----------
    x : float32 array, shape (n, d)
        Finite vectors, one row each; never aliases the caller's memory for writing.
    ids, texts, sessions, segments : array of str, shape (n,), or None
        The row's own id, its text, the session it belongs to, its segment.
    times : float64 array, shape (n,), or None
        Event time in seconds since 1970-01-01 UTC.
    outcomes : mapping of name to float64 array, shape (n, 2)
        Numerator and denominator of each declared outcome; a missing value has denominator 0.
    rejected : mapping of reason to int
        Rows set aside, by reason (``malformed``, ``null``, ``width``, ``nan``, ``inf``, ``overflow``, ``zero``,
        ``time``).
    first_rejected : mapping of reason to str
        Where the first row set aside for a reason stands, such as ``"a.csv, row 17"``.
    unfit : mapping of reason to int
        Outcomes set aside, by reason, such as ``"outcome success above its denominator"``; their rows are admitted.
    first_unfit : mapping of reason to str
        Where the first outcome set aside for a reason stands.
    source : str
        Where the rows came from, for messages.
    stored : Stored
        What the vectors were before.
    name : str
        Name of the batch in its stream, if it has one: rows without ids are then called ``name#1`` and so on, which
        is the same wherever and however often they are read.
    places : int64 array, shape (n,), or None
        The rows' numbers in the batch that has the name, from 1; None where they are all of it, in order.
    """

    x: npt.NDArray[np.float32]
    ids: StrArray | None = None
    texts: StrArray | None = None
    times: npt.NDArray[np.float64] | None = None
    sessions: StrArray | None = None
    segments: StrArray | None = None
    outcomes: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    first_rejected: Mapping[str, str] = field(default_factory=dict)
    unfit: Mapping[str, int] = field(default_factory=dict)
    first_unfit: Mapping[str, str] = field(default_factory=dict)
    source: str = "array"
    stored: Stored = Stored()
    name: str = ""
    places: npt.NDArray[np.int64] | None = None

    @property
    def rows(self) -> int:
        """Number of admitted rows."""
        return int(self.x.shape[0])

    @property
    def width(self) -> int:
        """Dimension of the vectors."""
        return int(self.x.shape[1])


@dataclass(frozen=True, slots=True)
class OutcomeColumns:
    """Where an outcome stands in a table: its column, that of its denominator (None: one a row), and its unit."""

    name: str
    column: str
    denominator: str | None = None
    unit: OutcomeUnit = "number"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold what. ``vector=None`` means: find the only column that can be one; int8 vectors are
    multiplied by ``scale``; where ``strict_times`` is False, a row without a usable time is set aside, not an error.
    ``outcomes`` are columns of numbers, and ``measures`` the outcomes that they make up; each is one, where none are.
    """

    vector: str | None = None
    id: str | None = None
    text: str | None = None
    time: str | None = None
    session: str | None = None
    segment: str | None = None
    outcomes: tuple[str, ...] = ()
    measures: tuple[OutcomeColumns, ...] = ()
    scale: float = 1 / 127
    strict_times: bool = True
